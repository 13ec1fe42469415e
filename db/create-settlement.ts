import { randomUUID } from 'node:crypto';

import { KeystoneError } from '../domain/errors.ts';
import type { FeeMode, LegFee, TemplateFee } from '../domain/fees.ts';
import type { Uuid } from '../domain/ids.ts';
import type { StatedLeg } from '../domain/legs.ts';
import type { SettlementState } from '../domain/settlement-state.ts';
import type { SettlementTemplate } from '../domain/templates.ts';
import type { ChainWallet } from '../domain/wallets.ts';
import type { JsonValue } from '../keystone/json.ts';
import { enqueueTemporal } from './outbox.ts';
import { withParticipants } from './parties.ts';
import type { Transaction } from './pool.ts';
import { type LockedSettlement, lockSettlement, recordCreation, recordNotice } from './settlement-events.ts';

/** A party of the creating environment, with what only it may see. */
export interface OwnParty {
  readonly position: number;
  readonly role: string;
  readonly externalReference: string;
  readonly name?: string | undefined;
  /** Lower case; as stated. */
  readonly walletAddress?: string | undefined;
  /** For every chain that the party's legs touch, as `resolveWallets` answers them. */
  readonly wallets: readonly ChainWallet[];
  readonly chainId?: number | undefined;
  /** ISO 3166-1 alpha-3 */
  readonly country?: string | undefined;
}

/** A party that another platform has still to confirm. */
export interface Counterparty {
  readonly position: number;
  readonly platformSlug: string;
  readonly role: string;
  readonly walletAddressHint?: string | undefined;
  readonly counterpartyReference?: string | undefined;
}

/** A leg whose instrument was looked up on chain. `amount` is in base units: what is paid in, fees included. */
export interface ResolvedLeg extends StatedLeg {
  readonly partyRole: string;
  readonly payerRole: string;
  readonly payeeRole: string;
  readonly decimals: number;
  readonly amount: bigint;
  readonly fees: readonly LegFee[];
}

export interface NewSettlement {
  readonly id: Uuid;
  readonly environmentId: Uuid;
  readonly platformId: Uuid;
  readonly settlementType: 'single_platform' | 'cross_platform';
  readonly origin: 'direct' | 'instructions';
  readonly template: SettlementTemplate;
  /** Null when there is no payment leg. */
  readonly feeMode: FeeMode | null;
  /** What the template takes of the payment legs, as their fees were computed. */
  readonly fee?: TemplateFee | undefined;
  readonly tradeReference: string | null;
  readonly state: SettlementState;
  /** ms since epoch */
  readonly deadlineMs: number;
  readonly externalReference?: string | undefined;
  readonly idempotencyKey?: string | undefined;
  readonly requestId: string;
  readonly parties: readonly OwnParty[];
  readonly legs: readonly ResolvedLeg[];
}

/**
 * Inserts a settlement with the creator's own parties and all legs; counterparties follow by `insertCounterparty` or by adopting a
 * matched instruction, then `announceCreation` makes it known. All in the caller's transaction.
 */
