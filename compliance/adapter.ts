import { createCircuitBreaker, type CircuitBreaker } from './circuit-breaker.ts';
import { SCREENING_LIMITS, type ScreeningLimits } from './limits.ts';
import type { ScreeningPolicy, Verdict } from './policy.ts';
import {
  type CheckKind,
  type ProviderHealth,
  type ScreeningOutcome,
  ScreeningUnavailable,
  type UnavailableReason,
} from './provider.ts';
import { type CallDependencies, CallFailed, type Fetch } from './provider-call.ts';
import { createRateLimit } from './rate-limit.ts';

/** What every adapter may be given besides its own address and credentials. */
export interface AdapterOptions {
  /** True when a sandbox is at the other end: every outcome says so. */
  simulated: boolean;
  fetch?: Fetch;
  /** ms since epoch. */
  now?: () => number;
  requestsPerSecond?: number;
  limits?: Partial<ScreeningLimits>;
  policy?: ScreeningPolicy;
}

export interface AdapterFrame {
  /** Dependencies of calls under the named breaker; an adapter has one for each operation that can fail by itself. */
  calls(breaker: CircuitBreaker): CallDependencies;
  newBreaker(): CircuitBreaker;
  limits: ScreeningLimits;
  now: () => number;
  health(breaker: CircuitBreaker): ProviderHealth;
  outcome(verdict: Verdict, referenceId: string, answerSimulated: boolean): ScreeningOutcome;
  /** Turns whatever ended a screening into the one error that leaves an adapter. */
  unavailable(error: unknown): ScreeningUnavailable;
}

/** Reasons that say something about the provider, not about us or the caller. */
const NOT_THE_PROVIDERS: ReadonlySet<UnavailableReason> = new Set(['BREAKER_OPEN', 'CANCELLED']);

/** The parts that are the same in every adapter: limits, breakers, health, outcome and error. */
export function createAdapterFrame(
  name: string,
  policyVersion: string,
  requestsPerSecond: number,
  options: AdapterOptions,
): AdapterFrame {
  const limits: ScreeningLimits = { ...SCREENING_LIMITS, ...options.limits };
  const now = options.now ?? Date.now;
  // Looked up at each call, so that instrumentation that replaces the global later is used.
  const fetch: Fetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init));
  const rateLimit = createRateLimit({ requestsPerSecond, burst: limits.rateBurst, maxWaitMs: limits.rateWaitMs, now });
  let lastSuccessAtMs: number | null = null;
  let lastFailureAtMs: number | null = null;
  let lastFailureReason: UnavailableReason | null = null;

  function observe(failure: UnavailableReason | undefined): void {
    if (failure === undefined) {
      lastSuccessAtMs = now();
    } else if (!NOT_THE_PROVIDERS.has(failure)) {
      lastFailureAtMs = now();
      lastFailureReason = failure;
    }
  }

  return {
    limits,
    now,
    newBreaker: () =>
      createCircuitBreaker({
        consecutiveFailures: limits.breakerConsecutiveFailures,
        window: limits.breakerWindow,
        failureShare: limits.breakerFailureShare,
        openMs: limits.breakerOpenMs,
        probeWaitMs: limits.breakerProbeWaitMs,
        now,
      }),
    calls: (breaker) => ({ fetch, breaker, rateLimit, limits, now, observe }),
    health(breaker) {
      const view = breaker.view();
      const times = { lastSuccessAtMs, lastFailureAtMs, lastFailureReason };
      return { provider: name, ...view, ...times, simulated: options.simulated };
    },
    outcome(verdict, referenceId, answerSimulated) {
      // A sandbox that answers where a real provider is configured must never clear anybody.
      if (answerSimulated && !options.simulated) throw new CallFailed('CONFIGURATION');
      const facts = { provider: name, referenceId, policyVersion, screenedAtMs: now(), simulated: options.simulated };
      return { status: verdict.status, reasonCode: verdict.reasonCode, ...facts };
    },
    unavailable(error) {
      if (error instanceof ScreeningUnavailable) return error;
      if (error instanceof CallFailed) return new ScreeningUnavailable(name, error.reason, error.retryAfterMs);
      // A mistake of ours is still no verdict. Its text is not passed on: it may quote what was screened.
      return new ScreeningUnavailable(name, 'MALFORMED_ANSWER');
    },
  };
}

/** A request of the wrong kind is a wiring mistake of the caller. */
export function assertKind(name: string, expected: CheckKind, actual: CheckKind): void {
  if (expected !== actual) throw new TypeError(`${name} screens ${expected}, not ${actual}`);
}

/** Checks a provider's base address: https, or plain http on this machine only. @throws TypeError naming `what`, never the value. */
export function checkedBaseUrl(what: string, value: string): URL {
  let url: URL;
  try {
    url = new URL(value);
  } catch {
    // The parser's message quotes the value, which may hold credentials by mistake.
    throw new TypeError(`${what} is not a URL`);
  }
  const loopback = ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && loopback)) {
    throw new TypeError(`${what} must be https (plain http only on loopback)`);
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new TypeError(`${what} must be an address without credentials, query or fragment`);
  }
  return url;
}
