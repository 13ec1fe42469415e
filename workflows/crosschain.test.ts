import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApplicationFailure } from '@temporalio/common';

import type { FinaliseProgress, OpenProgress } from '../activities/settlement-activities.ts';
import type { SettlementState } from '../domain/settlement-state.ts';
import { createWorkflowStage, scriptedActivities, type WorkflowStage } from '../test/support/settlement-workflow.ts';
import type { PendingView, TimelineEntry } from './messages.ts';

let stage: WorkflowStage;
beforeAll(async () => {
  stage = await createWorkflowStage();
}, 60_000);
afterAll(() => stage.close());

const HOME = 11_155_111;
const REMOTE = 43_113;

let transactions = 0;
const facts = (chain_id: number, ...names: string[]) => ({
  chain_id,
  transaction_hash: `0x${(transactions += 1).toString(16).padStart(64, '0')}`,
  block_number: transactions,
  names,
});
const remoteDeposit = () => facts(REMOTE, 'LegDeposited', 'LegOpened', 'RemotePrepared');
const at = (state: SettlementState, carryDue = false): FinaliseProgress => ({ state, endingCode: null, carryDue });

/** A message on its way, as the activities report it. */
const inTransit = () =>
  ApplicationFailure.create({ type: 'message_in_transit', message: 'In transit: PREPARED', nextRetryDelay: 50 });

/** Answers one after the other; the last one stays. An error is thrown. */
function inTurn<Result>(...answers: readonly (Result | Error)[]): () => Promise<Result> {
  let call = 0;
  return async () => {
    const answer = answers[Math.min(call, answers.length - 1)];
    call += 1;
    if (answer === undefined || answer instanceof Error) throw answer ?? new Error('no answer');
    return answer;
  };
}

