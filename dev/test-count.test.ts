import { describe, expect, it } from '@jest/globals';

import { countForge, countJest } from './test-count.ts';

describe('counting tests', () => {
  it("reads forge's last summary, and counts a skipped test as failed", () => {
    const earlier = 'a test printed: 9 tests passed, 9 failed, 9 skipped';
    const last =
      'Ran 8 test suites in 18.88s (30.12s CPU time): 104 tests passed, 2 failed, 1 skipped (107 total tests)';
    expect(countForge(`${earlier}\n${last}\n`)).toEqual({ passed: 104, failed: 3 });
  });

  it("counts jest's pending tests and files that do not load as failed", () => {
    const result = {
      numPassedTests: 10,
      numFailedTests: 1,
      numPendingTests: 2,
      numTodoTests: 1,
      numRuntimeErrorTestSuites: 1,
    };
    expect(countJest(JSON.stringify(result))).toEqual({ passed: 10, failed: 5 });
  });

  it('answers nothing when a runner died before its summary, so that the step counts as failed', () => {
    expect(countForge('Compiling…')).toBeUndefined();
    expect(countJest('')).toBeUndefined();
    expect(countJest('{"numPass')).toBeUndefined();
    expect(countJest('{}')).toBeUndefined();
  });
});
