import { type Carrier, createCarrier } from './carry.ts';
import { readOutcomes } from './outcomes.ts';
import { createWorld, LIFETIME, type Shape, type Terms, type World } from './world.ts';

/** Two chains, a relay, and what most tests do with them. */

const MAX_ROUNDS = 12;

export interface Stage {
  readonly world: World;
  readonly carrier: Carrier;
  /** A settlement that takes deposits on all of its chains; its deadline is an hour ahead of both clocks. */
  opened(shape: Shape): Promise<Terms>;
  /** Sends and delivers whatever is due, until nothing is. @throws Error when that never happens. */
  finish(...settlements: readonly Terms[]): Promise<void>;
  /** State at home and phase on the other chain. */
  places(terms: Terms): Promise<[state: number | undefined, phase: number]>;
  /** Legs that were paid out and legs that were handed back, ascending, from the logs of both escrows. */
  outcomeOf(terms: Terms): Promise<{ paid: number[]; refunded: number[] }>;
  close(): Promise<void>;
}

export async function createStage(options: { persistent?: boolean } = {}): Promise<Stage> {
  const world = await createWorld(options.persistent);
  const carrier = createCarrier(world);
  let count = 0;
  return {
    world,
    carrier,
    async opened(shape) {
      const now = Math.max(await world.home.now(), await world.remote.now()) + 1;
      await world.setClocks(now);
      count += 1;
      const terms = world.terms(shape, now + LIFETIME, `settlement ${count}`);
      await carrier.open(terms);
      return terms;
    },
    async finish(...settlements) {
      for (let round = 0; round < MAX_ROUNDS; round += 1) {
        const moved = await carrier.carryOnce(settlements);
        await carrier.deliver();
        if (moved === 0) return;
      }
      throw new Error('there is always something due');
    },
    places: async (terms) => [await carrier.state(terms), await carrier.phase(terms)],
    async outcomeOf(terms) {
      const outcome = (await readOutcomes(world, [terms])).get(terms.settlementId);
      const ascending = (legs: ReadonlySet<number> = new Set()): number[] => [...legs].toSorted((a, b) => a - b);
      return { paid: ascending(outcome?.paid), refunded: ascending(outcome?.refunded) };
    },
    async close() {
      await carrier.close();
      await world.close();
    },
  };
}
