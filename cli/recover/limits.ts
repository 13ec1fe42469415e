/** Every bound of `keystone recover` and `keystone inspect`. */
export const RECOVER_LIMITS = {
  /** Chains that may be named. */
  chains: 17,
  /** Nodes of one chain. */
  nodesPerChain: 4,
  /** A pack, a key file, a file with terms. */
  fileBytes: 8_388_608,
  /** Blocks of one `eth_getLogs`; halved when a node refuses. */
  logBlocks: 10_000,
  /** Queries for the logs of one chain, before the search is given up with a hint at `--from-block`. */
  logQueries: 400,
  /** Events of one settlement on one chain. */
  events: 2_000,
  /** Distinct transactions whose calldata is searched for the terms. */
  termsTransactions: 24,
  /** Credits that one call of `withdraw` delivers. */
  withdrawals: 32,
  /** From sending a transaction to its inclusion. */
  inclusionMs: 180_000,
  inclusionPollMs: 500,
} as const;

/** The longest time between creation and deadline that the coordinator takes (MAX_LIFETIME): nothing of a settlement is older. */
export const MAXIMUM_LIFETIME_MS = 30 * 24 * 3_600_000;

/** After its deadline a chain that waits for a decision follows the parties' signatures from this time on (RELEASE_DELAY). */
export const RELEASE_DELAY_MS = 30 * 24 * 3_600_000;
