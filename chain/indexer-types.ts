import type { ChainCursor } from '../db/chain-events.ts';
import type { Database } from '../db/pool.ts';
import type { ChainConfiguration } from '../domain/configuration.ts';
import { KeystoneError } from '../domain/errors.ts';
import type { ChainLimits } from './limits.ts';
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
  readonly limits?: Partial<ChainLimits>;
}

export type IndexRound =
  /** Nothing new is final. */
  | { readonly kind: 'idle' }
  /** The logs of these blocks, both included, are stored. `complete` when the range reached the finalised head. */
  | { readonly kind: 'indexed'; fromBlock: number; toBlock: number; events: number; facts: number; complete: boolean }
  /** Another indexer was faster; nothing was stored. */
  | { readonly kind: 'superseded' }
  /** Blocks that were final are gone; events above `ancestor` were orphaned and the cursor went back there. */
  | { readonly kind: 'reorganised'; ancestor: number; events: number; settlements: number };

export interface Indexer {
  /**
   * Stores the next range of finalised logs, if any. Safe to repeat and to run twice at once. Throws `chain_unavailable`, database errors, and
   * ChainHalted when the chain is not the one that was indexed.
   */
  runOnce(): Promise<IndexRound>;
  /** Runs rounds until the signal is aborted, in at most one process per chain. Throws ChainHalted; everything else is logged and tried again. */
  start(signal: AbortSignal): Promise<void>;
}

/**
 * The chain is not the one whose blocks are stored: going on would mix two histories. `started_afresh`: another genesis block.
 * `head_behind`: the head is below the cursor, as after a lost chain state (or, for some seconds, at a lagging node).
 */
export class ChainHalted extends KeystoneError {
  readonly reason: 'started_afresh' | 'head_behind';

  constructor(reason: 'started_afresh' | 'head_behind', detail: string) {
    super('configuration_invalid', detail);
    this.name = 'ChainHalted';
    this.reason = reason;
  }
}

/** What rounds share. The cursor is kept in memory: only one process leads, and `moveCursor` notices when that is not so. */
export interface IndexerContext {
  readonly database: Database;
  readonly chain: IndexedChain;
  readonly log: IndexerLog;
  readonly limits: ChainLimits;
  readonly deploymentBlock: number;
  cursor: ChainCursor | undefined;
  originChecked: boolean;
  /** Blocks of the next query. */
  range: number;
}
