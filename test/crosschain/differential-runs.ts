import { choose, temperOf } from './actions.ts';
import { createDifferential, type Run, type Stepper } from './differential.ts';
import { eventsOf } from './events.ts';
import { createDice, type Dice } from './random.ts';
import { createSteps } from './steps.ts';
import type { Wire } from './wire.ts';
import { LIFETIME, type Shape, type World } from './world.ts';

/** Settlements of one run: they share tokens, wallets and escrows, so that one could take what is another's. */
const SETTLEMENTS = 3;
const SHAPES: readonly Shape[] = ['cross', 'cross', 'wide', 'wide', 'remote', 'home'];
/** Seconds between the deadlines of a run. */
const DEADLINE_STEP = 60;
/** Actions between two questions about everything that could be done. */
const PROBE_EVERY = 8;
/** Actions that a failure shows. */
const SHOWN = 15;

export interface RunOptions {
  readonly world: World;
  readonly wire: Wire;
  readonly seed: number;
  /** Of this run; with the seed it decides everything. */
  readonly name: string;
  readonly actions: number;
  readonly rules: Stepper;
}

async function beginRun({ world, wire, seed, name, rules }: RunOptions, dice: Dice): Promise<Run> {
  const now = Math.max(await world.home.now(), await world.remote.now()) + 1;
  await world.setClocks(now);
  const settlements = Array.from({ length: SETTLEMENTS }, (_, index) =>
    world.terms(dice.pick(SHAPES), now + LIFETIME + index * DEADLINE_STEP, `${seed} ${name} ${index}`),
  );
  const take = createSteps(world);
  for (const terms of settlements) {
    const refused = await take(terms, 'create');
    if (refused !== undefined) throw new Error(`a settlement is not created: ${refused}`);
  }
  return createDifferential(world, wire, rules).begin(settlements);
}

/**
 * The same random actions to the contracts and to the model.
 * @param notice Told after each action what it has brought about.
 * @throws Error that names seed, run and last actions, when contracts and model differ.
 */
export async function driveRun(options: RunOptions, notice: (events: readonly string[]) => void): Promise<void> {
  const { seed, name, rules, actions } = options;
  const dice = createDice(seed, name);
  const temper = temperOf(dice);
  const run = await beginRun(options, dice);
  const done: string[] = [];
  try {
    while (done.length < actions) {
      const chooser = { dice, rules, ...temper, tokens: run.tokens, walletsOf: run.walletsOf };
      for (const action of choose(run.model(), chooser)) {
        const before = run.model();
        done.push(JSON.stringify(action));
        notice(eventsOf(before, action, await run.take(action), run.model()));
        if (done.length % PROBE_EVERY === 0) notice([`asked ${await run.probe()}`]);
      }
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const last = done.slice(-SHOWN).join(' ');
    throw new Error(`KEYSTONE_SEED=${seed}, ${name}, ${reason}; after ${last}`, { cause: error });
  } finally {
    await run.end();
  }
}
