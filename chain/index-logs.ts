import { KeystoneError } from '../domain/errors.ts';
import { contractAddresses } from '../domain/configuration.ts';
import { type BlockHeader, type NodeReader, parseLogs, readHeader, readReceipts } from './index-blocks.ts';
import type { IndexerContext } from './indexer-types.ts';
import type { Block, ChainLog } from './provider.ts';
import { bloomOf, mayContain, receiptsRoot } from './receipts-root.ts';
import { RpcError, unavailable } from './rpc.ts';

/**
 * Reads the logs of a range so that no single answer is believed. The headers from the cursor to the agreed final block form one chain of
 * hashes; each header's bloom says which blocks may hold logs of ours, and each of those is read from its receipts, which must hash to the
 * root in the header. What `eth_getLogs` says, at every node that answers, must be the same.
 */

export interface VerifiedRange {
  readonly to: Block;
  /** Logs of our contracts, in the chain's order. */
  readonly logs: readonly ChainLog[];
  /** Headers of the blocks that hold them, by hash. */
  readonly blocks: ReadonlyMap<string, BlockHeader>;
}

/** Undefined when the block before the range is not the stored one any more: the caller compares histories. */
export async function readRange(
  context: IndexerContext,
  cursor: { block_number: number; block_hash: string },
  finalized: Block,
): Promise<VerifiedRange | undefined> {
  const fromBlock = cursor.block_number + 1;
  const { logs: stated, to } = await statedLogs(context, fromBlock, finalized);
  // Asked after the logs: if both ends are what they were, what lies between them belongs to this chain and not to one that was replaced meanwhile.
  const [before, after] = await Promise.all([context.chain.block(cursor.block_number), context.chain.block(to.number)]);
  if (before?.hash !== cursor.block_hash) return undefined;
  if (after?.hash !== to.hash) {
    throw unavailable(context.chain.chainId, 'eth_getLogs', 'the chain changed under the query');
  }
  const { node, logs, blocks } = await provedLogs(context, cursor, to);
  requireSame(context.chain.chainId, 'eth_getLogs', stated, logs);
  await compareNodes(context, node, { fromBlock, to }, logs);
  return { to, logs, blocks };
}

