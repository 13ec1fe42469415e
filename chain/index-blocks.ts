import { hashesToItsName } from './header-hash.ts';
import type { ChainNode } from './node.ts';
import type { ChainLog } from './provider.ts';
import type { ReceiptContent } from './receipts-root.ts';
import { isRecord, RpcError, rpcErrorToKeystone, unavailable } from './rpc.ts';

/** What the indexer reads of blocks to check a node's word about their logs. */

/** A node as the indexer asks it. */
export type NodeReader = Pick<ChainNode, 'name' | 'send'>;

export interface BlockHeader {
  readonly number: number;
  readonly hash: string;
  readonly parentHash: string;
  /** ms since epoch */
  readonly timestampMs: number;
  /** Hex of 256 bytes. */
  readonly logsBloom: string;
  readonly receiptsRoot: string;
  /** Whether all of this hashes to `hash`. False also on chains whose headers have a format of their own. */
  readonly isProved: boolean;
  /** Hashes, in the block's order. */
  readonly transactions: readonly string[];
}

/** The part of a block's receipts that its header answers for. */
export interface BlockReceipt extends ReceiptContent {
  readonly transactionHash: string;
  readonly blockHash: string;
}

const METHOD_NOT_FOUND = -32_601;
const HEX = /^0x[0-9a-f]*$/;

/** Undefined when the node has no such block. Throws `chain_unavailable` for anything that is not a block. */
export async function readHeader(node: NodeReader, chainId: number, number: number): Promise<BlockHeader | undefined> {
  const method = 'eth_getBlockByNumber';
  const answer = await ask(node, chainId, method, [hex(number), false]);
  if (answer === null) return undefined;
  const read = reader(answer, chainId, method);
  const header = {
    number: read.count('number'),
    hash: read.hex('hash'),
    parentHash: read.hex('parentHash'),
    timestampMs: read.count('timestamp') * 1_000,
    logsBloom: read.hex('logsBloom'),
    receiptsRoot: read.hex('receiptsRoot'),
    isProved: isRecord(answer) && hashesToItsName(answer),
    transactions: read.list('transactions').map((hash) => text(hash, chainId, method)),
  };
  if (header.number !== number) throw unavailable(chainId, method, 'a block of another height');
  return header;
}

/** Every receipt of a block, in order. Nodes without `eth_getBlockReceipts` are asked for one after the other, `concurrency` at once. */
export async function readReceipts(
  node: NodeReader,
  chainId: number,
  header: BlockHeader,
  concurrency: number,
): Promise<{ receipts: BlockReceipt[]; logs: ChainLog[] }> {
  const method = 'eth_getBlockReceipts';
  const answer = await node.send(method, [hex(header.number)]).catch((error: unknown) => {
    if (error instanceof RpcError && error.rpcCode === METHOD_NOT_FOUND) return undefined;
    throw rpcErrorToKeystone(chainId, method, error);
  });
  const list = answer === undefined ? await readOneByOne(node, chainId, header, concurrency) : answer;
  // null is what a node answers that does not have the block, or no longer has its receipts.
  if (!Array.isArray(list)) throw unavailable(chainId, method, `no receipts of block ${header.number}`);
  const parsed = list.map((receipt: unknown) => parseReceipt(receipt, chainId, method));
  return { receipts: parsed.map(({ receipt }) => receipt), logs: parsed.flatMap(({ logs }) => logs) };
}

async function readOneByOne(
  node: NodeReader,
  chainId: number,
  header: BlockHeader,
  concurrency: number,
): Promise<unknown[]> {
  const receipts: unknown[] = [];
  for (let start = 0; start < header.transactions.length; start += concurrency) {
    const group = header.transactions.slice(start, start + concurrency);
    receipts.push(...(await Promise.all(group.map((hash) => ask(node, chainId, 'eth_getTransactionReceipt', [hash])))));
  }
  return receipts;
}

function parseReceipt(
  value: unknown,
  chainId: number,
  method: string,
): { receipt: BlockReceipt; logs: readonly ChainLog[] } {
  const read = reader(value, chainId, method);
  const logs = read.list('logs').map((log) => parseLog(log, chainId, method));
  return {
    receipt: {
      transactionHash: read.hex('transactionHash'),
      blockHash: read.hex('blockHash'),
      // Nodes leave it out on chains that have only one type.
      type: read.has('type') ? read.count('type') : 0,
      succeeded: read.hex('status') === '0x1',
      cumulativeGasUsed: BigInt(read.hex('cumulativeGasUsed')),
      logs,
    },
    logs,
  };
}

function parseLog(value: unknown, chainId: number, method: string): ChainLog {
  const read = reader(value, chainId, method);
  return {
    address: read.hex('address'),
    topics: read.list('topics').map((topic) => text(topic, chainId, method)),
    data: read.hex('data'),
    blockNumber: read.count('blockNumber'),
    blockHash: read.hex('blockHash'),
    transactionHash: read.hex('transactionHash'),
    logIndex: read.count('logIndex'),
  };
}

/** The answer of `eth_getLogs`, hex in lower case. Throws `chain_unavailable` for anything else. */
export function parseLogs(answer: unknown, chainId: number): ChainLog[] {
  const method = 'eth_getLogs';
  if (!Array.isArray(answer)) throw unavailable(chainId, method, 'the logs are not a list');
  return answer.map((log: unknown) => parseLog(log, chainId, method));
}

async function ask(node: NodeReader, chainId: number, method: string, params: readonly unknown[]): Promise<unknown> {
  return node.send(method, params).catch((error: unknown) => {
    throw rpcErrorToKeystone(chainId, method, error);
  });
}

interface FieldReader {
  has(name: string): boolean;
  /** Lower-case hex. */
  hex(name: string): string;
  count(name: string): number;
  list(name: string): readonly unknown[];
}

function reader(value: unknown, chainId: number, method: string): FieldReader {
  if (!isRecord(value)) throw unavailable(chainId, method, 'an object was expected in the answer');
  return {
    has: (name) => typeof value[name] === 'string',
    hex: (name) => text(value[name], chainId, method),
    count: (name) => {
      const count = Number(BigInt(text(value[name], chainId, method)));
      if (!Number.isSafeInteger(count)) throw unavailable(chainId, method, `${name} is beyond 2^53`);
      return count;
    },
    list: (name) => {
      const list: unknown = value[name];
      if (!Array.isArray(list)) throw unavailable(chainId, method, `${name} is not a list`);
      return list as readonly unknown[];
    },
  };
}

function text(value: unknown, chainId: number, method: string): string {
  const lower = typeof value === 'string' ? value.toLowerCase() : '';
  if (!HEX.test(lower)) throw unavailable(chainId, method, 'a hexadecimal value was expected in the answer');
  return lower;
}

function hex(number: number): string {
  return `0x${number.toString(16)}`;
}
