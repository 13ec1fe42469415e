import type { Uuid } from '../domain/ids.ts';
import type { Transaction } from './pool.ts';

/** The indexer's tables: finalised logs of our contracts, the cursor, and the hashes of recent blocks. */

/** A settlement has a few dozen logs; attesters alone could add more, and a reader must stay bounded all the same. */
const EVENTS_PER_SETTLEMENT = 2_000;

/** Integers as decimal strings, addresses and hashes in lower case. */
export type ChainArgument = string | boolean | readonly ChainArgument[];

export interface ChainEventRow {
  readonly chain_id: number;
  readonly block_number: number;
  readonly block_hash: string;
  readonly log_index: number;
  readonly transaction_hash: string;
  /** Lower-case address. */
  readonly contract: string;
  /** The event's name in the ABI, e.g. `LegDeposited`. */
  readonly name: string;
  readonly settlement_id: Uuid | null;
  /** By the names of the ABI, e.g. `{legIndex: "0", depositor: "0x…"}`. */
  readonly arguments: Readonly<Record<string, ChainArgument>>;
  readonly block_timestamp: Date;
}

export interface ChainCursor {
  readonly chain_id: number;
  readonly block_number: number;
  readonly block_hash: string;
  readonly origin_hash: string;
}

const COLUMNS = `chain_id, block_number, block_hash, log_index, transaction_hash, contract, name, settlement_id, arguments, block_timestamp`;

/** Finalised events of a settlement, oldest first on each chain, optionally of some names only. Orphaned ones are left out. */
export async function readChainEvents(
  transaction: Transaction,
  settlementId: Uuid,
  names?: readonly string[],
): Promise<ChainEventRow[]> {
  return transaction.query<ChainEventRow>(
    `SELECT ${COLUMNS} FROM keystone.chain_events
     WHERE settlement_id = $1 AND NOT orphaned AND ($2::text[] IS NULL OR name = ANY($2))
     ORDER BY chain_id, block_number, log_index LIMIT ${EVENTS_PER_SETTLEMENT}`,
    [settlementId, names ?? null],
  );
}

/** The finalised transition of a settlement into a state of the contract (`toState` is the on-chain index), if it happened. */
export async function findChainTransition(
  transaction: Transaction,
  settlementId: Uuid,
  toState: number,
): Promise<ChainEventRow | undefined> {
  const rows = await transaction.query<ChainEventRow>(
    `SELECT ${COLUMNS} FROM keystone.chain_events
     WHERE settlement_id = $1 AND NOT orphaned AND name = 'StateTransition' AND arguments ->> 'toState' = $2
     ORDER BY block_number, log_index LIMIT 1`,
    [settlementId, String(toState)],
  );
  return rows[0];
}

/** Whether any event of a transaction has been stored as final. */
export async function isTransactionIndexed(
  transaction: Transaction,
  chainId: number,
  transactionHash: string,
  settlementId: Uuid,
): Promise<boolean> {
  const rows = await transaction.query(
    `SELECT 1 FROM keystone.chain_events
     WHERE settlement_id = $3 AND chain_id = $1 AND transaction_hash = $2 AND NOT orphaned LIMIT 1`,
    [chainId, transactionHash.toLowerCase(), settlementId],
  );
  return rows.length > 0;
}

export async function readCursor(transaction: Transaction, chainId: number): Promise<ChainCursor | undefined> {
  const rows = await transaction.query<ChainCursor>(
    'SELECT chain_id, block_number, block_hash, origin_hash FROM keystone.chain_cursors WHERE chain_id = $1',
    [chainId],
  );
  return rows[0];
}

/** Writes the first cursor of a chain; the one that is there already wins. */
export async function createCursor(transaction: Transaction, cursor: ChainCursor): Promise<void> {
  await transaction.query(
    `INSERT INTO keystone.chain_cursors (chain_id, block_number, block_hash, origin_hash) VALUES ($1, $2, $3, $4)
     ON CONFLICT DO NOTHING`,
    [cursor.chain_id, cursor.block_number, cursor.block_hash, cursor.origin_hash],
  );
  await rememberBlocks(transaction, cursor.chain_id, [{ number: cursor.block_number, hash: cursor.block_hash }]);
}

/**
 * Compare-and-set: false when another indexer has moved the cursor, or has halted the chain (unless the caller ends that halt). Nothing of the caller's
 * range may be stored then.
 */