/** What the node states for the largest range that it answers and one transaction takes. */
async function statedLogs(
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

export async function requireBlock(context: IndexerContext, number: number): Promise<Block> {
  const block = await context.chain.block(number);
  if (block === undefined) throw unavailable(context.chain.chainId, 'eth_getBlockByNumber', `no block ${number}`);
  return block;
}

/** The first node whose headers lead from the cursor to the final block, and whose receipts are those of the headers. */
async function provedLogs(
  context: IndexerContext,
  cursor: { block_number: number; block_hash: string },
  to: Block,
): Promise<{ node: NodeReader; logs: ChainLog[]; blocks: Map<string, BlockHeader> }> {
  let failure: unknown;
  for (const node of context.chain.nodes) {
    try {
      return { node, ...(await proveThrough(context, node, cursor, to)) };
    } catch (error) {
      context.log.warn(
        { chain_id: context.chain.chainId, node: node.name, err: error },
        'a node cannot prove the logs of a range',
      );
      failure = error;
    }
  }
  throw failure;
}

async function proveThrough(
  context: IndexerContext,
  node: NodeReader,
  cursor: { block_number: number; block_hash: string },
  to: Block,
): Promise<{ logs: ChainLog[]; blocks: Map<string, BlockHeader> }> {
  const { chain, limits } = context;
  const addresses = contractAddresses(chain.configuration);
  const logs: ChainLog[] = [];
  const blocks = new Map<string, BlockHeader>();
  let parentHash = cursor.block_hash;
  for (let first = cursor.block_number + 1; first <= to.number; first += limits.rpcConcurrency) {
    const last = Math.min(to.number, first + limits.rpcConcurrency - 1);
    const numbers = Array.from({ length: last - first + 1 }, (_, index) => first + index);
    const headers = await Promise.all(numbers.map((number) => readHeader(node, chain.chainId, number)));
    for (const [index, header] of headers.entries()) {
      if (header === undefined) throw unavailable(chain.chainId, 'eth_getBlockByNumber', `no block ${first + index}`);
      if (header.parentHash !== parentHash) {
        throw unavailable(
          chain.chainId,
          'eth_getBlockByNumber',
          `block ${header.number} does not follow the one before it`,
        );
      }
      requireProved(context, node, header);
      parentHash = header.hash;
      if (!addresses.some((address) => mayContain(header.logsBloom, address))) continue;
      const own = (await logsOfBlock(context, node, header)).filter((log) => addresses.includes(log.address));
      logs.push(...own);
      if (own.length > 0) blocks.set(header.hash, header);
    }
  }
  if (parentHash !== to.hash) {
    throw unavailable(chain.chainId, 'eth_getBlockByNumber', `block ${to.number} is another one than the final one`);
  }
  return { logs, blocks };
}

/**
 * On a chain whose headers could be hashed once, one that cannot was tampered with. A chain with a format of its own never could; there the other
 * nodes' statements are all there is, and that is said once.
 */
function requireProved(context: IndexerContext, node: NodeReader, header: BlockHeader): void {
  const { chainId } = context.chain;
  if (header.isProved) {
    context.headersAre = 'proved';
  } else if (context.headersAre === 'proved') {
    throw unavailable(
      chainId,
      'eth_getBlockByNumber',
      `the header of block ${header.number} does not hash to its name`,
    );
  } else if (context.headersAre === undefined) {
    context.headersAre = 'not_provable';
    context.log.warn(
      { chain_id: chainId, node: node.name, block_number: header.number },
      'headers of this chain have a format that is not known here: configure several nodes',
    );
  }
}

/** All logs of a block, from receipts that hash to the header's root. Numbered by us: their place is not part of the hash. */
async function logsOfBlock(context: IndexerContext, node: NodeReader, header: BlockHeader): Promise<ChainLog[]> {
  const { chainId } = context.chain;
  const { receipts, logs } = await readReceipts(node, chainId, header, context.limits.rpcConcurrency);
  const refuse = (reason: string): KeystoneError =>
    unavailable(chainId, 'eth_getBlockReceipts', `block ${header.number}: ${reason}`);
  if (receipts.some((receipt) => receipt.blockHash !== header.hash)) throw refuse('receipts of another block');
  const hashes = receipts.map((receipt) => receipt.transactionHash);
  if (hashes.join() !== header.transactions.join()) throw refuse('not the receipts of its transactions');
  const root = receiptsRoot(receipts);
  if (root !== undefined && root !== header.receiptsRoot) throw refuse('receipts that do not hash to its root');
  // Weaker, for receipts of types that only their chain knows: a log left out shows unless others happen to cover its bits.
  if (bloomOf(logs) !== header.logsBloom) throw refuse('receipts that do not make its bloom');
  if (receipts.some((receipt) => !receipt.succeeded && receipt.logs.length > 0))
    throw refuse('logs of a failed transaction');
  let logIndex = 0;
  return receipts.flatMap((receipt) =>
    receipt.logs.map(({ address, topics, data }) => ({
      address,
      topics,
      data,
      blockNumber: header.number,
      blockHash: header.hash,
      transactionHash: receipt.transactionHash,
      logIndex: logIndex++,
    })),
  );
}

/** Every further node that has the range's last block must state the same logs. One that is down or behind is passed over: it says nothing. */
async function compareNodes(
  context: IndexerContext,
  prover: NodeReader,
  range: { fromBlock: number; to: Block },
  proved: readonly ChainLog[],
): Promise<void> {
  const { chain } = context;
  for (const node of chain.nodes) {
    if (node === prover) continue;
    const stated = await logsAt(context, node, range).catch((error: unknown) => {
      context.log.warn({ chain_id: chain.chainId, node: node.name, err: error }, 'a further node did not answer');
      return undefined;
    });
    if (stated !== undefined) requireSame(chain.chainId, `the logs of ${node.name}`, stated, proved);
  }
}

async function logsAt(
  context: IndexerContext,
  node: NodeReader,
  range: { fromBlock: number; to: Block },
): Promise<ChainLog[] | undefined> {
  const { chain } = context;
  const header = await readHeader(node, chain.chainId, range.to.number);
  if (header?.hash !== range.to.hash) return undefined;
  return chainLogs(context, node, range);
}

async function chainLogs(
  context: IndexerContext,
  node: NodeReader,
  range: { fromBlock: number; to: Block },
): Promise<ChainLog[]> {
  const { chain } = context;
  const answer = await node.send('eth_getLogs', [
    {
      address: contractAddresses(chain.configuration),
      fromBlock: `0x${range.fromBlock.toString(16)}`,
      toBlock: `0x${range.to.number.toString(16)}`,
    },
  ]);
  return parseLogs(answer, chain.chainId);
}

/** @throws KeystoneError `chain_disagreement` when two statements about the same blocks differ, in whatever. */
function requireSame(chainId: number, what: string, stated: readonly ChainLog[], proved: readonly ChainLog[]): void {
  const spelled = (logs: readonly ChainLog[]): string[] =>
    logs
      .toSorted((a, b) => a.blockNumber - b.blockNumber || a.logIndex - b.logIndex)
      .map((log) =>
        JSON.stringify([log.blockHash, log.logIndex, log.transactionHash, log.address, log.topics, log.data]),
      );
  const [left, right] = [spelled(stated), spelled(proved)];
  if (left.length === right.length && left.every((log, index) => log === right[index])) return;
  throw new KeystoneError('chain_disagreement', `Chain ${chainId} contradicts itself about the logs of its blocks.`, {
    cause: new Error(`${what}: ${left.length} logs stated, ${right.length} in the receipts`),
  });
}
