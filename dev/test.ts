import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { parseArgs } from 'node:util';

import { createHome, type Home, REPOSITORY } from './home.ts';
import { createSteps, type Steps } from './steps.ts';
import { countForge, countJest, type TestCount } from './test-count.ts';

/**
 * `npm test`: everything that must hold, in one command. All steps run, even after one has failed; the last line is
 * `N passed, N failed`, where a step that counts no tests of its own adds one to `failed` when it fails. `--all` runs the long rings.
 */

const MINUTE_MS = 60_000;
const PROGRESS_MS = 10_000;
const SHOWN_LINES = 40;

interface TestStep {
  readonly title: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly directory: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly limitMs: number;
  /** Where the numbers come from: the output, or a file that the runner writes. */
  readonly count?: { readonly from: (text: string) => TestCount | undefined; readonly file?: string };
}

function stepsOf(all: boolean, home: Home): TestStep[] {
  const jestFile = home.file('jest-result.json');
  const node = process.execPath;
  const jest = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', 'node_modules/jest/bin/jest.js'];
  const root = REPOSITORY;
  return [
    { title: 'contracts', command: node, args: ['contracts/build.ts'], directory: root, limitMs: 5 * MINUTE_MS },
    { title: 'types', command: 'tsc', args: ['--noEmit'], directory: root, limitMs: 5 * MINUTE_MS },
    {
      title: 'lint',
      command: 'oxlint',
      args: ['--type-aware', '--deny-warnings'],
      directory: root,
      limitMs: 5 * MINUTE_MS,
    },
    { title: 'format', command: 'biome', args: ['format', '.'], directory: root, limitMs: MINUTE_MS },
    {
      title: 'contract tests (forge)',
      command: 'forge',
      args: ['test'],
      directory: join(root, 'contracts'),
      environment: { FOUNDRY_PROFILE: all ? 'long' : 'default' },
      limitMs: (all ? 60 : 10) * MINUTE_MS,
      count: { from: countForge },
    },
    {
      title: 'tests (jest)',
      command: node,
      args: [...jest, '--json', `--outputFile=${jestFile}`],
      directory: root,
      environment: { KEYSTONE_TEST_RING: all ? 'all' : 'fast' },
      limitMs: (all ? 120 : 20) * MINUTE_MS,
      count: { from: countJest, file: jestFile },
    },
  ];
}

interface Finished {
  readonly ok: boolean;
  /** Why, when it is not ok. */
  readonly reason: string;
}

function execute(step: TestStep, logFile: string, onProgress: () => void): Promise<Finished> {
  const path = [join(REPOSITORY, 'node_modules', '.bin'), process.env['PATH'] ?? ''].join(delimiter);
  rmSync(logFile, { force: true });
  const log = openSync(logFile, 'a', 0o600);
  const child = spawn(step.command, [...step.args], {
    cwd: step.directory,
    stdio: ['ignore', log, log],
    env: { ...process.env, ...step.environment, PATH: path, FORCE_COLOR: '0', NO_COLOR: '1' },
    timeout: step.limitMs,
  });
  closeSync(log);
  const timer = setInterval(onProgress, PROGRESS_MS);
  return new Promise<Finished>((resolve) => {
    child.once('error', (error) => resolve({ ok: false, reason: error.message }));
    child.once('exit', (code, signal) => {
      const reason =
        signal === null ? `exit code ${code}` : `ended by ${signal}, limit ${step.limitMs / MINUTE_MS} min`;
      resolve({ ok: code === 0, reason });
    });
  }).finally(() => clearInterval(timer));
}

async function runStep(step: TestStep, home: Home, steps: Steps): Promise<TestCount> {
  const began = Date.now();
  const logFile = home.log(`test-${step.title.replaceAll(/[^a-z]+/g, '-').replaceAll(/-$/g, '')}`);
  const elapsed = (): string => `${((Date.now() - began) / 1000).toFixed(1)} s`;
  if (step.count?.file !== undefined) rmSync(step.count.file, { force: true });
  const finished = await execute(step, logFile, () => steps.say(`…       ${step.title} (${elapsed()})`));
  const output = readFileSync(logFile, 'utf8');
  const counted = step.count?.from(step.count.file === undefined ? output : readText(step.count.file));
  const failed = counted?.failed ?? 0;
  // Numbers without a failure do not excuse a runner that failed, and a runner that counted nothing has shown nothing.
  const broken = !finished.ok || (step.count !== undefined && counted === undefined);
  const count = { passed: counted?.passed ?? 0, failed: broken ? Math.max(failed, 1) : failed };
  const numbers = step.count === undefined ? '' : `: ${count.passed} passed, ${count.failed} failed`;
  if (count.failed === 0) {
    steps.say(`ok      ${step.title}${numbers} (${elapsed()})`);
    return count;
  }
  steps.say(`FAILED  ${step.title}${numbers} (${finished.reason}, ${elapsed()})`);
  for (const line of interesting(output)) process.stdout.write(`        | ${line}\n`);
  process.stdout.write(`        log: ${logFile}\n`);
  return count;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // The runner did not get as far as writing it; the caller counts that as a failure.
    return '';
  }
}

/** The lines that name what failed, or else the last ones. */
function interesting(output: string): string[] {
  const lines = output.trimEnd().split('\n');
  const named = lines.filter((line) => /^\s*(●|✕|\[FAIL|FAIL |×)/.test(line));
  return (named.length > 0 ? named : lines).slice(-SHOWN_LINES);
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { all: { type: 'boolean', default: false } }, strict: true });
  const home = createHome();
  const steps = createSteps(
    (text) => process.stdout.write(text),
    Number(process.env['KEYSTONE_STARTED_AT_MS'] ?? Date.now()),
  );
  let passed = 0;
  let failed = 0;
  for (const step of stepsOf(values.all, home)) {
    const count = await runStep(step, home, steps);
    passed += count.passed;
    failed += count.failed;
  }
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
