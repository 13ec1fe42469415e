import { z } from 'zod';
import type { WalletExposure } from './policy.ts';

/**
 * The parts of CipherOwl's API (release 2.1.0) that a decision needs. `foundRisk` and the echoed `config` are required:
 * JSON made from protobuf may leave out a `false`, and an absent answer must never read as "no risk".
 */
export const tokenAnswer = z.object({
  access_token: z.string().min(1),
  /** Seconds. */
  expires_in: z.number().positive(),
});

const echo = {
  config: z.string(),
  chain: z.string(),
  address: z.string(),
};

export const screenAnswer = z.object({
  ...echo,
  foundRisk: z.boolean(),
  /** Version of the bloom filter: the vintage of the list. */
  version: z.string().min(1),
  simulated: z.boolean().optional(),
});

/** JSON from protobuf writes 64-bit numbers as strings. */
const amount = z.union([z.number(), z.string()]).nullish();

export const riskScoreAnswer = z.object({
  ...echo,
  riskBand: z.string().nullish(),
  breakdown: z
    .array(z.object({ category: z.string(), direction: z.string().nullish(), hops: amount, usdValue: amount }))
    .nullish(),
});

export const riskBreakdownAnswer = z.object({
  ...echo,
  risks: z
    .array(
      z.object({
        category: z.string(),
        type: z.string().nullish(),
        hops: amount,
        percentage: amount,
        totalUsdValue: amount,
      }),
    )
    .nullish(),
});

export interface Echo {
  config: string;
  chain: string;
  address: string;
}

/** A number that is there but unreadable counts as huge, so that it can only make a verdict worse. */
function numberOf(value: number | string | null | undefined): number | undefined {
  if (value === null || value === undefined || value === '') return undefined;
  const number = Number(value);
  return Number.isFinite(number) ? number : Number.POSITIVE_INFINITY;
}

const isDirect = (word: string | null | undefined) => word?.trim().toUpperCase() === 'DIRECT';

/** The lines of both reason answers as one list; the policy takes the worst, so a line that stands in both does no harm. */
export function exposuresOf(
  score: z.infer<typeof riskScoreAnswer>,
  breakdown: z.infer<typeof riskBreakdownAnswer>,
): WalletExposure[] {
  const fromScore = (score.breakdown ?? []).map((line) => ({
    category: line.category,
    direct: isDirect(line.direction),
    hops: numberOf(line.hops),
    percentage: undefined,
    usd: numberOf(line.usdValue),
  }));
  const fromBreakdown = (breakdown.risks ?? []).map((line) => ({
    category: line.category,
    direct: isDirect(line.type),
    hops: numberOf(line.hops),
    percentage: numberOf(line.percentage),
    usd: numberOf(line.totalUsdValue),
  }));
  return [...fromScore, ...fromBreakdown];
}
