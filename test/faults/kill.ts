import { setTimeout as pause } from 'node:timers/promises';

import { ApiRefused } from '../../dev/api-client.ts';
import type { DepositInfoAnswer, SettlementAnswer } from '../../dev/demo-types.ts';
import { crossLegsOf, legsOf, partyOf } from '../e2e/scenario.ts';
import type { EndToEndStack } from '../e2e/stack.ts';

/** Milliseconds. */
const LIMITS = { persistMs: 120_000, persistPauseMs: 250, pollMs: 400 } as const;

/** Deterministic choices from a printed seed (mulberry32), so that a failing order of kills can be tried again. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Repeats a call while the service is away, as any client of ours has to; a refusal by the service itself is not repeated. */
export async function persist<Result>(call: () => Promise<Result>): Promise<Result> {
  const giveUpAt = Date.now() + LIMITS.persistMs;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const refused = error instanceof ApiRefused && error.status < 500;
      if (refused || Date.now() > giveUpAt) throw error;
      await pause(LIMITS.persistPauseMs);
    }
  }
}

/** Every third settlement of the test has its cash on the other chain. */
export const isAcrossChains = (index: number): boolean => index % 3 === 2;

/** One settlement from proposal to its end, driven by clients that only know HTTP and their wallets. */
export async function settleDespiteKills(stack: EndToEndStack, index: number, limitMs: number): Promise<string> {
  const { seller, buyer, context } = stack;
  const body = {
    idempotency_key: `kill-${index}-${stack.home}`,
    parties: [{ role: 'seller', ...partyOf(stack, seller) }],
    counterparty_parties: [{ platform_slug: buyer.slug, role: 'buyer' }],
    ...(isAcrossChains(index)
      ? { template_slug: 'dvp-crosschain', legs: crossLegsOf(stack) }
      : { legs: legsOf(context.chain.tokens) }),
  };
  const { id } = await persist(() => seller.api.post<SettlementAnswer>('/v1/settlements', body));
  await persist(() => buyer.api.post(`/v1/settlements/${id}/confirm`, partyOf(stack, buyer)));
  await reachState(stack, id, ['AWAITING_DEPOSITS', 'EXECUTING_SWAP', 'FINALIZED'], limitMs);
  await Promise.all(
    [seller, buyer].map(async (participant, leg) => {
      const info = await persist(() =>
        participant.api.get<DepositInfoAnswer>(`/v1/settlements/${id}/legs/${leg}/deposit-info`),
      );
      await participant.walletOn(info.chain_id).send(info.transactions);
    }),
  );
  await reachState(stack, id, ['FINALIZED'], limitMs);
  return id;
}

async function reachState(stack: EndToEndStack, id: string, states: string[], limitMs: number): Promise<void> {
  const giveUpAt = Date.now() + limitMs;
  let last = '';
  while (Date.now() < giveUpAt) {
    last = (await persist(() => stack.seller.api.get<SettlementAnswer>(`/v1/settlements/${id}`))).state;
    if (states.includes(last)) return;
    await pause(LIMITS.pollMs);
  }
  throw new Error(`settlement ${id} is ${last} instead of ${states.join(' or ')}`);
}

export interface Kill {
  readonly name: string;
  readonly pid: number;
}

/** What is killed, and how often: shares of one. */
const VICTIMS = [
  ['worker', 0.55],
  ['api', 0.3],
  ['relay', 0.15],
] as const;

function victimOf(random: number): string {
  let rest = random;
  for (const [name, share] of VICTIMS) {
    if (rest < share) return name;
    rest -= share;
  }
  return VICTIMS[0][0];
}

/** Kills the worker, the API or the message relay with SIGKILL at random moments until `done`, at most `limit` times. The launcher brings them back. */
export async function killAtRandom(
  stack: EndToEndStack,
  options: { random: () => number; limit: number; done: () => boolean; minimumPauseMs: number; maximumPauseMs: number },
): Promise<Kill[]> {
  const kills: Kill[] = [];
  const dead = new Set<number>();
  while (!options.done() && kills.length < options.limit) {
    await pause(options.minimumPauseMs + options.random() * (options.maximumPauseMs - options.minimumPauseMs));
    const name = victimOf(options.random());
    const pid = stack.processId(name);
    // Still the process of the last kill: its successor is not up yet.
    if (dead.has(pid) || options.done()) continue;
    dead.add(pid);
    process.kill(pid, 'SIGKILL');
    kills.push({ name, pid });
  }
  return kills;
}
