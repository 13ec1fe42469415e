import { randomUUID } from 'node:crypto';

import { recordAudit } from '../../db/audit.ts';
import {
  announceCreation,
  type ConfirmationRequest,
  type Counterparty,
  insertCounterparty,
  insertSettlement,
  type NewSettlement,
  type OwnParty,
  type ResolvedLeg,
} from '../../db/create-settlement.ts';
import { claimIdempotencyKey, findByIdempotencyKey, type IdempotencyClaim } from '../../db/idempotency.ts';
import type { Transaction } from '../../db/pool.ts';
import { readSettlement, type SettlementRecord } from '../../db/settlements.ts';
import { KeystoneError } from '../../domain/errors.ts';
import type { FeeMode, TemplateFee } from '../../domain/fees.ts';
import type { Uuid } from '../../domain/ids.ts';
import type { SettlementTemplate } from '../../domain/templates.ts';
import { legPaidToItsPayer } from '../../domain/wallets.ts';
import type { JsonValue } from '../../keystone/json.ts';
import { actorOf, type ApiDependencies, triggeredBy } from '../dependencies.ts';
import { requestFingerprint } from '../idempotency.ts';
import type { Answer, Handler, PlatformCaller } from '../route.ts';
import { chainsNamed, chooseFeeMode, resolveLegs, withFees } from '../leg-rules.ts';
import { checkChain, checkRoles, chooseDeadline, chooseTemplate, refusal } from '../trade-rules.ts';
import { type CheckedWallets, checkStatedWallets, walletsForLegs, walletShared } from '../wallet-rules.ts';
import { createSettlement as contract, type CreateSettlementBody } from './contract.ts';
import { showFees, shownAddress, showSettlement } from './views.ts';

/** `POST /v1/settlements`: everything that needs the chain comes before the one transaction that writes it all. */
export function createSettlementHandler(dependencies: ApiDependencies): Handler<typeof contract> {
  const { database } = dependencies;
  return async ({ caller, principal, body, rawBody, idempotencyKey, requestId }) => {
    const claim = claimOf(caller, idempotencyKey, requestFingerprint(contract.method, contract.path, rawBody));
    // Looked up before the rules are asked: a repeat must find its settlement although its deadline has passed or the chain is down.
    const known = claim && (await database.transaction(principal, (transaction) => replay(transaction, claim)));
    if (known !== undefined) return replayed(known);
    const trade = await checkTrade(dependencies, caller, body);
    return database.transaction(principal, async (transaction) => {
      const settlementId = randomUUID();
      const earlier = claim && (await claimIdempotencyKey(transaction, claim, settlementId));
      if (earlier !== undefined) return replayed(await readCreated(transaction, earlier));
      await writeSettlement(transaction, caller, { ...trade, settlementId, body, requestId, idempotencyKey });
      await recordAudit(transaction, {
        environmentId: caller.environmentId,
        settlementId,
        actor: actorOf(caller),
        action: 'settlement.create',
        resourceType: 'settlement',
        resourceId: settlementId,
        requestId,
      });
      const created = await readCreated(transaction, settlementId);
      return { status: 201, body: showSettlement(created), headers: { Location: `/v1/settlements/${settlementId}` } };
    });
  };
}

export function claimOf(
  caller: PlatformCaller,
  key: string | undefined,
  fingerprint: string,
): IdempotencyClaim | undefined {
  return key === undefined ? undefined : { environmentId: caller.environmentId, key, fingerprint };
}

async function replay(transaction: Transaction, claim: IdempotencyClaim): Promise<SettlementRecord | undefined> {
  const earlier = await findByIdempotencyKey(transaction, claim);
  return earlier === undefined ? undefined : readCreated(transaction, earlier);
}

function replayed(settlement: SettlementRecord): Answer {
  return { status: 200, body: showSettlement(settlement), headers: { 'Idempotency-Replayed': 'true' } };
}

async function readCreated(transaction: Transaction, settlementId: Uuid): Promise<SettlementRecord> {
  const settlement = await readSettlement(transaction, settlementId, 'tenant');
  if (settlement === undefined) throw new KeystoneError('internal', 'The settlement of this request is not there.');
  return settlement;
}

interface CheckedTrade {
  readonly template: SettlementTemplate;
  readonly deadlineMs: number;
  readonly feeMode: FeeMode | null;
  readonly fee: TemplateFee | undefined;
  readonly parties: readonly OwnParty[];
  readonly counterparties: readonly Counterparty[];
  readonly legs: readonly ResolvedLeg[];
}

async function checkTrade(
  dependencies: ApiDependencies,
  caller: PlatformCaller,
  body: CreateSettlementBody,
): Promise<CheckedTrade> {
  const { chains } = dependencies;
  const template = chooseTemplate(body.template_slug, body.template_id, chains);
  checkRoles(template, [
    ...body.parties.map(({ role }, index) => ({ role, pointer: `/parties/${index}/role` })),
    ...body.counterparty_parties.map(({ role }, index) => ({ role, pointer: `/counterparty_parties/${index}/role` })),
  ]);
  const deadlineMs = chooseDeadline(body.timeout_at, caller.defaultTimeoutSeconds, dependencies.now());
  const wallets = body.parties.map((party, index) => {
    checkChain(party.chain_id, `/parties/${index}/chain_id`, chains);
    return checkStatedWallets(party, `/parties/${index}`, chains);
  });
  const counterparties = checkCounterparties(caller, body);
  const resolved = await resolveLegs(dependencies, template, body.legs, (role) => {
    const party = body.parties.find((candidate) => candidate.role === role);
    return party === undefined ? [] : chainsNamed(party);
  });
  const feeMode = chooseFeeMode(template, resolved, body.fee_mode);
  const fee = feeMode === null ? undefined : dependencies.templateFees[template.slug];
  const legs = withFees(resolved, feeMode, fee);
  const parties = ownParties(body, wallets, legs, chains);
  return { template, deadlineMs, feeMode, fee, parties, counterparties, legs };
}

