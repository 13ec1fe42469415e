import type { FaultInput } from '../../dev/relay/faults.ts';
import { bytes32ToUuid } from '../../domain/ids.ts';
import { type Carrier, createCarrier } from './carry.ts';
import { readOutcomes } from './outcomes.ts';
import { createDice, type Dice } from './random.ts';
import { GRACE, LIFETIME, type Shape, type Terms, type World } from './world.ts';

/** Many settlements at once on the same two chains, each with a fate and with troubles of its own on the way of its messages. */

/** Times that whatever is due is sent: while the relay misbehaves, at each moment around the deadline, and after the relay behaves again. */
const ROUNDS = { troubled: 2, late: 1, quiet: 15 } as const;
/** Milliseconds of the clock on the wall: a delayed message comes some rounds later. */
const DELAY_MS = 400;

/** What can happen to the messages of a settlement. A probability of less than one leaves a repeated message a chance. */
export const TROUBLES = {
  none: () => [],
  drop: (dice: Dice) => [{ kind: 'drop', probability: dice.pick([0.4, 0.8, 1]) }],
  unverified: () => [{ kind: 'drop', stage: 'verify', probability: 0.5 }],
  duplicate: (dice: Dice) => [{ kind: 'duplicate', times: 1 + dice.below(3) }],
  reorder: () => [{ kind: 'reorder', within_ms: DELAY_MS }],
  starve: (dice: Dice) => [{ kind: 'starve', times: 1 + dice.below(2) }],
} as const satisfies Record<string, (dice: Dice) => readonly Trouble[]>;
type WithoutId<Fault> = Fault extends unknown ? Omit<Fault, 'id' | 'settlement_id'> : never;
type Trouble = WithoutId<FaultInput>;
export type TroubleName = keyof typeof TROUBLES;
const TROUBLE_NAMES = Object.keys(TROUBLES) as TroubleName[];

export interface Plan {
  readonly terms: Terms;
  /** Legs that are paid in, in this order, each in one of the first three steps of the way. */
  readonly deposits: readonly { readonly leg: number; readonly at: number }[];
  /** Where on the way the engine rolls back, or tries to. */
  readonly rollBackAt: number | undefined;
  readonly troubles: readonly TroubleName[];
}

export type Ending = 'paid' | 'handed back' | 'nothing came in';

export interface BatchOptions {
  readonly world: World;
  readonly seed: number;
  /** Of this batch, and of the first of its settlements. */
  readonly number: number;
  readonly first: number;
  readonly size: number;
}

function planOf(world: World, dice: Dice, deadline: number, name: string): Plan {
  const shape: Shape = dice.pick(['cross', 'cross', 'wide', 'wide', 'remote']);
  const terms = world.terms(shape, deadline, name);
  const missing = dice.chance(0.4) ? dice.below(2 ** terms.legs.length) : 0;
  const legs = terms.legs.map((_, leg) => leg).filter((leg) => (missing & (1 << leg)) === 0);
  const order = dice.chance(0.5) ? legs : legs.toReversed();
  const troubles = [dice.pick(TROUBLE_NAMES), dice.pick(TROUBLE_NAMES)];
  return {
    terms,
    deposits: order.map((leg) => ({ leg, at: dice.below(3) })),
    rollBackAt: dice.chance(0.12) ? dice.below(4) : undefined,
    troubles: [...new Set(troubles)].filter((trouble, _, all) => trouble !== 'none' || all.length === 1),
  };
}

function faultsOf(plans: readonly Plan[], dice: Dice): FaultInput[] {
  return plans.flatMap(({ terms, troubles }, index) => {
    const settlementId = bytes32ToUuid(terms.settlementId);
    if (settlementId === undefined) throw new Error('a settlement has a UUID');
    return troubles.flatMap((name) =>
      TROUBLES[name](dice).map(
        (trouble): FaultInput => ({
          ...(trouble as FaultInput),
          id: `${name} ${index}`,
          settlement_id: settlementId,
        }),
      ),
    );
  });
}

/** Verifiers that are away hold up the whole channel, everybody's messages: they come and go, or nobody would ever be paid. */
function standing(faults: readonly FaultInput[], carried: number): FaultInput[] {
  const areAway = carried % 3 === 0;
  return faults.filter((fault) => areAway || fault.kind !== 'drop' || fault.stage !== 'verify');
}

/**
 * Takes a batch from creation to its end.
 * @throws Error when one never ends, or when the logs show one leg paid and another handed back.
 */
