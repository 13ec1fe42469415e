import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';

import type { FaultInput } from '../../dev/relay/faults.ts';
import { type Carrier, createCarrier } from './carry.ts';
import { readOutcomes } from './outcomes.ts';
import { createDice, seedOfRun } from './random.ts';
import { createWorld, GRACE, LIFETIME, type Shape, type Terms, type World } from './world.ts';

const LONG = process.env['KEYSTONE_TEST_RING'] === 'all';
const SETTLEMENTS = LONG ? 200 : 40;
const BATCH = 20;
const LIMIT_MS = (LONG ? 12 : 5) * 60_000;
/** Times that whatever is due is sent, while the relay misbehaves. */
const TROUBLED_ROUNDS = 3;
const QUIET_ROUNDS = 15;
const SEED = seedOfRun();
jest.setTimeout(LIMIT_MS);

interface Plan {
  readonly terms: Terms;
  readonly deposits: readonly number[];
  /** The engine rolls it back in the middle, or tries to. */
  readonly isRolledBack: boolean;
}

/** What the relay does to a batch: each packet is hit or spared by the seed. */
function troubles(seed: number): FaultInput[] {
  const dice = createDice(seed, 'troubles');
  const all: FaultInput[] = [
    { id: 'drop', kind: 'drop', probability: 0.3 },
    { id: 'duplicate', kind: 'duplicate', probability: 0.4, times: 2 },
    { id: 'reorder', kind: 'reorder', probability: 0.6, within_ms: 300 },
    { id: 'starve', kind: 'starve', probability: 0.3 },
    // Rarely: nothing that was sent later on the channel can be executed either.
    { id: 'silence', kind: 'drop', probability: 0.03, stage: 'verify' },
  ];
  // Dropping is in every batch; the others come and go, so that each is also seen alone.
  return all.filter(({ id }) => id === 'drop' || dice.chance(0.6));
}

describe(`${SETTLEMENTS} settlements over a relay that drops, repeats, reorders and starves (KEYSTONE_SEED=${SEED})`, () => {
  let world: World;

  beforeAll(async () => {
    world = await createWorld();
  });
  afterAll(() => world.close());

  function planOf(number: number, deadline: number): Plan {
    const dice = createDice(SEED, 'settlement', number);
    const shape: Shape = dice.pick(['cross', 'cross', 'cross', 'remote', 'home']);
    const deposits = dice.chance(0.65) ? [0, 1] : dice.pick([[], [0], [1]]);
    return {
      terms: world.terms(shape, deadline),
      deposits: dice.chance(0.5) ? deposits : deposits.toReversed(),
      isRolledBack: dice.chance(0.15),
    };
  }

  /** Sends, delivers and looks at the logs, until nothing is due or the rounds are over. */
  async function carry(carrier: Carrier, settlements: readonly Terms[], rounds: number): Promise<boolean> {
    for (let round = 0; round < rounds; round += 1) {
      const moved = await carrier.carryOnce(settlements);
      await carrier.deliver();
      await readOutcomes(world);
      if (moved === 0) return true;
    }
    return false;
  }

  async function runBatch(batch: number): Promise<Plan[]> {
    const now = Math.max(await world.home.now(), await world.remote.now()) + 1;
    await world.setClocks(now);
    const plans = Array.from({ length: Math.min(BATCH, SETTLEMENTS - batch * BATCH) }, (_, index) =>
      planOf(batch * BATCH + index, now + LIFETIME),
    );
    const all = plans.map(({ terms }) => terms);
    const carrier = createCarrier(world, troubles(SEED + batch), SEED + batch);
    try {
      for (const terms of all) await carrier.must(terms, 'create', 'attest', 'advance');
      await carry(carrier, all, TROUBLED_ROUNDS);
      for (const { terms, deposits } of plans) {
        // Refused where OPEN was lost.
        for (const leg of deposits) await carrier.step(terms, `deposit${leg}`);
      }
      await carry(carrier, all, TROUBLED_ROUNDS);
      for (const { terms, isRolledBack } of plans) if (isRolledBack) await carrier.step(terms, 'rollBack');
      await carry(carrier, all, TROUBLED_ROUNDS);
      // Each side of the deadline, then past the grace, still over the bad relay.
      for (const clock of [now + LIFETIME - 1, now + LIFETIME, now + LIFETIME + GRACE]) {
        await world.setClocks(clock);
        await carry(carrier, all, TROUBLED_ROUNDS);
      }
      carrier.relay.setFaults([]);
      expect(await carry(carrier, all, QUIET_ROUNDS)).toBe(true);
      for (const terms of all) {
        expect(await carrier.state(terms)).toBeGreaterThanOrEqual(5);
        expect([0, 4, 5]).toContain(await carrier.phase(terms));
      }
    } finally {
      await carrier.close();
    }
    return plans;
  }

  it('never pays one leg and hands back another, and brings every one to an end', async () => {
    const plans: Plan[] = [];
    for (let batch = 0; batch * BATCH < SETTLEMENTS; batch += 1) {
      plans.push(...(await runBatch(batch)));
      process.stderr.write(`  ${plans.length} of ${SETTLEMENTS} settlements, seed ${SEED}\n`);
    }
    const outcomes = await readOutcomes(world);
    let paid = 0;
    let refunded = 0;
    for (const { terms } of plans) {
      const outcome = outcomes.get(terms.settlementId);
      if (outcome === undefined) continue;
      // All or none: what was paid was paid whole, and what came in has left again.
      if (outcome.paid.size > 0) expect(outcome.paid.size).toBe(terms.legs.length);
      else expect(outcome.refunded).toEqual(outcome.deposited);
      paid += outcome.paid.size > 0 ? 1 : 0;
      refunded += outcome.refunded.size > 0 ? 1 : 0;
    }
    process.stderr.write(`  ${paid} paid, ${refunded} handed back, of ${plans.length}\n`);
    // A run in which nothing happens would show nothing.
    expect(paid).toBeGreaterThan(SETTLEMENTS / 10);
    expect(refunded).toBeGreaterThan(SETTLEMENTS / 10);
  });
});
