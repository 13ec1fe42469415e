import { JsonRpcProvider, Network } from 'ethers';

import type {
  ChainConfiguration,
  CoordinatorChainConfiguration,
  RemoteChainConfiguration,
} from '../domain/configuration.ts';
import { KeystoneError } from '../domain/errors.ts';
import { createRpcSend, isRecord, RpcError, rpcErrorToKeystone, rpcRequest, unavailable } from './rpc.ts';

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

/** One chain through one node. Every method throws `chain_unavailable` when the node does not answer in time. */
export interface Chain {
  readonly chainId: number;
  readonly configuration: ChainConfiguration;
  /** Lower case, as every contract address here. */
  readonly escrow: string;
  /** For ethers' own contracts. Its errors repeat the RPC address: never log them. */
  readonly provider: JsonRpcProvider;
  /** Throws `configuration_invalid` when the node serves another chain than the configured one. */
  checkChainId(): Promise<void>;
  headBlock(): Promise<Block>;
  /** The newest block that will not change, by the configured rule; undefined while there is none. */
  finalizedBlock(): Promise<Block | undefined>;
  block(tag: BlockTag): Promise<Block | undefined>;
  /** Answers the returned bytes. Throws RpcError when the call reverts (`data` holds the contract's error). */
  call(request: CallRequest, block?: BlockTag): Promise<string>;
  /** Estimates on the newest block, as `call` does: by default some nodes take the pending one. Throws RpcError when the call would revert. */
  estimateGas(request: CallRequest): Promise<bigint>;
  code(address: string): Promise<string>;
  balance(address: string): Promise<bigint>;
  /** Transactions that the account has in the chain up to `block`: its next nonce. */
  transactionCount(address: string, block: BlockTag): Promise<number>;
  receipt(transactionHash: string): Promise<Receipt | undefined>;
  /** Throws RpcError when the node refuses the query, e.g. for too many results. */
  logs(query: LogQuery): Promise<ChainLog[]>;
  /** Throws RpcError when the node refuses the bytes. */
  broadcast(raw: string): Promise<void>;
  /** Tip that the node suggests, wei per gas; undefined when it has no opinion. */
  suggestedTip(): Promise<bigint | undefined>;
  close(): void;
}

/** The chain of the state machine. */
export interface CoordinatorChain extends Chain {
  readonly kind: 'coordinator';
  readonly configuration: CoordinatorChainConfiguration;
  readonly coordinator: string;
  readonly registry: string;
}

/** A chain on which legs may live, and which follows the coordinator's messages. */
export interface RemoteChain extends Chain {
  readonly kind: 'remote';
  readonly configuration: RemoteChainConfiguration;
  readonly gateway: string;
}

/** A chain whose contracts are known. */
export type IndexedChain = CoordinatorChain | RemoteChain;

/** A client for one configured chain. Nothing is sent before the first call. */
export function createChain(configuration: CoordinatorChainConfiguration): CoordinatorChain;
export function createChain(configuration: RemoteChainConfiguration): RemoteChain;
export function createChain(configuration: ChainConfiguration): IndexedChain;
export function createChain(configuration: ChainConfiguration): IndexedChain {
  const client = createClient(configuration);
  if (configuration.kind === 'remote') {
    return { ...client, kind: 'remote', configuration, gateway: configuration.gateway.toLowerCase() };
  }
  const coordinator = configuration.coordinator.toLowerCase();
  return { ...client, kind: 'coordinator', configuration, coordinator, registry: configuration.registry.toLowerCase() };
}

function createClient(configuration: ChainConfiguration): Chain {
  const chainId = configuration.chain_id;
  const [rpcUrl] = configuration.rpc_urls;
  if (rpcUrl === undefined) throw new TypeError('a chain has at least one node');
  const network = Network.from(chainId);
  const provider = new JsonRpcProvider(rpcRequest(rpcUrl), network, {
    staticNetwork: network,
    batchMaxCount: 1,
    cacheTimeout: -1,
  });
  const send = createRpcSend(provider, chainId, rpcUrl);
  /** For calls whose errors carry no meaning for the caller. */
  const ask = (method: string, params: readonly unknown[]): Promise<unknown> =>
    send(method, params).catch((error: unknown) => {
      throw rpcErrorToKeystone(chainId, method, error);
    });
  const quantity = async (method: string, params: readonly unknown[]): Promise<bigint> =>
    toBigInt(await ask(method, params), chainId, method);
  const block = (tag: BlockTag): Promise<Block | undefined> => readBlock(send, chainId, tag);

  return {
    chainId,
    configuration,
    escrow: configuration.escrow.toLowerCase(),
    provider,
    async checkChainId() {
      const actual = await quantity('eth_chainId', []);
      if (actual === BigInt(chainId)) return;
      throw new KeystoneError('configuration_invalid', `The node of chain ${chainId} serves chain ${actual}.`);
    },
    headBlock: () => headBlock(block, chainId),
    finalizedBlock: () => finalizedBlock(block, configuration, chainId),
    block,
    call: async (request, tag = 'latest') =>
      toText(await send('eth_call', [rpcCall(request), rpcTag(tag)]), chainId, 'eth_call'),
    estimateGas: async (request) =>
      toBigInt(await send('eth_estimateGas', [rpcCall(request), 'latest']), chainId, 'eth_estimateGas'),
    code: async (address) => toText(await ask('eth_getCode', [address, 'latest']), chainId, 'eth_getCode'),
    balance: (address) => quantity('eth_getBalance', [address, 'latest']),
    transactionCount: async (address, tag) => Number(await quantity('eth_getTransactionCount', [address, rpcTag(tag)])),
    receipt: async (hash) => toReceipt(await ask('eth_getTransactionReceipt', [hash]), chainId),
    logs: async (query) => toLogs(await send('eth_getLogs', [rpcFilter(query)]), chainId),
    broadcast: async (raw) => {
      await send('eth_sendRawTransaction', [raw]);
    },
    suggestedTip: () => suggestedTip(send, chainId),
    close: () => provider.destroy(),
  };
}

