import type { Uuid } from '../domain/ids.ts';
import type { SettlementState } from '../domain/settlement-state.ts';

/** Where a settlement stands after a step, as Postgres has it. */
export interface Progress {
  readonly state: SettlementState;
  readonly endingCode: string | null;
  readonly transactionHash?: string;
}

export interface AttestProgress extends Progress {
  readonly outcome: 'cleared' | 'flagged' | 'failed';
}

export interface OpenProgress extends Progress {
  readonly outcome: 'opened' | 'flagged' | 'failed';
}

export interface FinaliseProgress extends Progress {
  /** Every leg is in but the contract has not executed: somebody has to call `execute`. */
  readonly executionDue: boolean;
}

export type ConclusionReason = 'deadline' | 'aborted' | 'compliance_failed';

/**
 * The business steps of a settlement. Each is safe to repeat: it reads the row first and does only what is missing, and each of its
 * effects carries a business key. A step that finds the settlement elsewhere than it expects does nothing and says where it is.
 */
export interface SettlementActivities {
  /** Creates the settlement on the coordinator chain once every party has confirmed. */
  register(input: { settlementId: Uuid }): Promise<Progress>;
  /** Asks every provider about every party; an outage is an error, never an answer. */
  screen(input: { settlementId: Uuid }): Promise<Progress>;
  /** Puts the statuses of the current round on chain, decisions about flags included. */
  attest(input: { settlementId: Uuid }): Promise<AttestProgress>;
  /** Signs the decisions, anchors their digest and opens the escrow for deposits. */
  open(input: { settlementId: Uuid }): Promise<OpenProgress>;
  /** Takes over what the contracts decided, from final facts only, and composes the proof. */
  finalise(input: { settlementId: Uuid }): Promise<FinaliseProgress>;
  /** Calls the contract's `execute` when the automatic execution did not happen. */
  execute(input: { settlementId: Uuid }): Promise<Progress>;
  /** Ends the settlement without a swap: in Postgres alone before registration, through the chain after it. */
  conclude(input: { settlementId: Uuid; reason: ConclusionReason; by?: string }): Promise<FinaliseProgress>;
}
