import type { Stepper } from './differential.ts';
import { boundaryPlans } from './boundaries.ts';
import { eventsOf } from './events.ts';
import type { Action, Model, ModelMessage, Side } from './model-types.ts';
import type { Dice } from './random.ts';

/** Random actions. */

/** Messages of one run; beyond, none is sent. */
const MAX_MESSAGES = 40;
/** How often a refused action is thrown back for another one. */
const TRIES = 8;
/** What seldom comes about by chance: looked for, at times. */
const RARE = [
  'unilateral refund',
  'released, paid',
  'released, handed back',
  'credit',
  'withdrawal',
  'finalized',
  'late vote',
  'paid there',
  'rolled back there',
];
const RARE_SHARE = 0.3;
/** Share of the actions that bring a settlement forward: without them most of a run is repetitions that change nothing. */
const FORWARD_SHARE = 0.4;
/** Share of the moves of a clock that go on to try what changes at that second. */
const BOUNDARY_SHARE = 0.75;
const SEARCH_TRIES = 40;
/** Share of the actions that are taken though they will be refused. */
const REFUSED_SHARE = 0.12;

/** How often each kind is proposed. Most proposals are refused and thrown back, so that what is possible happens. */
const WEIGHTS = {
  attest: 3,
  advance: 5,
  rollBack: 0.35,
  timeout: 6,
  sendOpen: 3,
  sendDecision: 4,
  sendVote: 5,
  deposit: 22,
  execute: 10,
  refund: 10,
  releasePay: 3,
  releaseRefund: 3,
  deliver: 24,
  starve: 2,
  freeze: 1.5,
  thaw: 3,
  withdraw: 6,
} as const satisfies Partial<Record<Action['do'], number>>;
type Kind = keyof typeof WEIGHTS;
const KINDS = Object.keys(WEIGHTS) as Kind[];
const TOTAL = Object.values(WEIGHTS).reduce((sum, weight) => sum + weight, 0);

export interface Chooser {
  readonly dice: Dice;
  readonly rules: Stepper;
  readonly tokens: readonly string[];
  readonly walletsOf: (token: string) => readonly string[];
  /** How likely each action is a move of a clock: a run in which time flies times out, one in which it stands still executes. */
  readonly haste: number;
  /** Clocks stand still until so many legs were paid in. */
  readonly patience: number;
  /** How likely a delivery of anything but OPEN is left out, so that there are runs in which messaging is as good as dead. */
  readonly silence: number;
}

/** What kind of run it becomes. */
export function temperOf(dice: Dice): Pick<Chooser, 'haste' | 'patience' | 'silence'> {
  return {
    haste: dice.pick([0.03, 0.1, 0.2, 0.3]),
    patience: dice.pick([0, 3, 4, 5]),
    silence: dice.pick([0, 0, 0.3, 0.9]),
  };
}

/**
 * The next actions. Mostly one that the model allows, at times any; or a few that try a boundary to the second, which chance would seldom meet.
 */
export function choose(model: Model, chooser: Chooser): Action[] {
  const { dice } = chooser;
  const isTime = countPaidIn(model) >= chooser.patience && dice.chance(chooser.haste);
  if (!isTime) return [chooseOne(model, chooser)];
  const plans = dice.chance(BOUNDARY_SHARE) ? boundaryPlans(model, dice) : [];
  return plans.length === 0 ? [moveClock(model, dice)] : dice.pick(plans);
}

function countPaidIn({ settlements }: Model): number {
  return settlements.reduce((sum, { home, remote }) => sum + count(home.deposited | remote.deposited), 0);
}

function chooseOne(model: Model, chooser: Chooser): Action {
  const { dice, rules } = chooser;
  const wanted = dice.chance(RARE_SHARE) ? isRare : dice.chance(FORWARD_SHARE) ? isForward : undefined;
  const found = wanted === undefined ? undefined : search(model, chooser, wanted);
  if (found !== undefined) return found;
  const tries = dice.chance(REFUSED_SHARE) ? 0 : TRIES;
  let action = propose(model, chooser);
  for (let attempt = 0; attempt < tries; attempt += 1) {
    if (rules(model, action).refused === undefined) return action;
    action = propose(model, chooser);
  }
  return action;
}

function search(model: Model, chooser: Chooser, isWanted: typeof isRare): Action | undefined {
  for (let attempt = 0; attempt < SEARCH_TRIES; attempt += 1) {
    const action = propose(model, chooser);
    const { after, refused } = chooser.rules(model, action);
    if (refused === undefined && isWanted(model, action, after)) return action;
  }
  return undefined;
}

