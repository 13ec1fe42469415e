import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';

import { createModel, type Model } from './model.ts';
import { createDice, type Dice, seedOfRun } from './random.ts';
import { createWire, type Wire } from './wire.ts';
import {
  createSteps,
  createWorld,
  GRACE,
  LIFETIME,
  readHome,
  readRemote,
  type Shape,
  type Step,
  type Terms,
  type World,
} from './world.ts';

const LONG = process.env['KEYSTONE_TEST_RING'] === 'all';
const RUNS = LONG ? 24 : 6;
const ACTIONS = 120;
const LIMIT_MS = (LONG ? 10 : 4) * 60_000;
const SEED = seedOfRun();
const SHAPES: readonly Shape[] = ['cross', 'remote', 'cross', 'home'];
jest.setTimeout(LIMIT_MS);

/** Any step at any time, most of them refused. */
const STEPS: readonly Step[] = [
  'create',
  'attest',
  'advance',
  'sendOpen',
  'deposit0',
  'deposit1',
  'sendVote',
  'sendDecision',
  'executeHere',
  'executeThere',
  'refundHere',
  'refundThere',
  'timeout',
  'rollBack',
];
/** What a settlement needs to be paid out, in order. Followed half of the time, since random steps alone would never pay anything out. */
const PATH: readonly (Step | 'deliver')[] = [
  'create',
  'attest',
  'advance',
  'sendOpen',
  'deliver',
  'deposit0',
  'deposit1',
  'sendVote',
  'deliver',
  'executeHere',
  'sendDecision',
  'deliver',
  'executeThere',
  'sendVote',
  'deliver',
];

interface Run {
  readonly model: Model;
  readonly dice: Dice;
  readonly settlements: readonly Terms[];
  /** Messages of earlier runs come before it. */
  readonly firstMessage: number;
  /** How far along the path each settlement is. */
  readonly onPath: number[];
}

/** The same actions to the contracts on two chains and to the model; whatever either says, the other has to say too. */
describe(`the contracts and the model of them (KEYSTONE_SEED=${SEED})`, () => {
  let world: World;
  let wire: Wire;
  let step: (terms: Terms, step: Step) => Promise<boolean>;
  const reached = new Set<string>();

  beforeAll(async () => {
    world = await createWorld();
    wire = createWire(world);
    step = createSteps(world);
  });
  afterAll(() => world.close());

  async function moveClock(model: Model, dice: Dice, settlements: readonly Terms[]): Promise<string> {
    const chain = dice.chance(0.5) ? 'home' : 'remote';
    const { deadline } = dice.pick(settlements);
    const near = dice.pick([deadline - 1, deadline, deadline + GRACE - 1, deadline + GRACE]);
    const wanted = dice.chance(0.3) ? near : model.clocks[chain] + dice.below(90);
    const seconds = Math.max(model.clocks[chain], wanted);
    await world[chain].setClock(seconds);
    model.clocks[chain] = seconds;
    return `clock of ${chain}`;
  }

  async function compare(model: Model, settlements: readonly Terms[], after: string): Promise<void> {
    for (const [index, { settlementId }] of settlements.entries()) {
      const expected = model.settlements[index];
      const [home, remote] = await Promise.all([readHome(world, settlementId), readRemote(world, settlementId)]);
      expect({ after, index, home, remote }).toEqual({
        after,
        index,
        home: expected?.exists === true ? expected.home : undefined,
        remote: expected?.remote,
      });
      reached.add(`home ${home?.state} ${remote.phase}`);
    }
  }

  async function deliver(model: Model, firstMessage: number, index: number): Promise<string> {
    const packet = (await wire.collect())[firstMessage + index];
    if (packet === undefined) throw new Error('the model knows of a message that was never sent');
    expect(packet.content?.name).toBe(model.messages[index]?.kind);
    expect(await wire.deliver(packet)).toBe(model.deliver(index));
    return `delivery of message ${index} (${packet.content?.name})`;
  }

  async function take(model: Model, settlements: readonly Terms[], index: number, chosen: Step): Promise<string> {
    const terms = settlements[index];
    if (terms === undefined) throw new Error('no such settlement');
    const accepted = await step(terms, chosen);
    await wire.collect();
    const after = `${chosen} of settlement ${index}`;
    expect({ after, accepted }).toEqual({ after, accepted: model.step(index, chosen) });
    return after;
  }

  async function act(run: Run): Promise<string> {
    const { model, dice, settlements, firstMessage, onPath } = run;
    if (dice.chance(0.04)) return moveClock(model, dice, settlements);
    const index = dice.below(settlements.length);
    if (dice.chance(0.6)) {
      const next = PATH[onPath[index] ?? 0];
      onPath[index] = (onPath[index] ?? 0) + 1;
      if (next !== undefined && next !== 'deliver') return take(model, settlements, index, next);
      const last = model.messages.findLastIndex(({ settlement, delivered }) => settlement === index && !delivered);
      if (last >= 0) return deliver(model, firstMessage, last);
    }
    if (model.messages.length > 0 && dice.chance(0.3)) {
      return deliver(model, firstMessage, dice.below(model.messages.length));
    }
    const chosen = dice.pick(STEPS);
    // A rollback always succeeds, and ends everything.
    return take(model, settlements, index, chosen === 'rollBack' && dice.chance(0.7) ? 'timeout' : chosen);
  }

  it.each(Array.from({ length: RUNS }, (_, run) => run))(
    `agree after each of ${ACTIONS} actions, run %i`,
    async (run) => {
      const dice = createDice(SEED, 'model', run);
      const now = Math.max(await world.home.now(), await world.remote.now()) + 1;
      await world.setClocks(now);
      const settlements = SHAPES.map((shape) => world.terms(shape, now + LIFETIME));
      const bits = (terms: Terms, chainId: number): number =>
        terms.legs.reduce((sum, leg, index) => (leg.chainId === chainId ? sum | (1 << index) : sum), 0);
      const model = createModel({
        settlements: settlements.map((terms) => ({
          deadline: terms.deadline,
          legsHere: bits(terms, world.home.chainId),
          legsThere: bits(terms, world.remote.chainId),
        })),
        clocks: { home: now, remote: now },
        grace: GRACE,
      });
      const firstMessage = (await wire.collect()).length;
      const state: Run = { model, dice, settlements, firstMessage, onPath: settlements.map(() => 0) };
      const done: string[] = [];
      try {
        for (let action = 0; action < ACTIONS; action += 1) {
          done.push(await act(state));
          await compare(model, settlements, done.at(-1) ?? '');
        }
      } catch (error) {
        throw new Error(`after: ${done.slice(-12).join('; ')}`, { cause: error });
      }
    },
  );

  it('went through every state and every phase', () => {
    const states = new Set([...reached].map((pair) => pair.split(' ')[1]));
    const phases = new Set([...reached].map((pair) => pair.split(' ')[2]));
    for (const state of ['undefined', '1', '3', '4', '5', '6', '7']) expect(states).toContain(state);
    for (const phase of ['0', '1', '2', '3', '4', '5']) expect(phases).toContain(phase);
  });
});
