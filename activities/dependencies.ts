import type { ScreeningProvider } from '../compliance/provider.ts';
import type { Database } from '../db/pool.ts';
import type { SigningKey } from '../keystone/keys.ts';
import type { ActivityLog } from './log.ts';
import type { StepContext } from './retry.ts';
import type { SettlementChains } from './settlement-chains.ts';
import type { StepLimits } from './step-limits.ts';

export type * from './settlement-chains.ts';

export interface ActivityDependencies {
  readonly database: Database;
  readonly chains: SettlementChains;
  readonly providers: { readonly entity: ScreeningProvider; readonly wallet: ScreeningProvider };
  readonly signingKey: SigningKey;
  /** DID of this orchestrator: agent and settlement provider in the proof. */
  readonly identity: string;
  readonly log: ActivityLog;
  /** Of the waits; what is not given is `STEP_LIMITS`. */
  readonly limits?: Partial<StepLimits>;
  /**
   * Waits until any new block's time is later than a decision's (ms since epoch). Given only where there are no blocks, which is in the
   * benchmark of our overhead: there it would hide everything else.
   */
  readonly untilLaterSecond?: (decidedAtMs: number, context: StepContext) => Promise<void>;
}
