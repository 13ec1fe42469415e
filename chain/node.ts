import { JsonRpcProvider, Network } from 'ethers';

import type { ChainConfiguration } from '../domain/configuration.ts';
import { KeystoneError } from '../domain/errors.ts';
import { CHAIN_LIMITS } from './limits.ts';
import {
  type Block,
  type BlockTag,
  type CallRequest,
  type ChainLog,
  type LogQuery,
  type Receipt,
  readBlock,
  rpcCall,
  rpcFilter,
  rpcTag,
  toBigInt,
  toLogs,
  toReceipt,
  toText,
} from './rpc-types.ts';
import { createRpcSend, RpcError, rpcErrorToKeystone, rpcRequest, type RpcSend, unavailable } from './rpc.ts';

/** What may be asked of a chain. Every method throws `chain_unavailable` when nobody answers in time. */
export interface ChainReads {
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
  /** Whether the transaction is known, waiting or included. */
  isKnown(transactionHash: string): Promise<boolean>;
  /** Hashes of the transactions of a block, lower case; undefined when there is no such block. */
  transactionsOf(block: BlockTag): Promise<{ block: Block; hashes: readonly string[] } | undefined>;
  /** Throws RpcError when the node refuses the query, e.g. for too many results. */
  logs(query: LogQuery): Promise<ChainLog[]>;
  /** Tip that the node suggests, wei per gas; undefined when it has no opinion. */
  suggestedTip(): Promise<bigint | undefined>;
}

/**
 * One node of a chain: what it alone says. It is asked for its chain id before anything else is believed or sent; `configuration_invalid` when that
 * is another chain's.
 */
export interface ChainNode extends ChainReads {
  readonly chainId: number;
  /** `node 1`, in the order of the configuration; never its address, which may hold a key. */
  readonly name: string;
  readonly send: RpcSend;
  /** For ethers' own contracts. Its errors repeat the RPC address: never log them. */
  readonly provider: JsonRpcProvider;
  checkChainId(): Promise<void>;
  /** Throws RpcError when the node refuses the bytes. */
  broadcast(raw: string): Promise<void>;
  /** Whether it has not answered lately, so that others should be asked first. */
  isResting(): boolean;
  close(): void;
}

export interface NodeOptions {
  readonly configuration: ChainConfiguration;
  readonly url: string;
  /** Position in the configuration. */
  readonly index: number;
  /** Called when it stops and when it begins to answer, and when it serves another chain. */
  readonly onChange: (change: 'node_down' | 'node_up' | 'wrong_chain', name: string) => void;
}

/** A client for one node. Nothing is sent before the first call. */
export function createNode(options: NodeOptions): ChainNode {
  const { configuration, url } = options;
  const chainId = configuration.chain_id;
  const name = `node ${options.index + 1}`;
  const network = Network.from(chainId);
  const provider = new JsonRpcProvider(rpcRequest(url), network, {
    staticNetwork: network,
    batchMaxCount: 1,
    cacheTimeout: -1,
  });
  const health = createHealth((change) => options.onChange(change, name));
  const watched = health.watch(createRpcSend(provider, chainId, url));
  const checkChainId = createChainIdCheck(watched, chainId, () => options.onChange('wrong_chain', name));
  const send: RpcSend = async (method, params) => {
    await checkChainId();
    return watched(method, params);
  };
  return {
    ...createReads(send, configuration),
    chainId,
    name,
    send,
    provider,
    checkChainId,
    broadcast: async (raw) => {
      await send('eth_sendRawTransaction', [raw]);
    },
    isResting: health.isResting,
    close: () => provider.destroy(),
  };
}

/** Remembers whether the node answers at all; an error that it answers is an answer. */
function createHealth(onChange: (change: 'node_down' | 'node_up') => void): {
  readonly watch: (send: RpcSend) => RpcSend;
  readonly isResting: () => boolean;
} {
  let failedAt: number | undefined;
  const answered = (): void => {
    if (failedAt === undefined) return;
    failedAt = undefined;
    onChange('node_up');
  };
  return {
    isResting: () => failedAt !== undefined && performance.now() - failedAt < CHAIN_LIMITS.nodeRestMs,
    watch: (send) => async (method, params) => {
      try {
        const answer = await send(method, params);
        answered();
        return answer;
      } catch (error) {
        if (error instanceof RpcError) {
          answered();
        } else {
          const isNew = failedAt === undefined;
          failedAt = performance.now();
          if (isNew) onChange('node_down');
        }
        throw error;
      }
    },
  };
}

