import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';

import { createStage, type Stage } from './stage.ts';
import { GRACE } from './world.ts';

jest.setTimeout(180_000);

const [AWAITING_DEPOSITS, EXECUTING_SWAP, FINALIZED, TIMED_OUT] = [3, 4, 5, 7];
const [OPEN, PREPARED, EXECUTED, GIVEN_BACK] = [1, 2, 4, 5];

let stage: Stage;
beforeAll(async () => {
  stage = await createStage({ persistent: true });
});
afterAll(() => stage.close());

describe('while the chain of the coordinator is away', () => {
  it('the other chain goes on by itself: it takes deposits, waits once it is prepared, and hands back where a leg is missing; afterwards all end', async () => {
    const { carrier, world } = stage;
    // The same clocks and deadlines, so opened one right after the other.
    const paid = await stage.opened('cross');
    const missing = await stage.opened('wide');
    await carrier.must(paid, 'deposit0');
    await carrier.must(missing, 'deposit0', 'deposit1', 'deposit2');
    await world.home.stop();
    try {
      await carrier.must(paid, 'deposit1', 'sendVote');
      await carrier.relay.round();
      await world.remote.setClock(missing.deadline + GRACE);
      expect(await carrier.step(paid, 'refundThere')).toBe('RefundNotAvailable');
      expect(await carrier.step(paid, 'executeThere')).toBe('NothingToExecute');
      expect(await carrier.phase(paid)).toBe(PREPARED);
      expect(await carrier.phase(missing)).toBe(OPEN);
      await carrier.must(missing, 'refundThere');
      expect(await carrier.phase(missing)).toBe(GIVEN_BACK);
      await carrier.relay.round();
    } finally {
      await world.home.start();
    }
    // Its own clock has stood still, so the vote is in time; the other settlement times out here.
    await stage.finish(paid);
    await world.home.setClock(missing.deadline + GRACE);
    await stage.finish(missing);
    expect(await stage.places(paid)).toEqual([FINALIZED, EXECUTED]);
    expect(await stage.places(missing)).toEqual([TIMED_OUT, GIVEN_BACK]);
    expect(await stage.outcomeOf(paid)).toEqual({ paid: [0, 1], refunded: [] });
    expect(await stage.outcomeOf(missing)).toEqual({ paid: [], refunded: [0, 1, 2] });
  });

  it('and comes back after T + grace, a vote that was in time before comes too late, and everything is handed back', async () => {
    const { carrier, world } = stage;
    const terms = await stage.opened('cross');
    await carrier.must(terms, 'deposit0', 'deposit1', 'sendVote');
    await world.home.stop();
    await carrier.relay.round();
    await world.home.start();
    await world.setClocks(terms.deadline + GRACE);
    await stage.finish(terms);
    expect(await stage.places(terms)).toEqual([TIMED_OUT, GIVEN_BACK]);
    expect(await stage.outcomeOf(terms)).toEqual({ paid: [], refunded: [0, 1] });
  });

  it('and is started again between the decision and its message, nothing is forgotten', async () => {
    const { carrier, world } = stage;
    const terms = await stage.opened('cross');
    await carrier.must(terms, 'deposit0', 'deposit1', 'sendVote');
    await carrier.deliver();
    expect(await stage.places(terms)).toEqual([EXECUTING_SWAP, PREPARED]);
    await world.home.stop();
    await world.home.start();
    expect(await stage.places(terms)).toEqual([EXECUTING_SWAP, PREPARED]);
    await stage.finish(terms);
    expect(await stage.places(terms)).toEqual([FINALIZED, EXECUTED]);
    expect(await stage.outcomeOf(terms)).toEqual({ paid: [0, 1], refunded: [] });
  });
});

describe('while the other chain is away', () => {
  it('a decision waits for it, however long, and is followed once it is back', async () => {
    const { carrier, world } = stage;
    const terms = await stage.opened('cross');
    await carrier.must(terms, 'deposit0', 'deposit1', 'sendVote');
    await carrier.deliver();
    await world.remote.freeze(async () => {
      await carrier.must(terms, 'executeHere', 'sendDecision');
      await carrier.relay.round();
      await world.home.setClock(terms.deadline + GRACE + 1);
      expect(await carrier.step(terms, 'timeout')).toBe('InvalidTransition');
      expect(await carrier.step(terms, 'refundHere')).toBe('RefundNotAvailable');
      expect(await carrier.step(terms, 'rollBack')).toBe('InvalidTransition');
      expect(await carrier.state(terms)).toBe(EXECUTING_SWAP);
    });
    await stage.finish(terms);
    expect(await stage.places(terms)).toEqual([FINALIZED, EXECUTED]);
    expect(await stage.outcomeOf(terms)).toEqual({ paid: [0, 1], refunded: [] });
  });

  it('and its vote does not come, the coordinator times out after the grace, and both chains hand back', async () => {
    const { carrier, world } = stage;
    const terms = await stage.opened('cross');
    await carrier.must(terms, 'deposit0', 'deposit1');
    await world.remote.freeze(async () => {
      await world.home.setClock(terms.deadline + GRACE - 1);
      expect(await carrier.step(terms, 'refundHere')).toBe('RefundNotAvailable');
      expect(await carrier.state(terms)).toBe(AWAITING_DEPOSITS);
      await world.home.setClock(terms.deadline + GRACE);
      await carrier.must(terms, 'refundHere', 'sendDecision');
    });
    await carrier.must(terms, 'sendVote');
    await stage.finish(terms);
    expect(await stage.places(terms)).toEqual([TIMED_OUT, GIVEN_BACK]);
    expect(await stage.outcomeOf(terms)).toEqual({ paid: [], refunded: [0, 1] });
  });
});
