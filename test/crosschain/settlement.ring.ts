import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';

import { createStage, type Stage } from './stage.ts';
import { releaseCall, type Step } from './steps.ts';
import { createWire } from './wire.ts';
import { GRACE, RELEASE_DELAY, type Shape } from './world.ts';

jest.setTimeout(120_000);

const [AWAITING_DEPOSITS, EXECUTING_SWAP, FINALIZED, ROLLED_BACK, TIMED_OUT] = [3, 4, 5, 6, 7];
const [NONE, OPEN, PREPARED, EXECUTED, GIVEN_BACK] = [0, 1, 2, 4, 5];
const LEGS: Readonly<Record<Shape, readonly number[]>> = {
  cross: [0, 1],
  remote: [0, 1],
  home: [0, 1],
  wide: [0, 1, 2, 3],
};
const SHAPES = Object.keys(LEGS) as Shape[];
/** Every choice of legs that is not all of them. */
const INCOMPLETE = SHAPES.flatMap((shape) =>
  Array.from({ length: 2 ** LEGS[shape].length - 1 }, (_, bits) => {
    return [shape, LEGS[shape].filter((leg) => (bits & (1 << leg)) !== 0)] as [Shape, number[]];
  }),
);
const deposits = (legs: readonly number[]): Step[] => legs.map((leg): Step => `deposit${leg}`);

let stage: Stage;
beforeAll(async () => {
  stage = await createStage();
});
afterAll(() => stage.close());

describe('a settlement across two chains', () => {
  it.each(SHAPES)('pays every leg when every leg is in (%s)', async (shape) => {
    const terms = await stage.opened(shape);
    await stage.carrier.must(terms, ...deposits(LEGS[shape]));
    await stage.finish(terms);
    expect(await stage.places(terms)).toEqual([FINALIZED, shape === 'home' ? NONE : EXECUTED]);
    expect(await stage.outcomeOf(terms)).toEqual({ paid: LEGS[shape], refunded: [] });
  });

  it.each(INCOMPLETE)(
    'hands back what is in, and pays nothing, when a leg is missing (%s, in: %j)',
    async (shape, legs) => {
      const terms = await stage.opened(shape);
      await stage.carrier.must(terms, ...deposits(legs));
      await stage.finish(terms);
      expect(await stage.outcomeOf(terms)).toEqual({ paid: [], refunded: [] });
      await stage.world.setClocks(terms.deadline + GRACE);
      await stage.finish(terms);
      expect(await stage.places(terms)).toEqual([TIMED_OUT, shape === 'home' ? NONE : GIVEN_BACK]);
      expect(await stage.outcomeOf(terms)).toEqual({ paid: [], refunded: legs });
    },
  );

  it('opens nothing where ROLLBACK has overtaken OPEN, however often OPEN comes afterwards', async () => {
    const { carrier, world } = stage;
    carrier.relay.setFaults([{ id: 'late', kind: 'drop', message: 'OPEN' }]);
    const terms = await stage.opened('cross');
    await carrier.must(terms, 'deposit0', 'sendOpen', 'rollBack', 'sendDecision');
    await carrier.deliver();
    expect(await stage.places(terms)).toEqual([ROLLED_BACK, GIVEN_BACK]);
    carrier.relay.setFaults([]);
    await carrier.deliver();
    expect(await stage.places(terms)).toEqual([ROLLED_BACK, GIVEN_BACK]);
    expect(await carrier.step(terms, 'deposit1')).toBe('TermsMismatch');
    expect(await carrier.step(terms, 'sendOpen')).toBe('NothingToSend');
    await stage.finish(terms);
    expect(await stage.outcomeOf(terms)).toEqual({ paid: [], refunded: [0] });
    expect(await world.home.now()).toBeLessThan(terms.deadline);
  });

  it('hands back everywhere when the vote is not delivered in time, though every leg was in', async () => {
    const { carrier, world } = stage;
    const terms = await stage.opened('cross');
    await carrier.must(terms, 'deposit0', 'deposit1', 'sendVote');
    carrier.relay.setFaults([{ id: 'lost', kind: 'drop', message: 'PREPARED' }]);
    await carrier.deliver();
    expect(await stage.places(terms)).toEqual([AWAITING_DEPOSITS, PREPARED]);
    await world.setClocks(terms.deadline + GRACE);
    // Prepared, it follows the decision alone, however late it is.
    expect(await carrier.step(terms, 'refundThere')).toBe('RefundNotAvailable');
    await carrier.must(terms, 'timeout');
    carrier.relay.setFaults([]);
    await carrier.deliver();
    expect(await stage.places(terms)).toEqual([TIMED_OUT, PREPARED]);
    await stage.finish(terms);
    expect(await stage.places(terms)).toEqual([TIMED_OUT, GIVEN_BACK]);
    expect(await stage.outcomeOf(terms)).toEqual({ paid: [], refunded: [0, 1] });
  });

  it('keeps a message that was delivered with too little gas, and anybody delivers it afterwards', async () => {
    const { carrier, world } = stage;
    const terms = await stage.opened('cross');
    await carrier.must(terms, 'deposit0', 'deposit1', 'sendVote');
    carrier.relay.setFaults([{ id: 'starved', kind: 'starve', message: 'PREPARED', times: 20, gas: 15_000 }]);
    await carrier.deliver();
    await carrier.relay.round();
    const waiting = carrier.relay.packets().find(({ state }) => state === 'verified');
    expect(waiting?.message).toBe('PREPARED');
    expect(waiting?.refused).toBeGreaterThan(1);
    expect(await stage.places(terms)).toEqual([AWAITING_DEPOSITS, PREPARED]);
    const wire = createWire(world, false);
    const packet = (await wire.collect()).find(({ guid }) => guid === waiting?.guid);
    if (packet === undefined) throw new Error('the vote is not in the logs');
    expect(await wire.deliver(packet)).toBeUndefined();
    expect(await stage.places(terms)).toEqual([EXECUTING_SWAP, PREPARED]);
    expect(await wire.deliver(packet)).toBe('LZ_PayloadHashNotFound');
    carrier.relay.setFaults([]);
    await stage.finish(terms);
    expect(await stage.outcomeOf(terms)).toEqual({ paid: [0, 1], refunded: [] });
  });
});

