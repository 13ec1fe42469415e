import { setTimeout as pause } from 'node:timers/promises';

import { type Entry, newEntry, type PacketView, plan, settle, viewOf } from './delivery.ts';
import { type Fault, type FaultInput, faultsSchema, treat, type Treatment } from './faults.ts';
import { decodePacket } from './packet.ts';
import { type ChainAccess, connectChain, type RelayChain } from './relay-chain.ts';

/**
 * Carries LayerZero packets between chains of development and of tests: stands for the verifiers and for the executor. It keeps nothing: what
 * was delivered is asked of the receiving endpoint, so it can be killed and started again at any time.
 */

const LIMITS = {
  /** Packets that wait at once; more are read when these are gone. */
  pending: 10_000,
  /** Delivered packets that are still shown. */
  remembered: 1_000,
  /** Questions to a node at once. */
  questions: 16,
  /** ms between two rounds. */
  pollMs: 250,
} as const;

export interface RelayOptions {
  readonly chains: readonly RelayChain[];
  /** 0x and 32 bytes; needs ether on every chain, and nobody else may use its nonces. */
  readonly privateKey: string;
  readonly faults?: readonly FaultInput[];
  /** Decides which packets a rule with a probability hits. */
  readonly seed?: number;
  readonly pollMs?: number;
  readonly log?: (line: string) => void;
}

export type { PacketView } from './delivery.ts';

export interface Relay {
  readonly account: string;
  readonly seed: number;
  /** One look at every chain, and whatever is due. For tests that keep the time themselves; not while the relay is started. */
  round(): Promise<void>;
  /** Looks again and again until `stop`. */
  start(): void;
  /** Ends the rounds and closes the connections. What was begun is finished. */
  stop(): Promise<void>;
  /** Replaces all rules. @throws ZodError when one makes no sense. */
  setFaults(faults: readonly FaultInput[]): readonly Fault[];
  faults(): readonly Fault[];
  /** Oldest first; delivered ones are shown for a while. */
  packets(): readonly PacketView[];
}

export function createRelay(options: RelayOptions): Relay {
  const chains = options.chains.map((chain) => connectChain(chain, options.privateKey));
  const { seed = 1, log = (): void => undefined } = options;
  const entries = new Map<string, Entry>();
  const attempt = createAttempt(log);
  let rules: readonly Fault[] = faultsSchema.parse(options.faults ?? []);
  const ending = new AbortController();
  let running: Promise<void> | undefined;

  const treatmentOf = (entry: Entry): Treatment =>
    treat(entry.packet, { fromChain: entry.from.chain.chainId, toChain: entry.to.chain.chainId }, rules, seed);
  const waiting = (): Entry[] => [...entries.values()].filter(({ state }) => state !== 'delivered');

  async function read(chain: ChainAccess): Promise<void> {
    if (waiting().length >= LIMITS.pending) throw new Error(`more than ${LIMITS.pending} packets wait`);
    for (const { encoded, options: bought, blockNumber, transactionHash } of await chain.readPackets()) {
      const packet = decodePacket(encoded, bought);
      const to = chains.find((candidate) => candidate.chain.endpointId === packet.destinationEndpointId);
      // For a chain that this relay does not serve.
      if (to === undefined || entries.has(packet.guid)) continue;
      entries.set(packet.guid, newEntry(packet, chain, to, { block: blockNumber, transaction: transactionHash }));
    }
  }

  async function deliver(chain: ChainAccess): Promise<void> {
    const due = waiting().filter(({ to }) => to === chain);
    await inChunks(due, async (entry) => {
      entry.state = await chain.inboundState(entry.packet);
    });
    const deliveries = plan(due, treatmentOf, Date.now());
    const results = await chain.send(deliveries.map(({ call }) => call));
    await inChunks(deliveries, (delivery, index) => settle(delivery, results[index] ?? false, log));
  }

  async function round(): Promise<void> {
    await Promise.all(chains.map((chain) => attempt(`packets of chain ${chain.chain.chainId}`, () => read(chain))));
    await Promise.all(
      chains.map((chain) => attempt(`deliveries to chain ${chain.chain.chainId}`, () => deliver(chain))),
    );
    const delivered = [...entries].filter(([, { state }]) => state === 'delivered');
    for (const [guid] of delivered.slice(0, -LIMITS.remembered)) entries.delete(guid);
  }

  return {
    account: chains[0]?.account ?? '',
    seed,
    round,
    start() {
      running ??= (async () => {
        while (!ending.signal.aborted) {
          await round();
          // Aborted by `stop`, which the next line of the loop looks at.
          await pause(options.pollMs ?? LIMITS.pollMs, undefined, { signal: ending.signal }).catch(() => undefined);
        }
      })();
    },
    async stop() {
      ending.abort();
      await running;
      for (const chain of chains) chain.close();
    },
    setFaults(faults) {
      rules = faultsSchema.parse(faults);
      log(`faults: ${rules.length === 0 ? 'none' : rules.map(({ id, kind }) => `${id} (${kind})`).join(', ')}`);
      return rules;
    },
    faults: () => rules,
    packets: () => [...entries.values()].map((entry) => viewOf(entry, treatmentOf(entry))),
  };
}

/** A chain that is away must not keep the others waiting. A trouble is logged when it begins and when it ends. */
function createAttempt(log: (line: string) => void): (what: string, work: () => Promise<void>) => Promise<void> {
  const troubles = new Map<string, string>();
  return async (what, work) => {
    try {
      await work();
      if (troubles.delete(what)) log(`${what}: works again`);
    } catch (error) {
      const { shortMessage, message } = error as { shortMessage?: string; message?: string };
      const text = shortMessage ?? message ?? 'failed';
      if (troubles.get(what) !== text) log(`${what}: ${text}`);
      troubles.set(what, text);
    }
  };
}

/** Works on the items a few at a time: a node that gets a thousand questions at once answers none in time. */
async function inChunks<Item>(
  items: readonly Item[],
  work: (item: Item, index: number) => Promise<void>,
): Promise<void> {
  for (let start = 0; start < items.length; start += LIMITS.questions) {
    const chunk = items.slice(start, start + LIMITS.questions);
    await Promise.all(chunk.map((item, offset) => work(item, start + offset)));
  }
}
