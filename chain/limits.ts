/** Every bound of the chain clients, the journal and the indexer in one place. `Ms` is milliseconds, `Wei` is wei per unit of gas. */
export const CHAIN_LIMITS = {
  /** One RPC call, retries after throttling included. ethers' own default is five minutes. */
  rpcTimeoutMs: 10_000,
  /** RPC calls in flight at once when many rows or blocks are asked for. */
  rpcConcurrency: 16,
  /** A node that did not answer is asked after the others for this long. */
  nodeRestMs: 15_000,
  /** Characters of a node's error text that are kept. */
  rpcErrorLength: 300,

  /** One call of a key management service. Below the time that Postgres lets another process wait for the lock of the nonces (5 s). */
  signatureTimeoutMs: 3_000,

  /** Gas limit = estimate × this / 100: state may change between the estimate and the inclusion. */
  gasMarginPercent: 120n,
  /** Most gas of one transaction (EIP-7825). */
  maximumGas: 16_777_216n,

  /** First pause between two looks for a receipt; each further one is longer by half, up to the second number. */
  receiptPollMs: 100,
  receiptPollMaximumMs: 1_000,
  /** How long one submit waits for inclusion before it says `transaction_not_included`; the row stays and the next submit goes on. */
  inclusionWaitMs: 300_000,
  /** How long one `waitFinal` waits before it says `chain_not_final`. */
  finalityWaitMs: 1_800_000,
  finalityPollMs: 500,
  /** Bytes that nobody has included are sent again after this long: nodes drop transactions from their pools. */
  rebroadcastMs: 3_000,
  /** Transactions of lower nonces that a waiting submit sends along: one that its process never sent would block all later ones. */
  rebroadcastBatch: 32,
  /** A nonce is given to somebody else only after the node has said so this often (and the finalised nonce agrees). */
  nonceExpiredChecks: 3,
  /** Starts of one submit: a nonce may be lost to a transaction from outside the journal. */
  submitAttempts: 4,

  /** A transaction at the head of the line is replaced with higher fees after this long. Optimism's transaction manager: 48 s. */
  resubmitMs: 48_000,
  /** Both fee caps grow by at least this, in thousandths. Nodes refuse less than 10 % (100). */
  feeBumpThousandths: 125n,
  /** Fees never exceed the larger of `feeCapFloorWei` and `feeCapMultiple` times the node's present suggestion. */
  feeCapMultiple: 5n,
  feeCapFloorWei: 100_000_000_000n,
  minimumTipWei: 1_000_000_000n,

  /** Rows that one sweep looks at; the next sweep goes on behind them. */
  sweepRows: 500,
  /** A reverted transaction is watched this long, since a reorganisation could still include it with another outcome. */
  revertedWatchSeconds: 3_600,

  /** Indexer: pause between two looks at the finalised head. */
  pollMs: 500,
  /** Pause after a failure, doubled up to the second number. */
  failurePauseMs: 500,
  failurePauseMaximumMs: 10_000,
  /** How often a process that does not lead asks for the lead. */
  leaderRetryMs: 2_000,
  /** Blocks of one `eth_getLogs`: where it starts and how far it grows. It is halved when a node refuses or there are too many logs. */
  rangeStart: 2_000,
  rangeMaximum: 10_000,
  /** Logs that one transaction stores. A single block with more is stored whole all the same. */
  logsPerRange: 1_000,
  /** Hashes kept below the cursor to find the common ancestor. */
  keptBlocks: 512,
  /** A node whose head stays behind our cursor this long is not lagging: the chain was started afresh or rolled back. */
  headBehindMs: 15_000,
  /** Blocks of one query when an effect is looked for on chain, and how many queries. */
  effectSearchBlocks: 10_000,
  effectSearchQueries: 50,

  /** Token decimals kept in memory. */
  cachedTokens: 10_000,
} as const;

export type ChainLimits = {
  readonly [Name in keyof typeof CHAIN_LIMITS]: (typeof CHAIN_LIMITS)[Name] extends bigint ? bigint : number;
};
