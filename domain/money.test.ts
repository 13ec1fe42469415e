import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { canonicalQuantity, formatQuantity, MAXIMUM_BASE_UNITS, parseQuantity } from './money.ts';

const decimals = fc.integer({ min: 0, max: 18 });

describe('a quantity', () => {
  it('survives the way to base units and back, exactly', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: MAXIMUM_BASE_UNITS }), decimals, (amount, digits) => {
        expect(parseQuantity(formatQuantity(amount, digits), digits)).toEqual({ ok: true, baseUnits: amount });
      }),
    );
  });

  it('is refused with more digits than the token has, never rounded', () => {
    expect(parseQuantity('1.0000001', 6)).toEqual({ ok: false, problem: 'quantity_too_precise' });
    expect(parseQuantity('1.0000010', 6)).toEqual({ ok: true, baseUnits: 1_000_001n });
    expect(parseQuantity('0.5', 0)).toEqual({ ok: false, problem: 'quantity_too_precise' });
  });

  it.each(['', '-1', '+1', '1e3', '0x10', '1,000', ' 1', '1.', '.5', '01', 'NaN', 'Infinity', '١', '1'.repeat(200)])(
    'is malformed as %j',
    (text) => {
      expect(parseQuantity(text, 18)).toEqual({ ok: false, problem: 'quantity_malformed' });
      expect(canonicalQuantity(text)).toBeUndefined();
    },
  );

  it('is greater than zero and fits the contract', () => {
    expect(parseQuantity('0', 18)).toEqual({ ok: false, problem: 'quantity_not_positive' });
    expect(parseQuantity('0.000', 18)).toEqual({ ok: false, problem: 'quantity_not_positive' });
    expect(parseQuantity((MAXIMUM_BASE_UNITS + 1n).toString(), 0)).toEqual({
      ok: false,
      problem: 'quantity_too_large',
    });
  });

  it('has one canonical spelling', () => {
    expect(canonicalQuantity('500.100')).toBe('500.1');
    expect(canonicalQuantity('500.0')).toBe('500');
  });
});
