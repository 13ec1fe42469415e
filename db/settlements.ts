import type { FeeMode, LegFee } from '../domain/fees.ts';
import type { Uuid } from '../domain/ids.ts';
import type { Direction, LegStatus, LegType, TokenStandard } from '../domain/legs.ts';
import type { SettlementState } from '../domain/settlement-state.ts';
import type { ChainWallet } from '../domain/wallets.ts';
import type { JsonValue } from '../keystone/json.ts';
import type { Transaction } from './pool.ts';

/**
 * Reading settlements. Row-level security decides which rows and which details of parties come back; nothing here filters by tenant.
 * What the reader may not see (another party's references, wallet, name, reasons) comes back as null.
 */

export type PartyStatus = 'pending_confirmation' | 'confirmed' | 'rejected';
export type ScreeningStatus = 'passed' | 'flagged' | 'failed';

export interface PartyRecord {
  readonly id: Uuid;
  readonly position: number;
  readonly role: string;
  readonly platform_id: Uuid;
  readonly environment_id: Uuid;
  readonly status: PartyStatus;
  readonly wallet_address_hint: string | null;
  readonly counterparty_reference: string | null;
  readonly confirmed_at: Date | null;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly external_reference: string | null;
  readonly name: string | null;
  /** Lower case; as stated. */
  readonly wallet_address: string | null;
  readonly chain_id: number | null;
  /** Null for who may not see them, and before the confirmation. */
  readonly wallets: readonly ChainWallet[] | null;
  readonly country: string | null;
  /** The reader's own party only: worst check of its latest round. */
  readonly compliance: {
    readonly status: ScreeningStatus;
    readonly reason_code: string;
    /** A sandbox answered, not a provider. */
    readonly simulated: boolean;
  } | null;
}

