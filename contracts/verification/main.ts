import { buildContracts } from '../build.ts';
import { checkAttackTable } from './attack-table.ts';
import { run, say, seconds, tail } from './command.ts';
import { checkCoverage } from './coverage.ts';
import { type ForgeResults, readForgeReport } from './forge-report.ts';
import { checkMutants } from './mutate.ts';
import { checkProofs } from './prove.ts';
import { preparePythonTools } from './python-tools.ts';
import { checkSlither } from './slither.ts';

/**
 * `npm run test:contracts`: everything that the contracts are trusted for on one chain's machine, in one command. All steps run, even after one
 * has failed; a table closes, and the last line is `N passed, N failed`. Every gate counts as one test, every test of forge as itself.
 */

const MINUTE_MS = 60_000;
const PROGRESS_MS = 20_000;
const SHOWN_FAILURES = 25;

/** What the issue asks of CI: FOUNDRY_ variables rule over foundry.toml, whose numbers are for the editor. */
const FULL = { FOUNDRY_FUZZ_RUNS: '10000', FOUNDRY_INVARIANT_RUNS: '256', FOUNDRY_INVARIANT_DEPTH: '128' } as const;
const FORGE_LIMIT_MS = 20 * MINUTE_MS;

interface Result {
  readonly summary: string;
  readonly passed: number;
  readonly failures: readonly string[];
}

interface Step {
  readonly title: string;
  readonly run: () => Promise<Result>;
}

/** A gate is one test: it holds, or it does not. */
async function gate(check: Promise<{ summary: string; failures: readonly string[] }>): Promise<Result> {
  const { summary, failures } = await check;
  return { summary, failures, passed: failures.length === 0 ? 1 : 0 };
}

async function forgeTest(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<ForgeResults> {
  const outcome = await run({
    program: 'forge',
    args: ['test', '--json', ...args],
    environment,
    limitMs: FORGE_LIMIT_MS,
  });
  const results = readForgeReport(outcome);
  if (results === undefined || results.passed.length === 0) {
    throw new Error(
      `forge has not run its tests${outcome.timedOut ? ' within the time limit' : ''}:\n${tail(outcome, 40)}`,
    );
  }
  return results;
}

async function format(): Promise<{ summary: string; failures: string[] }> {
  const outcome = await run({ program: 'forge', args: ['fmt', '--check'], limitMs: MINUTE_MS });
  return { summary: 'forge fmt', failures: outcome.code === 0 ? [] : [tail(outcome)] };
}

function stepsOf(): Step[] {
  let full: ForgeResults | undefined;
  return [
    {
      title: 'build',
      run: async () => {
        const { cached } = await buildContracts();
        return { summary: cached ? 'unchanged' : 'compiled', passed: 0, failures: [] };
      },
    },
    { title: 'format', run: () => gate(format()) },
    {
      title: 'tests',
      run: async () => {
        full = await forgeTest([], FULL);
        const { passed, failed, fuzzRuns, invariantRuns, invariantCalls, invariantReverts } = full;
        const campaigns = `${invariantRuns} stateful runs with ${invariantCalls} actions (${invariantReverts} reverted)`;
        const summary = `${passed.length} passed, ${failed.length} failed; ${fuzzRuns} fuzz runs; ${campaigns}`;
        return { summary, passed: passed.length, failures: failed };
      },
    },
    {
      title: 'tests of the deployed bytes',
      run: async () => {
        const { passed, failed } = await forgeTest(['--no-match-contract', 'Invariant|Gas'], {
          FOUNDRY_PROFILE: 'deployed',
        });
        return { summary: `${passed.length} passed, ${failed.length} failed`, passed: passed.length, failures: failed };
      },
    },
    { title: 'attacks', run: () => gate(Promise.resolve().then(() => checkAttackTable(new Set(full?.passed)))) },
    { title: 'branch coverage', run: () => gate(checkCoverage()) },
    {
      title: 'slither and halmos',
      run: async () => {
        await preparePythonTools();
        return { summary: 'installed', passed: 0, failures: [] };
      },
    },
    { title: 'static analysis (slither)', run: () => gate(checkSlither()) },
    { title: 'proofs (halmos)', run: () => gate(checkProofs()) },
    { title: 'mutants', run: () => gate(checkMutants()) },
  ];
}

interface Line {
  readonly title: string;
  readonly result: Result;
  readonly ms: number;
}

async function runStep({ title, run: work }: Step): Promise<Line> {
  const startedAt = performance.now();
  say(`${title} …`);
  const progress = setInterval(() => say(`  ${title}, ${seconds(performance.now() - startedAt)}`), PROGRESS_MS);
  let result: Result;
  try {
    result = await work();
  } catch (error) {
    result = { summary: 'did not run', passed: 0, failures: [error instanceof Error ? error.message : String(error)] };
  } finally {
    clearInterval(progress);
  }
  const ms = performance.now() - startedAt;
  say(`${result.failures.length === 0 ? 'ok     ' : 'FAILED '} ${title}: ${result.summary} (${seconds(ms)})`);
  for (const failure of result.failures.slice(0, SHOWN_FAILURES)) say(`  | ${failure.replaceAll('\n', '\n  | ')}`);
  if (result.failures.length > SHOWN_FAILURES) say(`  | and ${result.failures.length - SHOWN_FAILURES} more`);
  return { title, result, ms };
}

async function main(): Promise<number> {
  const startedAt = performance.now();
  const lines: Line[] = [];
  for (const step of stepsOf()) lines.push(await runStep(step));
  say('');
  for (const { title, result, ms } of lines) {
    say(
      `  ${(result.failures.length === 0 ? 'ok' : 'FAILED').padEnd(7)} ${title.padEnd(28)} ${seconds(ms).padStart(8)}  ${result.summary}`,
    );
  }
  say(`  ${''.padEnd(7)} ${'together'.padEnd(28)} ${seconds(performance.now() - startedAt).padStart(8)}`);
  const passed = lines.reduce((sum, { result }) => sum + result.passed, 0);
  const failed = lines.reduce((sum, { result }) => sum + result.failures.length, 0);
  say(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
