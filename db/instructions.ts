import type { FeeMode } from '../domain/fees.ts';
import type { Uuid } from '../domain/ids.ts';
import type { StatedLeg } from '../domain/legs.ts';
import type { MatchRefusal } from '../domain/matching.ts';
import type { ChainWallet } from '../domain/wallets.ts';
import type { Transaction } from './pool.ts';
import type { Listed, Page } from './settlements.ts';

export const INSTRUCTION_STATUSES = ['pending_match', 'matched', 'cancelled', 'expired'] as const;
export type InstructionStatus = (typeof INSTRUCTION_STATUSES)[number];

/** A leg as it is stored: as stated, with what the chain says of its token. `amount`: the quantity in base units, without fees. */
export interface InstructionLeg extends StatedLeg {
  readonly decimals: number;
  readonly amount: string;
}

export interface InstructionParty {
  readonly external_reference: string;
  readonly name: string | null;
  /** Lower case; as stated. */
  readonly wallet_address: string | null;
  readonly chain_id: number | null;
  /** ISO 3166-1 alpha-3 */
  readonly country: string | null;
  /** For every chain that the legs touch. */
  readonly wallets: readonly ChainWallet[];
}

export interface InstructionRecord {
  readonly id: Uuid;
  readonly environment_id: Uuid;
  readonly platform_id: Uuid;
  readonly trade_reference: string;
  readonly status: InstructionStatus;
  readonly settlement_id: Uuid | null;
  readonly template_slug: string;
  readonly role: string;
  readonly party: InstructionParty;
  readonly legs: readonly InstructionLeg[];
  readonly fee_mode: FeeMode | null;
  readonly idempotency_key: string | null;
  readonly match_refusal: MatchRefusal | null;
  readonly timeout_at: Date;
  readonly expires_at: Date;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly created_key: string;
}

// An instruction that nobody matched in time is expired from that moment on, whether or not a sweep has written it down.
const STATUS = `CASE WHEN i.status = 'pending_match' AND i.expires_at <= clock_timestamp() THEN 'expired' ELSE i.status END`;
const SELECT = `SELECT i.id, i.environment_id, i.platform_id, i.trade_reference, ${STATUS} AS status, i.settlement_id, i.template_slug,
  i.role, i.party, i.legs, i.fee_mode, i.idempotency_key, i.match_refusal, i.timeout_at, i.expires_at, i.created_at, i.updated_at,
  to_char(i.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_key FROM keystone.instructions i`;

export async function readInstruction(transaction: Transaction, id: Uuid): Promise<InstructionRecord | undefined> {
  const rows = await transaction.query<InstructionRecord>(`${SELECT} WHERE i.id = $1`, [id]);
  return rows[0];
}

/** Newest first; `after` goes before `offset`. */
export async function listInstructions(
  transaction: Transaction,
  filter: Page & { readonly status?: InstructionStatus | undefined },
): Promise<Listed<InstructionRecord>> {
  const status = filter.status ?? null;
  const counted = await transaction.query<{ total: number }>(
    `SELECT count(*)::int AS total FROM keystone.instructions i WHERE $1::text IS NULL OR ${STATUS} = $1`,
    [status],
  );
  const rows = await transaction.query<InstructionRecord>(
    `${SELECT} WHERE ($1::text IS NULL OR ${STATUS} = $1) AND ($2::timestamptz IS NULL OR (i.created_at, i.id) < ($2::timestamptz, $3::uuid))
     ORDER BY i.created_at DESC, i.id DESC LIMIT $4 OFFSET $5`,
    [
      status,
      filter.after?.createdKey ?? null,
      filter.after?.id ?? null,
      filter.limit + 1,
      filter.after === undefined ? filter.offset : 0,
    ],
  );
  return {
    items: rows.slice(0, filter.limit),
    total: counted[0]?.total ?? 0,
    hasMore: rows.length > filter.limit,
  };
}

