import { setTimeout as pause } from 'node:timers/promises';
import { BreakerOpen, type CircuitBreaker } from './circuit-breaker.ts';
import type { ScreeningLimits } from './limits.ts';
import type { UnavailableReason } from './provider.ts';
import { RateLimitExceeded, type RateLimit } from './rate-limit.ts';

/** The part of global fetch that the adapters use; a test may hand in another one. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface ProviderAnswer {
  status: number;
  headers: Headers;
  /** The body as text, at most `answerBytes` long. */
  text: string;
}

/**
 * A call that brought no usable answer. Carries codes only: neither address nor body, since an address may hold a
 * wallet and a body a person.
 */
export class CallFailed extends Error {
  override readonly name = 'CallFailed';
  readonly reason: UnavailableReason;
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;
  /** Codes of a structured error answer, for example `CASE_ID_EXISTS`. */
  readonly codes: readonly string[];

  constructor(
    reason: UnavailableReason,
    facts: { status?: number | undefined; retryAfterMs?: number | undefined; codes?: readonly string[] } = {},
  ) {
    super(`provider call failed: ${reason}${facts.status === undefined ? '' : ` (HTTP ${facts.status})`}`);
    this.reason = reason;
    this.status = facts.status;
    this.retryAfterMs = facts.retryAfterMs;
    this.codes = facts.codes ?? [];
  }
}

/** What a test and an operator call an outage: the provider could not answer properly. A refused input is not one. */
const OUTAGES: ReadonlySet<UnavailableReason> = new Set([
  'TIMEOUT',
  'NETWORK',
  'RATE_LIMITED',
  'PROVIDER_ERROR',
  'MALFORMED_ANSWER',
  // Wrong credentials stay wrong; an open breaker keeps us from hammering a login that may lock itself.
  'UNAUTHORIZED',
]);

const WORTH_REPEATING: ReadonlySet<UnavailableReason> = new Set([
  'TIMEOUT',
  'NETWORK',
  'RATE_LIMITED',
  'PROVIDER_ERROR',
]);

/** True when an outage leaves open whether the provider carried the call out. */
export function isAmbiguous(error: unknown): boolean {
  return (
    error instanceof CallFailed && ['TIMEOUT', 'NETWORK', 'PROVIDER_ERROR', 'MALFORMED_ANSWER'].includes(error.reason)
  );
}

export function isOutage(error: unknown): boolean {
  return error instanceof CallFailed && OUTAGES.has(error.reason);
}

/** Maps an HTTP status to a reason; undefined for 2xx. */
export function reasonOfStatus(status: number): UnavailableReason | undefined {
  if (status >= 200 && status < 300) return undefined;
  if (status === 401) return 'UNAUTHORIZED';
  if (status === 408) return 'TIMEOUT';
  if (status === 429) return 'RATE_LIMITED';
  if (status >= 500) return 'PROVIDER_ERROR';
  return 'REJECTED_REQUEST';
}

/** `Retry-After` in ms: delta seconds or an HTTP date; undefined when absent or nonsense. */
export function retryAfterMs(headers: Headers, nowMs: number): number | undefined {
  const value = headers.get('retry-after');
  if (value === null) return undefined;
  if (/^\d{1,9}$/.test(value.trim())) return Number(value) * 1_000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}

export interface CallDependencies {
  fetch: Fetch;
  breaker: CircuitBreaker;
  rateLimit: RateLimit;
  limits: ScreeningLimits;
  now: () => number;
  /** Told about every finished call, for the adapter's health. `undefined` is a success. */
  observe: (failure: UnavailableReason | undefined) => void;
}