export async function runBatch({ world, seed, number, first, size }: BatchOptions): Promise<Plan[]> {
  const dice = createDice(seed, 'batch', number);
  const now = Math.max(await world.home.now(), await world.remote.now()) + 1;
  await world.setClocks(now);
  const deadline = now + LIFETIME;
  const plans = Array.from({ length: size }, (_, index) =>
    planOf(world, createDice(seed, first + index), deadline, `${seed} ${first + index}`),
  );
  const all = plans.map(({ terms }) => terms);
  // Earlier batches have ended, their messages included.
  const blocks = await Promise.all([world.home, world.remote].map((chain) => chain.reader.getBlockNumber()));
  const faults = faultsOf(plans, dice);
  const carrier = createCarrier(world, [], seed + number, blocks);
  let isTroubled = true;
  let carried = 0;
  const carry = async (rounds: number): Promise<boolean> => {
    for (let round = 0; round < rounds; round += 1) {
      if (isTroubled) carrier.relay.setFaults(standing(faults, (carried += 1)));
      const moved = await carrier.carryOnce(all);
      await carrier.deliver();
      if (moved === 0) return true;
    }
    return false;
  };
  const paidIn = new Set<string>();
  try {
    for (const terms of all) await carrier.must(terms, 'create', 'attest', 'advance');
    for (let at = 0; at < 4; at += 1) {
      await carry(ROUNDS.troubled);
      await act(carrier, plans, at, paidIn);
    }
    await passTheDeadline(world, dice, deadline, () => carry(ROUNDS.late));
    isTroubled = false;
    carrier.relay.setFaults([]);
    if (!(await carry(ROUNDS.quiet))) throw new Error('a settlement never comes to an end');
    for (const terms of all) await requireEnded(carrier, terms);
    await endingsOf(world, plans);
  } finally {
    await carrier.close();
  }
  return plans;
}

/** Whatever the parties and the engine do at this point of the way. Refused where OPEN was lost, or where it is over. */
async function act(carrier: Carrier, plans: readonly Plan[], at: number, paidIn: Set<string>): Promise<void> {
  for (const { terms, deposits, rollBackAt } of plans) {
    for (const { leg } of deposits.filter((deposit) => deposit.at <= at)) {
      const key = `${terms.settlementId} ${leg}`;
      if (paidIn.has(key)) continue;
      if ((await carrier.step(terms, `deposit${leg}`)) === undefined) paidIn.add(key);
    }
    if (rollBackAt === at) await carrier.step(terms, 'rollBack');
  }
}

/** Each chain's clock by itself, now one first and now the other: T - 1, T, the last second of the grace, and its end. */
async function passTheDeadline(world: World, dice: Dice, deadline: number, carry: () => Promise<unknown>) {
  for (const clock of [deadline - 1, deadline, deadline + GRACE - 1, deadline + GRACE]) {
    const chains = dice.chance(0.5) ? [world.home, world.remote] : [world.remote, world.home];
    for (const chain of chains) {
      await chain.setClock(clock);
      if (dice.chance(0.7)) await carry();
    }
  }
}

async function requireEnded(carrier: Carrier, terms: Terms): Promise<void> {
  const [state, phase] = [await carrier.state(terms), await carrier.phase(terms)];
  const isPaid = state === 5 && phase === 4;
  const isOver = (state === 6 || state === 7) && phase === 5;
  if (!isPaid && !isOver) throw new Error(`settlement ${terms.settlementId} stands in state ${state}, phase ${phase}`);
}

/**
 * How each settlement ended, from the logs of both chains alone.
 * @throws Error when a settlement was paid in part, or when something that came in is still there.
 */
export async function endingsOf(world: World, plans: readonly Plan[]): Promise<Ending[]> {
  const outcomes = await readOutcomes(
    world,
    plans.map(({ terms }) => terms),
  );
  return plans.map(({ terms }) => {
    const outcome = outcomes.get(terms.settlementId);
    if (outcome === undefined) return 'nothing came in';
    const { deposited, paid, refunded } = outcome;
    const isAll = paid.size === terms.legs.length && refunded.size === 0;
    const isNone = paid.size === 0 && refunded.size === deposited.size;
    if (!isAll && !isNone) {
      throw new Error(
        `settlement ${terms.settlementId}: of ${terms.legs.length} legs ${deposited.size} came in, ${paid.size} were paid, ${refunded.size} handed back`,
      );
    }
    return isAll ? 'paid' : 'handed back';
  });
}
