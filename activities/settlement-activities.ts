import type { Uuid } from '../domain/ids.ts';
import type { SettlementState } from '../domain/settlement-state.ts';

/** Something that a step did on a chain, for the timeline. */
export interface ChainEffect {
  readonly what: string;
  readonly chainId: number;
  readonly transactionHash: string;
}

/** Where a settlement stands after a step, as Postgres has it. */
export interface Progress {
  readonly state: SettlementState;
  readonly endingCode: string | null;
  readonly effects?: readonly ChainEffect[];
  /** Votes, decisions, executions or refunds are due on some chain: somebody has to `carry` them. */
  readonly carryDue?: boolean;
}

export interface AttestProgress extends Progress {
  /** What our own attester says. `cleared` as well when it has nothing to say, because the template's set is without it. */
  readonly outcome: 'cleared' | 'flagged' | 'failed';
}

export interface OpenProgress extends Progress {
  /**
   * `waiting`: the gate is closed because attesters of the set have not spoken yet; `flagged`, `failed`: one of them has, so.
   * `ended`: the contract has ended the settlement meanwhile.
   */
  readonly outcome: 'opened' | 'waiting' | 'flagged' | 'failed' | 'ended';
}

export interface FinaliseProgress extends Progress {
  readonly carryDue: boolean;
  /** Why a person should look, although nothing has failed. */
  readonly attention?: string;
}

export type ConclusionReason = 'deadline' | 'aborted' | 'compliance_failed';

/**
 * The business steps of a settlement. Each is safe to repeat: it reads the row first and does only what is missing, and each of its
 * effects carries a business key. A step that finds the settlement elsewhere than it expects does nothing and says where it is.
 */
export interface SettlementActivities {
  /** Creates the settlement on the coordinator chain once every party has confirmed. */
  register(input: { settlementId: Uuid }): Promise<Progress>;
  /** Asks every provider about every party; an outage is an error, never an answer. Nothing when our attester has no say. */
  screen(input: { settlementId: Uuid }): Promise<Progress>;
  /** Puts our statuses of the current round on chain, decisions about flags included. */
  attest(input: { settlementId: Uuid }): Promise<AttestProgress>;
  /** Signs the decisions, anchors their digest and opens the escrows of all chains for deposits. */
  open(input: { settlementId: Uuid }): Promise<OpenProgress>;
  /** Takes over what the contracts decided, from final facts only, and composes the proof. */
  finalise(input: { settlementId: Uuid }): Promise<FinaliseProgress>;
  /** Does whatever is due on any chain, until nothing is: votes, decisions, executions, refunds. */
  carry(input: { settlementId: Uuid }): Promise<FinaliseProgress>;
  /** Ends the settlement without a swap: in Postgres alone before registration, through the chain after it. */
  conclude(input: { settlementId: Uuid; reason: ConclusionReason; by?: string }): Promise<FinaliseProgress>;
}
