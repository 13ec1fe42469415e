import { ActivityCancellationType, type ActivityOptions } from '@temporalio/workflow';

/**
 * Every time limit and retry policy of the workflows. The number of attempts is not limited here: whether repeating helps is decided
 * by the activities' one table of errors (activities/retry.ts), which ends hopeless retries by a non-retryable failure; what the
 * outside may still mend is repeated until the settlement's deadline.
 */
const patient = {
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '30s' },
  cancellationType: ActivityCancellationType.TRY_CANCEL,
} as const satisfies ActivityOptions;

export const POLICIES = {
  /** Waits for a transaction to be included; a killed worker is noticed by the missing heartbeat. */
  chain: { ...patient, startToCloseTimeout: '10m', heartbeatTimeout: '10s' },
  /** Providers answer in seconds; an outage is held by retries, never turned into a pass. */
  screening: { ...patient, startToCloseTimeout: '3m', heartbeatTimeout: '10s' },
  /** Postgres and local signing only. */
  record: { ...patient, startToCloseTimeout: '1m', heartbeatTimeout: '10s' },
  /** One webhook attempt; the schedule between attempts is the delivery workflow's own. */
  delivery: { ...patient, startToCloseTimeout: '1m', heartbeatTimeout: '10s' },
} as const satisfies Record<string, ActivityOptions>;

/** Facts remembered for deduplication and timeline entries kept for the query: far above any real settlement, below any limit. */
export const WORKFLOW_LIMITS = {
  rememberedTransactions: 256,
  timelineEntries: 256,
} as const;
