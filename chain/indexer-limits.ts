import { CHAIN_LIMITS, type ChainLimits } from './limits.ts';

/** The bounds of the indexer: those that it shares with the journal, and its own. */
export const INDEXER_LIMITS: IndexerLimits = {
  ...CHAIN_LIMITS,
  contradictionRounds: 3,
  haltedPollMs: 2_000,
};

export interface IndexerLimits extends ChainLimits {
  /** Rounds in a row that have to see the same contradiction of final history before the chain is halted: one answer proves nothing. */
  readonly contradictionRounds: number;
  /** How often a halted chain's indexer looks whether somebody has resumed it. */
  readonly haltedPollMs: number;
}
