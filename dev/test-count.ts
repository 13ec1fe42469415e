/** How many tests passed and failed, read from what the test runners say. */
export interface TestCount {
  readonly passed: number;
  readonly failed: number;
}

/** forge's last line: `Ran 8 test suites in 18.88s (30.12s CPU time): 104 tests passed, 0 failed, 0 skipped (104 total tests)`. */
const FORGE_SUMMARY = /(\d+) tests? passed, (\d+) failed, (\d+) skipped/g;

/** The part of jest's `--json` file that counts. */
interface JestResult {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly numRuntimeErrorTestSuites: number;
}

/**
 * Undefined when the output holds no summary, because the runner did not get that far. A skipped test counts as failed: a test that
 * did not run shows nothing.
 */
export function countForge(output: string): TestCount | undefined {
  // Output of the tests themselves may look the same, so the last one counts.
  const summary = [...output.matchAll(FORGE_SUMMARY)].at(-1);
  if (summary === undefined) return undefined;
  const [passed = 0, failed = 0, skipped = 0] = summary.slice(1).map(Number);
  return { passed, failed: failed + skipped };
}

/** `json` is the content of jest's `--outputFile`. A file that could not even be loaded counts as one failed test. */
export function countJest(json: string): TestCount | undefined {
  let result: Partial<JestResult>;
  try {
    result = JSON.parse(json) as Partial<JestResult>;
  } catch {
    // Cut short: the runner was killed.
    return undefined;
  }
  if (result.numPassedTests === undefined) return undefined;
  const { numFailedTests = 0, numPendingTests = 0, numTodoTests = 0, numRuntimeErrorTestSuites = 0 } = result;
  return {
    passed: result.numPassedTests,
    failed: numFailedTests + numPendingTests + numTodoTests + numRuntimeErrorTestSuites,
  };
}
