import { setTimeout as pause } from 'node:timers/promises';

/** The bucket is so far behind that waiting would cost more than coming back. */
export class RateLimitExceeded extends Error {
  override readonly name = 'RateLimitExceeded';
  readonly retryAfterMs: number;

  constructor(retryAfterMs: number) {
    super('no place in the rate limit');
    this.retryAfterMs = retryAfterMs;
  }
}

export interface RateLimit {
  /**
   * Resolves when the call may go. Turns are given in the order of asking.
   * @throws RateLimitExceeded when the turn would come later than the longest wait; the signal's reason when it is aborted.
   */
  take(signal: AbortSignal): Promise<void>;
}

export interface RateLimitOptions {
  requestsPerSecond: number;
  /** Calls that may go at once after a quiet time. */
  burst: number;
  maxWaitMs: number;
  now: () => number;
}

/**
 * Token bucket, kept as the time of the next free turn instead of a counter with a timer: nothing runs while nobody
 * asks, and the queue is bounded by the longest wait. A turn whose taker was cancelled stays used, which errs to the slow side.
 */
export function createRateLimit(options: RateLimitOptions): RateLimit {
  if (!(options.requestsPerSecond > 0)) throw new RangeError('requestsPerSecond must be above zero');
  const intervalMs = 1_000 / options.requestsPerSecond;
  const creditMs = Math.max(0, options.burst - 1) * intervalMs;
  let nextTurnMs = Number.NEGATIVE_INFINITY;

  return {
    async take(signal) {
      signal.throwIfAborted();
      const now = options.now();
      const turnMs = Math.max(nextTurnMs, now - creditMs);
      const waitMs = turnMs - now;
      if (waitMs > options.maxWaitMs) throw new RateLimitExceeded(Math.ceil(waitMs));
      nextTurnMs = turnMs + intervalMs;
      if (waitMs > 0) await pause(waitMs, undefined, { signal });
    },
  };
}
