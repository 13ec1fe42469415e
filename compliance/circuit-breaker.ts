export type BreakerState = 'closed' | 'open' | 'half-open';

export class BreakerOpen extends Error {
  override readonly name = 'BreakerOpen';
  /** ms until a call has a chance again. */
  readonly retryAfterMs: number;

  constructor(retryAfterMs: number) {
    super('circuit breaker is open');
    this.retryAfterMs = retryAfterMs;
  }
}

export interface BreakerView {
  state: BreakerState;
  consecutiveFailures: number;
  /** ms since epoch; null while closed. */
  retryAtMs: number | null;
}

export interface CircuitBreaker {
  /**
   * Runs the operation unless the breaker is open. `isOutage` says whether an error speaks against the provider: an
   * input that the provider refused, or a caller that went away, does not.
   * @throws BreakerOpen without calling; otherwise whatever the operation throws.
   */
  run<T>(operation: () => Promise<T>, isOutage: (error: unknown) => boolean): Promise<T>;
  view(): BreakerView;
}

export interface BreakerOptions {
  consecutiveFailures: number;
  /** Number of last calls looked at, and the share of failures among them that opens the breaker. */
  window: number;
  failureShare: number;
  openMs: number;
  probeWaitMs: number;
  now: () => number;
}

/** Closed → open on failures in a row or on a bad share of the last calls → half-open after `openMs`, where one call at a time probes. */
export function createCircuitBreaker(options: BreakerOptions): CircuitBreaker {
  let openedAtMs: number | undefined;
  let probing = false;
  let consecutiveFailures = 0;
  let lastCalls: boolean[] = [];

  function state(): BreakerState {
    if (openedAtMs === undefined) return 'closed';
    return options.now() >= openedAtMs + options.openMs ? 'half-open' : 'open';
  }

  /** True when the admitted call is the probe of a half-open breaker. */
  function admit(): boolean {
    if (openedAtMs === undefined) return false;
    if (state() === 'open') throw new BreakerOpen(openedAtMs + options.openMs - options.now());
    // One probe at a time: a provider that just came back must not meet the whole backlog at once.
    if (probing) throw new BreakerOpen(options.probeWaitMs);
    probing = true;
    return true;
  }

  function record(succeeded: boolean): void {
    if (succeeded) {
      consecutiveFailures = 0;
      // A late success of a call that began before the breaker opened proves as much as a probe does.
      if (openedAtMs !== undefined) lastCalls = [];
      openedAtMs = undefined;
    } else {
      consecutiveFailures += 1;
    }
    lastCalls.push(succeeded);
    if (lastCalls.length > options.window) lastCalls.shift();
    const failures = lastCalls.filter((outcome) => !outcome).length;
    const badShare = lastCalls.length === options.window && failures >= options.window * options.failureShare;
    // Failures that arrive while it is open come from calls that began earlier: they must not push the probe back.
    const mayOpen = !succeeded && state() !== 'open';
    if (mayOpen && (state() === 'half-open' || badShare || consecutiveFailures >= options.consecutiveFailures)) {
      openedAtMs = options.now();
      lastCalls = [];
    }
  }

  return {
    async run(operation, isOutage) {
      const isProbe = admit();
      try {
        const result = await operation();
        record(true);
        return result;
      } catch (error) {
        if (isOutage(error)) record(false);
        throw error;
      } finally {
        // Also after a cancelled probe, which proves nothing: otherwise no later call could ever probe.
        if (isProbe) probing = false;
      }
    },
    view() {
      return {
        state: state(),
        consecutiveFailures,
        retryAtMs: openedAtMs === undefined ? null : openedAtMs + options.openMs,
      };
    },
  };
}
