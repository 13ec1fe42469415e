import { type ChainCursor, listKnownBlocks, moveCursor, orphanEventsAbove, recomputeLegs } from '../db/chain-events.ts';
import { type ChainHaltRow, endHalt, haltChain, type HaltReason, openHalt, refuseResume } from '../db/chain-halts.ts';
import type { IndexerContext, IndexRound } from './indexer-types.ts';
import { unavailable } from './rpc.ts';

/** What the chain says at a height where it contradicts the stored history. `hash` is undefined when it has no such block. */
export interface Contradiction {
  readonly reason: HaltReason;
  readonly hash: string | undefined;
}

/**
 * A chain contradicts what was final. One answer proves nothing (a node behind a balancer may be lost), so it has to be the same several rounds in
 * a row, and a head that is merely behind gets time to catch up. Until then the round fails; then the chain is halted: no fact is taken from it.
 */
export async function contradicted(
  context: IndexerContext,
  cursor: ChainCursor,
  contradiction: Contradiction,
): Promise<IndexRound> {
  const { chain, limits } = context;
  context.originChecked = false;
  const before = context.suspicion;
  const isSame = before?.reason === contradiction.reason && before.hash === contradiction.hash;
  const suspicion = isSame
    ? { ...before, rounds: before.rounds + 1 }
    : { ...contradiction, rounds: 1, sinceMs: performance.now() };
  context.suspicion = suspicion;
  const isPatient =
    contradiction.reason === 'head_behind' && performance.now() - suspicion.sinceMs < limits.headBehindMs;
  if (suspicion.rounds < limits.contradictionRounds || isPatient) {
    throw unavailable(
      chain.chainId,
      'eth_getBlockByNumber',
      `block ${cursor.block_number} contradicts what is stored (${contradiction.reason}), seen ${suspicion.rounds} times`,
    );
  }
  return halt(context, cursor, contradiction);
}

async function halt(context: IndexerContext, cursor: ChainCursor, contradiction: Contradiction): Promise<IndexRound> {
  const { chain, database, log } = context;
  const ancestor = contradiction.reason === 'started_afresh' ? undefined : await commonAncestor(context, cursor);
  const row = {
    chain_id: chain.chainId,
    reason: contradiction.reason,
    block_number: cursor.block_number,
    stored_hash: cursor.block_hash,
    chain_hash: contradiction.hash ?? null,
    ancestor_number: ancestor?.number ?? null,
  };
  const isNew = await database.transaction({ kind: 'worker' }, (transaction) =>
    haltChain(transaction, row, chain.kind === 'coordinator'),
  );
  if (isNew) log.error({ ...row }, 'the chain is halted: it contradicts blocks that were final');
  context.isHalted = true;
  context.suspicion = undefined;
  return { kind: 'halted', reason: contradiction.reason };
}

/** A round of a halted chain: looks whether it may go on. */
export async function haltedRound(context: IndexerContext, cursor: ChainCursor): Promise<IndexRound> {
  const { chain, database } = context;
  const row = await database.transaction({ kind: 'worker' }, (transaction) => openHalt(transaction, chain.chainId));
  if (row === undefined) {
    // Somebody else has resumed it, and moved the cursor.
    context.cursor = undefined;
    return { kind: 'superseded' };
  }
  const waits: IndexRound = { kind: 'halted', reason: row.reason };
  if (row.resume_requested_at === null && row.reason !== 'head_behind') return waits;
  const [origin, block] = await Promise.all([chain.block(0), chain.block(cursor.block_number)]);
  const isBack = origin?.hash === cursor.origin_hash && block?.hash === cursor.block_hash;
  // A node that lagged and has caught up contradicted nothing. Everything else is an operator's to judge.
  if (row.resume_requested_at === null) return isBack ? resume(context, cursor, row) : waits;
  if (origin?.hash === cursor.origin_hash) return resume(context, cursor, row);
  await database.transaction({ kind: 'worker' }, (transaction) => refuseResume(transaction, row.id));
  context.log.error(
    { chain_id: chain.chainId, requested_by: row.resume_requested_by },
    'the chain cannot be resumed: its first block is another one than that of the indexed chain',
  );
  return waits;
}

/** Follows the chain as it is now: what stands above the common ancestor is taken back, and everything since is read again. */
async function resume(context: IndexerContext, cursor: ChainCursor, row: ChainHaltRow): Promise<IndexRound> {
  const { chain, database, log } = context;
  const ancestor = await commonAncestor(context, cursor);
  if (ancestor === undefined) throw unavailable(chain.chainId, 'eth_getBlockByNumber', 'no block to go on from');
  const by = row.resume_requested_by ?? 'system:indexer';
  const taken = await database.transaction({ kind: 'worker' }, async (transaction) => {
    if (!(await moveCursor(transaction, cursor, ancestor, { whileHalted: true }))) return undefined;
    const orphaned = await orphanEventsAbove(transaction, chain.chainId, ancestor.number);
    await recomputeLegs(transaction, chain.chainId, orphaned.settlements);
    await endHalt(transaction, row, by);
    return orphaned;
  });
  // Read again: in the other case somebody else has moved it.
  context.cursor = undefined;
  if (taken === undefined) return { kind: 'superseded' };
  context.isHalted = false;
  const { events, settlements } = taken;
  log.warn({ chain_id: chain.chainId, by, ancestor: ancestor.number, events, settlements }, 'the chain is resumed');
  return { kind: 'resumed', ancestor: ancestor.number, events, settlements: settlements.length };
}

/** The newest stored block that the chain still has; without one, everything since the deployment is read again. Undefined while not even that is there. */
async function commonAncestor(
  context: IndexerContext,
  cursor: ChainCursor,
): Promise<{ number: number; hash: string } | undefined> {
  const { chain, database, limits } = context;
  const known = await database.transaction({ kind: 'worker' }, (transaction) =>
    listKnownBlocks(transaction, chain.chainId, cursor.block_number + 1, limits.keptBlocks),
  );
  for (const { block_number: number, block_hash: hash } of known) {
    if ((await chain.block(number))?.hash === hash) return { number, hash };
  }
  const first = await chain.block(Math.max(context.deploymentBlock - 1, 0));
  return first && { number: first.number, hash: first.hash };
}
