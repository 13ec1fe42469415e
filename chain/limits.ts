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

  /** Bounds of the pause between two looks at the head while somebody waits for inclusion: a tenth of the time between blocks, within these. */
  receiptPollMs: 100,
  receiptPollMaximumMs: 1_000,
  /** Blocks that the watcher of receipts catches up with one by one; after more of them, everybody who waits looks for himself. */
  watchedBlocks: 32,
  /** Everybody who waits looks for himself this often, whatever the watcher says. */
  ownLookMs: 15_000,
  /** A wait looks up at least this often, to say that it lives. */
  heartbeatMs: 1_000,
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
  /** One that no node keeps, although it was just sent again, is replaced only after this long: nodes that restart come back. */
  notInPoolMs: 120_000,
  /** Both fee caps grow by at least this, in thousandths. Never less than 100, whatever stands here: most nodes refuse less than 10 %. */
  feeBumpThousandths: 125n,
  /** Fees never exceed the larger of `feeCapFloorWei` and `feeCapMultiple` times the node's present suggestion. */
  feeCapMultiple: 5n,
  feeCapFloorWei: 100_000_000_000n,
  /** Least and highest tip; a chain's configuration may name another least. A node that lies about tips costs no more than the highest. */
  minimumTipWei: 1_000_000_000n,
  maximumTipWei: 500_000_000_000n,
  /** A transaction whose effect has become senseless is taken back once it has waited this long; before that it is cheaper to let it pass. */
  cancelAfterMs: 6_000,
  /** Most that one settlement's messages may cost on a chain whose configuration names no budget, gas included: wei in all. */
  messageFeeBudgetWei: 100_000_000_000_000_000n,

  /** Pause between two looks at the balances of the signers. */
  balanceCheckMs: 60_000,
  /** A signer with less than this is low, on a chain whose configuration names no limit: wei in all. */
  lowBalanceWei: 100_000_000_000_000_000n,

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
