/**
 * Every limit of the domain and its edge in one place. A loop, queue, body, list or wait that is not bounded by a name from here
 * (or from the `limits.ts` of its own room) is a defect.
 */
export const LIMITS = {
  /** Seconds. The range and default are those of the environment setting `default_timeout_seconds`. */
  minimumTimeoutSeconds: 60,
  maximumTimeoutSeconds: 604_800,
  defaultTimeoutSeconds: 3_600,
  /** Legs of one settlement; the contract's MAX_LEGS. */
  maximumLegs: 8,
  /** Parties of one settlement, counterparties included. */
  maximumParties: 4,
  /** Fees of one leg; the contract's MAX_FEES. */
  maximumFeesPerLeg: 4,
  /** Chains that the legs of one settlement touch: two parties with an entity and two wallets on each stay below the contract's MAX_PARTIES. */
  maximumChainsPerSettlement: 5,
  /** Party hashes of one settlement; the contract's MAX_PARTIES. */
  maximumPartyHashes: 32,
  /** Wallets that a party names; two per chain are of use. */
  maximumWalletsPerParty: 16,
  /** Hundredths of a percent. A tenth of the trade: more is a misplaced digit in the configuration. */
  maximumFeeBasisPoints: 1_000,
  /** Digits of a quantity before and after the decimal point: as many as the largest amount of a leg (2^128 - 1) has. */
  maximumQuantityDigits: 39,
  maximumTokenDecimals: 36,
  maximumTextLength: 255,
  maximumRoleLength: 100,
  maximumHintLength: 1_000,
  maximumReasonLength: 1_000,
  maximumIdempotencyKeyLength: 255,
  maximumTradeReferenceLength: 255,
  /** Bytes of a request body and depth of its JSON. */
  maximumBodyBytes: 262_144,
  maximumJsonDepth: 32,
  listDefault: 50,
  listMaximum: 200,
  maximumWebhookEndpointsPerEnvironment: 20,
  maximumWebhookPatterns: 50,
  maximumUrlLength: 2_048,
  /** An instruction that carries a trade reference is compared with at most this many pending ones of the same reference. */
  maximumMatchCandidates: 32,
} as const;
