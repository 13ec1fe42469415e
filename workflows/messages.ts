import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';

import type { Uuid } from '../domain/ids.ts';
import type { SettlementState } from '../domain/settlement-state.ts';
import { type ChainFacts, SETTLEMENT_SIGNALS, type SettlementInput } from '../domain/workflow-contract.ts';

export type { ChainFacts, SettlementInput };

/** What the settlement workflow answers, and what it can be asked. */

export interface SettlementOutcome {
  readonly settlementId: Uuid;
  readonly state: SettlementState;
  readonly endingCode: string | null;
}

export const confirmationSignal = defineSignal(SETTLEMENT_SIGNALS.confirmation);
export const decisionSignal = defineSignal(SETTLEMENT_SIGNALS.decision);
export const chainFactsSignal = defineSignal<[ChainFacts]>(SETTLEMENT_SIGNALS.chainFacts);

export interface TimelineEntry {
  /** ms since epoch, as the workflow's clock had it. */
  readonly at_ms: number;
  readonly what: string;
  readonly state: SettlementState;
  /** Where the transaction is. */
  readonly chain_id?: number;
  readonly transaction_hash?: string;
}

export interface PendingView {
  readonly waiting_for: string;
  readonly deadline_ms: number;
  readonly held: boolean;
  readonly parked: { step: string; code: string; detail: string } | null;
}

export const stateQuery = defineQuery<SettlementState>('state');
export const timelineQuery = defineQuery<TimelineEntry[]>('timeline');
export const pendingQuery = defineQuery<PendingView>('pending');

/** What an operator answers when a step could not be done. `skip` is allowed only for the carry step: whatever is due there anybody may do. */
export const retryUpdate = defineUpdate<PendingView, [{ reason: string }]>('retry');
export const skipUpdate = defineUpdate<PendingView, [{ reason: string }]>('skip');
export const abortUpdate = defineUpdate<PendingView, [{ reason: string }]>('abort');
/** Between two steps nothing new is begun while the settlement is held; the deadline still ends it. */
export const holdUpdate = defineUpdate<PendingView, [{ reason: string }]>('hold');
export const releaseUpdate = defineUpdate<PendingView, [{ reason: string }]>('release');
