/** The words of the model in model.ts. */

export const STATE = { checking: 1, awaiting: 3, executing: 4, finalized: 5, rolledBack: 6, timedOut: 7 } as const;
export const PHASE = { none: 0, open: 1, prepared: 2, decided: 3, paid: 4, givenBack: 5 } as const;

export type Side = 'home' | 'remote';
export type MessageKind = 'OPEN' | 'PREPARED' | 'EXECUTE' | 'ROLLBACK' | 'EXECUTED';

/** `token` is a name of its own on each chain; payer and payee are addresses there. `amount` in base units. */
export interface ModelLeg {
  readonly side: Side;
  readonly token: string;
  readonly amount: bigint;
  readonly payer: string;
  readonly payee: string;
}

/** Seconds; `deadline` in unix seconds. */
export interface ModelTerms {
  readonly legs: readonly ModelLeg[];
  readonly deadline: number;
  readonly grace: number;
  readonly releaseDelay: number;
}

/** Bit i of a mask is leg i, as in the contracts. */
export interface ModelSettlement {
  readonly terms: ModelTerms;
  cleared: boolean;
  home: { state: number; deposited: number; refunded: number; prepared: number; executed: number; paid: boolean };
  /** `knowsTerms` is false before OPEN, and for ever behind a ROLLBACK that overtook it. */
  remote: { phase: number; deposited: number; refunded: number; knowsTerms: boolean };
}

export interface ModelMessage {
  readonly kind: MessageKind;
  readonly settlement: number;
  delivered: boolean;
}

export interface Model {
  /** Unix seconds on each chain. */
  clock: Record<Side, number>;
  settlements: ModelSettlement[];
  messages: ModelMessage[];
  /** Tokens that refuse every call. */
  frozen: string[];
  /** Base units by `token holder`; balances are changes since the beginning. */
  balances: Record<string, bigint>;
  credits: Record<string, bigint>;
}

export type Action =
  | { do: 'attest' | 'advance' | 'rollBack' | 'timeout' | 'sendOpen' | 'sendDecision' | 'sendVote'; on: number }
  | { do: 'deposit'; on: number; leg: number }
  | { do: 'execute' | 'refund' | 'releasePay' | 'releaseRefund'; on: number; side: Side }
  | { do: 'deliver' | 'starve'; message: number }
  | { do: 'clock'; side: Side; to: number }
  | { do: 'freeze' | 'thaw'; token: string }
  | { do: 'withdraw'; token: string; wallet: string };

/** Settlements that were created, and nothing else. */
export function beginModel(clock: Record<Side, number>, terms: readonly ModelTerms[]): Model {
  const settlements = terms.map(
    (each): ModelSettlement => ({
      terms: each,
      cleared: false,
      home: { state: STATE.checking, deposited: 0, refunded: 0, prepared: 0, executed: 0, paid: false },
      remote: { phase: PHASE.none, deposited: 0, refunded: 0, knowsTerms: false },
    }),
  );
  return { clock: { ...clock }, settlements, messages: [], frozen: [], balances: {}, credits: {} };
}

export const bitsOf = ({ terms }: ModelSettlement, side: Side): number =>
  terms.legs.reduce((bits, leg, index) => (leg.side === side ? bits | (1 << index) : bits), 0);
/** How many other chains have legs: each has to vote. */
export const elsewhere = (s: ModelSettlement): number => (bitsOf(s, 'remote') === 0 ? 0 : 1);
export const isComplete = (s: ModelSettlement): boolean => s.home.deposited === bitsOf(s, 'home');
export const isUnanimous = (s: ModelSettlement): boolean => s.home.prepared === elsewhere(s);
