import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { applyFees, FEE_MODES, payeeReceives } from './fees.ts';
import { LIMITS } from './limits.ts';
import { MAXIMUM_BASE_UNITS } from './money.ts';

const recipient = `0x${'fe'.repeat(20)}`;

describe('fees', () => {
  it.each([
    // 25 basis points of 125,000.000000 are 312.500000
    ['seller_pays', 125_000_000_000n, 25, 125_000_000_000n, 312_500_000n, 124_687_500_000n, 0n],
    ['buyer_pays', 125_000_000_000n, 25, 125_312_500_000n, 312_500_000n, 125_000_000_000n, 312_500_000n],
    ['split', 125_000_000_000n, 25, 125_156_250_000n, 312_500_000n, 124_843_750_000n, 156_250_000n],
    // An odd fee: 3 units, of which the buyer bears 2.
    ['split', 300n, 100, 302n, 3n, 299n, 2n],
    // 999 × 100 / 10000 = 9.99 is 9: rounded down.
    ['seller_pays', 999n, 100, 999n, 9n, 990n, 0n],
    ['split', 100n, 100, 101n, 1n, 100n, 1n],
  ] as const)('%s of %d at %d basis points', (feeMode, quantity, basisPoints, amount, fee, received, added) => {
    expect(applyFees({ feeMode, basisPoints, recipient, quantity })).toEqual({
      amount,
      fees: [{ recipient, amount: fee.toString() }],
      payeeReceives: received,
      payerAdds: added,
    });
  });

  it('are none when they round to nothing, whoever would bear them', () => {
    for (const feeMode of FEE_MODES) {
      expect(applyFees({ feeMode, basisPoints: 25, recipient, quantity: 399n })).toEqual({
        amount: 399n,
        fees: [],
        payeeReceives: 399n,
        payerAdds: 0n,
      });
      expect(applyFees({ feeMode, basisPoints: 25, recipient, quantity: 400n }).fees).toHaveLength(1);
    }
  });

  const anything = fc.record({
    feeMode: fc.constantFrom(...FEE_MODES),
    basisPoints: fc.integer({ min: 0, max: LIMITS.maximumFeeBasisPoints }),
    quantity: fc.oneof(fc.bigInt({ min: 1n, max: 100_000n }), fc.bigInt({ min: 1n, max: MAXIMUM_BASE_UNITS })),
    recipient: fc.constant(recipient),
  });

  it('lose no unit: what is paid in is what the payee and the recipients get', () => {
    fc.assert(
      fc.property(anything, (input) => {
        const { amount, fees, payeeReceives: received, payerAdds } = applyFees(input);
        const fee = fees.reduce((sum, one) => sum + BigInt(one.amount), 0n);
        expect(fee + received).toBe(amount);
        expect(amount).toBe(input.quantity + payerAdds);
        expect(payeeReceives({ amount: amount.toString(), fees })).toBe(received);
        // The contract refuses a fee of zero, and fees that leave the payee nothing.
        expect(received > 0n && fees.every((one) => BigInt(one.amount) > 0n)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('are the same in every mode, never above the rate, and borne as the mode says to the unit', () => {
    fc.assert(
      fc.property(anything, (input) => {
        const feeOf = (feeMode: (typeof FEE_MODES)[number]) => {
          const { amount, payeeReceives: received, payerAdds } = applyFees({ ...input, feeMode });
          return { fee: amount - received, buyer: payerAdds, seller: input.quantity - received };
        };
        const [seller, buyer, split] = [feeOf('seller_pays'), feeOf('buyer_pays'), feeOf('split')];
        expect(seller).toEqual({ fee: seller.fee, buyer: 0n, seller: seller.fee });
        expect(buyer).toEqual({ fee: seller.fee, buyer: seller.fee, seller: 0n });
        expect(split.fee).toBe(seller.fee);
        expect([0n, 1n]).toContain(split.buyer - split.seller);
        const exact = input.quantity * BigInt(input.basisPoints);
        expect(seller.fee * 10_000n <= exact && exact < (seller.fee + 1n) * 10_000n).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('refuse a rate or a quantity that nobody may configure or state', () => {
    const input = { feeMode: 'split', basisPoints: 25, recipient, quantity: 1n } as const;
    for (const wrong of [{ basisPoints: -1 }, { basisPoints: 0.5 }, { basisPoints: 1_001 }, { quantity: 0n }]) {
      expect(() => applyFees({ ...input, ...wrong })).toThrow(RangeError);
    }
  });
});
