const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/**
 * ms before each retry of a webhook, after the attempt before it: the schedule that Standard Webhooks 1.0.0 recommends, without its
 * first attempt, which the dispatcher makes at once. About three days.
 */
export const RETRY_SCHEDULE_MS: readonly number[] = [
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
];

export const DELIVERY_LIMITS = {
  /** Redeliveries by signal in one run of the workflow. */
  redeliveries: 100,
  /** A wait is stretched by up to this share, so that deliveries that failed together do not return together. */
  jitterShare: 0.1,
  /** ms. A `Retry-After` counts up to this. */
  retryAfterMs: 24 * HOUR,
} as const;

/** ms to wait. `random` is in [0, 1) and comes from the workflow's own generator, so that a replay waits the same. A receiver's `Retry-After` lengthens the wait and never shortens it. */
export function waitBefore(delayMs: number, random: number, retryAfterMs?: number): number {
  const spread = delayMs * (1 + random * DELIVERY_LIMITS.jitterShare);
  return Math.round(Math.max(spread, Math.min(retryAfterMs ?? 0, DELIVERY_LIMITS.retryAfterMs)));
}
