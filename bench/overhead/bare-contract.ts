import type { Sinks } from '@temporalio/workflow';

import type { SettlementState } from '../../domain/settlement-state.ts';

/** What the bare workflow takes, is told and calls. */

export const BARE_WORKFLOW = 'bareSettlement';
export const BARE_SIGNALS = { confirmation: 'bareConfirmation', facts: 'bareFacts' } as const;

export interface BareInput {
  readonly id: string;
  /** ms since epoch */
  readonly deadlineMs: number;
}

export type BareStep = 'register' | 'screen' | 'attest' | 'open' | 'finalise';

/** How far a bare settlement is: it tells its driver through a sink, which leaves nothing in the history. */
export type BarePoint = 'started' | 'opened';

export interface BareActivities {
  /** Does nothing, at once. */
  bareStep(input: { id: string; step: BareStep }): Promise<{ state: SettlementState }>;
}

export interface BareSinks extends Sinks {
  driver: { reached(id: string, point: BarePoint): void };
}
