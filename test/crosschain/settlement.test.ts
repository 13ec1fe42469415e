import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';

import { type Carrier, createCarrier } from './carry.ts';
import { readOutcomes } from './outcomes.ts';
import { createWorld, GRACE, LIFETIME, type Shape, type Step, type Terms, type World } from './world.ts';

const LIMIT_MS = 180_000;
jest.setTimeout(LIMIT_MS);

const [AWAITING_DEPOSITS, EXECUTING_SWAP, FINALIZED, TIMED_OUT] = [3, 4, 5, 7];
const [OPEN, PREPARED, EXECUTED, ROLLED_BACK] = [1, 2, 4, 5];

/** Every transaction goes to a real node of its chain, every message through LayerZero's endpoints. */
describe('a settlement across two chains', () => {
  let world: World;
  let carrier: Carrier;

  beforeAll(async () => {
    world = await createWorld();
    carrier = createCarrier(world);
  });
  afterAll(async () => {
    await carrier.close();
    await world.close();
  });

  async function opened(shape: Shape): Promise<Terms> {
    const now = Math.max(await world.home.now(), await world.remote.now()) + 1;
    await world.setClocks(now);
    const terms = world.terms(shape, now + LIFETIME);
    await carrier.open(terms);
    return terms;
  }

  /** Until nothing is due any more. */
  async function carryToTheEnd(terms: Terms): Promise<void> {
    for (let round = 0; round < 12; round += 1) {
      const moved = await carrier.carryOnce([terms]);
      await carrier.deliver();
      if (moved === 0) return;
    }
    throw new Error('the settlement never comes to an end');
  }

  async function outcomeOf(terms: Terms): Promise<{ paid: number[]; refunded: number[] }> {
    const outcome = (await readOutcomes(world)).get(terms.settlementId);
    const ascending = (legs: ReadonlySet<number> = new Set()): number[] => [...legs].toSorted((a, b) => a - b);
    return { paid: ascending(outcome?.paid), refunded: ascending(outcome?.refunded) };
  }

  it.each<Shape>(['cross', 'remote', 'home'])('pays every leg when every leg is in (%s)', async (shape) => {
    const terms = await opened(shape);
    await carrier.must(terms, 'deposit0', 'deposit1');
    await carryToTheEnd(terms);
    expect(await carrier.state(terms)).toBe(FINALIZED);
    if (shape !== 'home') expect(await carrier.phase(terms)).toBe(EXECUTED);
    expect(await outcomeOf(terms)).toEqual({ paid: [0, 1], refunded: [] });
  });

  it.each<[Shape, Step[], number[]]>([
    ['cross', ['deposit1'], [1]],
    ['cross', ['deposit0'], [0]],
    ['cross', [], []],
    ['remote', ['deposit1'], [1]],
    ['remote', ['deposit0'], [0]],
    ['home', ['deposit1'], [1]],
    ['home', ['deposit0'], [0]],
  ])('hands back what is in when a leg is missing (%s, paid in: %j)', async (shape, deposits, refunded) => {
    const terms = await opened(shape);
    await carrier.must(terms, ...deposits);
    await carryToTheEnd(terms);
    expect(await outcomeOf(terms)).toEqual({ paid: [], refunded: [] });
    await world.setClocks(terms.deadline + GRACE);
    await carryToTheEnd(terms);
    expect(await carrier.state(terms)).toBe(TIMED_OUT);
    if (shape !== 'home') expect(await carrier.phase(terms)).toBe(ROLLED_BACK);
    expect(await outcomeOf(terms)).toEqual({ paid: [], refunded });
  });

  it('hands back on the other chain when the vote never arrives, though every leg was in', async () => {
    const terms = await opened('cross');
    await carrier.must(terms, 'deposit0', 'deposit1');
    carrier.relay.setFaults([{ id: 'lost', kind: 'drop', message: 'PREPARED' }]);
    await carrier.must(terms, 'sendVote', 'sendVote');
    await carrier.deliver();
    expect([await carrier.state(terms), await carrier.phase(terms)]).toEqual([AWAITING_DEPOSITS, PREPARED]);
    await world.setClocks(terms.deadline + GRACE);
    // Prepared, it follows the decision alone, however late it is.
    expect(await carrier.step(terms, 'refundThere')).toBe(false);
    await carrier.must(terms, 'timeout');
    carrier.relay.setFaults([]);
    await carrier.deliver();
    await carryToTheEnd(terms);
    expect([await carrier.state(terms), await carrier.phase(terms)]).toEqual([TIMED_OUT, ROLLED_BACK]);
    expect(await outcomeOf(terms)).toEqual({ paid: [], refunded: [0, 1] });
  });

  describe.each([-1, 0, 1])('at the deadline %i s', (offset) => {
    it('takes deposits before it and none from then on, here and there', async () => {
      const terms = await opened('cross');
      await world.setClocks(terms.deadline + offset);
      expect(await carrier.step(terms, 'deposit0')).toBe(offset < 0);
      expect(await carrier.step(terms, 'deposit1')).toBe(offset < 0);
    });

    it('times out, and hands back on the other chain, from then on and not before, while a leg is missing', async () => {
      const terms = await opened('cross');
      const other = await opened('remote');
      await carrier.must(terms, 'deposit1');
      await carrier.must(other, 'deposit0');
      await world.setClocks(terms.deadline + offset);
      expect(await carrier.step(terms, 'timeout')).toBe(offset >= 0);
      expect(other.deadline).toBeGreaterThan(terms.deadline);
      await world.setClocks(other.deadline + offset);
      expect(await carrier.step(other, 'refundThere')).toBe(offset >= 0);
      // Without a leg at home that is missing, the coordinator waits for votes until the grace ends.
      expect(await carrier.step(other, 'timeout')).toBe(false);
    });

    it('counts a vote before the grace ends and not from then on; the coordinator times out from then on', async () => {
      const terms = await opened('cross');
      await carrier.must(terms, 'deposit0', 'deposit1');
      await world.setClocks(terms.deadline + GRACE + offset);
      await carrier.must(terms, 'sendVote');
      await carrier.deliver();
      expect(await carrier.state(terms)).toBe(offset < 0 ? EXECUTING_SWAP : AWAITING_DEPOSITS);
      expect(await carrier.step(terms, 'timeout')).toBe(offset >= 0);
      await carryToTheEnd(terms);
      expect(await outcomeOf(terms)).toEqual(
        offset < 0 ? { paid: [0, 1], refunded: [] } : { paid: [], refunded: [0, 1] },
      );
    });

    it('never lets a chain go that is prepared', async () => {
      const terms = await opened('remote');
      await carrier.must(terms, 'deposit0', 'deposit1');
      await world.setClocks(terms.deadline + offset);
      expect(await carrier.step(terms, 'refundThere')).toBe(false);
      expect(await carrier.phase(terms)).not.toBe(OPEN);
    });
  });
});
