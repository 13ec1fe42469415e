import { isRecord, RpcError, rpcErrorToKeystone, type RpcSend, unavailable } from './rpc.ts';

/** What nodes are asked and what they answer, in our shapes; `https://ethereum.github.io/execution-apis` has theirs. */

/** A block as far as anything here needs it. */
export interface Block {
  readonly number: number;
  /** Lower-case hex. */
  readonly hash: string;
  readonly parentHash: string;
  /** ms since epoch; blocks are dated in whole seconds. */
  readonly timestampMs: number;
  /** Wei per gas; undefined on chains without EIP-1559. */
  readonly baseFeeWei: bigint | undefined;
}

export interface Receipt {
  readonly transactionHash: string;
  readonly blockNumber: number;
  readonly blockHash: string;
  readonly succeeded: boolean;
}

export interface ChainLog {
  readonly address: string;
  readonly topics: readonly string[];
  readonly data: string;
  readonly blockNumber: number;
  readonly blockHash: string;
  readonly transactionHash: string;
  readonly logIndex: number;
}

export interface LogQuery {
  readonly addresses: readonly string[];
  readonly topics?: readonly (string | null)[];
  /** Both ends are included. */
  readonly fromBlock: number;
  readonly toBlock: number;
}

export interface CallRequest {
  readonly to: string;
  readonly data: string;
  readonly from?: string;
  /** Wei. */
  readonly value?: bigint;
}

export type BlockTag = 'latest' | 'finalized' | 'pending' | number;

/** A block with the hashes of its transactions; undefined when the node has none by that tag. */
export async function readBlock(
  send: RpcSend,
  chainId: number,
  tag: BlockTag,
): Promise<{ block: Block; hashes: readonly string[] } | undefined> {
  const method = 'eth_getBlockByNumber';
  const answer = await send(method, [rpcTag(tag), false]).catch((error: unknown) => {
    // Before their first finalised block some nodes answer an error where others answer null.
    if (error instanceof RpcError && tag === 'finalized' && /not found|unknown block/i.test(error.message)) return null;
    throw rpcErrorToKeystone(chainId, method, error);
  });
  if (answer === null) return undefined;
  if (!isRecord(answer)) throw unavailable(chainId, method, 'the block is not an object');
  const baseFee = answer['baseFeePerGas'];
  const hashes = Array.isArray(answer['transactions']) ? answer['transactions'] : [];
  return {
    block: {
      number: Number(toBigInt(answer['number'], chainId, method)),
      hash: toText(answer['hash'], chainId, method).toLowerCase(),
      parentHash: toText(answer['parentHash'], chainId, method).toLowerCase(),
      timestampMs: Number(toBigInt(answer['timestamp'], chainId, method)) * 1_000,
      baseFeeWei: baseFee === undefined || baseFee === null ? undefined : toBigInt(baseFee, chainId, method),
    },
    hashes: hashes.map((hash: unknown) => toText(hash, chainId, method).toLowerCase()),
  };
}

export function rpcTag(tag: BlockTag): string {
  return typeof tag === 'number' ? `0x${tag.toString(16)}` : tag;
}

export function rpcCall(request: CallRequest): Record<string, string> {
  return {
    to: request.to,
    data: request.data,
    ...(request.from !== undefined && { from: request.from }),
    ...(request.value !== undefined && request.value > 0n && { value: `0x${request.value.toString(16)}` }),
  };
}

export function rpcFilter(query: LogQuery): Record<string, unknown> {
  return {
    address: [...query.addresses],
    fromBlock: rpcTag(query.fromBlock),
    toBlock: rpcTag(query.toBlock),
    ...(query.topics && { topics: [...query.topics] }),
  };
}

export function toText(value: unknown, chainId: number, method: string): string {
  if (typeof value !== 'string') throw unavailable(chainId, method, 'a text was expected in the answer');
  return value;
}

export function toBigInt(value: unknown, chainId: number, method: string): bigint {
  if (typeof value !== 'string' || !/^0x[0-9a-fA-F]+$/.test(value)) {
    throw unavailable(chainId, method, 'a hexadecimal quantity was expected in the answer');
  }
  return BigInt(value);
}

export function toReceipt(value: unknown, chainId: number): Receipt | undefined {
  const method = 'eth_getTransactionReceipt';
  if (value === null) return undefined;
  if (!isRecord(value)) throw unavailable(chainId, method, 'the receipt is not an object');
  return {
    transactionHash: toText(value['transactionHash'], chainId, method).toLowerCase(),
    blockNumber: Number(toBigInt(value['blockNumber'], chainId, method)),
    blockHash: toText(value['blockHash'], chainId, method).toLowerCase(),
    succeeded: toBigInt(value['status'], chainId, method) === 1n,
  };
}

export function toLogs(value: unknown, chainId: number): ChainLog[] {
  const method = 'eth_getLogs';
  if (!Array.isArray(value)) throw unavailable(chainId, method, 'the logs are not a list');
  return value.map((log: unknown) => {
    if (!isRecord(log) || !Array.isArray(log['topics'])) throw unavailable(chainId, method, 'a log is not an object');
    return {
      address: toText(log['address'], chainId, method).toLowerCase(),
      topics: log['topics'].map((topic: unknown) => toText(topic, chainId, method).toLowerCase()),
      data: toText(log['data'], chainId, method),
      blockNumber: Number(toBigInt(log['blockNumber'], chainId, method)),
      blockHash: toText(log['blockHash'], chainId, method).toLowerCase(),
      transactionHash: toText(log['transactionHash'], chainId, method).toLowerCase(),
      logIndex: Number(toBigInt(log['logIndex'], chainId, method)),
    };
  });
}
