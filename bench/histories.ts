import { Client, Connection } from '@temporalio/client';

import { settlementWorkflowId } from '../domain/ids.ts';
import { BENCH_LIMITS } from './limits.ts';
import { mean, rounded } from './statistics.ts';

/** Counted in the histories that the server holds, per settlement. */
export interface HistoryCounts {
  readonly histories: number;
  readonly events: number;
  readonly most_events: number;
  readonly workflow_tasks: number;
  readonly most_workflow_tasks: number;
  readonly activities: number;
  readonly signals: number;
  readonly history_bytes: number;
}

/** Histories read at the same time. */
const CONCURRENCY = 8;

interface Counted {
  readonly events: number;
  readonly tasks: number;
  readonly activities: number;
  readonly signals: number;
  readonly bytes: number;
}

/** Counts the histories of settlements, by their ids. */
export async function countHistories(address: string, settlementIds: readonly string[]): Promise<HistoryCounts> {
  const connection = await Connection.connect({ address, connectTimeout: BENCH_LIMITS.requestMs });
  try {
    const client = new Client({ connection });
    return await countWorkflows(client, settlementIds.map(settlementWorkflowId));
  } finally {
    await connection.close();
  }
}

/** Counts the histories of closed or running workflows, by workflow id. */
export async function countWorkflows(client: Client, workflowIds: readonly string[]): Promise<HistoryCounts> {
  const counted: Counted[] = [];
  for (let start = 0; start < workflowIds.length; start += CONCURRENCY) {
    const group = workflowIds.slice(start, start + CONCURRENCY).map((id) => countOne(client, id));
    counted.push(...(await Promise.all(group)));
  }
  const averageOf = (field: keyof Counted) => rounded(mean(counted.map((one) => one[field])));
  const mostOf = (field: keyof Counted) => Math.max(...counted.map((one) => one[field]));
  return {
    histories: counted.length,
    events: averageOf('events'),
    most_events: mostOf('events'),
    workflow_tasks: averageOf('tasks'),
    most_workflow_tasks: mostOf('tasks'),
    activities: averageOf('activities'),
    signals: averageOf('signals'),
    history_bytes: Math.round(mean(counted.map((one) => one.bytes))),
  };
}

async function countOne(client: Client, workflowId: string): Promise<Counted> {
  const handle = client.workflow.getHandle(workflowId);
  const [history, description] = await client.withDeadline(Date.now() + BENCH_LIMITS.requestMs, () =>
    Promise.all([handle.fetchHistory(), handle.describe()]),
  );
  const events = history.events ?? [];
  return {
    events: events.length,
    tasks: events.filter((event) => event.workflowTaskCompletedEventAttributes).length,
    activities: events.filter((event) => event.activityTaskScheduledEventAttributes).length,
    signals: events.filter((event) => event.workflowExecutionSignaledEventAttributes).length,
    bytes: description.historySize ?? 0,
  };
}