function isRare(model: Model, action: Action, after: Model): boolean {
  return eventsOf(model, action, undefined, after).some((event) => RARE.includes(event));
}

/** Something was decided, paid in or opened; or a message goes out of a kind that is not on its way already. */
function isForward(model: Model, action: Action, after: Model): boolean {
  if (action.do === 'rollBack' || action.do === 'timeout') return false;
  const sent = after.messages[model.messages.length];
  if (sent !== undefined) {
    const isSame = (each: ModelMessage): boolean => each.kind === sent.kind && each.settlement === sent.settlement;
    return !model.messages.some(isSame);
  }
  return recordsOf(model) !== recordsOf(after);
}

function recordsOf({ settlements }: Model): string {
  return JSON.stringify(settlements.map(({ home, remote, cleared }) => [home, remote, cleared]));
}

/** Bits that are set. */
function count(bits: number): number {
  return bits.toString(2).replaceAll('0', '').length;
}

function kindOf(dice: Dice): Kind {
  let rest = (dice.below(2 ** 20) / 2 ** 20) * TOTAL;
  return KINDS.find((kind) => (rest -= WEIGHTS[kind]) < 0) ?? 'attest';
}

function propose(model: Model, chooser: Chooser): Action {
  const { dice } = chooser;
  const kind = kindOf(dice);
  const on = dice.below(model.settlements.length);
  const side: Side = dice.chance(0.5) ? 'home' : 'remote';
  const token = dice.pick(chooser.tokens);
  switch (kind) {
    case 'deposit':
      return { do: kind, on, leg: dice.below(model.settlements[on]?.terms.legs.length ?? 1) };
    case 'execute':
    case 'refund':
      return { do: kind, on, side };
    case 'releasePay':
    case 'releaseRefund':
      return { do: kind, on, side: dice.chance(0.8) ? 'remote' : 'home' };
    case 'freeze':
    case 'thaw':
      return { do: kind, token: dice.pick(kind === 'thaw' && model.frozen.length > 0 ? model.frozen : chooser.tokens) };
    case 'withdraw': {
      const owed = Object.entries(model.credits).filter(([, amount]) => amount > 0n);
      const [name, wallet] = dice.chance(0.8) && owed.length > 0 ? splitKey(dice.pick(owed)[0]) : [token, undefined];
      return { do: kind, token: name, wallet: wallet ?? dice.pick(chooser.walletsOf(name)) };
    }
    case 'deliver':
    case 'starve':
      return carry(model, chooser, kind) ?? { do: 'attest', on };
    case 'sendOpen':
    case 'sendDecision':
    case 'sendVote':
      return model.messages.length >= MAX_MESSAGES ? { do: 'timeout', on } : { do: kind, on };
    case 'attest':
    case 'advance':
    case 'rollBack':
    case 'timeout':
      return { do: kind, on };
    default:
      return kind satisfies never;
  }
}

/** Any message that waits, in any order; at times one that was delivered before. */
function carry(model: Model, { dice, silence }: Chooser, kind: 'deliver' | 'starve'): Action | undefined {
  const isSilent = dice.chance(silence);
  const all = model.messages
    .map((sent, message) => ({ ...sent, message }))
    .filter(({ kind: name }) => name === 'OPEN' || !isSilent);
  const waiting = all.filter(({ delivered }) => !delivered);
  const choice = kind === 'starve' || dice.chance(0.9) ? waiting : all;
  return choice.length === 0 ? undefined : { do: kind, message: dice.pick(choice).message };
}

/** Mostly to the next moment at which something changes: around T, around the end of the grace, around the day of the release. */
function moveClock(model: Model, dice: Dice): Action {
  const side: Side = dice.chance(0.5) ? 'home' : 'remote';
  const now = model.clock[side];
  const moments = model.settlements.flatMap(({ terms: { deadline, grace, releaseDelay } }) =>
    [deadline, deadline + grace, deadline + releaseDelay].flatMap((moment) => [moment - 1, moment, moment + 1]),
  );
  const next = moments.filter((moment) => moment > now).toSorted((a, b) => a - b);
  const moment = next[dice.chance(0.5) ? 0 : dice.below(next.length)];
  return { do: 'clock', side, to: moment === undefined || dice.chance(0.15) ? now + dice.below(60) : moment };
}

function splitKey(key: string): readonly [token: string, wallet: string] {
  const at = key.lastIndexOf(' ');
  return [key.slice(0, at), key.slice(at + 1)];
}
