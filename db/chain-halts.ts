import { KeystoneError } from '../domain/errors.ts';
import type { Transaction } from './pool.ts';

/** Chains from which no facts are taken, and to which nothing is sent, until an operator has looked. */

/**
 * `reorganised`: a final block was replaced. `head_behind`: the chain ends below blocks that were final. `started_afresh`: another
 * genesis block under the same chain id.
 */
export type HaltReason = 'reorganised' | 'head_behind' | 'started_afresh';

/** The error's code and the attention code of the settlements that have to wait. */
export const HALTED = 'chain_reorganised_beyond_finality';

export interface ChainHaltRow {
  readonly id: number;
  readonly chain_id: number;
  readonly reason: HaltReason;
  readonly block_number: number;
  readonly stored_hash: string;
  readonly chain_hash: string | null;
  readonly ancestor_number: number | null;
  readonly since: Date;
  readonly resume_requested_at: Date | null;
  readonly resume_requested_by: string | null;
  readonly resume_reason: string | null;
}

export type NewChainHalt = Pick<
  ChainHaltRow,
  'chain_id' | 'reason' | 'block_number' | 'stored_hash' | 'chain_hash' | 'ancestor_number'
>;

const COLUMNS = `id, chain_id, reason, block_number, stored_hash, chain_hash, ancestor_number, since,
  resume_requested_at, resume_requested_by, resume_reason`;

/** Whether the chain is halted. False for a chain that nobody indexes. */
export async function chainIsHalted(transaction: Transaction, chainId: number): Promise<boolean> {
  return (await openHalt(transaction, chainId)) !== undefined;
}

/** Throws `chain_reorganised_beyond_finality` when one of the chains is halted. For whatever sends to a chain or decides from its facts. */
export async function requireChainRunning(transaction: Transaction, chainIds: readonly number[]): Promise<void> {
  const rows = await transaction.query<{ chain_id: number }>(
    `SELECT chain_id FROM keystone.chain_halts WHERE chain_id = ANY($1) AND resumed_at IS NULL ORDER BY chain_id`,
    [[...chainIds]],
  );
  if (rows.length === 0) return;
  const names = rows.map((row) => row.chain_id).join(', ');
  throw new KeystoneError(HALTED, `Chain ${names} is halted until an operator resumes it.`);
}

/** The halt of a chain that is not over. */
export async function openHalt(transaction: Transaction, chainId: number): Promise<ChainHaltRow | undefined> {
  const rows = await transaction.query<ChainHaltRow>(
    `SELECT ${COLUMNS} FROM keystone.chain_halts WHERE chain_id = $1 AND resumed_at IS NULL`,
    [chainId],
  );
  return rows[0];
}

/** Every halt that is not over, by chain. */
export async function listOpenHalts(transaction: Transaction): Promise<ChainHaltRow[]> {
  return transaction.query<ChainHaltRow>(
    `SELECT ${COLUMNS} FROM keystone.chain_halts WHERE resumed_at IS NULL ORDER BY chain_id`,
  );
}

/** What a settlement that has to wait says of the chain. */
export function haltDetail(halt: Pick<ChainHaltRow, 'chain_id' | 'reason' | 'block_number'>): string {
  const sentences: Record<HaltReason, string> = {
    reorganised: `took back block ${halt.block_number}, which it had called final`,
    head_behind: `ends below block ${halt.block_number}, which it had called final`,
    started_afresh: 'was started afresh: its first block is another one',
  };
  return `Chain ${halt.chain_id} ${sentences[halt.reason]}. It is halted until an operator resumes it.`;
}

/**
 * Halts a chain and marks the settlements that depend on it: the open ones with a leg there (`allOpen`: every open one, since all of them need the
 * coordinator's chain), and those of any state that rest on blocks above `ancestor_number`. False when it is halted already.
 */
export async function haltChain(transaction: Transaction, halt: NewChainHalt, allOpen: boolean): Promise<boolean> {
  const inserted = await transaction.query(
    `INSERT INTO keystone.chain_halts (chain_id, reason, block_number, stored_hash, chain_hash, ancestor_number)
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (chain_id) WHERE resumed_at IS NULL DO NOTHING RETURNING id`,
    [halt.chain_id, halt.reason, halt.block_number, halt.stored_hash, halt.chain_hash, halt.ancestor_number],
  );
  if (inserted.length === 0) return false;
  await transaction.query(
    `WITH raised AS (
       UPDATE keystone.settlements s SET needs_attention = true, attention_code = $2, attention_detail = $3
       WHERE (s.state NOT IN ('FINALIZED', 'ROLLED_BACK', 'TIMED_OUT')
              AND ($4 OR EXISTS (SELECT 1 FROM keystone.legs l WHERE l.settlement_id = s.id AND l.chain_id = $1)))
          OR s.id IN (SELECT e.settlement_id FROM keystone.chain_events e
                      WHERE e.chain_id = $1 AND NOT e.orphaned AND e.settlement_id IS NOT NULL AND e.block_number > coalesce($5, -1))
       RETURNING s.id
     )
     INSERT INTO keystone.audit_log (settlement_id, actor, action, resource_type, resource_id, detail)
     SELECT id, 'system:indexer', 'chain.halted', 'settlement', id::text, $6 FROM raised`,
    [halt.chain_id, HALTED, haltDetail(halt), allOpen, halt.ancestor_number, JSON.stringify(halt)],
  );
  return true;
}

/** An operator's word that the chain, as it is now, shall be followed. False when the chain is not halted. */
export async function requestResume(
  transaction: Transaction,
  request: { chainId: number; by: string; reason: string },
): Promise<boolean> {
  const rows = await transaction.query(
    `UPDATE keystone.chain_halts SET resume_requested_at = clock_timestamp(), resume_requested_by = $2, resume_reason = $3
     WHERE chain_id = $1 AND resumed_at IS NULL RETURNING id`,
    [request.chainId, request.by, request.reason],
  );
  return rows.length === 1;
}

/** Takes a request back that cannot be followed, so that the operator has to look again. */
export async function refuseResume(transaction: Transaction, haltId: number): Promise<void> {
  await transaction.query(
    `UPDATE keystone.chain_halts SET resume_requested_at = NULL, resume_requested_by = NULL, resume_reason = NULL WHERE id = $1`,
    [haltId],
  );
}

/**
 * Ends a halt and takes back the marks that it set. One that has got another text since stays: the settlement rested on blocks which are gone
 * (`orphanEventsAbove`), or its workflow is parked.
 */
export async function endHalt(transaction: Transaction, halt: ChainHaltRow, by: string): Promise<void> {
  await transaction.query('UPDATE keystone.chain_halts SET resumed_at = clock_timestamp() WHERE id = $1', [halt.id]);
  await transaction.query(
    `WITH cleared AS (
       UPDATE keystone.settlements SET needs_attention = false, attention_code = NULL, attention_detail = NULL
       WHERE needs_attention AND attention_code = $1 AND attention_detail = $2 RETURNING id
     )
     INSERT INTO keystone.audit_log (settlement_id, actor, action, resource_type, resource_id, detail)
     SELECT id, $3, 'chain.resumed', 'settlement', id::text, $4 FROM cleared`,
    [HALTED, haltDetail(halt), by, JSON.stringify({ chain_id: halt.chain_id, reason: halt.resume_reason })],
  );
}
