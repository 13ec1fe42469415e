import { randomUUID } from 'node:crypto';

import { recordAudit } from '../../db/audit.ts';
import type { ResolvedLeg } from '../../db/create-settlement.ts';
import { claimIdempotencyKey, findByIdempotencyKey, type IdempotencyClaim } from '../../db/idempotency.ts';
import {
  type InstructionLeg,
  type InstructionRecord,
  insertInstruction,
  type NewInstruction,
  readInstruction,
} from '../../db/instructions.ts';
import type { Transaction } from '../../db/pool.ts';
import { KeystoneError } from '../../domain/errors.ts';
import type { FeeMode } from '../../domain/fees.ts';
import { TRADE_REFERENCE_PREFIX, type Uuid } from '../../domain/ids.ts';
import type { SettlementTemplate } from '../../domain/templates.ts';
import { actorOf, type ApiDependencies } from '../dependencies.ts';
import { requestFingerprint } from '../idempotency.ts';
import type { Answer, Handler, PlatformCaller } from '../route.ts';
import { claimOf } from '../settlements/create.ts';
import { chainsNamed, chooseFeeMode, resolveLegs } from '../leg-rules.ts';
import { checkChain, checkRole, chooseDeadline, chooseTemplate } from '../trade-rules.ts';
import { type CheckedWallets, checkStatedWallets, walletsForLegs } from '../wallet-rules.ts';
import { submitInstruction as contract, type SubmitInstructionBody } from './contract.ts';
import { matchWithPending } from './match.ts';
import { showInstruction } from './views.ts';

/** `POST /v1/instructions`: the instruction, and with its other side the settlement, in one transaction. */
export function submitInstructionHandler(dependencies: ApiDependencies): Handler<typeof contract> {
  const { database } = dependencies;
  return async ({ caller, principal, body, rawBody, idempotencyKey, requestId }) => {
    const claim = claimOf(caller, idempotencyKey, requestFingerprint(contract.method, contract.path, rawBody));
    const known = claim && (await database.transaction(principal, (transaction) => replay(transaction, claim)));
    if (known !== undefined) return replayed(known);
    const side = await checkSide(dependencies, caller, body);
    return database.transaction(principal, async (transaction) => {
      const id = randomUUID();
      const earlier = claim && (await claimIdempotencyKey(transaction, claim, id));
      if (earlier !== undefined) return replayed(await readSubmitted(transaction, earlier));
      const stated: NewInstruction = {
        id,
        environmentId: caller.environmentId,
        platformId: caller.platformId,
        tradeReference: body.trade_reference ?? `${TRADE_REFERENCE_PREFIX}${randomUUID()}`,
        templateSlug: side.template.slug,
        role: body.role,
        party: side.party,
        legs: side.legs.map(storedLeg),
        feeMode: side.feeMode,
        idempotencyKey,
        deadlineMs: side.deadlineMs,
      };
      // A reference that was just made up cannot have another side yet.
      const match =
        body.trade_reference === undefined
          ? {}
          : await matchWithPending(transaction, {
              caller,
              stated,
              template: side.template,
              fee: side.feeMode === null ? undefined : dependencies.templateFees[side.template.slug],
              wallets: side.wallets,
              requestId,
              nowMs: dependencies.now(),
            });
      await insertInstruction(transaction, { ...stated, ...match });
      await recordAudit(transaction, {
        environmentId: caller.environmentId,
        settlementId: match.settlementId,
        actor: actorOf(caller),
        action: 'instruction.submit',
        resourceType: 'instruction',
        resourceId: id,
        requestId,
        detail: { matched: match.settlementId !== undefined, match_refusal: match.matchRefusal ?? null },
      });
      const submitted = await readSubmitted(transaction, id);
      return { status: 201, body: showInstruction(submitted), headers: { Location: `/v1/instructions/${id}` } };
    });
  };
}

async function replay(transaction: Transaction, claim: IdempotencyClaim): Promise<InstructionRecord | undefined> {
  const earlier = await findByIdempotencyKey(transaction, claim);
  return earlier === undefined ? undefined : readSubmitted(transaction, earlier);
}

function replayed(instruction: InstructionRecord): Answer {
  return { status: 200, body: showInstruction(instruction), headers: { 'Idempotency-Replayed': 'true' } };
}

async function readSubmitted(transaction: Transaction, id: Uuid): Promise<InstructionRecord> {
  const instruction = await readInstruction(transaction, id);
  if (instruction === undefined) throw new KeystoneError('internal', 'The instruction of this request is not there.');
  return instruction;
}

interface CheckedSide {
  readonly template: SettlementTemplate;
  readonly deadlineMs: number;
  readonly party: NewInstruction['party'];
  readonly legs: readonly ResolvedLeg[];
  readonly feeMode: FeeMode | null;
  readonly wallets: CheckedWallets;
}

async function checkSide(
  dependencies: ApiDependencies,
  caller: PlatformCaller,
  body: SubmitInstructionBody,
): Promise<CheckedSide> {
  const { chains } = dependencies;
  const template = chooseTemplate(body.template_slug, undefined, chains);
  checkRole(template, body.role, '/role');
  const deadlineMs = chooseDeadline(body.timeout_at, caller.defaultTimeoutSeconds, dependencies.now());
  checkChain(body.party.chain_id, '/party/chain_id', chains);
  const wallets = checkStatedWallets(body.party, '/party', chains);
  const stated = body.legs.map((leg) => ({ ...leg, party_role: body.role }));
  const legs = await resolveLegs(dependencies, template, stated, () => chainsNamed(body.party));
  const feeMode = chooseFeeMode(template, legs, body.fee_mode);
  const places = legs.map((leg) => ({ ...leg, token: leg.instrumentId }));
  const { external_reference, name, chain_id, country } = body.party;
  const party = {
    external_reference,
    name: name ?? null,
    wallet_address: wallets.walletAddress ?? null,
    chain_id: chain_id ?? null,
    country: country ?? null,
    wallets: walletsForLegs(wallets, body.role, places, chains),
  };
  return { template, deadlineMs, party, legs, feeMode, wallets };
}

function storedLeg(leg: ResolvedLeg): InstructionLeg {
  return {
    legType: leg.legType,
    instrumentId: leg.instrumentId,
    quantity: leg.quantity,
    direction: leg.direction,
    chainId: leg.chainId,
    tokenStandard: leg.tokenStandard,
    tokenId: leg.tokenId,
    partition: leg.partition,
    externalReference: leg.externalReference,
    decimals: leg.decimals,
    amount: leg.amount.toString(),
  };
}
