import { randomUUID } from 'node:crypto';

import type { Client } from '@temporalio/client';
import { TypedSearchAttributes } from '@temporalio/common';
import type { InjectedSinks } from '@temporalio/worker';

import type { SettlementState } from '../../domain/settlement-state.ts';
import { settlementNeedsAttentionKey, settlementStateKey } from '../../workflows/search-attributes.ts';
import { BENCH_LIMITS } from '../limits.ts';
import {
  BARE_SIGNALS,
  BARE_WORKFLOW,
  type BareActivities,
  type BareInput,
  type BareSinks,
  type BareStep,
} from './bare-contract.ts';
import type { Contestant, Milestones } from './contestant.ts';

const DEADLINE_MS = 3_600_000;

const STATES: Readonly<Record<BareStep, SettlementState>> = {
  register: 'COMPLIANCE_CHECKING',
  screen: 'COMPLIANCE_CHECKING',
  attest: 'COMPLIANCE_CHECKING',
  open: 'AWAITING_DEPOSITS',
  finalise: 'FINALIZED',
};

export const bareActivities: BareActivities = {
  bareStep: async ({ step }) => ({ state: STATES[step] }),
};

export function createBareSinks(milestones: Milestones): InjectedSinks<BareSinks> {
  return {
    driver: { reached: { fn: (_workflow, id, point) => milestones.reached(id, point), callDuringReplay: false } },
  };
}

/** The engine alone: started and signalled straight from the client. */
export function createBareContestant(client: Client, taskQueue: string, milestones: Milestones): Contestant {
  return {
    name: 'bare',
    prepare: async (count) => Array.from({ length: count }, () => randomUUID()),
    begin: () => undefined,
    end: async () => undefined,
    async run(id) {
      const workflowId = `bare-${id}`;
      const input: BareInput = { id, deadlineMs: Date.now() + DEADLINE_MS };
      const started = milestones.awaitPoint(id, 'started');
      const opened = milestones.awaitPoint(id, 'opened');
      await client.withDeadline(Date.now() + BENCH_LIMITS.stubbedSettlementMs, async () => {
        const handle = await client.workflow.start(BARE_WORKFLOW, {
          workflowId,
          taskQueue,
          args: [input],
          staticSummary: `settlement ${id}`,
          typedSearchAttributes: new TypedSearchAttributes([
            { key: settlementStateKey, value: 'AWAITING_CONFIRMATION' },
            { key: settlementNeedsAttentionKey, value: false },
          ]),
        });
        // As with ours, each signal finds a workflow that waits for it: merged with another task it would cost less.
        await started;
        await handle.signal(BARE_SIGNALS.confirmation);
        await opened;
        await handle.signal(BARE_SIGNALS.facts);
        await handle.signal(BARE_SIGNALS.facts);
        const state = await handle.result();
        if (state !== 'FINALIZED') throw new Error(`a bare settlement ended as ${String(state)}`);
      });
      return workflowId;
    },
    statements: () => ({}),
  };
}