async function readBounded(response: Response, maxBytes: number): Promise<string> {
  if (response.body === null) return '';
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body) {
    length += chunk.byteLength;
    if (length > maxBytes) throw new CallFailed('MALFORMED_ANSWER', { status: response.status });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Why an aborted signal ended a call: out of time, or the caller is gone. */
export function endedBy(signal: AbortSignal): CallFailed {
  return new CallFailed(isTimeout(signal) ? 'TIMEOUT' : 'CANCELLED');
}

function classify(error: unknown, outer: AbortSignal, timeLimit: AbortSignal): Error {
  if (error instanceof CallFailed) return error;
  if (outer.aborted) return endedBy(outer);
  if (timeLimit.aborted) return new CallFailed('TIMEOUT');
  if (error instanceof RateLimitExceeded) return new CallFailed('RATE_LIMITED', { retryAfterMs: error.retryAfterMs });
  if (error instanceof BreakerOpen) return new CallFailed('BREAKER_OPEN', { retryAfterMs: error.retryAfterMs });
  // fetch reports refused and broken connections, and a refused redirect, as TypeError; its text may hold the address.
  return new CallFailed('NETWORK');
}

function isTimeout(signal: AbortSignal): boolean {
  const reason: unknown = signal.reason;
  // By shape and not by class: the platform's errors come from another realm under a test runner.
  return typeof reason === 'object' && reason !== null && 'name' in reason && reason.name === 'TimeoutError';
}

/**
 * One HTTP exchange under rate limit, breaker, time limit and body limit. `judge` looks at the answer inside the
 * breaker, so that an answer that makes no sense counts as an outage.
 * @throws CallFailed, and nothing else.
 */
export async function callOnce<T>(
  dependencies: CallDependencies,
  call: { url: string; init: () => RequestInit; timeLimitMs: number; signal: AbortSignal },
  judge: (answer: ProviderAnswer) => T,
): Promise<T> {
  const { breaker, rateLimit, limits } = dependencies;
  let timeLimit = new AbortController().signal;
  try {
    await rateLimit.take(call.signal);
    const result = await breaker.run(async () => {
      timeLimit = AbortSignal.timeout(call.timeLimitMs);
      try {
        const signal = AbortSignal.any([call.signal, timeLimit]);
        // A redirect would carry credentials and a name to a place that nobody configured.
        const response = await dependencies.fetch(call.url, { ...call.init(), signal, redirect: 'error' });
        const text = await readBounded(response, limits.answerBytes);
        return judge({ status: response.status, headers: response.headers, text });
      } catch (error) {
        throw classify(error, call.signal, timeLimit);
      }
    }, isOutage);
    dependencies.observe(undefined);
    return result;
  } catch (error) {
    const failure = classify(error, call.signal, timeLimit);
    if (failure instanceof CallFailed) dependencies.observe(failure.reason);
    throw failure;
  }
}

/** A random share of the exponential pause (full jitter), or what the provider asked for. */
function pauseBefore(attempt: number, failure: CallFailed, limits: ScreeningLimits): number {
  if (failure.retryAfterMs !== undefined) return failure.retryAfterMs;
  return Math.random() * Math.min(limits.retryCapMs, limits.retryBaseMs * 2 ** (attempt - 1));
}

/** Waits before the next attempt. @throws the failure itself when waiting is pointless or longer than the caller's time. */
export async function waitToRepeat(
  attempt: number,
  failure: unknown,
  limits: ScreeningLimits,
  signal: AbortSignal,
): Promise<void> {
  if (!(failure instanceof CallFailed) || !WORTH_REPEATING.has(failure.reason)) throw failure;
  const waitMs = pauseBefore(attempt, failure, limits);
  if (attempt >= limits.attempts || waitMs > limits.retryAfterCapMs || signal.aborted) throw failure;
  await waitFor(waitMs, signal);
}

/** Waits. @throws CallFailed when the caller is gone or out of time before that. */
export async function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await pause(ms, undefined, { signal });
  } catch {
    // The only way a pause fails is its signal.
    throw endedBy(signal);
  }
}

/** Repeats `once` for failures that may pass. Each attempt is built anew, so it is re-dated and re-signed. */
export async function callRepeatedly<T>(
  once: () => Promise<T>,
  limits: ScreeningLimits,
  signal: AbortSignal,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await once();
    } catch (error) {
      await waitToRepeat(attempt, error, limits, signal);
    }
  }
}

/** Parses a JSON answer. @throws CallFailed MALFORMED_ANSWER */
export function parseJson(answer: ProviderAnswer): unknown {
  try {
    return JSON.parse(answer.text);
  } catch {
    // The parser's message quotes the text, which may hold personal data.
    throw new CallFailed('MALFORMED_ANSWER', { status: answer.status });
  }
}