export async function moveCursor(
  transaction: Transaction,
  from: ChainCursor,
  to: { number: number; hash: string },
  options: { whileHalted: boolean } = { whileHalted: false },
): Promise<boolean> {
  const rows = await transaction.query(
    `UPDATE keystone.chain_cursors SET block_number = $4, block_hash = $5, updated_at = clock_timestamp()
     WHERE chain_id = $1 AND block_number = $2 AND block_hash = $3
       AND ($6 OR NOT EXISTS (SELECT 1 FROM keystone.chain_halts h WHERE h.chain_id = $1 AND h.resumed_at IS NULL)) RETURNING chain_id`,
    [from.chain_id, from.block_number, from.block_hash, to.number, to.hash, options.whileHalted],
  );
  return rows.length === 1;
}

export async function rememberBlocks(
  transaction: Transaction,
  chainId: number,
  blocks: readonly { number: number; hash: string }[],
): Promise<void> {
  // A block is named twice when it ends the range and has logs; one statement may not touch a row twice.
  const unique = new Map(blocks.map(({ number, hash }) => [number, { number, hash }]));
  await transaction.query(
    `INSERT INTO keystone.chain_blocks (chain_id, block_number, block_hash)
     SELECT $1, b.number, b.hash FROM jsonb_to_recordset($2::jsonb) AS b (number bigint, hash text)
     ON CONFLICT (chain_id, block_number) DO UPDATE SET block_hash = EXCLUDED.block_hash`,
    [chainId, JSON.stringify([...unique.values()])],
  );
}

export async function forgetBlocksBelow(transaction: Transaction, chainId: number, number: number): Promise<void> {
  await transaction.query('DELETE FROM keystone.chain_blocks WHERE chain_id = $1 AND block_number < $2', [
    chainId,
    number,
  ]);
}

/** Remembered blocks below a height, newest first: where the chain may still agree with what is stored. */
export async function listKnownBlocks(
  transaction: Transaction,
  chainId: number,
  below: number,
  limit: number,
): Promise<{ block_number: number; block_hash: string }[]> {
  return transaction.query(
    `SELECT block_number, block_hash FROM keystone.chain_blocks WHERE chain_id = $1 AND block_number < $2
     ORDER BY block_number DESC LIMIT $3`,
    [chainId, below, limit],
  );
}

/** Which of these ids are settlements of ours: the contracts may serve others too. */
export async function knownSettlements(transaction: Transaction, ids: readonly Uuid[]): Promise<Set<Uuid>> {
  if (ids.length === 0) return new Set();
  const rows = await transaction.query<{ id: Uuid }>('SELECT id FROM keystone.settlements WHERE id = ANY($1)', [ids]);
  return new Set(rows.map((row) => row.id));
}

/** An event that a reorganisation had taken away and that is back in the very same block counts again. */
export async function insertChainEvents(transaction: Transaction, rows: readonly ChainEventRow[]): Promise<void> {
  if (rows.length === 0) return;
  await transaction.query(
    `INSERT INTO keystone.chain_events (${COLUMNS})
     SELECT ${COLUMNS} FROM jsonb_to_recordset($1::jsonb) AS e (chain_id bigint, block_number bigint, block_hash text, log_index integer,
       transaction_hash text, contract text, name text, settlement_id uuid, arguments jsonb, block_timestamp timestamptz)
     ON CONFLICT (chain_id, block_hash, log_index) DO UPDATE SET orphaned = false`,
    [JSON.stringify(rows)],
  );
}

/** Those of the transactions that were orphaned before: their workflows were woken for blocks that are gone. */
export async function orphanedTransactions(
  transaction: Transaction,
  chainId: number,
  hashes: readonly string[],
): Promise<Set<string>> {
  if (hashes.length === 0) return new Set();
  const rows = await transaction.query<{ transaction_hash: string }>(
    'SELECT DISTINCT transaction_hash FROM keystone.chain_events WHERE chain_id = $1 AND transaction_hash = ANY($2) AND orphaned',
    [chainId, hashes],
  );
  return new Set(rows.map((row) => row.transaction_hash));
}

/** Those of the transactions that the journal sent for one of these steps, on whatever chain the step is about. */
export async function transactionsOfSteps(
  transaction: Transaction,
  chainId: number,
  hashes: readonly string[],
  steps: readonly string[],
): Promise<ReadonlySet<string>> {
  const rows = await transaction.query<{ hash: string }>(
    `SELECT hash FROM keystone.chain_transactions
     WHERE chain_id = $1 AND hash = ANY($2) AND split_part(split_part(effect_key, ':', 2), '@', 1) = ANY($3)`,
    [chainId, hashes, steps],
  );
  return new Set(rows.map((row) => row.hash));
}

