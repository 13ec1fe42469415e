import { contractAddresses } from '../domain/configuration.ts';
import {
  type ChainCursor,
  type ChainEventRow,
  createCursor,
  listKnownBlocks,
  moveCursor,
  orphanEventsAbove,
  readCursor,
} from '../db/chain-events.ts';
import { decodeLog } from './decode-logs.ts';
import { storeRange } from './index-range.ts';
import { ChainHalted, type IndexerContext, type IndexRound } from './indexer-types.ts';
import type { Block, ChainLog } from './provider.ts';
import { RpcError, unavailable } from './rpc.ts';

/** One round: see `Indexer.runOnce`. */
export async function indexRound(context: IndexerContext): Promise<IndexRound> {
  const finalized = await context.chain.finalizedBlock();
  const cursor = context.cursor ?? (await openCursor(context, finalized));
  if (cursor === undefined) return { kind: 'idle' };
  context.cursor = cursor;
  await checkOrigin(context, cursor);
  if (finalized === undefined || finalized.number < cursor.block_number) {
    await checkHead(context, cursor);
    return { kind: 'idle' };
  }
  if (finalized.number === cursor.block_number) {
    return finalized.hash === cursor.block_hash ? { kind: 'idle' } : goBack(context, cursor);
  }
  return indexUpTo(context, cursor, finalized);
}

