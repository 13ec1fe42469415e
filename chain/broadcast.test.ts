import { describe, expect, it } from '@jest/globals';

import { classifyBroadcastError } from './broadcast.ts';
import { bumpFees } from './fees.ts';
import { CHAIN_LIMITS } from './limits.ts';

describe('a node that refuses bytes', () => {
  it.each([
    ['already known', 'accepted'],
    ['transaction already imported', 'accepted'],
    ['AlreadyKnown', 'accepted'],
    ['Known transaction', 'accepted'],
    ['nonce too low: next nonce 7, tx nonce 5', 'nonce_expired'],
    ['OldNonce', 'nonce_expired'],
    ['insufficient funds for gas * price + value: balance 0', 'without_funds'],
    ['Insufficient funds for gas * price + value', 'without_funds'],
    ['replacement transaction underpriced', 'underpriced'],
    ['max fee per gas less than block base fee', 'underpriced'],
    ['intrinsic gas too low', 'refused'],
    ['txpool is full', 'refused'],
  ])('with "%s" means %s', (message, kind) => {
    expect(classifyBroadcastError(message).kind).toBe(kind);
  });
});

describe('fees of a replacement', () => {
  it('grow by at least 10 % on both caps, whatever the present suggestion', () => {
    for (const wei of [1n, 7n, 10n ** 9n, 12_345_678_901n]) {
      const bumped = bumpFees({ maxFeeWei: wei, tipWei: wei }, { maxFeeWei: 0n, tipWei: 0n }, CHAIN_LIMITS);
      expect((bumped?.maxFeeWei ?? 0n) * 10n).toBeGreaterThanOrEqual(wei * 11n);
      expect((bumped?.tipWei ?? 0n) * 10n).toBeGreaterThanOrEqual(wei * 11n);
    }
  });

  it('grow by at least 10 % whatever is configured', () => {
    const limits = { ...CHAIN_LIMITS, feeBumpThousandths: 50n };
    const bumped = bumpFees({ maxFeeWei: 1_000n, tipWei: 1_000n }, { maxFeeWei: 0n, tipWei: 0n }, limits);
    expect(bumped).toEqual({ maxFeeWei: 1_100n, tipWei: 1_100n });
  });

  it('follow a suggestion that is higher, and stop at the cap', () => {
    const previous = { maxFeeWei: 10n ** 9n, tipWei: 10n ** 9n };
    const suggested = { maxFeeWei: 50n * 10n ** 9n, tipWei: 3n * 10n ** 9n };
    expect(bumpFees(previous, suggested, CHAIN_LIMITS)).toEqual(suggested);
    const dear = { maxFeeWei: 400n * 10n ** 9n, tipWei: 10n ** 9n };
    expect(bumpFees(dear, { maxFeeWei: 50n * 10n ** 9n, tipWei: 10n ** 9n }, CHAIN_LIMITS)).toBeUndefined();
  });
});