/** Polls until it holds; a workflow task may be on its way. */
async function eventually(holds: () => Promise<boolean> | boolean): Promise<void> {
  const giveUpAt = Date.now() + 20_000;
  while (!(await holds())) {
    if (Date.now() > giveUpAt) throw new Error('it never held');
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

describe('a happy settlement across two chains', () => {
  it('stays within 90 history events and 16 workflow tasks, however long messages take', async () => {
    const effect = { what: 'execute', chainId: REMOTE, transactionHash: '0xe' };
    let carries = 0;
    const scripted = scriptedActivities({
      open: inTurn<OpenProgress>(inTransit(), inTransit(), inTransit(), {
        ...at('AWAITING_DEPOSITS'),
        outcome: 'opened',
      }),
      finalise: inTurn(at('AWAITING_DEPOSITS', true), at('EXECUTING_SWAP', true)),
    });
    const carry = inTurn<FinaliseProgress>(
      inTransit(),
      inTransit(),
      at('AWAITING_DEPOSITS'),
      inTransit(),
      inTransit(),
      inTransit(),
      inTransit(),
      { ...at('FINALIZED'), effects: [effect] },
    );
    scripted.activities.carry = async () => {
      carries += 1;
      // What the contracts announce while messages travel, each in a transaction of its own.
      if (carries === 4) await wake('StateTransition');
      if (carries === 7) await wake('RemoteExecuted');
      return carry();
    };
    let wake: (name: string) => Promise<void> = async () => undefined;
    await stage.play(scripted, {}, async (handle) => {
      wake = (name) => handle.signal('chainFacts', facts(HOME, name));
      const timeline = () => handle.query<TimelineEntry[]>('timeline');
      await eventually(async () => (await handle.query('state')) === 'AWAITING_CONFIRMATION');
      await handle.signal('confirmation');
      await eventually(async () => (await handle.query('state')) === 'AWAITING_DEPOSITS');
      await handle.signal('chainFacts', remoteDeposit());
      await eventually(() => carries === 3);
      await eventually(async () => (await timeline()).at(-1)?.what === 'carry');
      await handle.signal('chainFacts', facts(HOME, 'LegDeposited', 'LegOpened', 'StateTransition'));
      expect(await handle.result()).toMatchObject({ state: 'FINALIZED' });
      const events = (await handle.fetchHistory()).events ?? [];
      const tasks = events.filter((event) => event.workflowTaskCompletedEventAttributes).length;
      expect(events.length).toBeLessThanOrEqual(90);
      expect(tasks).toBeLessThanOrEqual(16);
      expect(await timeline()).toContainEqual(
        expect.objectContaining({ what: 'carry: execute', chain_id: REMOTE, transaction_hash: '0xe' }),
      );
      expect(await timeline()).toContainEqual(
        expect.objectContaining({ what: 'LegDeposited, LegOpened, RemotePrepared', chain_id: REMOTE }),
      );
    });
    expect(scripted.calls.filter((call) => call === 'open')).toHaveLength(4);
    expect(carries).toBe(8);
  }, 30_000);

  it('takes equal transaction hashes of two chains for two transactions', async () => {
    const scripted = scriptedActivities({ finalise: async () => at('AWAITING_DEPOSITS') });
    await stage.play(scripted, { awaitingConfirmation: false }, async (handle) => {
      await eventually(async () => (await handle.query('state')) === 'AWAITING_DEPOSITS');
      const one = facts(HOME, 'LegDeposited');
      await handle.signal('chainFacts', one);
      await handle.signal('chainFacts', { ...one, chain_id: REMOTE });
      await handle.signal('chainFacts', one);
      await eventually(async () => {
        const entries = await handle.query<TimelineEntry[]>('timeline');
        return entries.filter((entry) => entry.what === 'LegDeposited').length === 2;
      });
      await handle.terminate();
    });
  }, 30_000);
});

describe('a leg that is missing on the other chain', () => {
  it('ends as timed out for everybody at once, and the workflow stays until every chain has given back', async () => {
    let held = true;
    const scripted = scriptedActivities({
      conclude: inTurn<FinaliseProgress>(inTransit(), { ...at('TIMED_OUT', true), endingCode: 'deadline_passed' }),
    });
    scripted.activities.carry = async () => {
      if (held) throw inTransit();
      return { ...at('TIMED_OUT'), endingCode: 'deadline_passed' };
    };
    const input = { awaitingConfirmation: false, deadlineMs: Date.now() + 1_500 };
    await stage.play(scripted, input, async (handle) => {
      await eventually(async () => (await handle.query('state')) === 'TIMED_OUT');
      expect(await handle.query<PendingView>('pending')).toMatchObject({ waiting_for: 'what is due on the chains' });
      held = false;
      expect(await handle.result()).toEqual(
        expect.objectContaining({ state: 'TIMED_OUT', endingCode: 'deadline_passed' }),
      );
    });
  }, 30_000);

  it('is not waited for longer than the deadline although a vote is on its way', async () => {
    const scripted = scriptedActivities({
      finalise: async () => at('AWAITING_DEPOSITS', true),
      conclude: async () => ({ ...at('TIMED_OUT'), endingCode: 'deadline_passed' }),
    });
    scripted.activities.carry = async () => {
      throw inTransit();
    };
    const input = { awaitingConfirmation: false, deadlineMs: Date.now() + 6_000 };
    await stage.play(scripted, input, async (handle) => {
      await eventually(async () => (await handle.query('state')) === 'AWAITING_DEPOSITS');
      await handle.signal('chainFacts', remoteDeposit());
      expect(await handle.result()).toMatchObject({ state: 'TIMED_OUT' });
    });
    expect(scripted.calls.at(-1)).toBe('conclude');
  }, 30_000);

  it('gets ROLLBACK again after a late vote, as often as it takes, without a new event in the history', async () => {
    let carries = 0;
    const scripted = scriptedActivities({
      conclude: async () => ({ ...at('TIMED_OUT', true), endingCode: 'deadline_passed' }),
    });
    scripted.activities.carry = async () => {
      carries += 1;
      if (carries < 6) throw inTransit();
      return { ...at('TIMED_OUT'), endingCode: 'deadline_passed' };
    };
    const input = { awaitingConfirmation: false, deadlineMs: Date.now() + 1_000 };
    await stage.play(scripted, input, async (handle) => {
      await handle.result();
      const events = (await handle.fetchHistory()).events ?? [];
      const scheduled = events.filter((event) => event.activityTaskScheduledEventAttributes).length;
      expect(scheduled).toBe(6);
    });
    expect(carries).toBe(6);
  }, 30_000);
});

describe('a workflow that was lost after the end', () => {
  it('carries what is still out when it is started again', async () => {
    const ended = { ...at('TIMED_OUT', true), endingCode: 'deadline_passed' };
    const scripted = scriptedActivities({
      register: async () => ended,
      carry: async () => ({ ...ended, carryDue: false }),
    });
    const input = { awaitingConfirmation: false };
    expect(await stage.play(scripted, input, (handle) => handle.result())).toMatchObject({ state: 'TIMED_OUT' });
    expect(scripted.calls).toEqual(['register', 'carry']);
  }, 30_000);
});

describe('an abort after OPEN was sent', () => {
  it('is not held up by a message in transit, and is carried to every chain', async () => {
    const scripted = scriptedActivities({
      conclude: async () => ({ ...at('ROLLED_BACK', true), endingCode: 'aborted' }),
      carry: async () => ({ ...at('ROLLED_BACK'), endingCode: 'aborted' }),
    });
    scripted.activities.open = async () => {
      throw inTransit();
    };
    await stage.play(scripted, { awaitingConfirmation: false }, async (handle) => {
      await eventually(async () => (await handle.query<PendingView>('pending')).waiting_for === 'every chain to open');
      await handle.executeUpdate('abort', { args: [{ reason: 'both sides asked for it' }] });
      expect(await handle.result()).toMatchObject({ state: 'ROLLED_BACK', endingCode: 'aborted' });
    });
    expect(scripted.calls.slice(-2)).toEqual(['conclude', 'carry']);
  }, 30_000);

  it('comes too late once the swap is decided: then the swap is carried to its end', async () => {
    const scripted = scriptedActivities({
      finalise: async () => at('AWAITING_DEPOSITS', true),
    });
    let concluding = false;
    scripted.activities.carry = async () => {
      if (!concluding) throw inTransit();
      return at('FINALIZED');
    };
    scripted.activities.conclude = async () => {
      concluding = true;
      return at('EXECUTING_SWAP', true);
    };
    await stage.play(scripted, { awaitingConfirmation: false }, async (handle) => {
      await eventually(async () => (await handle.query('state')) === 'AWAITING_DEPOSITS');
      await handle.signal('chainFacts', remoteDeposit());
      await eventually(
        async () => (await handle.query<PendingView>('pending')).waiting_for === 'what is due on the chains',
      );
      await handle.executeUpdate('abort', { args: [{ reason: 'too late' }] });
      expect(await handle.result()).toMatchObject({ state: 'FINALIZED' });
    });
  }, 30_000);
});

describe('attesters of their own', () => {
  it('open the gate of a platform with its own oracle; every word of theirs wakes the settlement', async () => {
    const waiting: OpenProgress = { ...at('COMPLIANCE_CHECKING'), outcome: 'waiting' };
    const scripted = scriptedActivities({
      open: inTurn<OpenProgress>(waiting, waiting, { ...at('AWAITING_DEPOSITS'), outcome: 'opened' }),
    });
    await stage.play(scripted, { awaitingConfirmation: false }, async (handle) => {
      for (const word of [1, 2]) {
        await eventually(
          async () => (await handle.query<PendingView>('pending')).waiting_for === 'the other attesters',
        );
        await eventually(() => scripted.calls.filter((call) => call === 'open').length === word);
        await handle.signal('chainFacts', facts(HOME, 'Attested'));
      }
      await eventually(async () => (await handle.query('state')) === 'AWAITING_DEPOSITS');
      await handle.terminate();
    });
    expect(scripted.calls.filter((call) => call === 'open')).toHaveLength(3);
  }, 30_000);

  it('end at the deadline when they never speak', async () => {
    const scripted = scriptedActivities({
      open: async () => ({ ...at('COMPLIANCE_CHECKING'), outcome: 'waiting' }),
    });
    const input = { awaitingConfirmation: false, deadlineMs: Date.now() + 1_500 };
    expect(await stage.play(scripted, input, (handle) => handle.result())).toMatchObject({ state: 'TIMED_OUT' });
  }, 30_000);

  it('who say Fail after deposits opened mark the settlement for a person, who aborts', async () => {
    const scripted = scriptedActivities({
      finalise: async () => ({ ...at('AWAITING_DEPOSITS'), attention: 'Attester 0xab said Fail.' }),
    });
    await stage.play(scripted, { awaitingConfirmation: false }, async (handle) => {
      await eventually(async () => (await handle.query('state')) === 'AWAITING_DEPOSITS');
      await handle.signal('chainFacts', facts(HOME, 'Attested'));
      await eventually(async () => {
        const { typedSearchAttributes } = await handle.describe();
        return typedSearchAttributes
          .getAll()
          .some(({ key, value }) => key.name === 'SettlementNeedsAttention' && value === true);
      });
      await handle.executeUpdate('abort', { args: [{ reason: 'the attester is right' }] });
      expect(await handle.result()).toMatchObject({ state: 'ROLLED_BACK' });
      const { typedSearchAttributes } = await handle.describe();
      expect(typedSearchAttributes.getAll()).toContainEqual(
        expect.objectContaining({ key: expect.objectContaining({ name: 'SettlementNeedsAttention' }), value: false }),
      );
    });
  }, 30_000);
});
