import { describe, expect, it } from '@jest/globals';

import { median, percentile } from './statistics.ts';
import { chainFloor } from './whole-stack/floor.ts';

describe('the numbers of the benchmark', () => {
  it('take percentiles by the nearest rank, so that each is a value that was measured', () => {
    const values = [50, 10, 40, 20, 30];
    expect([0, 0.5, 0.95, 1].map((share) => percentile(values, share))).toEqual([10, 30, 50, 50]);
  });

  it('take the median between the two middle values', () => {
    expect([median([4, 1, 3, 2]), median([9, 1, 5])]).toEqual([2.5, 5]);
  });

  it('say nothing of no values', () => {
    expect([percentile([], 0.5), median([])]).toEqual([Number.NaN, Number.NaN]);
  });

  it('put the floor at four blocks, the first met half-way, and the finality of the last', () => {
    expect(chainFloor(1_000, 2)).toMatchObject({ toDepositsMs: 2_500, toFinalMs: 5_500 });
    expect(chainFloor(12_000, 64)).toMatchObject({ toDepositsMs: 30_000, toFinalMs: 810_000 });
  });
});
