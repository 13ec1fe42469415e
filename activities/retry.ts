import { activityInfo, heartbeat, Context } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';

import { ScreeningUnavailable } from '../compliance/provider.ts';
import { clearStepAttention, raiseAttentionOnce } from '../db/attention.ts';
import type { Database } from '../db/pool.ts';
import { type ErrorCode, KeystoneError, type RetryClass } from '../domain/errors.ts';
import type { Uuid } from '../domain/ids.ts';
import type { ActivityLog } from './log.ts';
import { StillWaiting } from './waiting.ts';

/**
 * The one table from errors to retry behaviour. `later` is repeated until the workflow's deadline; after `attentionAfterAttempts` it
 * is shown to operators. `operator` and whatever nobody thought of is repeated a few times (a restarting neighbour explains many
 * surprises) and then parks the settlement. `never` in an activity is a defect of ours, so it parks as well. A StillWaiting is no
 * failure at all: it is repeated without end, whatever its code, and says itself when it takes too long.
 */
export const RETRY_TABLE: Readonly<Record<RetryClass, { attempts: number }>> = {
  later: { attempts: Number.POSITIVE_INFINITY },
  operator: { attempts: 3 },
  never: { attempts: 1 },
};

/** Attempts of an unclassified error before it parks. */
export const UNEXPECTED_ATTEMPTS = 5;
/** An outage that lasts this many attempts needs a person's eye, although it is still being retried. */
export const ATTENTION_AFTER_ATTEMPTS = 10;
/** A third of the heartbeat time-out of workflows/policies.ts: one lost beat does not count as a death. */
const HEARTBEAT_INTERVAL_MS = 3_000;

export interface StepContext {
  /** Aborts when the workflow gave the step up; every wait on the outside takes it. */
  readonly signal: AbortSignal;
  readonly heartbeat: () => void;
  /** ms since epoch: when the step was first due, however often it was repeated since. */
  readonly dueSinceMs: number;
}

export interface StepDependencies {
  readonly database: Database;
  readonly log: Pick<ActivityLog, 'info' | 'warn'>;
}

/** Wraps a business step: heartbeats while it runs, attention while it fails, and errors as the retry table wants them. */
export function runStep<Input extends { settlementId: Uuid }, Result>(
  dependencies: StepDependencies,
  name: string,
  work: (input: Input, context: StepContext) => Promise<Result>,
): (input: Input) => Promise<Result> {
  return async (input) => {
    const signal = Context.current().cancellationSignal;
    const beating = setInterval(() => heartbeat(), HEARTBEAT_INTERVAL_MS);
    const dueSinceMs = activityInfo().scheduledTimestampMs;
    try {
      const result = await work(input, { signal, heartbeat: () => heartbeat(), dueSinceMs });
      if (activityInfo().attempt > 1) await settleAttention(dependencies, input.settlementId);
      return result;
    } catch (error) {
      if (signal.aborted) throw new CancelledFailure('the step was given up');
      throw await toFailure(dependencies, name, input.settlementId, error);
    } finally {
      clearInterval(beating);
    }
  };
}

async function settleAttention(dependencies: StepDependencies, settlementId: Uuid): Promise<void> {
  await dependencies.database.transaction({ kind: 'worker' }, (transaction) =>
    clearStepAttention(transaction, settlementId),
  );
}

interface Classified {
  readonly code: ErrorCode;
  /** For operators and engineers; holds no secret and no personal data. */
  readonly detail: string;
  readonly attempts: number;
  readonly retryAfterMs?: number | undefined;
  /** Whether a person should look although the step goes on: said by the error itself, or decided by the number of attempts. */
  readonly overdue?: boolean;
}

export function classify(error: unknown): Classified {
  if (error instanceof StillWaiting) {
    const { code, detail, retryAfterMs, overdue } = error;
    return { code, detail, attempts: Number.POSITIVE_INFINITY, retryAfterMs, overdue };
  }
  if (error instanceof KeystoneError) {
    return { code: error.code, detail: error.detail, attempts: RETRY_TABLE[error.retry].attempts };
  }
  if (error instanceof ScreeningUnavailable) {
    const detail = `${error.provider} cannot answer: ${error.reason}`;
    return {
      code: 'screening_unavailable',
      detail,
      attempts: RETRY_TABLE.later.attempts,
      retryAfterMs: error.retryAfterMs,
    };
  }
  const message = error instanceof Error ? error.message : 'a value that is no error was thrown';
  return { code: 'internal', detail: message, attempts: UNEXPECTED_ATTEMPTS };
}

async function toFailure(
  dependencies: StepDependencies,
  step: string,
  settlementId: Uuid,
  error: unknown,
): Promise<ApplicationFailure> {
  const classified = classify(error);
  const attempt = activityInfo().attempt;
  const hopeless = attempt >= classified.attempts;
  const fields = { step, settlement_id: settlementId, attempt, code: classified.code };
  if (classified.overdue !== false) dependencies.log.warn({ ...fields, err: error }, 'a step failed');
  // Said once: a message between chains is awaited in dozens of attempts.
  else if (attempt === 1) dependencies.log.info({ ...fields, detail: classified.detail }, 'a step waits');
  if (hopeless || (classified.overdue ?? attempt === ATTENTION_AFTER_ATTEMPTS)) {
    await dependencies.database
      .transaction({ kind: 'worker' }, (transaction) =>
        raiseAttentionOnce(transaction, settlementId, classified.code, `${step}: ${classified.detail}`),
      )
      // Postgres may be what failed; the workflow still parks and shows it.
      .catch((cause: unknown) =>
        dependencies.log.warn({ settlement_id: settlementId, err: cause }, 'attention could not be stored'),
      );
  }
  return ApplicationFailure.create({
    type: classified.code,
    message: classified.detail,
    nonRetryable: hopeless,
    ...(classified.retryAfterMs !== undefined && !hopeless && { nextRetryDelay: classified.retryAfterMs }),
  });
}
