import type { ChainCursor } from '../db/chain-events.ts';
import type { Database } from '../db/pool.ts';
import type { ChainConfiguration } from '../domain/configuration.ts';
import type { HaltReason } from '../db/chain-halts.ts';
import type { IndexerLimits } from './indexer-limits.ts';
import type { IndexedChain } from './provider.ts';

/** The part of a pino logger that the indexer uses. */
export interface IndexerLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface IndexerDependencies {
  readonly database: Database;
  readonly chain: IndexedChain;
  readonly configuration: Pick<ChainConfiguration, 'deployment_block'>;
  readonly log: IndexerLog;
  readonly limits?: Partial<IndexerLimits>;
}

export type IndexRound =
  /** Nothing new is final. */
  | { readonly kind: 'idle' }
  /** The logs of these blocks, both included, are stored. `complete` when the range reached the finalised head. */
  | { readonly kind: 'indexed'; fromBlock: number; toBlock: number; events: number; facts: number; complete: boolean }
  /** Another indexer was faster; nothing was stored. */
  | { readonly kind: 'superseded' }
  /** The chain contradicts what was final: no facts are taken from it. See `keystone.chain_halts`. */
  | { readonly kind: 'halted'; readonly reason: HaltReason }
  /** A halted chain goes on: events above `ancestor` were orphaned and the cursor went back there. */
  | { readonly kind: 'resumed'; ancestor: number; events: number; settlements: number };

export interface Indexer {
  /**
   * Stores the next range of finalised logs, if any. Safe to repeat and to run twice at once. Throws `chain_unavailable`, `chain_disagreement` (nodes,
   * or two answers of one node, contradict each other) and database errors; nothing is stored then.
   */
  runOnce(): Promise<IndexRound>;
  /** Runs rounds until the signal is aborted, in at most one process per chain. What fails is logged and tried again. */
  start(signal: AbortSignal): Promise<void>;
}

/** What rounds share. The cursor is kept in memory: only one process leads, and `moveCursor` notices when that is not so. */
export interface IndexerContext {
  readonly database: Database;
  readonly chain: IndexedChain;
  readonly log: IndexerLog;
  readonly limits: IndexerLimits;
  readonly deploymentBlock: number;
  cursor: ChainCursor | undefined;
  originChecked: boolean;
  isHalted: boolean;
  /** Whether this chain's headers hash to their names, as far as this process has seen. */
  headersAre: 'proved' | 'not_provable' | undefined;
  /** What contradicted the stored history in the last rounds. */
  suspicion: Suspicion | undefined;
  /** Blocks of the next query. */
  range: number;
}

export interface Suspicion {
  readonly reason: HaltReason;
  readonly hash: string | undefined;
  /** Rounds in a row that saw it, and `performance.now()` of the first. */
  readonly rounds: number;
  readonly sinceMs: number;
}
