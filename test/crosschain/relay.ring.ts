import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';

import { type Ending, endingsOf, type Plan, runBatch, TROUBLES, type TroubleName } from './batch.ts';
import { seedOfRun } from './random.ts';
import { note, say } from './report.ts';
import { createWorld, type World } from './world.ts';

const SETTLEMENTS = 200;
/** In flight at once; a relay takes at most 100 rules. */
const BATCH = 40;
const SEED = seedOfRun();
/** Many times what it takes on two idle cores. */
jest.setTimeout(1_200_000);

describe(`${SETTLEMENTS} settlements over a relay that drops, delays, repeats, reorders and starves (KEYSTONE_SEED=${SEED})`, () => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld();
  });
  afterAll(() => world.close());

  it('all end, and never is one leg paid and another handed back, read from the logs of both chains', async () => {
    const plans: Plan[] = [];
    for (let first = 0; first < SETTLEMENTS; first += BATCH) {
      const size = Math.min(BATCH, SETTLEMENTS - first);
      plans.push(...(await runBatch({ world, seed: SEED, number: first / BATCH, first, size })));
      say(`relay: ${plans.length} of ${SETTLEMENTS} settlements have ended (seed ${SEED})`);
    }
    const endings = await endingsOf(world, plans);
    const count = (ending: Ending, trouble?: TroubleName): number =>
      plans.filter(
        ({ troubles }, index) => endings[index] === ending && (trouble === undefined || troubles.includes(trouble)),
      ).length;
    const row = (trouble?: TroubleName): string =>
      `${count('paid', trouble)} paid, ${count('handed back', trouble)} handed back, ${count('nothing came in', trouble)} nothing came in`;
    for (const trouble of Object.keys(TROUBLES) as TroubleName[]) note(`messages: ${trouble}`, row(trouble));
    note(`all ${SETTLEMENTS} (seed ${SEED})`, row());
    // A run in which nothing happens would show nothing.
    for (const trouble of Object.keys(TROUBLES) as TroubleName[]) {
      expect([trouble, count('paid', trouble) > 0]).toEqual([trouble, true]);
      expect([trouble, count('handed back', trouble) > 0]).toEqual([trouble, true]);
    }
  });
});
