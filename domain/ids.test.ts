import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { effectKey } from './effect-key.ts';
import { bytes32ToUuid, uuidToBytes32 } from './ids.ts';
import { isEventPattern, eventMatches } from './webhook-events.ts';

describe('an id on chain', () => {
  it('is the UUID and sixteen zero bytes, and reads back', () => {
    fc.assert(fc.property(fc.uuid(), (id) => expect(bytes32ToUuid(uuidToBytes32(id))).toBe(id)));
  });

  it('that no UUID of ours stands behind is not taken for one', () => {
    expect(bytes32ToUuid(`0x${'1'.repeat(64)}`)).toBeUndefined();
    expect(() => uuidToBytes32('not-a-uuid')).toThrow(TypeError);
  });
});

describe('an effect key', () => {
  it('is the settlement, the step and a generation from 1', () => {
    expect(effectKey('a', 'open', 2)).toBe('a:open:2');
    expect(() => effectKey('a', 'open', 0)).toThrow(RangeError);
  });
});

describe('an event pattern', () => {
  it.each([
    ['*', 'settlement.state.finalized', true],
    ['settlement.*', 'settlement.compliance.flagged', true],
    ['settlement.state.*', 'settlement.compliance.flagged', false],
    ['settlement.state.finalized', 'settlement.state.finalized', true],
    ['settlement.state.finalized', 'settlement.state.rolled_back', false],
  ])('%s against %s: %s', (pattern, type, matches) => {
    expect(isEventPattern(pattern)).toBe(true);
    expect(eventMatches([pattern], type)).toBe(matches);
  });

  it('that can match nothing is refused', () => {
    expect(['settlement', 'payment.*', '.*', '', 'settlement.state.nonsense'].filter(isEventPattern)).toEqual([]);
  });
});
