import { type ErrorCode, KeystoneError } from '../domain/errors.ts';

/**
 * Nothing is wrong, only not there yet: a message on its way, a fact that is not final, a deadline that is not due. The attempt ends, so
 * that it holds no slot of the worker, and the step is repeated after a pause of its own; repetitions of an activity add nothing to the
 * history of the workflow (decision 0013). It is repeated without end; `overdue` shows the settlement to operators meanwhile.
 */
export class StillWaiting extends KeystoneError {
  readonly retryAfterMs: number;
  readonly overdue: boolean;

  constructor(code: ErrorCode, detail: string, wait: { retryAfterMs: number; overdue: boolean; cause?: unknown }) {
    super(code, detail, wait.cause === undefined ? {} : { cause: wait.cause });
    this.name = 'StillWaiting';
    this.retryAfterMs = wait.retryAfterMs;
    this.overdue = wait.overdue;
  }
}

/** ms until the next look at something that has been awaited for `ageMs`: an eighth of that, so that looking late costs an eighth at most. */
export function pauseFor(
  ageMs: number,
  limits: { readonly messagePauseMs: number; readonly messagePauseMaximumMs: number },
): number {
  return Math.round(Math.min(Math.max(ageMs / 8, limits.messagePauseMs), limits.messagePauseMaximumMs));
}
