import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * `npm run test:crosschain`: the ring over two chains. Builds the contracts when that is needed, runs every `*.ring.ts` of this folder, shows each
 * test as it ends and a table at the end; the last line is `N passed, N failed`.
 *
 *   node test/crosschain/main.ts [name of a file…]       KEYSTONE_SEED=7 repeats a run
 */

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const JEST = join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js');
/** A ring that hangs has failed. Milliseconds. */
const LIMIT_MS = 30 * 60_000;
const STOP_LIMIT_MS = 10_000;

interface Results {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numRuntimeErrorTestSuites: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly startTime: number;
    readonly endTime: number;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

function say(line = ''): void {
  process.stdout.write(`${line}\n`);
}

/** Packages that are missing are a matter of `npm ci`, which is said plainly; everything else follows from them. */
async function main(): Promise<number> {
  if (!existsSync(JEST)) {
    say('the packages are not installed: npm ci');
    return finish(0, 1);
  }
  const { buildContracts } = await import('../../contracts/build.ts');
  await buildContracts({ onProgress: say });
  const { seedOfRun } = await import('./random.ts');
  const { PROCESS_FILE, REPORT_FILE } = await import('./report.ts');
  const seed = seedOfRun();
  say(`two chains, seed ${seed} (KEYSTONE_SEED=${seed} repeats this run)`);
  const directory = mkdtempSync(join(tmpdir(), 'keystone-ring-'));
  const [results, report, processes] = ['results.json', 'report.jsonl', 'processes.jsonl'].map((name) =>
    join(directory, name),
  ) as [string, string, string];
  try {
    const code = await runJest(process.argv.slice(2), results, {
      KEYSTONE_SEED: String(seed),
      [REPORT_FILE]: report,
      [PROCESS_FILE]: processes,
    });
    if (typeof code === 'string') say(code);
    return showResults(results, report);
  } finally {
    await endLeftovers(processes);
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Resolves to the exit code, or to what ended it before its time. */
async function runJest(
  names: readonly string[],
  results: string,
  environment: Readonly<Record<string, string>>,
): Promise<number | string> {
  const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', JEST];
  const config = join(ROOT, 'test', 'crosschain', 'jest.config.mjs');
  const options = ['-c', config, '--json', `--outputFile=${results}`, '--verbose', ...names];
  const child = spawn(process.execPath, [...flags, ...options], {
    cwd: ROOT,
    // The results go to a file; what jest shows comes on standard error.
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, ...environment },
  });
  let reason: string | undefined;
  const stop = (because: string): void => {
    reason ??= because;
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS).unref();
  };
  const timer = setTimeout(() => stop(`ended after ${LIMIT_MS / 60_000} minutes`), LIMIT_MS);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop(`ended by ${signal}`));
  try {
    return await new Promise<number | string>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => resolve(reason ?? code ?? `ended by ${signal}`));
    });
  } finally {
    clearTimeout(timer);
  }
}

function showResults(results: string, report: string): number {
  if (!existsSync(results)) {
    say('the tests did not come to an end');
    return finish(0, 1);
  }
  const found = JSON.parse(readFileSync(results, 'utf8')) as Results;
  const files = found.testResults.map((file): [string, string] => {
    const passed = file.assertionResults.filter(({ status }) => status === 'passed').length;
    const seconds = ((file.endTime - file.startTime) / 1000).toFixed(1);
    const name = file.name.split('/').at(-1)?.replace('.ring.ts', '') ?? file.name;
    return [name, `${passed} of ${file.assertionResults.length} passed, ${seconds} s, ${file.status}`];
  });
  const notes = existsSync(report)
    ? readFileSync(report, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as [string, string])
    : [];
  showTable([...files.toSorted(([one], [other]) => one.localeCompare(other)), ...notes]);
  const all = found.testResults.flatMap(({ assertionResults }) => assertionResults);
  // A test that did not run has shown nothing.
  const unrun = all.filter(({ status }) => status !== 'passed' && status !== 'failed').length;
  return finish(found.numPassedTests, found.numFailedTests + found.numRuntimeErrorTestSuites + unrun);
}

function showTable(rows: readonly (readonly [string, string])[]): void {
  const width = Math.max(...rows.map(([name]) => name.length));
  say();
  for (const [name, value] of rows) say(`  ${name.padEnd(width)}  ${value}`);
  say();
}

/** The chains of a run that was interrupted. */
async function endLeftovers(processes: string): Promise<void> {
  if (!existsSync(processes)) return;
  const { endLeftover } = await import('../../dev/processes.ts');
  const records = readFileSync(processes, 'utf8').trim().split('\n');
  // A chain that stands still takes no other signal.
  await Promise.all(records.map((line) => endLeftover(JSON.parse(line), 'SIGKILL')));
}

function finish(passed: number, failed: number): number {
  say(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

process.exitCode = await main();
