import type { Outcome } from './command.ts';

/** What `forge test --json` says. */

interface TestResult {
  readonly status: string;
  readonly reason: string | null;
  readonly kind: {
    readonly Fuzz?: { readonly runs: number };
    readonly Invariant?: { readonly runs: number; readonly calls: number; readonly reverts: number };
  };
}

export interface ForgeResults {
  readonly passed: readonly string[];
  /** With the reason. */
  readonly failed: readonly string[];
  readonly fuzzRuns: number;
  readonly invariantRuns: number;
  readonly invariantCalls: number;
  /** Calls of a handler that reverted; zero, or the invariant failed. */
  readonly invariantReverts: number;
}

/** @returns undefined when forge did not get as far as a report. */
export function readForgeReport(outcome: Outcome): ForgeResults | undefined {
  const start = outcome.stdout.indexOf('{"');
  if (start < 0) return undefined;
  let report: Readonly<Record<string, { readonly test_results: Readonly<Record<string, TestResult>> }>>;
  try {
    report = JSON.parse(outcome.stdout.slice(start)) as typeof report;
  } catch {
    // Cut off by the time limit, which the caller reports.
    return undefined;
  }
  const results = Object.entries(report).flatMap(([suite, { test_results: tests }]) =>
    Object.entries(tests).map(([name, result]) => ({ suite, name: name.replace(/\(.*$/, ''), result })),
  );
  const sum = (pick: (result: TestResult) => number): number =>
    results.reduce((total, { result }) => total + pick(result), 0);
  return {
    passed: results.filter(({ result }) => result.status === 'Success').map(({ name }) => name),
    // A skipped test shows nothing.
    failed: results
      .filter(({ result }) => result.status !== 'Success')
      .map(({ suite, name, result }) => `${suite} ${name}: ${result.reason ?? result.status}`),
    fuzzRuns: sum(({ kind }) => kind.Fuzz?.runs ?? 0),
    invariantRuns: sum(({ kind }) => kind.Invariant?.runs ?? 0),
    invariantCalls: sum(({ kind }) => kind.Invariant?.calls ?? 0),
    invariantReverts: sum(({ kind }) => kind.Invariant?.reverts ?? 0),
  };
}
