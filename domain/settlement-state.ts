/**
 * The life of a settlement as data. The workflow's guard, the SQL check, the OpenAPI enum, the documentation's diagram and the
 * test that the contract has exactly the same edges are all taken from these two tables.
 */

export const SETTLEMENT_STATES = [
  'AWAITING_CONFIRMATION',
  'INSTRUCTED',
  'COMPLIANCE_CHECKING',
  'COMPLIANCE_CLEARED',
  'AWAITING_DEPOSITS',
  'EXECUTING_SWAP',
  'FINALIZED',
  'ROLLED_BACK',
  'TIMED_OUT',
] as const;

export type SettlementState = (typeof SETTLEMENT_STATES)[number];

/** A state with an index exists in `SettlementCoordinator`; AWAITING_CONFIRMATION is known off-chain only. */
export const ON_CHAIN_INDEX = {
  INSTRUCTED: 0,
  COMPLIANCE_CHECKING: 1,
  COMPLIANCE_CLEARED: 2,
  AWAITING_DEPOSITS: 3,
  EXECUTING_SWAP: 4,
  FINALIZED: 5,
  ROLLED_BACK: 6,
  TIMED_OUT: 7,
} as const satisfies Partial<Record<SettlementState, number>>;

export type OnChainState = keyof typeof ON_CHAIN_INDEX;

export const TRANSITIONS: Readonly<Record<SettlementState, readonly SettlementState[]>> = {
  AWAITING_CONFIRMATION: ['INSTRUCTED', 'ROLLED_BACK', 'TIMED_OUT'],
  INSTRUCTED: ['COMPLIANCE_CHECKING', 'ROLLED_BACK', 'TIMED_OUT'],
  COMPLIANCE_CHECKING: ['COMPLIANCE_CLEARED', 'ROLLED_BACK', 'TIMED_OUT'],
  COMPLIANCE_CLEARED: ['AWAITING_DEPOSITS', 'ROLLED_BACK', 'TIMED_OUT'],
  AWAITING_DEPOSITS: ['EXECUTING_SWAP', 'ROLLED_BACK', 'TIMED_OUT'],
  EXECUTING_SWAP: ['FINALIZED'],
  FINALIZED: [],
  ROLLED_BACK: [],
  TIMED_OUT: [],
};

export const TERMINAL_STATES = ['FINALIZED', 'ROLLED_BACK', 'TIMED_OUT'] as const satisfies readonly SettlementState[];
export const FAILURE_STATES = ['ROLLED_BACK', 'TIMED_OUT'] as const satisfies readonly SettlementState[];

export function isSettlementState(value: string): value is SettlementState {
  return (SETTLEMENT_STATES as readonly string[]).includes(value);
}

export function isTerminal(state: SettlementState): boolean {
  return (TERMINAL_STATES as readonly SettlementState[]).includes(state);
}

export function canTransition(from: SettlementState, to: SettlementState): boolean {
  return TRANSITIONS[from].includes(to);
}

/** The state that an on-chain index stands for. Throws on an index that no contract of ours has. */
export function stateFromOnChainIndex(index: number): OnChainState {
  for (const [state, position] of Object.entries(ON_CHAIN_INDEX)) {
    if (position === index) return state as OnChainState;
  }
  throw new RangeError(`no settlement state has the on-chain index ${index}`);
}
