/** Every bound of the benchmark in one place. Times in milliseconds unless a name says otherwise. */
export const BENCH_LIMITS = {
  /** The whole run; then it is given up, cleaned up and fails. */
  runMs: 6 * 60_000,

  /** Start and stop of the stack that is measured. */
  stackStartMs: 120_000,
  stackStopMs: 45_000,
  /** One settlement through the whole stack. */
  settlementMs: 90_000,
  /** Funding and approving of all wallets. */
  fundingMs: 60_000,
  requestMs: 15_000,
  /** Bytes of one webhook that the receiver takes. */
  webhookBytes: 262_144,
  /** Announcements that the receiver keeps: settlements × events × platforms of a run, with room. */
  announcements: 20_000,

  /** No round of blocks begins later than this after the first one, once there are enough for a median: a busy machine gets fewer. */
  roundsMs: 100_000,
  /** One settlement with chain and webhooks stubbed. */
  stubbedSettlementMs: 30_000,
  statementMs: 10_000,
} as const;

/** How much is measured. Chosen so that a run ends within five minutes on two cores. */
export const BENCH_COUNTS = {
  /** Settlements before the measured ones: compiled code, open connections, a token in hand. */
  stackWarmUp: 2,
  stackAlone: 5,
  stackTogether: 40,
  stackConcurrency: 20,

  /** Alternating blocks: at most `rounds` of each contestant, at least `leastRounds`, each of that many settlements. */
  rounds: 6,
  leastRounds: 2,
  overheadWarmUp: 20,
  overheadAlone: 5,
  overheadTogether: 40,
  overheadConcurrency: 20,
} as const;
