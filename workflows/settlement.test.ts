import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApplicationFailure } from '@temporalio/common';

import { createWorkflowStage, scriptedActivities, type WorkflowStage } from '../test/support/settlement-workflow.ts';
import type { SettlementState } from '../domain/settlement-state.ts';
import type { SettlementOutcome } from './messages.ts';

let stage: WorkflowStage;
beforeAll(async () => {
  stage = await createWorkflowStage();
}, 60_000);
afterAll(() => stage.close());

const executed = {
  chain_id: 1,
  transaction_hash: '0xexecuted',
  block_number: 7,
  names: ['LegDeposited', 'StateTransition'],
};
const deposited = { chain_id: 1, transaction_hash: '0xdeposited', block_number: 6, names: ['LegDeposited'] };
const at = (state: SettlementState) => ({
  state,
  endingCode: null,
});

/** Polls a query until it holds; a workflow task may be on its way. */
async function eventually(holds: () => Promise<boolean>): Promise<void> {
  const giveUpAt = Date.now() + 20_000;
  while (!(await holds())) {
    if (Date.now() > giveUpAt) throw new Error('it never held');
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

describe('a happy settlement', () => {
  it('stays within 60 history events and 10 workflow tasks, confirmation and deposits included', async () => {
    const scripted = scriptedActivities({});
    await stage.play(scripted, {}, async (handle) => {
      await eventually(async () => (await handle.query('state')) === 'AWAITING_CONFIRMATION');
      await handle.signal('confirmation');
      await eventually(async () => (await handle.query('state')) === 'AWAITING_DEPOSITS');
      await handle.signal('chainFacts', deposited);
      await eventually(async () =>
        (await handle.query<{ what: string }[]>('timeline')).some((entry) => entry.what === 'LegDeposited'),
      );
      await handle.signal('chainFacts', executed);
      const outcome = (await handle.result()) as SettlementOutcome;
      expect(outcome.state).toBe('FINALIZED');
      const events = (await handle.fetchHistory()).events ?? [];
      const tasks = events.filter((event) => event.workflowTaskCompletedEventAttributes).length;
      expect(events.length).toBeLessThanOrEqual(60);
      expect(tasks).toBeLessThanOrEqual(10);
    });
    expect(scripted.calls).toEqual(['register', 'screen', 'attest', 'open', 'finalise']);
  }, 30_000);

  it('takes the facts of one transaction once, however often the signal comes', async () => {
    const scripted = scriptedActivities({
      finalise: async () => ({ ...at('AWAITING_DEPOSITS'), carryDue: false }),
    });
    await stage.play(scripted, { awaitingConfirmation: false }, async (handle) => {
      await eventually(async () => (await handle.query('state')) === 'AWAITING_DEPOSITS');
      await handle.signal('chainFacts', executed);
      await eventually(async () => scripted.calls.filter((call) => call === 'finalise').length === 1);
      await handle.signal('chainFacts', executed);
      await handle.signal('chainFacts', executed);
      await handle.query('state');
      expect(scripted.calls.filter((call) => call === 'finalise')).toHaveLength(1);
      await handle.terminate();
    });
  }, 30_000);
});

describe('a signal that nobody should have sent', () => {
  it('does not register a settlement that Postgres still awaits confirmations for', async () => {
    const scripted = scriptedActivities({ register: async () => at('AWAITING_CONFIRMATION') });
    await stage.play(scripted, {}, async (handle) => {
      await handle.signal('confirmation');
      await eventually(async () => scripted.calls.length === 1);
      expect(await handle.query('state')).toBe('AWAITING_CONFIRMATION');
      await handle.signal('decision');
      await handle.query('state');
      expect(scripted.calls).toEqual(['register']);
      await handle.terminate();
    });
  }, 30_000);

  it('ends the workflow after a rejection that the row confirms, and does nothing on chain', async () => {
    const scripted = scriptedActivities({ register: async () => ({ state: 'ROLLED_BACK', endingCode: 'rejected' }) });
    const outcome = await stage.play(scripted, {}, async (handle) => {
      await handle.signal('confirmation');
      return (await handle.result()) as SettlementOutcome;
    });
    expect(outcome).toMatchObject({ state: 'ROLLED_BACK', endingCode: 'rejected' });
    expect(scripted.calls).toEqual(['register']);
  }, 30_000);
});

describe('compliance', () => {
  it('waits while flagged and goes on after the decision', async () => {
    let round = 0;
    const scripted = scriptedActivities({
      attest: async () => ({ ...at('COMPLIANCE_CHECKING'), outcome: (round += 1) === 1 ? 'flagged' : 'cleared' }),
    });
    await stage.play(scripted, { awaitingConfirmation: false }, async (handle) => {
      await eventually(
        async () => (await handle.query<{ waiting_for: string }>('pending')).waiting_for === 'a compliance decision',
      );
      await handle.signal('decision');
      await eventually(async () => (await handle.query('state')) === 'AWAITING_DEPOSITS');
      await handle.terminate();
    });
    expect(scripted.calls).toEqual(['register', 'screen', 'attest', 'attest', 'open']);
  }, 30_000);

  it('concludes a settlement whose party failed', async () => {
    const scripted = scriptedActivities({ attest: async () => ({ ...at('COMPLIANCE_CHECKING'), outcome: 'failed' }) });
    const outcome = await stage.play(scripted, { awaitingConfirmation: false }, (handle) => handle.result());
    expect(outcome).toMatchObject({ state: 'ROLLED_BACK', endingCode: 'compliance_failed' });
    expect(scripted.calls.at(-1)).toBe('conclude');
  }, 30_000);
});

describe('the deadline', () => {
  it('ends a settlement that nobody confirmed', async () => {
    const scripted = scriptedActivities({});
    const outcome = await stage.play(scripted, { deadlineMs: Date.now() + 300 }, (handle) => handle.result());
    expect(outcome).toMatchObject({ state: 'TIMED_OUT', endingCode: 'deadline' });
    expect(scripted.calls).toEqual(['conclude']);
  }, 30_000);

  it('interrupts a provider outage that holds the settlement', async () => {
    const scripted = scriptedActivities({
      screen: async () => {
        throw ApplicationFailure.retryable('the provider is down', 'screening_unavailable');
      },
    });
    const outcome = await stage.play(
      scripted,
      { awaitingConfirmation: false, deadlineMs: Date.now() + 6_000 },
      (handle) => handle.result(),
    );
    expect(outcome).toMatchObject({ state: 'TIMED_OUT' });
    expect(scripted.calls.filter((call) => call === 'screen').length).toBeGreaterThan(1);
    expect(scripted.calls).not.toContain('attest');
  }, 30_000);

  it('does not overrule a swap that the contract has executed', async () => {
    const scripted = scriptedActivities({
      conclude: async () => ({ ...at('EXECUTING_SWAP'), carryDue: true }),
    });
    const outcome = await stage.play(
      scripted,
      { awaitingConfirmation: false, deadlineMs: Date.now() + 1_500 },
      (handle) => handle.result(),
    );
    expect(outcome).toMatchObject({ state: 'FINALIZED' });
    expect(scripted.calls.slice(-2)).toEqual(['conclude', 'carry']);
  }, 30_000);
});

describe('operators', () => {
  const broken = (times: number) => {
    let left = times;
    return async () => {
      left -= 1;
      if (left >= 0) throw ApplicationFailure.nonRetryable('the contract refused', 'transaction_reverted');
      return at('COMPLIANCE_CHECKING');
    };
  };

  it('find a failed step parked, not a failed workflow, and repeat it', async () => {
    const scripted = scriptedActivities({ register: broken(1) });
    await stage.play(scripted, { awaitingConfirmation: false }, async (handle) => {
      await eventually(async () => (await handle.query<{ parked: unknown }>('pending')).parked !== null);
      expect(await handle.query('pending')).toMatchObject({
        parked: { step: 'register', code: 'transaction_reverted' },
      });
      await expect(handle.executeUpdate('skip', { args: [{ reason: 'try' }] })).rejects.toThrow();
      await handle.executeUpdate('retry', { args: [{ reason: 'mended' }] });
      await eventually(async () => (await handle.query('state')) === 'AWAITING_DEPOSITS');
      await handle.terminate();
    });
    expect(scripted.calls.slice(0, 2)).toEqual(['register', 'register']);
  }, 30_000);

  it('abort a settlement that waits for deposits, and cannot retry what is not parked', async () => {
    const scripted = scriptedActivities({});
    const outcome = await stage.play(scripted, { awaitingConfirmation: false }, async (handle) => {
      await eventually(async () => (await handle.query('state')) === 'AWAITING_DEPOSITS');
      await expect(handle.executeUpdate('retry', { args: [{ reason: 'nothing to retry' }] })).rejects.toThrow();
      await handle.executeUpdate('abort', { args: [{ reason: 'both sides asked for it' }] });
      return handle.result();
    });
    expect(outcome).toMatchObject({ state: 'ROLLED_BACK', endingCode: 'aborted' });
  }, 30_000);

  it('hold a settlement between two steps and release it', async () => {
    const scripted = scriptedActivities({});
    await stage.play(scripted, {}, async (handle) => {
      await handle.executeUpdate('hold', { args: [{ reason: 'a question' }] });
      await handle.signal('confirmation');
      await handle.query('state');
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(scripted.calls).toEqual([]);
      await handle.executeUpdate('release', { args: [{ reason: 'answered' }] });
      await eventually(async () => (await handle.query('state')) === 'AWAITING_DEPOSITS');
      await handle.terminate();
    });
  }, 30_000);

  it('skip an execution that the contract refuses, which leaves it to anybody else', async () => {
    let finalised = 0;
    const scripted = scriptedActivities({
      carry: async () => {
        throw ApplicationFailure.nonRetryable('refused', 'transaction_reverted');
      },
      finalise: async () => {
        finalised += 1;
        return finalised === 1
          ? { ...at('AWAITING_DEPOSITS'), carryDue: true }
          : { state: 'FINALIZED', endingCode: null, carryDue: false };
      },
    });
    await stage.play(scripted, { awaitingConfirmation: false }, async (handle) => {
      await eventually(async () => (await handle.query('state')) === 'AWAITING_DEPOSITS');
      await handle.signal('chainFacts', { ...executed, names: ['LegDeposited', 'ExecutionFailed'] });
      await eventually(async () => (await handle.query<{ parked: unknown }>('pending')).parked !== null);
      await handle.executeUpdate('skip', { args: [{ reason: 'a party executes' }] });
      await handle.signal('chainFacts', { ...executed, transaction_hash: '0xanother' });
      expect(await handle.result()).toMatchObject({ state: 'FINALIZED' });
    });
  }, 30_000);
});
