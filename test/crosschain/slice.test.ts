import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';

import { endingsOf, runBatch } from './batch.ts';
import { driveRun } from './differential-runs.ts';
import { step } from './model.ts';
import { seedOfRun } from './random.ts';
import { createStage, type Stage } from './stage.ts';
import { createWire } from './wire.ts';
import { GRACE } from './world.ts';

const SEED = seedOfRun();
const [FINALIZED, TIMED_OUT] = [5, 7];
const [EXECUTED, GIVEN_BACK] = [4, 5];
jest.setTimeout(120_000);

/** A slice of the ring over two chains; all of it is `npm run test:crosschain`. */
describe(`a settlement across two chains (KEYSTONE_SEED=${SEED})`, () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await createStage();
  });
  afterAll(() => stage.close());

  it('the contracts and their model agree after each of 60 random actions', async () => {
    const run = {
      world: stage.world,
      wire: createWire(stage.world),
      seed: SEED,
      name: 'slice',
      actions: 60,
      rules: step,
    };
    const events: string[] = [];
    await driveRun(run, (more) => events.push(...more));
    expect(events.length).toBeGreaterThan(0);
  });

  it('pays every leg when every leg is in', async () => {
    const terms = await stage.opened('wide');
    await stage.carrier.must(terms, 'deposit0', 'deposit1', 'deposit2', 'deposit3');
    await stage.finish(terms);
    expect(await stage.places(terms)).toEqual([FINALIZED, EXECUTED]);
    expect(await stage.outcomeOf(terms)).toEqual({ paid: [0, 1, 2, 3], refunded: [] });
  });

  it('hands back what is in when a leg is missing at the deadline', async () => {
    const terms = await stage.opened('wide');
    await stage.carrier.must(terms, 'deposit0', 'deposit1', 'deposit2');
    await stage.world.setClocks(terms.deadline + GRACE);
    await stage.finish(terms);
    expect(await stage.places(terms)).toEqual([TIMED_OUT, GIVEN_BACK]);
    expect(await stage.outcomeOf(terms)).toEqual({ paid: [], refunded: [0, 1, 2] });
  });

  it('ends all or none for each of 5 settlements over a relay that drops, delays, repeats, reorders and starves', async () => {
    const plans = await runBatch({ world: stage.world, seed: SEED, number: 0, first: 0, size: 5 });
    expect(await endingsOf(stage.world, plans)).toHaveLength(5);
  });
});
