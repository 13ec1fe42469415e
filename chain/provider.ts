import type { JsonRpcProvider } from 'ethers';

import type {
  ChainConfiguration,
  CoordinatorChainConfiguration,
  RemoteChainConfiguration,
} from '../domain/configuration.ts';
import { createNodePool, type NodeEvent } from './node-pool.ts';
import { type ChainNode, type ChainReads, createNode } from './node.ts';
import type { Receipt } from './rpc-types.ts';

export type { NodeEvent } from './node-pool.ts';
export type { ChainNode, ChainReads } from './node.ts';
export type { Block, BlockTag, CallRequest, ChainLog, LogQuery, Receipt } from './rpc-types.ts';

/**
 * One chain through its nodes (decision 0012). Plain reads come from the first node that answers, `finalizedBlock` from all of them: the lowest
 * height that they have in common, when they say the same of it. It throws `chain_disagreement` when they contradict each other, and
 * `chain_unavailable` when fewer than `minimumNodes` answer.
 */
export interface Chain extends ChainReads {
  readonly chainId: number;
  readonly configuration: ChainConfiguration;
  /** Lower case, as every contract address here. */
  readonly escrow: string;
  /** What each node says by itself, for whoever wants to compare. */
  readonly nodes: readonly ChainNode[];
  /** Nodes that have to answer before a block is taken for final. */
  readonly minimumNodes: number;
  /** The first node's, for ethers' own contracts. Its errors repeat the RPC address: never log them. */
  readonly provider: JsonRpcProvider;
  /** Throws `configuration_invalid` when a node serves another chain than the configured one, `chain_unavailable` when no node answers. */
  checkChainId(): Promise<void>;
  /** The receipt that all nodes agree on; undefined while one of them has none. Ask only about blocks that are final. Throws as `finalizedBlock`. */
  agreedReceipt(transactionHash: string): Promise<Receipt | undefined>;
  /** The lowest count that a node knows: one that lies must not make a nonce look used. Wants `minimumNodes` answers. */
  lowestTransactionCount(address: string, block: number | 'latest'): Promise<number>;
  /** A receipt that any node has, for whoever must not overlook one. Wants `minimumNodes` answers. */
  anyReceipt(transactionHash: string): Promise<Receipt | undefined>;
  /** Sends to all nodes; one that takes the bytes is enough. Throws RpcError when all refuse: the answer that says most. */
  broadcast(raw: string): Promise<void>;
  /** Whether the nodes contradicted each other when they were last compared. Nothing new should be signed meanwhile. */
  isPaused(): boolean;
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

export interface ChainOptions {
  /** For logs and metrics; must not throw. */
  readonly onNodeEvent?: (event: NodeEvent) => void;
}

/** A client for one configured chain. Nothing is sent before the first call. */
export function createChain(configuration: CoordinatorChainConfiguration, options?: ChainOptions): CoordinatorChain;
export function createChain(configuration: RemoteChainConfiguration, options?: ChainOptions): RemoteChain;
export function createChain(configuration: ChainConfiguration, options?: ChainOptions): IndexedChain;
export function createChain(configuration: ChainConfiguration, options: ChainOptions = {}): IndexedChain {
  const client = createClient(configuration, options);
  if (configuration.kind === 'remote') {
    return { ...client, kind: 'remote', configuration, gateway: configuration.gateway.toLowerCase() };
  }
  const coordinator = configuration.coordinator.toLowerCase();
  return { ...client, kind: 'coordinator', configuration, coordinator, registry: configuration.registry.toLowerCase() };
}

function createClient(configuration: ChainConfiguration, options: ChainOptions): Chain {
  const chainId = configuration.chain_id;
  const emit = options.onNodeEvent ?? (() => undefined);
  const nodes = configuration.rpc_urls.map((url, index) =>
    createNode({ configuration, url, index, onChange: (kind, node) => emit({ kind, chainId, node }) }),
  );
  const [firstNode] = nodes;
  if (firstNode === undefined) throw new TypeError('a chain has at least one node');
  const minimumNodes = configuration.minimum_nodes ?? majorityOf(nodes.length);
  const pool = createNodePool({ chainId, nodes, minimumNodes, emit });
  const { first } = pool;
  return {
    chainId,
    configuration,
    escrow: configuration.escrow.toLowerCase(),
    nodes,
    minimumNodes,
    provider: firstNode.provider,
    checkChainId: pool.checkChainIds,
    headBlock: () => first((node) => node.headBlock()),
    finalizedBlock: pool.finalizedBlock,
    block: (tag) => first((node) => node.block(tag)),
    call: (request, tag) => first((node) => node.call(request, tag)),
    estimateGas: (request) => first((node) => node.estimateGas(request)),
    code: (address) => first((node) => node.code(address)),
    balance: (address) => first((node) => node.balance(address)),
    transactionCount: (address, tag) => first((node) => node.transactionCount(address, tag)),
    receipt: (hash) => first((node) => node.receipt(hash)),
    isKnown: pool.isKnown,
    transactionsOf: (tag) => first((node) => node.transactionsOf(tag)),
    logs: (query) => first((node) => node.logs(query)),
    suggestedTip: () => first((node) => node.suggestedTip()),
    agreedReceipt: pool.agreedReceipt,
    lowestTransactionCount: pool.lowestTransactionCount,
    anyReceipt: pool.anyReceipt,
    broadcast: pool.broadcast,
    isPaused: pool.isPaused,
    close: () => {
      for (const node of nodes) node.close();
    },
  };
}

/** More than half: two nodes have to agree with each other, of three any two. */
function majorityOf(nodes: number): number {
  return Math.floor(nodes / 2) + 1;
}