function checkCounterparties(caller: PlatformCaller, body: CreateSettlementBody): Counterparty[] {
  return body.counterparty_parties.map((counterparty, index) => {
    // A placeholder of one's own could never be confirmed: the initiator may not confirm.
    if (counterparty.platform_slug === caller.platformSlug) {
      throw refusal(
        'platform_unknown',
        `/counterparty_parties/${index}/platform_slug`,
        'Name your own parties in parties.',
      );
    }
    return {
      position: body.parties.length + index,
      platformSlug: counterparty.platform_slug,
      role: counterparty.role,
      walletAddressHint: counterparty.wallet_address_hint,
      counterpartyReference: counterparty.counterparty_reference,
    };
  });
}

/** The creator's own parties with their wallets on the chains of their legs, none of which pays itself. */
function ownParties(
  body: CreateSettlementBody,
  stated: readonly CheckedWallets[],
  legs: readonly ResolvedLeg[],
  chains: ApiDependencies['chains'],
): OwnParty[] {
  const places = legs.map((leg) => ({ ...leg, token: leg.instrumentId }));
  const parties = stated.map((wallets, position) => {
    const party = body.parties[position];
    if (party === undefined) throw new KeystoneError('internal', 'A party lost its wallets.');
    return {
      position,
      role: party.role,
      externalReference: party.external_reference,
      name: party.name,
      walletAddress: wallets.walletAddress,
      wallets: walletsForLegs(wallets, party.role, places, chains),
      chainId: party.chain_id,
      country: party.country,
    };
  });
  const shared = legPaidToItsPayer(legs, (role) => parties.find((party) => party.role === role)?.wallets);
  const last = stated.at(-1);
  if (shared !== undefined && last !== undefined) throw walletShared(last, shared);
  return parties;
}

async function writeSettlement(
  transaction: Transaction,
  caller: PlatformCaller,
  input: CheckedTrade & {
    readonly settlementId: Uuid;
    readonly body: CreateSettlementBody;
    readonly requestId: string;
    readonly idempotencyKey: string | undefined;
  },
): Promise<void> {
  const crossPlatform = input.counterparties.length > 0;
  const settlement: NewSettlement = {
    id: input.settlementId,
    environmentId: caller.environmentId,
    platformId: caller.platformId,
    settlementType: crossPlatform ? 'cross_platform' : 'single_platform',
    origin: 'direct',
    template: input.template,
    feeMode: input.feeMode,
    fee: input.fee,
    tradeReference: null,
    state: crossPlatform ? 'AWAITING_CONFIRMATION' : 'INSTRUCTED',
    deadlineMs: input.deadlineMs,
    externalReference: input.body.external_reference,
    idempotencyKey: input.idempotencyKey,
    requestId: input.requestId,
    parties: input.parties,
    legs: input.legs,
  };
  await insertSettlement(transaction, settlement);
  const confirmations: ConfirmationRequest[] = [];
  for (const [index, counterparty] of input.counterparties.entries()) {
    const environmentId = await insertCounterparty(transaction, settlement.id, counterparty).catch((error: unknown) => {
      throw atPlatform(error, index);
    });
    confirmations.push({ environmentId, payload: confirmationPayload(counterparty, settlement) });
  }
  await announceCreation(transaction, settlement.id, {
    triggeredBy: triggeredBy(caller),
    requestId: input.requestId,
    payload: { origin: 'direct', template_slug: input.template.slug, fee_mode: input.feeMode },
    confirmations,
  });
}

function atPlatform(error: unknown, index: number): unknown {
  if (!(error instanceof KeystoneError) || error.code !== 'platform_unknown') return error;
  return refusal(error.code, `/counterparty_parties/${index}/platform_slug`, error.detail);
}

/** What the counterparty needs to find the entity that is meant, and to see what is traded. */
function confirmationPayload(counterparty: Counterparty, settlement: NewSettlement): Record<string, JsonValue> {
  return {
    role: counterparty.role,
    wallet_address_hint: counterparty.walletAddressHint ?? null,
    counterparty_reference: counterparty.counterpartyReference ?? null,
    timeout_at: new Date(settlement.deadlineMs).toISOString(),
    fee_mode: settlement.feeMode,
    legs: settlement.legs.map((leg, index) => ({
      leg_index: index,
      leg_type: leg.legType,
      instrument_id: shownAddress(leg.instrumentId),
      chain_id: leg.chainId,
      token_standard: leg.tokenStandard,
      token_id: leg.tokenId ?? null,
      partition: leg.partition ?? null,
      quantity: leg.quantity,
      ...showFees({ amount: leg.amount.toString(), fees: leg.fees }),
      direction: leg.direction,
      party_role: leg.partyRole,
    })),
  };
}
