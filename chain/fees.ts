import type { ChainLimits } from './limits.ts';
import type { Chain } from './provider.ts';

/** Fee caps of a transaction (EIP-1559), wei per gas. */
export interface Fees {
  readonly maxFeeWei: bigint;
  readonly tipWei: bigint;
}

/**
 * What the chain asks for now: twice the base fee, which six full blocks in a row do not exceed, and the node's tip within the bounds of the chain's
 * configuration and the limits.
 */
export async function suggestFees(chain: Chain, limits: ChainLimits): Promise<Fees> {
  const [head, tip] = await Promise.all([chain.headBlock(), chain.suggestedTip()]);
  const least = BigInt(chain.configuration.minimum_tip_wei ?? limits.minimumTipWei);
  const tipWei = larger(smaller(tip ?? 0n, limits.maximumTipWei), least);
  return { tipWei, maxFeeWei: 2n * (head.baseFeeWei ?? 0n) + tipWei };
}

/** Thousandths by which the strictest of the usual nodes wants both caps to grow; anvil is content with half. */
const LEAST_BUMP = 100n;

/**
 * Fees of a replacement: both caps at least `feeBumpThousandths` higher (nodes keep the old transaction otherwise), and no lower than the
 * present suggestion. Undefined when that would exceed the cap; then the old one waits for cheaper blocks.
 */
export function bumpFees(previous: Fees, suggested: Fees, limits: ChainLimits): Fees | undefined {
  const thousandths = 1_000n + larger(limits.feeBumpThousandths, LEAST_BUMP);
  const bumped = (wei: bigint): bigint => (wei * thousandths + 999n) / 1_000n;
  const tipWei = larger(bumped(previous.tipWei), suggested.tipWei);
  const maxFeeWei = larger(larger(bumped(previous.maxFeeWei), suggested.maxFeeWei), tipWei);
  const cap = larger(limits.feeCapFloorWei, suggested.maxFeeWei * limits.feeCapMultiple);
  return maxFeeWei > cap ? undefined : { tipWei, maxFeeWei };
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
