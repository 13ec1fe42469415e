import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import {
  canTransition,
  isTerminal,
  ON_CHAIN_INDEX,
  SETTLEMENT_STATES,
  type SettlementState,
  stateFromOnChainIndex,
  TERMINAL_STATES,
  TRANSITIONS,
} from './settlement-state.ts';

const anyState = fc.constantFrom(...SETTLEMENT_STATES);

describe('the table of transitions', () => {
  it('lets nothing leave a terminal state', () => {
    fc.assert(
      fc.property(fc.constantFrom(...TERMINAL_STATES), anyState, (terminal, next) => {
        expect(canTransition(terminal, next)).toBe(false);
      }),
    );
  });

  it('ends every walk in a terminal state, within as many steps as there are states', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat()), (choices) => {
        let state: SettlementState = 'AWAITING_CONFIRMATION';
        for (let steps = 0; !isTerminal(state); steps += 1) {
          expect(steps).toBeLessThan(SETTLEMENT_STATES.length);
          const nexts: readonly SettlementState[] = TRANSITIONS[state];
          state = nexts[(choices.next().value ?? 0) % nexts.length] as SettlementState;
        }
      }),
    );
  });

  it('offers the deadline and an abort from every state that is not terminal, except while the contracts execute', () => {
    for (const state of SETTLEMENT_STATES.filter((candidate) => !isTerminal(candidate))) {
      const decided = state === 'EXECUTING_SWAP';
      expect(canTransition(state, 'TIMED_OUT')).toBe(!decided);
      expect(canTransition(state, 'ROLLED_BACK')).toBe(!decided);
    }
  });

  it('reaches deposits only through clearing', () => {
    const into = SETTLEMENT_STATES.filter((state) => canTransition(state, 'AWAITING_DEPOSITS'));
    expect(into).toEqual(['COMPLIANCE_CLEARED']);
  });
});

describe('on-chain indexes', () => {
  it('are the published ones, and read back', () => {
    expect(Object.values(ON_CHAIN_INDEX)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    for (const [state, index] of Object.entries(ON_CHAIN_INDEX)) expect(stateFromOnChainIndex(index)).toBe(state);
    expect(() => stateFromOnChainIndex(8)).toThrow(RangeError);
  });
});
