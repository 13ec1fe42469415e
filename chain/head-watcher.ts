import { setTimeout as sleep } from 'node:timers/promises';

import type { ChainLimits } from './limits.ts';
import { pause } from './pause.ts';
import type { Block, Chain } from './provider.ts';

/**
 * Looks at the head of one chain for everybody who waits for a transaction: what it costs does not grow with their number. It only wakes; receipts
 * are looked up by whoever was woken, and everybody looks for himself now and then, so that nothing depends on its being right.
 */
export interface HeadWatcher {
  /** True as soon as a new block has one of the transactions, or may have it; false after `limitMs`. Throws the signal's reason. */
  included(hashes: readonly string[], limitMs: number, signal: AbortSignal): Promise<boolean>;
  /** The chain's finalised block, asked for at most once in `finalityPollMs`, whoever asks. */
  finalized(): Promise<Block | undefined>;
}

type Limits = Pick<ChainLimits, 'receiptPollMs' | 'receiptPollMaximumMs' | 'watchedBlocks' | 'finalityPollMs'>;

const watchers = new WeakMap<Chain, HeadWatcher>();

/** The watcher of a chain: one for all journals of the process, with the limits of whoever asks first. */
export function headWatcherOf(chain: Chain, limits: Limits): HeadWatcher {
  const known = watchers.get(chain);
  if (known !== undefined) return known;
  const created = createHeadWatcher(chain, limits);
  watchers.set(chain, created);
  return created;
}

export function createHeadWatcher(chain: Chain, limits: Limits): HeadWatcher {
  const waiting = new Map<string, Set<() => void>>();
  const wake = (hashes: Iterable<string>): void => {
    for (const hash of hashes) for (const waiter of waiting.get(hash) ?? []) waiter();
  };
  let running = false;
  const start = (): void => {
    if (running) return;
    running = true;
    void watchHead(chain, limits, {
      isWanted: () => waiting.size > 0,
      wake,
      wakeAll: () => wake(waiting.keys()),
    }).finally(() => {
      running = false;
    });
  };
  return {
    async included(hashes, limitMs, signal) {
      const woken = new AbortController();
      const waiter = (): void => woken.abort();
      for (const hash of hashes) waiting.set(hash, (waiting.get(hash) ?? new Set()).add(waiter));
      start();
      try {
        // Woken, the pause ends by its reason; the caller's own signal has to end it with an error all the same.
        await pause(limitMs, AbortSignal.any([signal, woken.signal])).catch((error: unknown) => {
          if (!woken.signal.aborted) throw error;
        });
        signal.throwIfAborted();
        return woken.signal.aborted;
      } finally {
        for (const hash of hashes) {
          const waiters = waiting.get(hash);
          waiters?.delete(waiter);
          if (waiters?.size === 0) waiting.delete(hash);
        }
      }
    },
    finalized: createFinalizedReader(chain, limits),
  };
}

interface Audience {
  isWanted(): boolean;
  wake(hashes: readonly string[]): void;
  wakeAll(): void;
}

/** Runs while somebody waits. */
async function watchHead(chain: Chain, limits: Limits, audience: Audience): Promise<void> {
  let last: Block | undefined;
  let changedAt = performance.now();
  let pollMs = limits.receiptPollMs;
  while (audience.isWanted()) {
    try {
      const head = await chain.transactionsOf('latest');
      if (head !== undefined && head.block.hash !== last?.hash) {
        audience.wake(head.hashes);
        if (last !== undefined) {
          await announceBetween(chain, limits, audience, last, head.block);
          pollMs = clamp((performance.now() - changedAt) / 10, limits.receiptPollMs, limits.receiptPollMaximumMs);
        }
        last = head.block;
        changedAt = performance.now();
      }
    } catch {
      // The chain does not answer. Whoever waits asks it, too, and tells his own caller.
    }
    await sleep(pollMs);
  }
}

/** Blocks that came between two looks. A shorter or a forked chain may have taken transactions anywhere, so everybody looks. */
async function announceBetween(
  chain: Chain,
  limits: Limits,
  audience: Audience,
  last: Block,
  head: Block,
): Promise<void> {
  const missed = head.number - last.number - 1;
  if (missed < 0 || missed > limits.watchedBlocks || (missed === 0 && head.parentHash !== last.hash)) {
    audience.wakeAll();
    return;
  }
  for (let number = last.number + 1; number < head.number; number += 1) {
    audience.wake((await chain.transactionsOf(number))?.hashes ?? []);
  }
}

function createFinalizedReader(chain: Chain, limits: Limits): () => Promise<Block | undefined> {
  let asked: { readonly at: number; readonly answer: Promise<Block | undefined> } | undefined;
  return () => {
    const now = performance.now();
    if (asked === undefined || now - asked.at >= limits.finalityPollMs)
      asked = { at: now, answer: chain.finalizedBlock() };
    return asked.answer;
  };
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}