type ReadBlock = (tag: BlockTag) => Promise<Block | undefined>;

async function headBlock(block: ReadBlock, chainId: number): Promise<Block> {
  const head = await block('latest');
  if (head === undefined) throw unavailable(chainId, 'eth_getBlockByNumber', 'the node has no head');
  return head;
}

async function finalizedBlock(
  block: ReadBlock,
  configuration: ChainConfiguration,
  chainId: number,
): Promise<Block | undefined> {
  if (configuration.finality === 'finalized') return block('finalized');
  const head = await headBlock(block, chainId);
  const number = head.number - configuration.finality;
  if (number < 0) return undefined;
  return number === head.number ? head : block(number);
}

async function readBlock(
  send: (method: string, params: readonly unknown[]) => Promise<unknown>,
  chainId: number,
  tag: BlockTag,
): Promise<Block | undefined> {
  const method = 'eth_getBlockByNumber';
  const answer = await send(method, [rpcTag(tag), false]).catch((error: unknown) => {
    // Before their first finalised block some nodes answer an error where others answer null.
    if (error instanceof RpcError && tag === 'finalized' && /not found|unknown block/i.test(error.message)) return null;
    throw rpcErrorToKeystone(chainId, method, error);
  });
  if (answer === null) return undefined;
  if (!isRecord(answer)) throw unavailable(chainId, method, 'the block is not an object');
  const baseFee = answer['baseFeePerGas'];
  return {
    number: Number(toBigInt(answer['number'], chainId, method)),
    hash: toText(answer['hash'], chainId, method).toLowerCase(),
    parentHash: toText(answer['parentHash'], chainId, method).toLowerCase(),
    timestampMs: Number(toBigInt(answer['timestamp'], chainId, method)) * 1_000,
    baseFeeWei: baseFee === undefined || baseFee === null ? undefined : toBigInt(baseFee, chainId, method),
  };
}

async function suggestedTip(
  send: (method: string, params: readonly unknown[]) => Promise<unknown>,
  chainId: number,
): Promise<bigint | undefined> {
  const method = 'eth_maxPriorityFeePerGas';
  try {
    return toBigInt(await send(method, []), chainId, method);
  } catch (error) {
    // An optional method: the fee policy has a floor of its own.
    if (error instanceof RpcError) return undefined;
    throw error;
  }
}

function rpcTag(tag: BlockTag): string {
  return typeof tag === 'number' ? `0x${tag.toString(16)}` : tag;
}

function rpcCall(request: CallRequest): Record<string, string> {
  return {
    to: request.to,
    data: request.data,
    ...(request.from !== undefined && { from: request.from }),
    ...(request.value !== undefined && request.value > 0n && { value: `0x${request.value.toString(16)}` }),
  };
}

function rpcFilter(query: LogQuery): Record<string, unknown> {
  return {
    address: [...query.addresses],
    fromBlock: rpcTag(query.fromBlock),
    toBlock: rpcTag(query.toBlock),
    ...(query.topics && { topics: [...query.topics] }),
  };
}

function toText(value: unknown, chainId: number, method: string): string {
  if (typeof value !== 'string') throw unavailable(chainId, method, 'a text was expected in the answer');
  return value;
}

function toBigInt(value: unknown, chainId: number, method: string): bigint {
  if (typeof value !== 'string' || !/^0x[0-9a-fA-F]+$/.test(value)) {
    throw unavailable(chainId, method, 'a hexadecimal quantity was expected in the answer');
  }
  return BigInt(value);
}

function toReceipt(value: unknown, chainId: number): Receipt | undefined {
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

function toLogs(value: unknown, chainId: number): ChainLog[] {
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
