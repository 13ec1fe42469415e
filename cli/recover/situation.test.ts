import { describe, expect, it } from '@jest/globals';

import type { OnChainSettlement } from '../../chain/coordinator.ts';
import type { RemoteSettlement } from '../../chain/gateway.ts';
import { RELEASE_DELAY_MS } from './limits.ts';
import { type HomeView, offersOf, type RemoteView } from './situation.ts';

/** Leg 0 at home, leg 1 on the other chain. */
const HOME = 1;
const REMOTE = 2;
const DEADLINE = 1_000_000;
const GRACE = 60_000;

function home(settlement: Partial<OnChainSettlement>, nowMs: number): HomeView {
  return {
    chainId: HOME,
    nowMs,
    messageGraceMs: GRACE,
    events: [],
    credits: [],
    chainIndexes: new Map([[REMOTE, 3]]),
    settlement: {
      termsHash: '0x',
      state: 'AWAITING_DEPOSITS',
      deadlineMs: DEADLINE,
      homeLegBits: 0b01,
      depositedBits: 0,
      refundedBits: 0,
      remoteChainBits: 0b1000,
      preparedBits: 0,
      executedBits: 0,
      homeExecuted: false,
      ...settlement,
    },
  };
}

function remote(settlement: Partial<RemoteSettlement>, nowMs: number): RemoteView {
  return {
    chainId: REMOTE,
    nowMs,
    events: [],
    credits: [],
    settlement: {
      termsHash: '0x',
      phase: 'OPEN',
      deadlineMs: DEADLINE,
      legBits: 0b10,
      depositedBits: 0,
      refundedBits: 0,
      ...settlement,
    },
  };
}

const due = (...[at, there]: [HomeView | undefined, RemoteView | undefined]): string[] =>
  offersOf(at, new Map([[REMOTE, there]]))
    .filter((offer) => offer.isDue)
    .map((offer) => `${offer.action}@${offer.chainId}`);

describe('what can be done', () => {
  it('a settlement with a leg missing at home times out at its deadline, not a moment before', () => {
    const there = remote({ phase: 'PREPARED', depositedBits: 0b10 }, DEADLINE - 1);
    expect(due(home({}, DEADLINE - 1), there)).toEqual(['vote@2']);
    expect(due(home({}, DEADLINE), there)).toEqual(['timeout@1', 'vote@2']);
  });

  it('one with every leg at home in waits for votes until the grace is over, and takes none after it', () => {
    const there = remote({ phase: 'PREPARED', depositedBits: 0b10 }, DEADLINE);
    expect(due(home({ depositedBits: 1 }, DEADLINE + GRACE - 1), there)).toEqual(['vote@2']);
    expect(due(home({ depositedBits: 1 }, DEADLINE + GRACE), there)).toEqual(['timeout@1', 'refund@1']);
  });

  it('every vote in and every leg in: anybody executes, however late', () => {
    const there = remote({ phase: 'PREPARED', depositedBits: 0b10 }, DEADLINE);
    const all = { depositedBits: 1, preparedBits: 0b1000 };
    expect(due(home(all, DEADLINE - 1), there)).toEqual(['execute@1']);
    const decided = home({ ...all, state: 'EXECUTING_SWAP' }, 10 * DEADLINE);
    expect(due(decided, there)).toEqual(['execute@1', 'decision@1']);
    expect(due({ ...decided, settlement: { ...decided.settlement, homeExecuted: true } }, there)).toEqual([
      'decision@1',
    ]);
  });

  it('a chain that waits for its decision gives nothing back by itself, before the parties sign a month later', () => {
    const there = (nowMs: number) => remote({ phase: 'PREPARED', depositedBits: 0b10 }, nowMs);
    const ended = home({ state: 'TIMED_OUT' }, DEADLINE);
    expect(due(ended, there(DEADLINE + RELEASE_DELAY_MS - 1))).toEqual(['decision@1']);
    expect(due(undefined, there(DEADLINE + RELEASE_DELAY_MS - 1))).toEqual(['vote@2']);
    expect(due(undefined, there(DEADLINE + RELEASE_DELAY_MS))).toEqual(['vote@2', 'release@2']);
  });

  it('a chain with a leg missing hands back at the deadline, with nobody else there', () => {
    const there = (nowMs: number) => remote({ phase: 'OPEN', legBits: 0b110, depositedBits: 0b010 }, nowMs);
    expect(due(undefined, there(DEADLINE - 1))).toEqual([]);
    expect(due(undefined, there(DEADLINE))).toEqual(['refund@2']);
  });

  it('what is handed back, paid out and reported is over', () => {
    const failed = home({ state: 'ROLLED_BACK', depositedBits: 1, refundedBits: 1 }, DEADLINE);
    expect(due(failed, remote({ phase: 'ROLLED_BACK', depositedBits: 2, refundedBits: 2 }, DEADLINE))).toEqual([]);
    const settled = home({ state: 'FINALIZED', depositedBits: 1, homeExecuted: true, executedBits: 0b1000 }, DEADLINE);
    expect(due(settled, remote({ phase: 'EXECUTED', depositedBits: 2 }, DEADLINE))).toEqual([]);
  });

  it('a decision is not sent to a chain that was never opened, unless the message that opens it may still come', () => {
    const nowhere = remote({ phase: 'NONE', legBits: 0 }, DEADLINE);
    const ended = home({ state: 'TIMED_OUT' }, DEADLINE);
    expect(due(ended, nowhere)).toEqual([]);
    const sent = { name: 'MessageSent', arguments: { chainId: String(REMOTE), kind: '1' } } as never;
    expect(due({ ...ended, events: [sent] }, nowhere)).toEqual(['decision@1']);
  });

  it('a chain that cannot be read is told again, since telling it twice changes nothing', () => {
    expect(due(home({ state: 'TIMED_OUT' }, DEADLINE), undefined)).toEqual(['decision@1']);
  });
});
