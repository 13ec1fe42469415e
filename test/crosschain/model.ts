import type { HomeStatus, RemoteStatus, Step } from './world.ts';

/**
 * The state machine of a settlement across two chains, written down once more, from the design and not from the contracts: what each step
 * needs, and what it does. No money, no hashes, no signatures; who may act is tested elsewhere.
 */

const [CHECKING, AWAITING, EXECUTING, FINALIZED, ROLLED_BACK, TIMED_OUT] = [1, 3, 4, 5, 6, 7];
const [NONE, OPEN, PREPARED, DECIDED, PAID, GIVEN_BACK] = [0, 1, 2, 3, 4, 5];

type Kind = 'OPEN' | 'PREPARED' | 'EXECUTE' | 'ROLLBACK' | 'EXECUTED';

interface Message {
  readonly kind: Kind;
  readonly settlement: number;
  delivered: boolean;
}

/** One settlement; bits as in the contracts. */
interface Settlement {
  readonly deadline: number;
  readonly legsHere: number;
  readonly legsThere: number;
  exists: boolean;
  cleared: boolean;
  home: Mutable<HomeStatus>;
  remote: Mutable<RemoteStatus>;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

export interface Model {
  readonly settlements: readonly Settlement[];
  readonly messages: readonly Message[];
  /** Unix seconds of each chain. */
  readonly clocks: { home: number; remote: number };
  /** Whether the contracts have to accept the step. */
  step(settlement: number, step: Step): boolean;
  /** Whether the endpoint has to accept the delivery. */
  deliver(message: number): boolean;
}

export interface ModelOptions {
  readonly settlements: readonly { readonly deadline: number; readonly legsHere: number; readonly legsThere: number }[];
  readonly clocks: { home: number; remote: number };
  /** Seconds. */
  readonly grace: number;
}

export function createModel({ settlements: given, clocks, grace }: ModelOptions): Model {
  const settlements: Settlement[] = given.map((each) => ({
    ...each,
    exists: false,
    cleared: false,
    home: { state: 0, deposited: 0, refunded: 0, prepared: 0, executed: 0, homeExecuted: false },
    remote: { phase: NONE, deposited: 0, refunded: 0 },
  }));
  const messages: Message[] = [];

  const chainsElsewhere = ({ legsThere }: Settlement): number => (legsThere === 0 ? 0 : 1);
  const isComplete = ({ home, legsHere }: Settlement): boolean => home.deposited === legsHere;
  const isUnanimous = (each: Settlement): boolean => each.home.prepared === chainsElsewhere(each);
  const isDue = (each: Settlement): boolean =>
    each.home.state < EXECUTING &&
    clocks.home >= each.deadline + (each.home.state === AWAITING && isComplete(each) ? grace : 0);

  function finalizeIfPaid(each: Settlement): void {
    const { home } = each;
    if (home.state === EXECUTING && home.homeExecuted && home.executed === chainsElsewhere(each))
      home.state = FINALIZED;
  }

  function payHere(each: Settlement): void {
    each.home.state = EXECUTING;
    each.home.homeExecuted = true;
    finalizeIfPaid(each);
  }

  function deposit(each: Settlement, bit: number): boolean {
    const { home, remote } = each;
    if ((each.legsHere & bit) !== 0) {
      if (home.state !== AWAITING || clocks.home >= each.deadline || (home.deposited & bit) !== 0) return false;
      home.deposited |= bit;
      if (isComplete(each) && isUnanimous(each)) payHere(each);
      return true;
    }
    if (remote.phase !== OPEN || clocks.remote >= each.deadline || (remote.deposited & bit) !== 0) return false;
    remote.deposited |= bit;
    if (remote.deposited === each.legsThere) remote.phase = PREPARED;
    return true;
  }

  function send(settlement: number, kind: Kind, isAllowed: boolean): boolean {
    if (isAllowed) messages.push({ kind, settlement, delivered: false });
    return isAllowed;
  }

  /** Each step as: what it needs, then what it does. */
  function take(each: Settlement, settlement: number, step: Step): boolean {
    const { home, remote, exists } = each;
    const act = (isAllowed: boolean, effect: () => void): boolean => {
      if (isAllowed) effect();
      return isAllowed;
    };
    switch (step) {
      case 'create':
        return act(!exists && clocks.home < each.deadline, () => ((each.exists = true), (home.state = CHECKING)));
      case 'attest':
        return act(exists, () => (each.cleared = true));
      case 'advance':
        return act(
          home.state === CHECKING && each.cleared && clocks.home < each.deadline,
          () => (home.state = AWAITING),
        );
      case 'rollBack':
        return act(exists && home.state < EXECUTING, () => (home.state = ROLLED_BACK));
      case 'timeout':
        return act(exists && isDue(each), () => (home.state = TIMED_OUT));
      case 'sendOpen':
        return send(settlement, 'OPEN', home.state === AWAITING && each.legsThere !== 0);
      case 'sendDecision':
        return send(
          settlement,
          home.state <= FINALIZED ? 'EXECUTE' : 'ROLLBACK',
          home.state >= EXECUTING && each.legsThere !== 0,
        );
      case 'sendVote':
        return send(
          settlement,
          remote.phase === PREPARED ? 'PREPARED' : 'EXECUTED',
          remote.phase === PREPARED || remote.phase === PAID,
        );
      case 'executeHere': {
        const decides = home.state === AWAITING && isComplete(each) && isUnanimous(each);
        return act(decides || (home.state === EXECUTING && !home.homeExecuted), () => payHere(each));
      }
      case 'executeThere':
        return act(remote.phase === DECIDED, () => (remote.phase = PAID));
      case 'refundHere': {
        const fails = exists && (home.state >= ROLLED_BACK || isDue(each));
        return act(fails && home.deposited !== home.refunded, () => {
          if (home.state < EXECUTING) home.state = TIMED_OUT;
          home.refunded = home.deposited;
        });
      }
      case 'refundThere': {
        const fails = remote.phase === GIVEN_BACK || (remote.phase === OPEN && clocks.remote >= each.deadline);
        return act(fails && remote.deposited !== remote.refunded, () => {
          remote.phase = GIVEN_BACK;
          remote.refunded = remote.deposited;
        });
      }
      default:
        return deposit(each, 1 << Number(step.slice('deposit'.length)));
    }
  }

  /** A message that has no effect any more is taken all the same. */
  function receive(each: Settlement, kind: Kind): void {
    const { home, remote } = each;
    if (kind === 'OPEN' && remote.phase === NONE) remote.phase = OPEN;
    if (kind === 'EXECUTE' && remote.phase === PREPARED) remote.phase = DECIDED;
    if (kind === 'ROLLBACK' && remote.phase <= PREPARED) remote.phase = GIVEN_BACK;
    if (kind === 'PREPARED' && home.state === AWAITING && clocks.home < each.deadline + grace) {
      home.prepared = 1;
      if (isComplete(each)) {
        home.state = EXECUTING;
        home.homeExecuted = each.legsHere === 0;
      }
    }
    if (kind === 'EXECUTED' && home.state === EXECUTING) {
      home.executed = 1;
      finalizeIfPaid(each);
    }
  }

  return {
    settlements,
    messages,
    clocks,
    step(settlement, step) {
      const each = settlements[settlement];
      if (each === undefined) throw new Error(`there is no settlement ${settlement}`);
      return take(each, settlement, step);
    },
    deliver(index) {
      const message = messages[index];
      const each = settlements[message?.settlement ?? -1];
      if (message === undefined || each === undefined || message.delivered) return false;
      message.delivered = true;
      receive(each, message.kind);
      return true;
    },
  };
}