describe.each([-1, 0, 1])('at T %i s', (offset) => {
  const isOver = offset >= 0;

  it('deposits are taken before T and not from T on, on both chains', async () => {
    const terms = await stage.opened('cross');
    await stage.world.setClocks(terms.deadline + offset);
    const expected = isOver ? 'DeadlinePassed' : undefined;
    expect(await stage.carrier.step(terms, 'deposit0')).toBe(expected);
    expect(await stage.carrier.step(terms, 'deposit1')).toBe(expected);
  });

  it('a timeout is due from T on, and not before, while a leg at home is missing', async () => {
    const terms = await stage.opened('wide');
    await stage.carrier.must(terms, 'deposit0');
    await stage.world.setClocks(terms.deadline + offset);
    expect(await stage.carrier.step(terms, 'timeout')).toBe(isOver ? undefined : 'TimeoutNotDue');
  });

  it('the other chain hands back by itself from T on, and not before, while one of its legs is missing', async () => {
    const terms = await stage.opened('wide');
    await stage.carrier.must(terms, 'deposit1');
    await stage.world.setClocks(terms.deadline + offset);
    expect(await stage.carrier.step(terms, 'refundThere')).toBe(isOver ? undefined : 'RefundNotAvailable');
    expect(await stage.outcomeOf(terms)).toEqual({ paid: [], refunded: isOver ? [1] : [] });
  });

  it('a chain that is prepared lets nothing go without the decision', async () => {
    const terms = await stage.opened('remote');
    await stage.carrier.must(terms, 'deposit0', 'deposit1');
    await stage.world.setClocks(terms.deadline + offset);
    expect(await stage.carrier.step(terms, 'refundThere')).toBe('RefundNotAvailable');
    expect(await stage.carrier.step(terms, 'timeout')).toBe('TimeoutNotDue');
    expect(await stage.carrier.phase(terms)).toBe(PREPARED);
  });

  it('a vote that was sent before counts all the same', async () => {
    const terms = await stage.opened('cross');
    await stage.carrier.must(terms, 'deposit0', 'deposit1', 'sendVote');
    await stage.world.setClocks(terms.deadline + offset);
    await stage.finish(terms);
    expect(await stage.outcomeOf(terms)).toEqual({ paid: [0, 1], refunded: [] });
  });
});