export async function insertSettlement(transaction: Transaction, settlement: NewSettlement): Promise<void> {
  await transaction.query(
    `INSERT INTO keystone.settlements (id, environment_id, platform_id, settlement_type, origin, template_slug, template_id,
       template_version, fee_mode, fee_basis_points, fee_recipient, trade_reference, state, timeout_at, request_id)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
    [
      settlement.id,
      settlement.environmentId,
      settlement.platformId,
      settlement.settlementType,
      settlement.origin,
      settlement.template.slug,
      settlement.template.id,
      settlement.template.version,
      settlement.feeMode,
      settlement.fee?.basisPoints ?? null,
      settlement.fee?.recipient ?? null,
      settlement.tradeReference,
      settlement.state,
      new Date(settlement.deadlineMs),
      settlement.requestId,
    ],
  );
  // A statement of its own: the policies of the next one look the access row up, and would not see it in the same statement.
  await transaction.query('INSERT INTO keystone.settlement_access (settlement_id, environment_id) VALUES ($1, $2)', [
    settlement.id,
    settlement.environmentId,
  ]);
  await insertOwnRows(transaction, settlement);
}

async function insertOwnRows(transaction: Transaction, settlement: NewSettlement): Promise<void> {
  await transaction.query(
    `WITH party AS (
       INSERT INTO keystone.parties (id, settlement_id, position, environment_id, platform_id, role, status, confirmed_at)
       SELECT p.id, $1, p.position, $2, $3, p.role, 'confirmed', clock_timestamp()
       FROM jsonb_to_recordset($4) AS p (id uuid, position smallint, role text)
     ), details AS (
       INSERT INTO keystone.party_details (party_id, settlement_id, environment_id, external_reference, name, wallet_address, chain_id, country)
       SELECT p.id, $1, $2, p.external_reference, p.name, p.wallet_address, p.chain_id, p.country
       FROM jsonb_to_recordset($4) AS p (id uuid, external_reference text, name text, wallet_address text, chain_id bigint, country text)
     ), wallet AS (
       INSERT INTO keystone.party_wallets (party_id, settlement_id, environment_id, chain_id, purpose, wallet_address, participant_id)
       SELECT p.id, $1, $2, w.chain_id, w.purpose, w.wallet_address, w.participant_id
       FROM jsonb_to_recordset($4) AS p (id uuid, wallets jsonb)
       CROSS JOIN LATERAL jsonb_to_recordset(p.wallets) AS w (chain_id bigint, purpose text, wallet_address text, participant_id uuid)
     ), leg AS (
       INSERT INTO keystone.legs (id, settlement_id, leg_index, leg_type, instrument_id, token_address, chain_id, token_standard, token_id,
         partition, decimals, quantity, amount, fees, direction, party_role, payer_role, payee_role)
       SELECT l.id, $1, l.leg_index, l.leg_type, l.instrument_id, lower(l.instrument_id), l.chain_id, l.token_standard, l.token_id,
         l.partition, l.decimals, l.quantity, l.amount, l.fees, l.direction, l.party_role, l.payer_role, l.payee_role
       FROM jsonb_to_recordset($5) AS l (id uuid, leg_index smallint, leg_type text, instrument_id text, chain_id bigint,
         token_standard text, token_id numeric, partition text, decimals smallint, quantity text, amount numeric, fees jsonb, direction text, party_role text, payer_role text,
         payee_role text)
     ), leg_details AS (
       INSERT INTO keystone.leg_owner_details (leg_id, settlement_id, environment_id, external_reference)
       SELECT l.id, $1, $2, l.external_reference FROM jsonb_to_recordset($5) AS l (id uuid, external_reference text)
       WHERE l.external_reference IS NOT NULL
     )
     INSERT INTO keystone.settlement_owner_details (settlement_id, environment_id, external_reference, idempotency_key)
     VALUES ($1, $2, $6, $7)`,
    [
      settlement.id,
      settlement.environmentId,
      settlement.platformId,
      JSON.stringify(settlement.parties.map(partyRow)),
      JSON.stringify(settlement.legs.map(legRow)),
      settlement.externalReference ?? null,
      settlement.idempotencyKey ?? null,
    ],
  );
}

function partyRow(party: OwnParty) {
  return {
    id: randomUUID(),
    position: party.position,
    role: party.role,
    external_reference: party.externalReference,
    name: party.name,
    wallet_address: party.walletAddress,
    wallets: withParticipants(party.wallets),
    chain_id: party.chainId,
    country: party.country,
  };
}

function legRow(leg: ResolvedLeg, index: number) {
  return {
    id: randomUUID(),
    leg_index: index,
    leg_type: leg.legType,
    instrument_id: leg.instrumentId,
    chain_id: leg.chainId,
    token_standard: leg.tokenStandard,
    token_id: leg.tokenId,
    partition: leg.partition,
    decimals: leg.decimals,
    quantity: leg.quantity,
    // Text: a JSON number would lose digits.
    amount: leg.amount.toString(),
    fees: leg.fees,
    direction: leg.direction,
    party_role: leg.partyRole,
    payer_role: leg.payerRole,
    payee_role: leg.payeeRole,
    external_reference: leg.externalReference,
  };
}

/**
 * Puts the placeholder of another platform's party into a settlement that is being created; answers that platform's environment.
 * Throws `platform_unknown` when it has no active environment of the initiator's environment slug, without saying which part is missing.
 */
export async function insertCounterparty(
  transaction: Transaction,
  settlementId: Uuid,
  counterparty: Counterparty,
): Promise<Uuid> {
  const rows = await transaction.query<{ environment_id: Uuid | null }>(
    'SELECT keystone.create_placeholder_party($1, $2, $3::smallint, $4, $5, $6, $7) AS environment_id',
    [
      settlementId,
      randomUUID(),
      counterparty.position,
      counterparty.platformSlug,
      counterparty.role,
      counterparty.walletAddressHint ?? null,
      counterparty.counterpartyReference ?? null,
    ],
  );
  const environmentId = rows[0]?.environment_id;
  if (environmentId === null || environmentId === undefined) {
    throw new KeystoneError(
      'platform_unknown',
      'The counterparty platform does not exist or has no active environment of this name.',
    );
  }
  return environmentId;
}

export interface ConfirmationRequest {
  readonly environmentId: Uuid;
  readonly payload: Record<string, JsonValue>;
}

/** The first events of a new settlement and the message that starts its workflow. */
export async function announceCreation(
  transaction: Transaction,
  settlementId: Uuid,
  announcement: {
    readonly triggeredBy: string;
    readonly requestId: string;
    readonly payload: Record<string, JsonValue>;
    readonly confirmations: readonly ConfirmationRequest[];
  },
): Promise<LockedSettlement> {
  const { triggeredBy, requestId, payload } = announcement;
  const inserted = await lockSettlement(transaction, settlementId);
  if (inserted === undefined) throw new KeystoneError('internal', 'The settlement vanished while it was created.');
  let locked = await recordCreation(transaction, inserted, { triggeredBy, requestId, payload });
  for (const confirmation of announcement.confirmations) {
    locked = await recordNotice(transaction, locked, 'settlement.confirmation_required', {
      triggeredBy,
      requestId,
      payload: confirmation.payload,
      onlyEnvironments: [confirmation.environmentId],
    });
  }
  await enqueueTemporal(transaction, settlementId, 'start', {}, { requestId });
  return locked;
}
