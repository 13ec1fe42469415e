import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';

import { type Carrier, createCarrier } from './carry.ts';
import { readOutcomes } from './outcomes.ts';
import { createWorld, GRACE, LIFETIME, type Terms, type World } from './world.ts';

const LIMIT_MS = 180_000;
jest.setTimeout(LIMIT_MS);

const [FINALIZED, TIMED_OUT] = [5, 7];
const [PREPARED, EXECUTED, ROLLED_BACK] = [2, 4, 5];

describe('while the chain of the coordinator is away', () => {
  let world: World;
  let carrier: Carrier;

  beforeAll(async () => {
    world = await createWorld(true);
    carrier = createCarrier(world);
  });
  afterAll(async () => {
    await carrier.close();
    await world.close();
  });

  async function opened(): Promise<Terms> {
    const now = Math.max(await world.home.now(), await world.remote.now()) + 1;
    await world.setClocks(now);
    const terms = world.terms('cross', now + LIFETIME);
    await carrier.open(terms);
    return terms;
  }

  async function finish(terms: Terms): Promise<void> {
    for (let round = 0; round < 12; round += 1) {
      const moved = await carrier.carryOnce([terms]);
      await carrier.deliver();
      if (moved === 0) return;
    }
    throw new Error('the settlement never comes to an end');
  }

  async function legs(terms: Terms): Promise<{ paid: number; refunded: number }> {
    const outcome = (await readOutcomes(world)).get(terms.settlementId);
    return { paid: outcome?.paid.size ?? 0, refunded: outcome?.refunded.size ?? 0 };
  }

  it('a prepared chain waits, however long, and both legs are paid once it is back', async () => {
    const terms = await opened();
    await carrier.must(terms, 'deposit0', 'deposit1', 'sendVote');
    const { pid } = world.home.anvil();
    process.kill(pid, 'SIGSTOP');
    try {
      // Its own clock runs past every deadline meanwhile.
      await world.remote.setClock(terms.deadline + GRACE + 1);
      expect(await carrier.step(terms, 'refundThere')).toBe(false);
      expect(await carrier.step(terms, 'executeThere')).toBe(false);
      expect(await carrier.phase(terms)).toBe(PREPARED);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await finish(terms);
    expect([await carrier.state(terms), await carrier.phase(terms)]).toEqual([FINALIZED, EXECUTED]);
    expect(await legs(terms)).toEqual({ paid: 2, refunded: 0 });
  });

  it('a chain with a leg missing lets go at the deadline on its own, and the coordinator agrees once it is back', async () => {
    const terms = await opened();
    const other = { ...terms, settlementId: `0x${'ab'.repeat(16)}${'00'.repeat(16)}` };
    await carrier.must(terms, 'deposit0');
    const { pid } = world.home.anvil();
    process.kill(pid, 'SIGSTOP');
    try {
      await world.remote.setClock(terms.deadline);
      // Nothing was paid in there, so nothing is handed back, and nothing can be paid in any more.
      expect(await carrier.step(terms, 'deposit1')).toBe(false);
      expect(await carrier.step(other, 'refundThere')).toBe(false);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await world.home.setClock(terms.deadline + GRACE);
    await finish(terms);
    expect([await carrier.state(terms), await carrier.phase(terms)]).toEqual([TIMED_OUT, ROLLED_BACK]);
    expect(await legs(terms)).toEqual({ paid: 0, refunded: 1 });
  });

  it('nothing is forgotten when it is stopped and started again between the decision and its message', async () => {
    const terms = await opened();
    await carrier.must(terms, 'deposit0', 'deposit1', 'sendVote');
    await carrier.deliver();
    const decided = await carrier.state(terms);
    await world.home.restart();
    expect(await carrier.state(terms)).toBe(decided);
    await finish(terms);
    expect([await carrier.state(terms), await carrier.phase(terms)]).toEqual([FINALIZED, EXECUTED]);
    expect(await legs(terms)).toEqual({ paid: 2, refunded: 0 });
  });
});