describe.each([-1, 0, 1])('at T + grace %i s', (offset) => {
  it('a vote counts before it and not from then on, and from then on the settlement times out', async () => {
    const terms = await stage.opened('cross');
    await stage.carrier.must(terms, 'deposit0', 'deposit1');
    await stage.world.setClocks(terms.deadline + GRACE + offset);
    await stage.carrier.must(terms, 'sendVote');
    await stage.carrier.deliver();
    const isLate = offset >= 0;
    expect(await stage.places(terms)).toEqual([isLate ? AWAITING_DEPOSITS : EXECUTING_SWAP, PREPARED]);
    // Decided, it has no timeout any more.
    expect(await stage.carrier.step(terms, 'timeout')).toBe(isLate ? undefined : 'InvalidTransition');
    await stage.finish(terms);
    expect(await stage.outcomeOf(terms)).toEqual(
      isLate ? { paid: [], refunded: [0, 1] } : { paid: [0, 1], refunded: [] },
    );
  });
});

describe('while messaging is dead for good', () => {
  it.each(['pay', 'refund'] as const)(
    'the parties of a prepared chain release it by their signatures (%s) from 30 days after T on, and a decision that comes later does nothing',
    async (outcome) => {
      const { carrier, world } = stage;
      const terms = await stage.opened('remote');
      await carrier.must(terms, 'deposit0', 'deposit1', 'sendVote');
      const release = async (agreed: typeof outcome): Promise<string | undefined> => {
        const call = await releaseCall(world, terms, world.remote, agreed);
        return world.remote.refusal({ from: world.people.stranger, ...call });
      };
      await world.setClocks(terms.deadline + RELEASE_DELAY - 1);
      expect(await release(outcome)).toBe('ReleaseNotAvailable');
      await carrier.must(terms, 'timeout', 'sendDecision');
      await world.setClocks(terms.deadline + RELEASE_DELAY);
      expect(await release(outcome)).toBeUndefined();
      const expected = outcome === 'pay' ? { paid: [0, 1], refunded: [] } : { paid: [], refunded: [0, 1] };
      expect(await stage.outcomeOf(terms)).toEqual(expected);
      expect(await release(outcome === 'pay' ? 'refund' : 'pay')).toBe('ReleaseNotAvailable');
      // Messaging comes back: the decision was ROLLBACK.
      await carrier.deliver();
      expect(await stage.places(terms)).toEqual([TIMED_OUT, outcome === 'pay' ? EXECUTED : GIVEN_BACK]);
      await stage.finish(terms);
      expect(await carrier.step(terms, 'refundThere')).toBe(
        outcome === 'pay' ? 'RefundNotAvailable' : 'NothingToRefund',
      );
      expect(await carrier.step(terms, 'executeThere')).toBe('NothingToExecute');
      expect(await stage.outcomeOf(terms)).toEqual(expected);
    },
  );

  it('one signature that is missing, or of another outcome, releases nothing', async () => {
    const { carrier, world } = stage;
    const terms = await stage.opened('remote');
    await carrier.must(terms, 'deposit0', 'deposit1');
    await world.setClocks(terms.deadline + RELEASE_DELAY);
    const forged = async (forge: (signatures: string[]) => string[], outcome: number): Promise<string | undefined> => {
      const { to, data } = await releaseCall(world, terms, world.remote, 'pay', { forge, outcome });
      return world.remote.refusal({ from: world.people.engine, to, data });
    };
    expect(await forged((signatures) => signatures.slice(1), 1)).toBe('InvalidSignatureCount');
    expect(await forged((signatures) => signatures.toReversed(), 1)).toBe('InvalidReleaseSignature');
    expect(await forged((signatures) => signatures, 2)).toBe('InvalidReleaseSignature');
    expect(await stage.outcomeOf(terms)).toEqual({ paid: [], refunded: [] });
    expect(await carrier.phase(terms)).not.toBe(OPEN);
  });
});
