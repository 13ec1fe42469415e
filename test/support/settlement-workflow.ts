import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';

import { expect } from '@jest/globals';

import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { Client, Connection, type WorkflowHandleWithSignaledRunId } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Worker, type WorkflowBundle } from '@temporalio/worker';

import type { SettlementActivities } from '../../activities/settlement-activities.ts';
import type { SettlementState } from '../../domain/settlement-state.ts';
import { SETTLEMENT_WORKFLOW, type SettlementInput } from '../../domain/workflow-contract.ts';
import { quietRuntime } from './quiet-runtime.ts';
import { getTestServers } from './servers.ts';

/** Activities of a test: each answers what the test put in, and counts. What they would do in Postgres and on chain is tested apart. */
export interface ScriptedActivities {
  readonly activities: SettlementActivities;
  readonly calls: string[];
}

export function scriptedActivities(script: Partial<SettlementActivities>): ScriptedActivities {
  const calls: string[] = [];
  const at = (state: SettlementState) => ({ state, endingCode: null });
  const defaults: SettlementActivities = {
    register: async () => at('COMPLIANCE_CHECKING'),
    screen: async () => at('COMPLIANCE_CHECKING'),
    attest: async () => ({ ...at('COMPLIANCE_CHECKING'), outcome: 'cleared' }),
    open: async () => ({ ...at('AWAITING_DEPOSITS'), outcome: 'opened' }),
    finalise: async () => ({ ...at('FINALIZED'), carryDue: false }),
    carry: async () => ({ ...at('FINALIZED'), carryDue: false }),
    conclude: async ({ reason }) => ({
      state: reason === 'deadline' ? 'TIMED_OUT' : 'ROLLED_BACK',
      endingCode: reason,
      carryDue: false,
    }),
  };
  const chosen = { ...defaults, ...script };
  const activities = Object.fromEntries(
    Object.entries(chosen).map(([name, call]) => [
      name,
      (input: never) => {
        calls.push(name);
        return call(input);
      },
    ]),
  ) as unknown as SettlementActivities;
  return { activities, calls };
}

export interface WorkflowStage {
  readonly client: Client;
  /** Starts a settlement against a worker of its own and runs `act` while that worker runs. */
  play<Result>(
    scripted: ScriptedActivities,
    input: Partial<SettlementInput>,
    act: (
      handle: WorkflowHandleWithSignaledRunId | Awaited<ReturnType<Client['workflow']['start']>>,
    ) => Promise<Result>,
  ): Promise<Result>;
  close(): Promise<void>;
}

let bundle: Promise<WorkflowBundle> | undefined;

export function settlementBundle(): Promise<WorkflowBundle> {
  bundle ??= bundleWorkflowCode({
    workflowsPath: new URL('../../workflows/index.ts', import.meta.url).pathname,
    logger: new DefaultLogger('WARN'),
  });
  return bundle;
}

export async function createWorkflowStage(): Promise<WorkflowStage> {
  const address = getTestServers().temporalAddress;
  quietRuntime();
  const [connection, native, workflowBundle] = await Promise.all([
    Connection.connect({ address }),
    NativeConnection.connect({ address }),
    settlementBundle(),
  ]);
  const client = new Client({ connection, identity: IDENTITY });
  return {
    client,
    async play(scripted, input, act) {
      const settlementId = randomUUID();
      const taskQueue = `test-${settlementId}`;
      const worker = await Worker.create({
        connection: native,
        taskQueue,
        workflowBundle,
        activities: { ...scripted.activities },
        identity: IDENTITY,
      });
      const handle = await client.workflow.start(SETTLEMENT_WORKFLOW, {
        workflowId: `settlement-${settlementId}`,
        taskQueue,
        args: [
          {
            settlementId,
            deadlineMs: Date.now() + 3_600_000,
            awaitingConfirmation: true,
            title: 'a test settlement',
            ...input,
          },
        ],
      });
      const result = await worker.runUntil(() => act(handle));
      await recordHistory(handle);
      return result;
    },
    async close() {
      await connection.close();
      await native.close();
    },
  };
}

/** In place of process id and host name, which have no business in a committed history. */
const IDENTITY = 'test';

/** Stack traces name files below it; a committed history names none of a machine. */
const REPOSITORY = new URL('../../', import.meta.url).pathname;

/** Where the histories for the replay test are kept. */
export const HISTORIES = new URL('../histories/', import.meta.url).pathname;

/** `KEYSTONE_RECORD_HISTORIES=1` writes each test's history for the replay test, once the workflow is closed. */
async function recordHistory(handle: { fetchHistory(): Promise<unknown> }): Promise<void> {
  if (process.env['KEYSTONE_RECORD_HISTORIES'] !== '1') return;
  const name = expect.getState().currentTestName ?? 'unnamed';
  const history = historyToJSON((await handle.fetchHistory()) as Parameters<typeof historyToJSON>[0]);
  mkdirSync(HISTORIES, { recursive: true });
  writeFileSync(
    `${HISTORIES}${name
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .slice(0, 80)}.json`,
    `${history.replaceAll(REPOSITORY, '')}\n`,
  );
}
