import { LIMITS } from './limits.ts';

/** Who bears a template's fee: the one who pays the payment leg (`buyer`), the one who is paid (`seller`), or both. */
export const FEE_MODES = ['seller_pays', 'buyer_pays', 'split'] as const;
export type FeeMode = (typeof FEE_MODES)[number];

/** What a template takes. */
export interface TemplateFee {
  /** Hundredths of a percent of the leg's quantity; more than 0, at most `LIMITS.maximumFeeBasisPoints`. */
  readonly basisPoints: number;
  /** Lower case. */
  readonly recipient: string;
}

/** A part of a leg's amount that goes to somebody other than the payee. `amount`: base units, decimal string. */
export interface LegFee {
  /** Lower case. */
  readonly recipient: string;
  readonly amount: string;
}

export interface FeeInput {
  readonly feeMode: FeeMode;
  readonly basisPoints: number;
  readonly recipient: string;
  /** Base units, as the two sides stated it. */
  readonly quantity: bigint;
}

/** All in base units. `amount` is paid in; it is the payee's part and the fees, exactly. */
export interface FeeResult {
  readonly amount: bigint;
  readonly fees: readonly LegFee[];
  readonly payeeReceives: bigint;
  /** What the payer pays in beyond the quantity. */
  readonly payerAdds: bigint;
}

const BASIS_POINTS_PER_WHOLE = 10_000n;

/**
 * The fee is `quantity × basis points / 10000`, rounded down: nobody ever pays more than the stated rate. `buyer_pays` adds it to the deposit,
 * `seller_pays` takes it out of the payout, `split` does half of each with the odd unit on the buyer. A fee that rounds to nothing makes no
 * entry, since the contract refuses one. Throws RangeError for a rate or a quantity that configuration and validation exclude.
 */
export function applyFees(input: FeeInput): FeeResult {
  const { feeMode, basisPoints, recipient, quantity } = input;
  if (quantity <= 0n) throw new RangeError('a quantity is greater than zero');
  if (!Number.isInteger(basisPoints) || basisPoints < 0 || basisPoints > LIMITS.maximumFeeBasisPoints) {
    throw new RangeError(`basis points out of range: ${basisPoints}`);
  }
  const fee = (quantity * BigInt(basisPoints)) / BASIS_POINTS_PER_WHOLE;
  const payerAdds = addedByPayer(feeMode, fee);
  return {
    amount: quantity + payerAdds,
    fees: fee === 0n ? [] : [{ recipient, amount: fee.toString() }],
    payeeReceives: quantity - (fee - payerAdds),
    payerAdds,
  };
}

function addedByPayer(feeMode: FeeMode, fee: bigint): bigint {
  if (feeMode === 'seller_pays') return 0n;
  return feeMode === 'buyer_pays' ? fee : (fee + 1n) / 2n;
}

/** What is left for the payee of a leg once its fees are taken out. Base units. */
export function payeeReceives(leg: { readonly amount: string; readonly fees: readonly LegFee[] }): bigint {
  return leg.fees.reduce((rest, fee) => rest - BigInt(fee.amount), BigInt(leg.amount));
}