export interface NewInstruction {
  readonly id: Uuid;
  readonly environmentId: Uuid;
  readonly platformId: Uuid;
  readonly tradeReference: string;
  readonly templateSlug: string;
  readonly role: string;
  readonly party: InstructionParty;
  readonly legs: readonly InstructionLeg[];
  /** As stated or else the template's; null when there is no payment leg. */
  readonly feeMode: FeeMode | null;
  readonly idempotencyKey?: string | undefined;
  /** ms since epoch; both its deadline and the end of its wait for a match. */
  readonly deadlineMs: number;
  /** The settlement that it was matched into, or why it was not. */
  readonly settlementId?: Uuid | undefined;
  readonly matchRefusal?: MatchRefusal | undefined;
}

export async function insertInstruction(transaction: Transaction, instruction: NewInstruction): Promise<void> {
  await transaction.query(
    `INSERT INTO keystone.instructions (id, environment_id, platform_id, trade_reference, status, settlement_id, template_slug, role,
       party, legs, fee_mode, idempotency_key, match_refusal, timeout_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14)`,
    [
      instruction.id,
      instruction.environmentId,
      instruction.platformId,
      instruction.tradeReference,
      instruction.settlementId === undefined ? 'pending_match' : 'matched',
      instruction.settlementId ?? null,
      instruction.templateSlug,
      instruction.role,
      JSON.stringify(instruction.party),
      JSON.stringify(instruction.legs),
      instruction.feeMode,
      instruction.idempotencyKey ?? null,
      instruction.matchRefusal ?? null,
      new Date(instruction.deadlineMs),
    ],
  );
}

/** Answers whether it was still waiting for a match; a concurrent match and a cancellation exclude each other by the row's lock. */
export async function cancelPendingInstruction(transaction: Transaction, id: Uuid): Promise<boolean> {
  const rows = await transaction.query(
    `UPDATE keystone.instructions SET status = 'cancelled', updated_at = clock_timestamp()
     WHERE id = $1 AND status = 'pending_match' AND expires_at > clock_timestamp() RETURNING id`,
    [id],
  );
  return rows.length > 0;
}

/** The other side as far as matching may look at it. */
export interface MatchCandidate {
  readonly id: Uuid;
  readonly template_slug: string;
  readonly role: string;
  readonly fee_mode: FeeMode | null;
  /** Without its owner's references. */
  readonly legs: readonly InstructionLeg[];
  readonly timeout_at: Date;
}

/** Locks the pending instructions of this reference, oldest first, against every other submission of it. */
export async function lockMatchCandidates(
  transaction: Transaction,
  tradeReference: string,
  limit: number,
): Promise<MatchCandidate[]> {
  return transaction.query<MatchCandidate>('SELECT * FROM keystone.lock_match_candidates($1, $2)', [
    tradeReference,
    limit,
  ]);
}

/** Whether a leg would be paid by and to the same wallet if this instruction were matched with a side that has these wallets. */
export async function candidateSharesWallet(
  transaction: Transaction,
  candidateId: Uuid,
  wallets: readonly ChainWallet[],
): Promise<boolean> {
  const rows = await transaction.query<{ same: boolean }>('SELECT keystone.candidate_shares_wallet($1, $2) AS same', [
    candidateId,
    JSON.stringify(wallets),
  ]);
  return rows[0]?.same === true;
}

/** Marks the other side matched and brings its party into the settlement; answers its environment. */
export async function adoptMatchedInstruction(
  transaction: Transaction,
  adoption: {
    readonly candidateId: Uuid;
    readonly settlementId: Uuid;
    readonly partyId: Uuid;
    readonly position: number;
  },
): Promise<Uuid | undefined> {
  const rows = await transaction.query<{ environment_id: Uuid }>(
    'SELECT keystone.adopt_matched_instruction($1, $2, $3, $4::smallint) AS environment_id',
    [adoption.candidateId, adoption.settlementId, adoption.partyId, adoption.position],
  );
  return rows[0]?.environment_id;
}
