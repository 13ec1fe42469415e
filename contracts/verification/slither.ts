import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { run, say, seconds, tail } from './command.ts';
import { preparePythonTools } from './python-tools.ts';
import { type AnalysedSources, analyseSources } from './solidity.ts';

/**
 * Slither over the contracts, against the committed verdicts of `slither-triage.json`. A finding without a verdict fails, and so does a verdict
 * without a finding: it speaks of code that is gone.
 *
 *   node contracts/verification/slither.ts
 */

const TRIAGE = join(import.meta.dirname, 'slither-triage.json');
const LIMIT_MS = 5 * 60_000;

/** A finding, as far as it matters here. Slither's ids name functions and expressions, not lines, so they survive edits elsewhere. */
interface Finding {
  readonly id: string;
  readonly check: string;
  readonly impact: string;
  readonly description: string;
  readonly elements: readonly { readonly source_mapping: { readonly filename_relative: string } }[];
}

interface Verdict {
  readonly id: string;
  readonly check: string;
  /** Function or variable, for the reader. */
  readonly where: string;
  readonly verdict: 'false positive' | 'intended';
  readonly reason: string;
}

interface Report {
  readonly success: boolean;
  readonly error: string | null;
  readonly results: { readonly detectors?: readonly Finding[] };
}

/**
 * Lays the sources out as a project of their own. forge's build names imported packages once relative and once absolute; slither takes that for
 * two sets of contracts, and loses every finding that goes through a base contract.
 */
async function layOut(directory: string, { texts, output }: AnalysedSources): Promise<void> {
  for (const [name, text] of texts) {
    await mkdir(dirname(join(directory, name)), { recursive: true });
    await writeFile(join(directory, name), text);
  }
  const code = { object: '', sourceMap: '' };
  const contracts = Object.entries(output.contracts).map(([file, byName]) => [
    file,
    Object.fromEntries(
      Object.entries(byName).map(([name, contract]) => [
        name,
        { ...contract, evm: { bytecode: code, deployedBytecode: code } },
      ]),
    ),
  ]);
  const build = {
    id: 'keystone',
    _format: '',
    solcVersion: '0.8.30',
    solcLongVersion: '0.8.30',
    input: { language: 'Solidity', sources: {}, settings: {} },
    output: { sources: output.sources, contracts: Object.fromEntries(contracts) },
  };
  await mkdir(join(directory, 'out', 'build-info'), { recursive: true });
  await writeFile(join(directory, 'out', 'build-info', 'keystone.json'), JSON.stringify(build));
  await writeFile(join(directory, 'foundry.toml'), '[profile.default]\n');
}

/** What slither finds in our own sources, not in the packages that they import. */
async function findings(): Promise<Finding[]> {
  const tools = await preparePythonTools();
  const directory = await mkdtemp(join(tmpdir(), 'keystone-slither-'));
  try {
    await layOut(directory, analyseSources());
    const outcome = await run({
      program: join(tools.bin, 'slither'),
      args: ['.', '--ignore-compile', '--fail-none', '--json', 'report.json'],
      directory,
      path: [tools.bin],
      limitMs: LIMIT_MS,
    });
    const report = join(directory, 'report.json');
    if (outcome.code !== 0 || !existsSync(report)) throw new Error(`slither failed:\n${tail(outcome)}`);
    const { success, error, results } = JSON.parse(readFileSync(report, 'utf8')) as Report;
    if (!success) throw new Error(`slither failed: ${error}`);
    const all = results.detectors ?? [];
    // An empty report comes from a build that slither could not read, not from contracts without block timestamps.
    if (all.length === 0) throw new Error(`slither analysed nothing:\n${tail(outcome)}`);
    return all.filter((finding) =>
      finding.elements.some((element) => element.source_mapping.filename_relative.startsWith('src/')),
    );
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function readTriage(): Verdict[] {
  const verdicts = JSON.parse(readFileSync(TRIAGE, 'utf8')) as Verdict[];
  const unreasoned = verdicts.filter(
    ({ verdict, reason }) => reason.length < 20 || !/^(false positive|intended)$/.test(verdict),
  );
  if (unreasoned.length > 0) throw new Error(`verdicts without a reason: ${unreasoned.map(({ id }) => id).join(', ')}`);
  return verdicts;
}

/**
 * Compares slither's findings with the verdicts.
 * @returns one line for each difference; none when every finding is judged and every verdict is needed.
 */
export async function checkSlither(): Promise<{ summary: string; failures: string[] }> {
  const startedAt = performance.now();
  const found = await findings();
  const verdicts = new Map(readTriage().map((verdict) => [verdict.id, verdict]));
  const unjudged = found.filter(({ id }) => !verdicts.has(id));
  const seen = new Set(found.map(({ id }) => id));
  const stale = [...verdicts.values()].filter(({ id }) => !seen.has(id));
  const failures = [
    ...unjudged.map(({ id, check, impact, description }) => `new: ${check} (${impact}) ${id}\n${description.trim()}`),
    ...stale.map(({ id, check, where }) => `no longer found: ${check} ${where} ${id}`),
  ];
  const summary = `${found.length} findings, ${found.length - unjudged.length} judged, ${unjudged.length} new (${seconds(performance.now() - startedAt)})`;
  return { summary, failures };
}

if (import.meta.main) {
  const { summary, failures } = await checkSlither();
  for (const failure of failures) say(failure);
  say(`slither: ${summary}`);
  process.exitCode = failures.length === 0 ? 0 : 1;
}
