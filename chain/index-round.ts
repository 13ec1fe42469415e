import { type ChainCursor, type ChainEventRow, createCursor, readCursor } from '../db/chain-events.ts';
import { openHalt } from '../db/chain-halts.ts';
import { decodeLog } from './decode-logs.ts';
import { contradicted, haltedRound } from './index-halt.ts';
import { readRange, requireBlock, type VerifiedRange } from './index-logs.ts';
import { storeRange } from './index-range.ts';
import type { IndexerContext, IndexRound } from './indexer-types.ts';
import type { Block, ChainLog } from './provider.ts';

/** One round: see `Indexer.runOnce`. */
export async function indexRound(context: IndexerContext): Promise<IndexRound> {
  const cursor = context.cursor ?? (await openCursor(context));
  if (cursor === undefined) return { kind: 'idle' };
  context.cursor = cursor;
  if (context.isHalted) return haltedRound(context, cursor);
  const finalized = await context.chain.finalizedBlock();
  const round = (await checkOrigin(context, cursor)) ?? (await followChain(context, cursor, finalized));
  // A round that got here saw the history that is stored.
  if (round.kind !== 'halted') context.suspicion = undefined;
  return round;
}

async function followChain(
  context: IndexerContext,
  cursor: ChainCursor,
  finalized: Block | undefined,
): Promise<IndexRound> {
  if (finalized === undefined || finalized.number < cursor.block_number) {
    const head = await context.chain.headBlock();
    if (head.number >= cursor.block_number) return { kind: 'idle' };
    return contradicted(context, cursor, { reason: 'head_behind', hash: undefined });
  }
  if (finalized.number === cursor.block_number) {
    if (finalized.hash === cursor.block_hash) return { kind: 'idle' };
    return contradicted(context, cursor, { reason: 'reorganised', hash: finalized.hash });
  }
  const range = await readRange(context, cursor, finalized);
  if (range !== undefined) return storeVerified(context, cursor, range, finalized);
  const instead = await context.chain.block(cursor.block_number);
  // It was another one a moment ago: the next round asks again.
  if (instead?.hash === cursor.block_hash) return { kind: 'idle' };
  return contradicted(context, cursor, { reason: 'reorganised', hash: instead?.hash });
}

/** The stored cursor, or a first one just before the contracts' deployment; undefined while that block is not final. */
async function openCursor(context: IndexerContext): Promise<ChainCursor | undefined> {
  const { chain, database } = context;
  const { stored, halt } = await database.transaction({ kind: 'worker' }, async (transaction) => ({
    stored: await readCursor(transaction, chain.chainId),
    halt: await openHalt(transaction, chain.chainId),
  }));
  context.isHalted = halt !== undefined;
  if (stored !== undefined) return stored;
  const finalized = await chain.finalizedBlock();
  const first = Math.max(context.deploymentBlock - 1, 0);
  if (finalized === undefined || finalized.number < first) return undefined;
  const [origin, before] = await Promise.all([requireBlock(context, 0), requireBlock(context, first)]);
  return database.transaction({ kind: 'worker' }, async (transaction) => {
    await createCursor(transaction, {
      chain_id: chain.chainId,
      block_number: before.number,
      block_hash: before.hash,
      origin_hash: origin.hash,
    });
    return readCursor(transaction, chain.chainId);
  });
}

/** Block 0 is the chain's identity: another one means another history under the same chain id. Asked once, and again after failures. */
async function checkOrigin(context: IndexerContext, cursor: ChainCursor): Promise<IndexRound | undefined> {
  if (context.originChecked) return undefined;
  const origin = await requireBlock(context, 0);
  if (origin.hash !== cursor.origin_hash) {
    return contradicted(context, cursor, { reason: 'started_afresh', hash: origin.hash });
  }
  context.originChecked = true;
  return undefined;
}

async function storeVerified(
  context: IndexerContext,
  cursor: ChainCursor,
  range: VerifiedRange,
  finalized: Block,
): Promise<IndexRound> {
  const { to, logs, blocks } = range;
  const events = logs.flatMap((log) => decode(context, log, blocks.get(log.blockHash)?.timestampMs ?? 0));
  const facts = await storeRange(context, cursor, { to, blocks: [...blocks.values()], events });
  if (facts === undefined) {
    context.cursor = undefined;
    return { kind: 'superseded' };
  }
  context.cursor = { ...cursor, block_number: to.number, block_hash: to.hash };
  const complete = to.number === finalized.number;
  return {
    kind: 'indexed',
    fromBlock: cursor.block_number + 1,
    toBlock: to.number,
    events: events.length,
    facts,
    complete,
  };
}

function decode(context: IndexerContext, log: ChainLog, timestampMs: number): ChainEventRow[] {
  const row = decodeLog(context.chain, log, timestampMs);
  if (row !== undefined) return [row];
  context.log.warn(
    { chain_id: context.chain.chainId, contract: log.address, transaction_hash: log.transactionHash },
    'a log that the ABI does not explain was left out',
  );
  return [];
}