/** Asks once; an answer of the right chain is remembered, a failure is not. */
function createChainIdCheck(send: RpcSend, chainId: number, onWrong: () => void): () => Promise<void> {
  let isRight = false;
  let asking: Promise<void> | undefined;
  const ask = async (): Promise<void> => {
    const answer = await send('eth_chainId', []).catch((error: unknown) => {
      throw rpcErrorToKeystone(chainId, 'eth_chainId', error);
    });
    const actual = toBigInt(answer, chainId, 'eth_chainId');
    if (actual !== BigInt(chainId)) {
      onWrong();
      throw new KeystoneError('configuration_invalid', `A node of chain ${chainId} serves chain ${actual}.`);
    }
    isRight = true;
  };
  return async () => {
    if (isRight) return;
    asking ??= ask().finally(() => {
      asking = undefined;
    });
    await asking;
  };
}

function createReads(send: RpcSend, configuration: ChainConfiguration): ChainReads {
  const chainId = configuration.chain_id;
  /** For calls whose errors carry no meaning for the caller. */
  const ask = (method: string, params: readonly unknown[]): Promise<unknown> =>
    send(method, params).catch((error: unknown) => {
      throw rpcErrorToKeystone(chainId, method, error);
    });
  const quantity = async (method: string, params: readonly unknown[]): Promise<bigint> =>
    toBigInt(await ask(method, params), chainId, method);
  const block = async (tag: BlockTag): Promise<Block | undefined> => (await readBlock(send, chainId, tag))?.block;
  return {
    headBlock: () => headBlock(block, chainId),
    finalizedBlock: () => finalizedBlock(block, configuration),
    block,
    call: async (request, tag = 'latest') =>
      toText(await send('eth_call', [rpcCall(request), rpcTag(tag)]), chainId, 'eth_call'),
    estimateGas: async (request) =>
      toBigInt(await send('eth_estimateGas', [rpcCall(request), 'latest']), chainId, 'eth_estimateGas'),
    code: async (address) => toText(await ask('eth_getCode', [address, 'latest']), chainId, 'eth_getCode'),
    balance: (address) => quantity('eth_getBalance', [address, 'latest']),
    transactionCount: async (address, tag) => Number(await quantity('eth_getTransactionCount', [address, rpcTag(tag)])),
    receipt: async (hash) => toReceipt(await ask('eth_getTransactionReceipt', [hash]), chainId),
    isKnown: async (hash) => (await ask('eth_getTransactionByHash', [hash])) !== null,
    transactionsOf: (tag) => readBlock(send, chainId, tag),
    logs: async (query) => toLogs(await send('eth_getLogs', [rpcFilter(query)]), chainId),
    suggestedTip: () => suggestedTip(send, chainId),
  };
}

type ReadBlock = (tag: BlockTag) => Promise<Block | undefined>;

async function headBlock(block: ReadBlock, chainId: number): Promise<Block> {
  const head = await block('latest');
  if (head === undefined) throw unavailable(chainId, 'eth_getBlockByNumber', 'the node has no head');
  return head;
}

async function finalizedBlock(block: ReadBlock, configuration: ChainConfiguration): Promise<Block | undefined> {
  if (configuration.finality === 'finalized') return block('finalized');
  const head = await headBlock(block, configuration.chain_id);
  const number = head.number - configuration.finality;
  if (number < 0) return undefined;
  return number === head.number ? head : block(number);
}

async function suggestedTip(send: RpcSend, chainId: number): Promise<bigint | undefined> {
  const method = 'eth_maxPriorityFeePerGas';
  try {
    return toBigInt(await send(method, []), chainId, method);
  } catch (error) {
    // An optional method: the fee policy has a floor of its own.
    if (error instanceof RpcError) return undefined;
    throw error;
  }
}