/** Takes back every event above `ancestor` and raises attention on the settlements that it touches. Answers those. */
export async function orphanEventsAbove(
  transaction: Transaction,
  chainId: number,
  ancestor: number,
): Promise<{ events: number; settlements: Uuid[] }> {
  const rows = await transaction.query<{ settlement_id: Uuid | null }>(
    `UPDATE keystone.chain_events SET orphaned = true WHERE chain_id = $1 AND block_number > $2 AND NOT orphaned RETURNING settlement_id`,
    [chainId, ancestor],
  );
  await transaction.query('DELETE FROM keystone.chain_blocks WHERE chain_id = $1 AND block_number > $2', [
    chainId,
    ancestor,
  ]);
  const settlements = [...new Set(rows.flatMap((row) => row.settlement_id ?? []))].toSorted();
  await transaction.query(
    `WITH raised AS (
       UPDATE keystone.settlements SET needs_attention = true, attention_code = 'chain_reorganised_beyond_finality', attention_detail = $2
       WHERE id = ANY($1) RETURNING id
     )
     INSERT INTO keystone.audit_log (settlement_id, actor, action, resource_type, resource_id, detail)
     SELECT id, 'system:indexer', 'chain.reorganised', 'settlement', id::text, $3 FROM raised`,
    [
      settlements,
      `Chain ${chainId} took back blocks above ${ancestor} that it had called final.`,
      JSON.stringify({ chain_id: chainId, ancestor }),
    ],
  );
  return { events: rows.length, settlements };
}

export interface LegChange {
  readonly settlement_id: Uuid;
  readonly leg_index: number;
}

/** Legs of this chain say again what the events that are left say. For settlements whose events a reorganisation took away. */
export async function recomputeLegs(
  transaction: Transaction,
  chainId: number,
  settlements: readonly Uuid[],
): Promise<void> {
  if (settlements.length === 0) return;
  await transaction.query(
    `UPDATE keystone.legs l SET status = CASE WHEN seen.deposited THEN 'locked' ELSE 'pending' END, updated_at = clock_timestamp()
     FROM (SELECT leg.id, coalesce(bool_or(e.name = 'LegDeposited'), false) AS deposited,
                  coalesce(bool_or(e.name IN ('LegReleased', 'LegRefunded', 'PayoutCredited')), false) AS gone
           FROM keystone.legs leg LEFT JOIN keystone.chain_events e
             ON e.settlement_id = leg.settlement_id AND e.chain_id = leg.chain_id AND NOT e.orphaned
            AND e.arguments ->> 'legIndex' = leg.leg_index::text
           WHERE leg.settlement_id = ANY($2) AND leg.chain_id = $1 GROUP BY leg.id) AS seen
     WHERE l.id = seen.id AND NOT seen.gone`,
    [chainId, [...settlements]],
  );
}

/** Settlements that have failed on this chain, by its final events: what leaves the escrow now goes back to who paid it in. */
export async function rolledBackOnChain(
  transaction: Transaction,
  chainId: number,
  settlements: readonly Uuid[],
): Promise<Set<Uuid>> {
  if (settlements.length === 0) return new Set();
  const rows = await transaction.query<{ settlement_id: Uuid }>(
    `SELECT DISTINCT settlement_id FROM keystone.chain_events
     WHERE settlement_id = ANY($2) AND chain_id = $1 AND NOT orphaned
       AND (name = 'RemoteRolledBack' OR (name = 'StateTransition' AND arguments ->> 'toState' IN ('6', '7')))`,
    [chainId, [...settlements]],
  );
  return new Set(rows.map((row) => row.settlement_id));
}

/** Moves legs of this chain one step; those that are not in `from` stay. Answers the ones that moved. */
export async function moveLegs(
  transaction: Transaction,
  chainId: number,
  from: 'pending' | 'locked',
  to: 'locked' | 'released' | 'rolled_back',
  legs: readonly LegChange[],
): Promise<LegChange[]> {
  if (legs.length === 0) return [];
  return transaction.query<LegChange>(
    `UPDATE keystone.legs l SET status = $3, updated_at = clock_timestamp()
     FROM jsonb_to_recordset($4::jsonb) AS c (settlement_id uuid, leg_index integer)
     WHERE l.settlement_id = c.settlement_id AND l.leg_index = c.leg_index AND l.chain_id = $1 AND l.status = $2
     RETURNING l.settlement_id, l.leg_index`,
    [chainId, from, to, JSON.stringify(legs)],
  );
}
