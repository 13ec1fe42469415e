import { KeystoneError } from '../domain/errors.ts';
import { broadcastRank } from './broadcast-answers.ts';
import { isRevert } from './contract-errors.ts';
import type { ChainNode } from './node.ts';
import type { Block, Receipt } from './rpc-types.ts';
import { unavailable } from './rpc.ts';

/** Something that an operator wants to know about the nodes of a chain. Nodes are named by their number. */
export type NodeEvent = { readonly chainId: number } & (
  | { readonly kind: 'node_down' | 'node_up' | 'wrong_chain'; readonly node: string }
  /** Nodes contradict each other about something final. `opinions`: what each says, e.g. its block hash. */
  | { readonly kind: 'disagreement'; readonly about: Subject; readonly opinions: Readonly<Record<string, string>> }
  | { readonly kind: 'agreement'; readonly about: Subject }
);
type Subject = 'block' | 'receipt';

export interface NodePool {
  /** Asks one node after the other until one answers. A contract's refusal is an answer. */
  readonly first: <Result>(ask: (node: ChainNode) => Promise<Result>) => Promise<Result>;
  readonly finalizedBlock: () => Promise<Block | undefined>;
  readonly agreedReceipt: (transactionHash: string) => Promise<Receipt | undefined>;
  readonly anyReceipt: (transactionHash: string) => Promise<Receipt | undefined>;
  readonly lowestTransactionCount: (address: string, block: number | 'latest') => Promise<number>;
  readonly isKnown: (transactionHash: string) => Promise<boolean>;
  readonly broadcast: (raw: string) => Promise<void>;
  readonly checkChainIds: () => Promise<void>;
  readonly isPaused: () => boolean;
}

export interface NodePoolOptions {
  readonly chainId: number;
  readonly nodes: readonly ChainNode[];
  readonly minimumNodes: number;
  readonly emit: (event: NodeEvent) => void;
}

interface Opinion<Value> {
  readonly node: ChainNode;
  readonly value: Value;
}

/** The nodes of a chain together; the rules are those of decision 0012. */
export function createNodePool(options: NodePoolOptions): NodePool {
  const { chainId, nodes, minimumNodes } = options;
  const contradictions = createContradictions(options);
  /** Every node's answer. Throws `chain_unavailable` when fewer than the minimum answer. */
  const everyAnswer: EveryAnswer = async (ask, { minimum = minimumNodes, among = awake(nodes, minimum) } = {}) => {
    const results = await Promise.allSettled(among.map(async (node) => ({ node, value: await ask(node) })));
    const opinions = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    if (opinions.length >= minimum) return opinions;
    const failed = results.find((result) => result.status === 'rejected');
    // One node speaks for itself; of several, the number is what matters.
    if (failed !== undefined && nodes.length === 1) throw failed.reason;
    throw unavailable(chainId, 'by enough nodes', `${opinions.length} of ${minimum} nodes answered`);
  };
  return {
    first: (ask) => firstAnswer(nodes, ask),
    finalizedBlock: () => finalizedBlock(everyAnswer, contradictions),
    async agreedReceipt(hash) {
      const opinions = await everyAnswer((node) => node.receipt(hash));
      if (opinions.some(({ value }) => value === undefined)) return undefined;
      contradictions.compare('receipt', opinions, (receipt) => `${receipt?.blockHash} ${receipt?.succeeded}`);
      return opinions[0]?.value;
    },
    async anyReceipt(hash) {
      const opinions = await everyAnswer((node) => node.receipt(hash), { among: nodes });
      return opinions.find(({ value }) => value !== undefined)?.value;
    },
    async lowestTransactionCount(address, block) {
      const opinions = await everyAnswer((node) => node.transactionCount(address, block));
      return Math.min(...opinions.map(({ value }) => value));
    },
    async isKnown(hash) {
      const opinions = await everyAnswer((node) => node.isKnown(hash), { minimum: 1 });
      return opinions.some(({ value }) => value);
    },
    broadcast: (raw) => broadcast(nodes, raw),
    checkChainIds: () => checkChainIds(nodes),
    isPaused: contradictions.exist,
  };
}

/** Those that answer, unless too few do: then all, since one may be back. */
function awake(nodes: readonly ChainNode[], minimum: number): readonly ChainNode[] {
  const found = nodes.filter((node) => !node.isResting());
  return found.length >= minimum ? found : nodes;
}

