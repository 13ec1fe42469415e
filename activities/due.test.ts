import { describe, expect, it } from '@jest/globals';

import { type DueAction, dueActions, type RemoteSituation, type Situation } from './due.ts';
import type { HomeStatus, RemoteStatus } from './settlement-chains.ts';

const HOME = 1;
const FAR = 2;
const DEADLINE_MS = 1_000_000;

const home = (status: Partial<HomeStatus> = {}): HomeStatus => ({
  state: 'AWAITING_DEPOSITS',
  deadlineMs: DEADLINE_MS,
  legBits: 0b01,
  depositedBits: 0,
  refundedBits: 0,
  executed: false,
  preparedChains: [],
  executedChains: [],
  ...status,
});

const remote = (status: Partial<RemoteStatus> = {}, more: Partial<RemoteSituation> = {}): RemoteSituation => ({
  chainId: FAR,
  status: {
    phase: 'OPEN',
    deadlineMs: DEADLINE_MS,
    legBits: 0b10,
    depositedBits: 0,
    refundedBits: 0,
    ...status,
  },
  openSent: true,
  headTimeMs: DEADLINE_MS - 1,
  ...more,
});

const due = (status: Partial<HomeStatus>, ...remotes: RemoteSituation[]): DueAction[] =>
  dueActions({ home: home(status), homeChainId: HOME, remotes } satisfies Situation);

const prepared = { phase: 'PREPARED', depositedBits: 0b10 } as const;

describe('while deposits are awaited', () => {
  it('nothing is due as long as parties are', () => {
    expect(due({}, remote())).toEqual([]);
    expect(due({ depositedBits: 0b01 }, remote())).toEqual([]);
    expect(due({ preparedChains: [FAR] }, remote(prepared))).toEqual([]);
  });

  it('a prepared chain votes until its vote is counted', () => {
    expect(due({}, remote(prepared))).toEqual([{ kind: 'vote', chainId: FAR, vote: 'PREPARED' }]);
  });

  it('anybody executes what is complete and was not executed by itself', () => {
    const execute = [{ kind: 'execute', chainId: HOME, legBits: 0b01 }];
    expect(due({ depositedBits: 0b01 })).toEqual(execute);
    expect(due({ depositedBits: 0b01, preparedChains: [FAR] }, remote(prepared))).toEqual(execute);
  });
});

describe('once EXECUTE is decided', () => {
  const decided = { state: 'EXECUTING_SWAP', depositedBits: 0b01, preparedChains: [FAR] } as const;

  it('home legs are paid out and the decision is told, in whatever order', () => {
    expect(due(decided, remote(prepared))).toEqual([
      { kind: 'execute', chainId: HOME, legBits: 0b01 },
      { kind: 'decision', chainId: FAR, decision: 'EXECUTE' },
    ]);
  });

  it('a chain that knows executes, a chain that has executed says so', () => {
    const executed = { ...decided, executed: true };
    expect(due(executed, remote({ ...prepared, phase: 'EXECUTE_DECIDED' }))).toEqual([
      { kind: 'execute', chainId: FAR, legBits: 0b10 },
    ]);
    expect(due(executed, remote({ ...prepared, phase: 'EXECUTED' }))).toEqual([
      { kind: 'vote', chainId: FAR, vote: 'EXECUTED' },
    ]);
    expect(due({ ...executed, executedChains: [FAR] }, remote({ ...prepared, phase: 'EXECUTED' }))).toEqual([]);
  });

  it('never refunds, whatever the deadline', () => {
    const late = { headTimeMs: DEADLINE_MS + 1 };
    for (const phase of ['OPEN', 'PREPARED', 'EXECUTE_DECIDED', 'EXECUTED'] as const) {
      const kinds = due({ ...decided, executed: true }, remote({ ...prepared, phase }, late)).map(({ kind }) => kind);
      expect(kinds).not.toContain('refund');
    }
  });
});

describe('once ROLLBACK is decided', () => {
  const failed = { state: 'TIMED_OUT' } as const;

  it('is told to every chain that an OPEN was sent to, and to no other', () => {
    const told = [{ kind: 'decision', chainId: FAR, decision: 'ROLLBACK' }];
    expect(due(failed, remote())).toEqual(told);
    expect(due(failed, remote(prepared))).toEqual(told);
    expect(due(failed, remote({ phase: 'NONE' }))).toEqual(told);
    expect(due(failed, remote({ phase: 'NONE' }, { openSent: false }))).toEqual([]);
  });

  it('legs go back on every chain where they were paid in, once', () => {
    const rolledBack = { phase: 'ROLLED_BACK', depositedBits: 0b10 } as const;
    expect(due({ ...failed, depositedBits: 0b01 }, remote(rolledBack))).toEqual([
      { kind: 'refund', chainId: HOME, legBits: 0b01 },
      { kind: 'refund', chainId: FAR, legBits: 0b10 },
    ]);
    expect(
      due({ ...failed, depositedBits: 0b01, refundedBits: 0b01 }, remote({ ...rolledBack, refundedBits: 0b10 })),
    ).toEqual([]);
  });

  it('an incomplete chain gives back by itself after its deadline, without a message, and a prepared one never does', () => {
    const late = { headTimeMs: DEADLINE_MS };
    const half = { legBits: 0b110, depositedBits: 0b10 };
    expect(due(failed, remote(half, late))).toEqual([{ kind: 'refund', chainId: FAR, legBits: 0b10 }]);
    expect(due(failed, remote(half))).toEqual([{ kind: 'decision', chainId: FAR, decision: 'ROLLBACK' }]);
    expect(due(failed, remote(prepared, late))).toEqual([{ kind: 'decision', chainId: FAR, decision: 'ROLLBACK' }]);
  });
});

it('nothing is ever due before deposits are open, or after the end', () => {
  for (const state of ['INSTRUCTED', 'COMPLIANCE_CHECKING', 'COMPLIANCE_CLEARED', 'FINALIZED'] as const) {
    expect(due({ state, depositedBits: 0b01 }, remote(prepared))).toEqual([]);
  }
});
