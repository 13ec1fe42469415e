import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { run, say, seconds, tail } from './command.ts';
import { layOutProject, movePackagesInside } from './project.ts';

/**
 * Branches of `contracts/src` that the tests take, by `forge coverage`. Without the optimizer, since it moves code away from its lines.
 *
 *   node contracts/verification/coverage.ts
 */

/** Of all branches of all sources. */
const REQUIRED = 0.98;
const LIMIT_MS = 8 * 60_000;

interface FileCoverage {
  readonly file: string;
  readonly branches: number;
  readonly taken: number;
  readonly lines: number;
  readonly executed: number;
  /** Lines with a branch that no test takes. */
  readonly missed: readonly number[];
}

/** Format: https://github.com/linux-test-project/lcov, `geninfo`: SF file, BRDA line,block,branch,taken, DA line,count. */
function parseLcov(text: string): FileCoverage[] {
  return text
    .split('end_of_record')
    .map((record) => {
      const values = (tag: string): string[][] =>
        [...record.matchAll(new RegExp(`^${tag}:(.*)$`, 'gm'))].map(([, value = '']) => value.split(','));
      const branches = values('BRDA');
      const untaken = branches.filter(([, , , count]) => count === '0' || count === '-');
      const lines = values('DA');
      return {
        file: values('SF')[0]?.[0] ?? '',
        branches: branches.length,
        taken: branches.length - untaken.length,
        lines: lines.length,
        executed: lines.filter(([, count]) => count !== '0').length,
        missed: untaken.map(([line]) => Number(line)),
      };
    })
    .filter(({ file }) => file.startsWith('src/'));
}

function percent(part: number, whole: number): string {
  return whole === 0 ? '–' : `${((100 * part) / whole).toFixed(1)} %`;
}

function row({ file, branches, taken, lines, executed, missed }: FileCoverage): string {
  const untaken = missed.length === 0 ? '' : `  not taken: line ${missed.join(', ')}`;
  return `  ${file.padEnd(40)} ${percent(taken, branches).padStart(8)} ${`${taken}/${branches}`.padStart(9)} ${percent(executed, lines).padStart(8)}${untaken}`;
}

/** Measures, prints a line per file, and says whether enough branches are taken. */
export async function checkCoverage(): Promise<{ summary: string; failures: string[] }> {
  const startedAt = performance.now();
  const directory = await mkdtemp(join(tmpdir(), 'keystone-coverage-'));
  try {
    const contracts = await layOutProject(directory, [
      'test/KeystoneTest.sol',
      'test/mocks',
      'test/crosschain',
      'test/unit',
      'test/invariant',
      'snapshots',
    ]);
    await movePackagesInside(contracts);
    const outcome = await run({
      program: 'forge',
      args: ['coverage', '--report', 'lcov', '--report-file', 'lcov.info'],
      directory: contracts,
      // Whether a branch is taken does not depend on how often.
      environment: { FOUNDRY_FUZZ_RUNS: '64', FOUNDRY_INVARIANT_RUNS: '4', FOUNDRY_INVARIANT_DEPTH: '64' },
      limitMs: LIMIT_MS,
    });
    if (outcome.code !== 0)
      throw new Error(`forge coverage failed${outcome.timedOut ? ' (time limit)' : ''}:\n${tail(outcome, 40)}`);
    const files = parseLcov(await readFile(join(contracts, 'lcov.info'), 'utf8'));
    say(`  ${'source'.padEnd(40)} ${'branches'.padStart(8)} ${''.padStart(9)} ${'lines'.padStart(8)}`);
    for (const file of files) say(row(file));
    const sum = (pick: (file: FileCoverage) => number): number => files.reduce((total, file) => total + pick(file), 0);
    const [branches, taken] = [sum((file) => file.branches), sum((file) => file.taken)];
    const failures: string[] = [];
    if (branches === 0) failures.push('no branch was found: the report is not about our sources');
    else if (taken / branches < REQUIRED)
      failures.push(`branch coverage ${percent(taken, branches)} is below ${percent(REQUIRED, 1)}`);
    const summary = `${percent(taken, branches)} of ${branches} branches, ${percent(
      sum((file) => file.executed),
      sum((file) => file.lines),
    )} of lines (${seconds(performance.now() - startedAt)})`;
    return { summary, failures };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const { summary, failures } = await checkCoverage();
  for (const failure of failures) say(failure);
  say(`coverage: ${summary}`);
  process.exitCode = failures.length === 0 ? 0 : 1;
}