async function firstAnswer<Result>(
  nodes: readonly ChainNode[],
  ask: (node: ChainNode) => Promise<Result>,
): Promise<Result> {
  const order = nodes.toSorted((a, b) => Number(a.isResting()) - Number(b.isResting()));
  let failure: unknown;
  for (const node of order) {
    try {
      return await ask(node);
    } catch (error) {
      if (isRevert(error)) throw error;
      failure = error;
    }
  }
  throw failure;
}

type EveryAnswer = <Value>(
  ask: (node: ChainNode) => Promise<Value>,
  options?: { readonly minimum?: number; readonly among?: readonly ChainNode[] },
) => Promise<Opinion<Value>[]>;

/** The lowest block that is final for every node that answers, if they all say the same of it. */
async function finalizedBlock(everyAnswer: EveryAnswer, contradictions: Contradictions): Promise<Block | undefined> {
  const opinions = await everyAnswer((node) => node.finalizedBlock());
  const blocks = opinions.map(({ value }) => value).filter((block) => block !== undefined);
  if (blocks.length < opinions.length) return undefined;
  const height = Math.min(...blocks.map((block) => block.number));
  const own = new Map(opinions.map(({ node, value }) => [node, value]));
  const atHeight = await everyAnswer(
    async (node) => {
      const block = own.get(node);
      const found = block?.number === height ? block : await node.block(height);
      // It lies below what the node calls final. One that has thrown it away has no opinion, and is missing from the minimum.
      if (found === undefined) throw unavailable(node.chainId, 'eth_getBlockByNumber', 'a final block is missing');
      return found;
    },
    { among: opinions.map(({ node }) => node) },
  );
  contradictions.compare('block', atHeight, (block) => block.hash);
  return atHeight[0]?.value;
}

interface Contradictions {
  /** Throws `chain_disagreement` unless all opinions have the same text. Reports only when that changes. */
  compare<Value>(about: Subject, opinions: readonly Opinion<Value>[], textOf: (value: Value) => string): void;
  readonly exist: () => boolean;
}

function createContradictions({ chainId, emit }: NodePoolOptions): Contradictions {
  const open = new Set<Subject>();
  return {
    compare(about, opinions, textOf) {
      const texts = opinions.map(({ node, value }) => [node.name, textOf(value)] as const);
      if (new Set(texts.map(([, text]) => text)).size <= 1) {
        if (open.delete(about)) emit({ kind: 'agreement', chainId, about });
        return;
      }
      if (!open.has(about)) emit({ kind: 'disagreement', chainId, about, opinions: Object.fromEntries(texts) });
      open.add(about);
      throw new KeystoneError('chain_disagreement', `The nodes of chain ${chainId} contradict each other.`, {
        cause: new Error(texts.map(([name, text]) => `${name}: ${text}`).join(', ')),
      });
    },
    exist: () => open.size > 0,
  };
}

/**
 * Done as soon as one node has the bytes, or says that it had them; the others get them all the same. When all refuse, the answer that says most is
 * thrown. Nodes that do not answer lately are not waited for.
 */
async function broadcast(nodes: readonly ChainNode[], raw: string): Promise<void> {
  const waitedFor = awake(nodes, 1);
  const failures: unknown[] = [];
  const taken = await new Promise<boolean>((resolve) => {
    for (const node of nodes) {
      node.broadcast(raw).then(
        () => resolve(true),
        (error: unknown) => {
          if (!waitedFor.includes(node)) return;
          failures.push(error);
          if (broadcastRank(error) === 0 || failures.length === waitedFor.length) resolve(false);
        },
      );
    }
  });
  if (taken) return;
  throw failures.toSorted((a, b) => broadcastRank(a) - broadcastRank(b))[0];
}

/** A node that is away now is checked before its first use; see `createNode`. */
async function checkChainIds(nodes: readonly ChainNode[]): Promise<void> {
  const results = await Promise.allSettled(nodes.map((node) => node.checkChainId()));
  const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
  const wrong = failures.find((error) => error instanceof KeystoneError && error.code === 'configuration_invalid');
  if (wrong !== undefined) throw wrong;
  if (failures.length === nodes.length) throw failures[0];
}
