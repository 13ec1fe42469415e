import { describe, expect, it } from '@jest/globals';
import { readOnce } from './read-once.ts';

const { signal } = new AbortController();

describe('shared reading', () => {
  it('reads once for callers that ask at the same time and after', async () => {
    let readings = 0;
    const shared = readOnce(async () => {
      readings += 1;
      return readings;
    });
    expect(await Promise.all([shared.get(signal), shared.get(signal), shared.get(signal)])).toEqual([1, 1, 1]);
    expect(await shared.get(signal)).toBe(1);
  });

  it("does not pass one caller's failure on to another", async () => {
    let readings = 0;
    const shared = readOnce(async () => {
      readings += 1;
      if (readings === 1) throw new Error('the first caller went away');
      return readings;
    });
    const [first, second] = await Promise.allSettled([shared.get(signal), shared.get(signal)]);
    expect(first.status).toBe('rejected');
    expect(second).toEqual({ status: 'fulfilled', value: 2 });
  });

  it('reads again what is stale or forgotten', async () => {
    let readings = 0;
    let fresh = true;
    const shared = readOnce(
      async () => {
        readings += 1;
        return { readings };
      },
      () => fresh,
    );
    const first = await shared.get(signal);
    fresh = false;
    const second = await shared.get(signal);
    expect(second.readings).toBe(2);
    fresh = true;
    shared.forget(first);
    expect(await shared.get(signal)).toBe(second);
    shared.forget(second);
    expect((await shared.get(signal)).readings).toBe(3);
  });

  it('ends for a caller that is gone', async () => {
    const shared = readOnce(async () => 1);
    await expect(shared.get(AbortSignal.abort())).rejects.toMatchObject({ reason: 'CANCELLED' });
  });
});