/** The stored cursor, or a first one just before the contracts' deployment; undefined while that block is not final. */
async function openCursor(context: IndexerContext, finalized: Block | undefined): Promise<ChainCursor | undefined> {
  const { chain, database } = context;
  const stored = await database.transaction({ kind: 'worker' }, (transaction) =>
    readCursor(transaction, chain.chainId),
  );
  if (stored !== undefined) return stored;
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

async function requireBlock(context: IndexerContext, number: number): Promise<Block> {
  const block = await context.chain.block(number);
  if (block === undefined) throw unavailable(context.chain.chainId, 'eth_getBlockByNumber', `no block ${number}`);
  return block;
}

/** Block 0 is the chain's identity: another one means another history under the same chain id. Asked once, and again after failures. */
async function checkOrigin(context: IndexerContext, cursor: ChainCursor): Promise<void> {
  if (context.originChecked) return;
  const origin = await requireBlock(context, 0);
  if (origin.hash !== cursor.origin_hash) {
    throw new ChainHalted(
      'started_afresh',
      `Chain ${cursor.chain_id} was started afresh: its first block is another one than that of the indexed chain.`,
    );
  }
  context.originChecked = true;
}

async function checkHead(context: IndexerContext, cursor: ChainCursor): Promise<void> {
  const head = await context.chain.headBlock();
  if (head.number >= cursor.block_number) return;
  context.originChecked = false;
  throw new ChainHalted(
    'head_behind',
    `Chain ${cursor.chain_id} ends at block ${head.number}, but was indexed up to ${cursor.block_number}.`,
  );
}

async function indexUpTo(context: IndexerContext, cursor: ChainCursor, finalized: Block): Promise<IndexRound> {
  const { chain } = context;
  const fromBlock = cursor.block_number + 1;
  const { logs, to } = await readLogs(context, fromBlock, finalized);
  // Asked after the logs: if both ends are what they were, the logs between them belong to this chain and not to one that was replaced meanwhile.
  const [after, before] = await Promise.all([chain.block(to.number), chain.block(cursor.block_number)]);
  if (before?.hash !== cursor.block_hash) return goBack(context, cursor);
  if (after?.hash !== to.hash) throw unavailable(chain.chainId, 'eth_getLogs', 'the chain changed under the query');
  const blocks = await blocksOf(context, logs, to);
  const events = logs.flatMap((log) => decode(context, log, blocks));
  const facts = await storeRange(context, cursor, { to, blocks: [...blocks.values()], events });
  if (facts === undefined) {
    context.cursor = undefined;
    return { kind: 'superseded' };
  }
  context.cursor = { ...cursor, block_number: to.number, block_hash: to.hash };
  const complete = to.number === finalized.number;
  return { kind: 'indexed', fromBlock, toBlock: to.number, events: events.length, facts, complete };
}

/** Logs of the largest range that the node answers and one transaction takes. */
async function readLogs(
  context: IndexerContext,
  fromBlock: number,
  finalized: Block,
): Promise<{ logs: ChainLog[]; to: Block }> {
  const { chain, limits } = context;
  for (;;) {
    const toBlock = Math.min(finalized.number, fromBlock + context.range - 1);
    const to = toBlock === finalized.number ? finalized : await requireBlock(context, toBlock);
    const addresses = contractAddresses(chain.configuration);
    const logs = await chain.logs({ addresses, fromBlock, toBlock }).catch((error: unknown) => {
      const isSmallest = toBlock === fromBlock;
      // The next try, now or after a pause, asks for less: nodes refuse too many results, or take too long over them.
      context.range = halved(toBlock - fromBlock + 1);
      if (!(error instanceof RpcError)) throw error;
      if (isSmallest) throw unavailable(chain.chainId, 'eth_getLogs', error.message);
      return undefined;
    });
    if (logs === undefined) continue;
    if (logs.length > limits.logsPerRange && toBlock > fromBlock) {
      context.range = halved(toBlock - fromBlock + 1);
      continue;
    }
    // Only a full range says something about a larger one.
    if (toBlock - fromBlock + 1 === context.range) {
      context.range = Math.min(limits.rangeMaximum, Math.ceil(context.range * 1.25));
    }
    return { logs, to };
  }
}

function halved(range: number): number {
  return Math.max(1, Math.floor(range / 2));
}

/** The blocks that hold logs, by hash, with their times. A log of a block that is not the chain's stops the round. */
async function blocksOf(context: IndexerContext, logs: readonly ChainLog[], to: Block): Promise<Map<string, Block>> {
  const wanted = [...new Map(logs.map((log) => [log.blockNumber, log.blockHash]))];
  const blocks = new Map<string, Block>();
  for (let start = 0; start < wanted.length; start += context.limits.rpcConcurrency) {
    const group = wanted.slice(start, start + context.limits.rpcConcurrency);
    const read = group.map(async ([number]) => (number === to.number ? to : requireBlock(context, number)));
    for (const block of await Promise.all(read)) blocks.set(block.hash, block);
  }
  for (const log of logs) {
    if (!blocks.has(log.blockHash)) {
      throw unavailable(context.chain.chainId, 'eth_getLogs', `a log of another block ${log.blockNumber}`);
    }
  }
  return blocks;
}

function decode(context: IndexerContext, log: ChainLog, blocks: ReadonlyMap<string, Block>): ChainEventRow[] {
  const row = decodeLog(context.chain, log, blocks.get(log.blockHash)?.timestampMs ?? 0);
  if (row !== undefined) return [row];
  context.log.warn(
    { chain_id: context.chain.chainId, contract: log.address, transaction_hash: log.transactionHash },
    'a log that the ABI does not explain was left out',
  );
  return [];
}

/** Finality was broken: finds where the stored history still agrees with the chain, orphans what stands above it, and raises attention. */
async function goBack(context: IndexerContext, cursor: ChainCursor): Promise<IndexRound> {
  const { chain, database, log } = context;
  context.originChecked = false;
  await checkOrigin(context, cursor);
  await checkHead(context, cursor);
  const ancestor = await commonAncestor(context, cursor);
  const orphaned = await database.transaction({ kind: 'worker' }, async (transaction) => {
    if (!(await moveCursor(transaction, cursor, ancestor))) return undefined;
    return orphanEventsAbove(transaction, chain.chainId, ancestor.number);
  });
  // Read again: in the other case somebody else has moved it.
  context.cursor = undefined;
  if (orphaned === undefined) return { kind: 'superseded' };
  const { events, settlements } = orphaned;
  log.error(
    { chain_id: chain.chainId, indexed_to: cursor.block_number, ancestor: ancestor.number, events, settlements },
    'the chain took back blocks that it had called final',
  );
  return { kind: 'reorganised', ancestor: ancestor.number, events, settlements: settlements.length };
}

async function commonAncestor(context: IndexerContext, cursor: ChainCursor): Promise<{ number: number; hash: string }> {
  const { chain, database, limits } = context;
  const known = await database.transaction({ kind: 'worker' }, (transaction) =>
    listKnownBlocks(transaction, chain.chainId, cursor.block_number, limits.keptBlocks),
  );
  for (const { block_number: number, block_hash: hash } of known) {
    if ((await chain.block(number))?.hash === hash) return { number, hash };
  }
  // Deeper than what is remembered: everything since the deployment is read again.
  const first = await requireBlock(context, Math.max(context.deploymentBlock - 1, 0));
  return { number: first.number, hash: first.hash };
}
