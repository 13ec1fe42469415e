import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

import { type Outcome, run, say, seconds } from './command.ts';
import { layOutProject } from './project.ts';
import { preparePythonTools } from './python-tools.ts';

/**
 * Proves what `proofs/*.proof.sol` states, with halmos: symbolic execution of the compiled contracts. A test runs on some inputs; a proof holds
 * for all of them, or shows the input for which it does not. Nothing passes silently: a missing tool, a proof that did not run, a path that
 * was cut off and a proof all of whose paths revert are failures.
 *
 *   node contracts/verification/prove.ts
 */

const PROOFS = join(import.meta.dirname, 'proofs');
const LIMIT_MS = 8 * 60_000;
/** Loops of the proved code run over at most eight legs; halmos reports a path that would need more. */
const LOOP_BOUND = 9;
/** Lines of halmos that say something; its progress display is a line for each tenth of a second. */
const TELLING = /PASS|FAIL|ERROR|WARNING|Counterexample|^ +p_|rror/;

interface Result {
  readonly name: string;
  readonly exitcode: number;
  readonly num_models: number;
  readonly num_bounded_loops: number;
}

interface Report {
  readonly test_results: Readonly<Record<string, readonly Result[]>>;
}

/** Names of the proofs in the sources, as `Contract.function`. */
function statedProofs(): string[] {
  return readdirSync(PROOFS)
    .filter((name) => name.endsWith('.sol'))
    .flatMap((name) => {
      const text = readFileSync(join(PROOFS, name), 'utf8');
      let contract = '';
      return [...text.matchAll(/^contract (\w+)|^ {4}function (check_\w+)/gm)].flatMap(([, opened, proof]) => {
        if (opened !== undefined) contract = opened;
        return proof === undefined ? [] : [`${contract}.${proof}`];
      });
    });
}

function readResults(path: string): Map<string, Result> {
  const report = JSON.parse(readFileSync(path, 'utf8')) as Report;
  const results = new Map<string, Result>();
  for (const [contract, proofs] of Object.entries(report.test_results)) {
    const name = contract.slice(contract.indexOf(':') + 1);
    for (const proof of proofs) results.set(`${name}.${proof.name.slice(0, proof.name.indexOf('('))}`, proof);
  }
  return results;
}

function tellingLines({ stdout, stderr }: Outcome): string {
  const lines = `${stdout}\n${stderr}`
    .split('\n')
    .map((line) => stripVTControlCharacters(line).replaceAll(/. Parsing \S+/g, ''));
  return lines
    .filter((line) => TELLING.test(line))
    .slice(-60)
    .join('\n');
}

/** Runs every proof; one line for each that does not hold, was cut off, or did not run. */
export async function checkProofs(): Promise<{ summary: string; failures: string[] }> {
  const startedAt = performance.now();
  const tools = await preparePythonTools();
  const directory = await mkdtemp(join(tmpdir(), 'keystone-proofs-'));
  try {
    const contracts = await layOutProject(directory, ['verification/proofs']);
    const report = join(directory, 'report.json');
    const outcome = await run({
      program: join(tools.bin, 'halmos'),
      args: [
        '--root',
        '.',
        '--forge-build-out',
        'out/proofs',
        '--loop',
        String(LOOP_BOUND),
        '--solver',
        'yices',
      ].concat(['--solver-timeout-assertion', '120s', '--no-status', '--json-output', report]),
      directory: contracts,
      environment: {
        FOUNDRY_SRC: 'verification/proofs',
        FOUNDRY_TEST: 'verification/proofs',
        FOUNDRY_OUT: 'out/proofs',
        FOUNDRY_CACHE_PATH: 'cache/proofs',
        // Its placeholders would have to be deployed by a cheat code that halmos does not have.
        FOUNDRY_DYNAMIC_TEST_LINKING: 'false',
      },
      path: [tools.bin],
      limitMs: LIMIT_MS,
    });
    let results: Map<string, Result>;
    try {
      results = readResults(report);
    } catch (error) {
      throw new Error(
        `halmos did not get as far as a report${outcome.timedOut ? ' in time' : ''}:\n${tellingLines(outcome)}`,
        {
          cause: error,
        },
      );
    }
    const stated = statedProofs();
    const failures = stated.flatMap((name) => {
      const result = results.get(name);
      if (result === undefined) return [`did not run: ${name}`];
      if (result.exitcode !== 0) return [`not proved: ${name}`];
      return result.num_bounded_loops > 0 ? [`proved only up to ${LOOP_BOUND} rounds of a loop: ${name}`] : [];
    });
    if (outcome.code !== 0 && failures.length === 0) failures.push(`halmos ended with ${outcome.code}`);
    if (failures.length > 0) failures.push(tellingLines(outcome));
    const proved = stated.length - failures.filter((line) => /^(did not|not|proved)/.test(line)).length;
    return { summary: `${proved} of ${stated.length} proved (${seconds(performance.now() - startedAt)})`, failures };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const { summary, failures } = await checkProofs();
  for (const failure of failures) say(failure);
  say(`proofs: ${summary}`);
  process.exitCode = failures.length === 0 ? 0 : 1;
}
