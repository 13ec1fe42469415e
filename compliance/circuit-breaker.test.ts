import { describe, expect, it } from '@jest/globals';
import { BreakerOpen, createCircuitBreaker } from './circuit-breaker.ts';
import { createRateLimit, RateLimitExceeded } from './rate-limit.ts';

const OPEN_MS = 30_000;

function breakerAt(start: number) {
  const clock = { now: start };
  const breaker = createCircuitBreaker({
    consecutiveFailures: 5,
    window: 20,
    failureShare: 0.5,
    openMs: OPEN_MS,
    probeWaitMs: 1_000,
    now: () => clock.now,
  });
  const fail = () =>
    breaker
      .run(
        () => Promise.reject(new Error('down')),
        () => true,
      )
      .catch((error: unknown) => error);
  const succeed = () =>
    breaker.run(
      () => Promise.resolve('up'),
      () => true,
    );
  return { clock, breaker, fail, succeed };
}

describe('circuit breaker', () => {
  it('opens after five failures in a row and then does not call', async () => {
    const { breaker, fail, succeed } = breakerAt(1_000);
    for (let call = 0; call < 4; call += 1) await fail();
    expect(breaker.view().state).toBe('closed');
    await fail();
    expect(breaker.view()).toEqual({ state: 'open', consecutiveFailures: 5, retryAtMs: 1_000 + OPEN_MS });
    await expect(succeed()).rejects.toBeInstanceOf(BreakerOpen);
  });

  it('opens when half of the last twenty calls failed, though never five in a row', async () => {
    const { breaker, fail, succeed } = breakerAt(0);
    for (let round = 0; round < 10; round += 1) {
      expect(breaker.view().state).toBe('closed');
      await succeed();
      await fail();
    }
    expect(breaker.view().state).toBe('open');
  });

  it('lets exactly one probe through when half open, closes on its success and opens again on its failure', async () => {
    const { clock, breaker, fail, succeed } = breakerAt(0);
    for (let call = 0; call < 5; call += 1) await fail();
    clock.now = OPEN_MS;
    expect(breaker.view().state).toBe('half-open');
    const pending = Promise.withResolvers<void>();
    const probe = breaker.run(
      () => pending.promise,
      () => true,
    );
    await expect(succeed()).rejects.toBeInstanceOf(BreakerOpen);
    pending.reject(new Error('still down'));
    await expect(probe).rejects.toThrow('still down');
    expect(breaker.view().state).toBe('open');
    clock.now = 2 * OPEN_MS;
    await expect(succeed()).resolves.toBe('up');
    expect(breaker.view()).toMatchObject({ state: 'closed', consecutiveFailures: 0, retryAtMs: null });
  });

  it('ignores errors that do not speak against the provider, and a cancelled probe lets the next one through', async () => {
    const { clock, breaker, fail, succeed } = breakerAt(0);
    const refused = () =>
      breaker.run(
        () => Promise.reject(new Error('bad input')),
        () => false,
      );
    for (let call = 0; call < 30; call += 1) await expect(refused()).rejects.toThrow('bad input');
    expect(breaker.view().state).toBe('closed');
    for (let call = 0; call < 5; call += 1) await fail();
    clock.now = OPEN_MS;
    await expect(refused()).rejects.toThrow('bad input');
    await expect(succeed()).resolves.toBe('up');
  });
});

describe('rate limit', () => {
  it('lets a burst go at once, spaces what follows, and refuses what would wait too long', async () => {
    const clock = { now: 0 };
    const limit = createRateLimit({ requestsPerSecond: 100, burst: 3, maxWaitMs: 15, now: () => clock.now });
    const { signal } = new AbortController();
    const started = performance.now();
    for (let call = 0; call < 3; call += 1) await limit.take(signal);
    expect(performance.now() - started).toBeLessThan(9);
    const waiting = limit.take(signal);
    await expect(limit.take(signal)).rejects.toEqual(new RateLimitExceeded(20));
    await waiting;
    expect(performance.now() - started).toBeGreaterThanOrEqual(9);
  });

  it('stops waiting when the caller is gone', async () => {
    const limit = createRateLimit({ requestsPerSecond: 0.1, burst: 1, maxWaitMs: 60_000, now: () => 0 });
    await limit.take(new AbortController().signal);
    const caller = new AbortController();
    const waiting = limit.take(caller.signal);
    caller.abort();
    await expect(waiting).rejects.toThrow();
  });
});
