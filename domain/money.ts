import { LIMITS } from './limits.ts';

/**
 * Quantities are decimal strings in human units at the edge and `bigint` base units inside; no `number` ever holds an amount.
 */
const QUANTITY_PATTERN = /^(?:0|[1-9][0-9]*)(?:\.[0-9]+)?$/;

export type QuantityProblem =
  | 'quantity_malformed'
  | 'quantity_not_positive'
  | 'quantity_too_precise'
  | 'quantity_too_large';

export type QuantityResult = { ok: true; baseUnits: bigint } | { ok: false; problem: QuantityProblem };

/** Greatest amount that a uint128 leg holds with room for sums of fees; larger is refused rather than wrapped. */
export const MAXIMUM_BASE_UNITS = 2n ** 128n - 1n;

/**
 * Human units → base units, exactly. `decimals` is what the token itself says on chain. More significant digits
 * after the point than the token has are refused, never rounded; trailing zeros carry no value and are ignored.
 */
export function parseQuantity(quantity: string, decimals: number): QuantityResult {
  if (!Number.isInteger(decimals) || decimals < 0 || decimals > LIMITS.maximumTokenDecimals) {
    throw new RangeError(`decimals out of range: ${decimals}`);
  }
  if (quantity.length > 2 * LIMITS.maximumQuantityDigits + 1 || !QUANTITY_PATTERN.test(quantity)) {
    return { ok: false, problem: 'quantity_malformed' };
  }
  const [whole = '0', rawFraction = ''] = quantity.split('.');
  const fraction = rawFraction.replace(/0+$/, '');
  if (fraction.length > decimals) return { ok: false, problem: 'quantity_too_precise' };
  if (whole.length > LIMITS.maximumQuantityDigits) return { ok: false, problem: 'quantity_too_large' };
  const baseUnits = BigInt(whole + fraction.padEnd(decimals, '0'));
  if (baseUnits <= 0n) return { ok: false, problem: 'quantity_not_positive' };
  if (baseUnits > MAXIMUM_BASE_UNITS) return { ok: false, problem: 'quantity_too_large' };
  return { ok: true, baseUnits };
}

/** Base units → human units without trailing zeros: the inverse of `parseQuantity`. */
export function formatQuantity(baseUnits: bigint, decimals: number): string {
  if (baseUnits < 0n) throw new RangeError('an amount is never negative');
  const digits = baseUnits.toString().padStart(decimals + 1, '0');
  const whole = digits.slice(0, digits.length - decimals);
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, '');
  return fraction === '' ? whole : `${whole}.${fraction}`;
}

/** One spelling per value: `0500.10` is malformed, `500.10` and `500.1` are the same quantity. For comparing two sides' statements. */
export function canonicalQuantity(quantity: string): string | undefined {
  if (quantity.length > 2 * LIMITS.maximumQuantityDigits + 1 || !QUANTITY_PATTERN.test(quantity)) return undefined;
  const [whole = '0', fraction = ''] = quantity.split('.');
  const trimmed = fraction.replace(/0+$/, '');
  return trimmed === '' ? whole : `${whole}.${trimmed}`;
}