export interface LegRecord {
  readonly id: Uuid;
  readonly leg_index: number;
  readonly leg_type: LegType;
  readonly instrument_id: string;
  readonly token_address: string;
  readonly chain_id: number;
  readonly token_standard: TokenStandard;
  readonly token_id: string | null;
  readonly partition: string | null;
  readonly decimals: number;
  /** Human units, decimal string. */
  readonly quantity: string;
  /** Base units to be paid in, decimal string. */
  readonly amount: string;
  readonly fees: readonly LegFee[];
  readonly direction: Direction;
  readonly party_role: string;
  readonly payer_role: string;
  readonly payee_role: string;
  readonly status: LegStatus;
  readonly external_reference: string | null;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export interface SettlementRecord {
  readonly id: Uuid;
  readonly environment_id: Uuid;
  readonly platform_id: Uuid;
  readonly settlement_type: 'single_platform' | 'cross_platform';
  readonly origin: 'direct' | 'instructions';
  readonly template_slug: string;
  readonly template_id: Uuid;
  readonly template_version: number;
  readonly fee_mode: FeeMode | null;
  readonly fee_basis_points: number | null;
  readonly fee_recipient: string | null;
  readonly trade_reference: string | null;
  readonly state: SettlementState;
  readonly timeout_at: Date;
  readonly ending_code: string | null;
  readonly coordinator_chain_id: number | null;
  readonly terms_hash: string | null;
  readonly decision_digest: string | null;
  readonly created_at: Date;
  readonly updated_at: Date;
  /** Position in the list: creation time to the microsecond, in UTC. */
  readonly created_key: string;
  readonly external_reference: string | null;
  readonly idempotency_key: string | null;
  /** Verdict of the latest round of screening, for everybody involved. Null before it. */
  readonly compliance_verdict: ScreeningStatus | null;
  readonly compliance_round: number | null;
  readonly compliance_decision: 'approve' | 'reject' | null;
  readonly parties: readonly PartyRecord[];
  readonly legs: readonly LegRecord[];
}

/** Whose eyes a read is for: a tenant asks about screening through a function that hides whose check it was. */
export type Reader = 'tenant' | 'operator';

const STANDING: Readonly<Record<Reader, string>> = {
  tenant: 'LEFT JOIN LATERAL keystone.compliance_standing(s.id) c ON true',
  operator: `LEFT JOIN LATERAL (
    SELECT k.round, CASE WHEN bool_or(k.status = 'FAIL') THEN 'failed' WHEN bool_or(k.status = 'FLAGGED') THEN 'flagged' ELSE 'passed' END AS verdict,
      (SELECT d.decision FROM keystone.compliance_decisions d WHERE d.settlement_id = s.id AND d.round = k.round) AS decision
    FROM keystone.compliance_checks k WHERE k.settlement_id = s.id GROUP BY k.round ORDER BY k.round DESC LIMIT 1) c ON true`,
};

const PARTIES = `(SELECT coalesce(json_agg(json_build_object('id', p.id, 'position', p.position, 'role', p.role, 'platform_id', p.platform_id,
    'environment_id', p.environment_id, 'status', p.status, 'wallet_address_hint', p.wallet_address_hint,
    'counterparty_reference', p.counterparty_reference, 'confirmed_at', p.confirmed_at, 'created_at', p.created_at,
    'updated_at', p.updated_at, 'external_reference', d.external_reference, 'name', d.name, 'wallet_address', d.wallet_address,
    'chain_id', d.chain_id, 'country', d.country, 'wallets', (
      SELECT json_agg(json_build_object('chain_id', w.chain_id, 'purpose', w.purpose, 'wallet_address', w.wallet_address)
                      ORDER BY w.chain_id, w.purpose DESC)
      FROM keystone.party_wallets w WHERE w.party_id = p.id), 'compliance', (
      SELECT json_build_object('status', CASE k.status WHEN 'FAIL' THEN 'failed' WHEN 'FLAGGED' THEN 'flagged' ELSE 'passed' END,
                               'reason_code', k.reason_code, 'simulated', k.simulated)
      FROM keystone.compliance_checks k WHERE k.party_id = p.id
      ORDER BY k.round DESC, CASE k.status WHEN 'FAIL' THEN 0 WHEN 'FLAGGED' THEN 1 ELSE 2 END, k.kind, k.chain_id, k.party_hash LIMIT 1)) ORDER BY p.position), '[]')
  FROM keystone.parties p LEFT JOIN keystone.party_details d ON d.party_id = p.id WHERE p.settlement_id = s.id)`;

// The reader's own reference of a leg; an operator, who sees everybody's, gets the initiator's.
const LEGS = `(SELECT coalesce(json_agg(json_build_object('id', l.id, 'leg_index', l.leg_index, 'leg_type', l.leg_type,
    'instrument_id', l.instrument_id, 'token_address', l.token_address, 'chain_id', l.chain_id, 'token_standard', l.token_standard,
    'token_id', l.token_id::text, 'partition', l.partition, 'decimals', l.decimals, 'quantity', l.quantity, 'amount', l.amount::text,
    'fees', l.fees, 'direction', l.direction, 'party_role', l.party_role,
    'payer_role', l.payer_role, 'payee_role', l.payee_role, 'status', l.status, 'created_at', l.created_at, 'updated_at', l.updated_at,
    'external_reference', (SELECT o.external_reference FROM keystone.leg_owner_details o WHERE o.leg_id = l.id
                           ORDER BY o.environment_id <> s.environment_id LIMIT 1)) ORDER BY l.leg_index), '[]')
  FROM keystone.legs l WHERE l.settlement_id = s.id)`;

function selectSettlements(reader: Reader): string {
  return `SELECT s.id, s.environment_id, s.platform_id, s.settlement_type, s.origin, s.template_slug, s.template_id, s.template_version,
      s.fee_mode, s.fee_basis_points, s.fee_recipient, s.trade_reference, s.state, s.timeout_at, s.ending_code, s.coordinator_chain_id, s.terms_hash, s.decision_digest, s.created_at,
      s.updated_at, to_char(s.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_key,
      own.external_reference, own.idempotency_key, c.verdict AS compliance_verdict, c.round AS compliance_round,
      c.decision AS compliance_decision, ${PARTIES} AS parties, ${LEGS} AS legs
    FROM keystone.settlements s
    LEFT JOIN LATERAL (SELECT o.external_reference, o.idempotency_key FROM keystone.settlement_owner_details o
                       WHERE o.settlement_id = s.id ORDER BY o.environment_id <> s.environment_id LIMIT 1) own ON true
    ${STANDING[reader]}`;
}

/** The settlement as the reader may see it; undefined when there is none or it is not theirs. */
export async function readSettlement(
  transaction: Transaction,
  id: Uuid,
  reader: Reader,
): Promise<SettlementRecord | undefined> {
  const rows = await transaction.query<SettlementRecord>(`${selectSettlements(reader)} WHERE s.id = $1`, [id]);
  return rows[0] === undefined ? undefined : withDates(rows[0]);
}

/** A place in a list that is ordered by creation: items strictly after it follow. */
export interface ListPosition {
  readonly createdKey: string;
  readonly id: Uuid;
}

export interface Page {
  readonly limit: number;
  readonly offset: number;
  readonly after?: ListPosition | undefined;
}

export interface Listed<Item> {
  readonly items: readonly Item[];
  readonly total: number;
  readonly hasMore: boolean;
}

/** Newest first. `after` goes before `offset`: with it, nothing is skipped or shown twice while rows are added. */
export async function listSettlements(
  transaction: Transaction,
  filter: Page & { readonly reader: Reader; readonly state?: SettlementState | undefined },
): Promise<Listed<SettlementRecord>> {
  const state = filter.state ?? null;
  const counted = await transaction.query<{ total: number }>(
    'SELECT count(*)::int AS total FROM keystone.settlements s WHERE $1::text IS NULL OR s.state = $1',
    [state],
  );
  const rows = await transaction.query<SettlementRecord>(
    `${selectSettlements(filter.reader)}
     WHERE ($1::text IS NULL OR s.state = $1) AND ($2::timestamptz IS NULL OR (s.created_at, s.id) < ($2::timestamptz, $3::uuid))
     ORDER BY s.created_at DESC, s.id DESC LIMIT $4 OFFSET $5`,
    [
      state,
      filter.after?.createdKey ?? null,
      filter.after?.id ?? null,
      filter.limit + 1,
      filter.after === undefined ? filter.offset : 0,
    ],
  );
  return {
    items: rows.slice(0, filter.limit).map(withDates),
    total: counted[0]?.total ?? 0,
    hasMore: rows.length > filter.limit,
  };
}

export interface EventRecord {
  readonly id: Uuid;
  readonly settlement_id: Uuid;
  readonly sequence: number;
  readonly type: string;
  readonly from_state: SettlementState | null;
  readonly to_state: SettlementState;
  readonly triggered_by: string;
  readonly payload: Record<string, JsonValue>;
  readonly content_hash: string;
  readonly previous_hash: string | null;
  readonly created_at: Date;
}

/** Oldest first. Undefined when the reader may not see the settlement. `afterSequence` goes before `offset`. */
export async function listSettlementEvents(
  transaction: Transaction,
  settlementId: Uuid,
  page: { readonly limit: number; readonly offset: number; readonly afterSequence?: number | undefined },
): Promise<Listed<EventRecord> | undefined> {
  const settlement = await transaction.query<{ event_sequence: number }>(
    'SELECT event_sequence FROM keystone.settlements WHERE id = $1',
    [settlementId],
  );
  if (settlement[0] === undefined) return undefined;
  const rows = await transaction.query<EventRecord>(
    `SELECT id, settlement_id, sequence, type, from_state, to_state, triggered_by, payload, content_hash, previous_hash, created_at
     FROM keystone.settlement_events WHERE settlement_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3 OFFSET $4`,
    [settlementId, page.afterSequence ?? 0, page.limit + 1, page.afterSequence === undefined ? page.offset : 0],
  );
  return {
    items: rows.slice(0, page.limit),
    // Events have no gaps, so the last one's number is their count.
    total: settlement[0].event_sequence,
    hasMore: rows.length > page.limit,
  };
}

/** Undefined: not visible. Null: there is no proof yet. Otherwise the pack's text, byte for byte as it was signed. */
export async function readProof(transaction: Transaction, settlementId: Uuid): Promise<string | null | undefined> {
  const rows = await transaction.query<{ pack: string | null }>(
    'SELECT p.pack FROM keystone.settlements s LEFT JOIN keystone.proofs p ON p.settlement_id = s.id WHERE s.id = $1',
    [settlementId],
  );
  return rows[0]?.pack;
}

/** Whether a settlement that the reader may see carries this trade reference. */
export async function isTradeReferenceSettled(transaction: Transaction, tradeReference: string): Promise<boolean> {
  const rows = await transaction.query('SELECT 1 FROM keystone.settlements WHERE trade_reference = $1', [
    tradeReference,
  ]);
  return rows.length > 0;
}

/** Dates inside JSON come as text. */
function withDates(row: SettlementRecord): SettlementRecord {
  return {
    ...row,
    parties: row.parties.map((party) => ({
      ...party,
      confirmed_at: party.confirmed_at === null ? null : new Date(party.confirmed_at),
      created_at: new Date(party.created_at),
      updated_at: new Date(party.updated_at),
    })),
    legs: row.legs.map((leg) => ({
      ...leg,
      created_at: new Date(leg.created_at),
      updated_at: new Date(leg.updated_at),
    })),
  };
}
