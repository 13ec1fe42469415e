import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { type Outcome, run, say, seconds, tail } from './command.ts';
import { applyMutant, constantsByLibrary, type Mutant, mutantsOf } from './mutants.ts';
import { layOutProject } from './project.ts';
import { type AnalysedSources, analyseSources, type Bytecode, compileWith, needsOf } from './solidity.ts';

/**
 * Mutation testing: would the tests notice, if the contracts were wrong? Each mutant is compiled and put before the unit tests, and what they let
 * live before the stateful ones. What no test notices is printed; in a complete run it must
 * be judged in `mutation-survivors.json`, or it fails, and of a sample most have to be noticed.
 *
 *   node contracts/verification/mutate.ts                 a sample, chosen by the sources' hash: other sources, other mutants
 *   node contracts/verification/mutate.ts --all           every mutant (about an hour on two cores)
 *   node contracts/verification/mutate.ts --file Gateway  every mutant of the files whose name contains this
 *   node contracts/verification/mutate.ts --id 0c255cada988 --id 6e7a788d44b3      these, as they were printed
 *
 * forge needs half a minute for a changed source, because every test that imports it is compiled again. So the contract alone is compiled here,
 * and its bytecode replaced in forge's artifacts, from which tests deploy it (`dynamic_test_linking`).
 */

const SURVIVORS = join(import.meta.dirname, 'mutation-survivors.json');
const WORKERS = 2;
const SAMPLE = 36;
const SAMPLE_LIMIT_MS = 200_000;
/**
 * Of a sample, so many have to be noticed: all but one, since a few faults are met by some random inputs and not by others. What was not noticed
 * is printed. A complete run forgives none.
 */
const REQUIRED_SHARE = 0.97;
/** The same random inputs for every mutant, so that a verdict can be repeated. */
const FUZZ_SEED = '0x4b657973746f6e65';
/** Fewer say nothing. */
const LEAST = 8;
const ALL_LIMIT_MS = 3 * 60 * 60_000;
const BUILD_LIMIT_MS = 5 * 60_000;
/** A mutant whose tests run longer loops for ever, which is noticed. */
const TEST_LIMIT_MS = 60_000;

/** INVALID (EIP-141): a constructor that never succeeds. */
const INVALID = 'fe';

/** Contracts that tests deploy, by the source that defines each. */
const CONTRACTS: ReadonlyMap<string, string> = new Map([
  ['src/ComplianceRegistry.sol', 'ComplianceRegistry'],
  ['src/Gateway.sol', 'Gateway'],
  ['src/KeystoneEscrow.sol', 'KeystoneEscrow'],
  ['src/SettlementCoordinator.sol', 'SettlementCoordinator'],
]);
/** What is mutated: those, and everything of ours that is compiled into them. Gas snapshots are no judges: they notice any change at all. */
const SUBJECT = /^src\/(\w+\.sol|libraries\/.*|messaging\/.*)$/;
const SHARED_TESTS = ['test/KeystoneTest.sol', 'test/mocks', 'test/crosschain', 'snapshots'];

type Ring = 'unit' | 'stateful';
const RINGS: Readonly<Record<Ring, readonly string[]>> = {
  unit: [...SHARED_TESTS, 'test/unit'],
  stateful: [...SHARED_TESTS, 'test/invariant'],
};

type Fate = 'killed' | 'survived' | 'does not compile';

interface Judgement {
  readonly id: string;
  readonly where: string;
  readonly mutation: string;
  /** Why no test can notice it, or why none should. */
  readonly reason: string;
}

interface Verdict {
  readonly mutant: Mutant;
  readonly fate: Fate;
}

interface ForgeReport {
  readonly [suite: string]: { readonly test_results: Readonly<Record<string, { readonly status: string }>> };
}

function describe(mutant: Mutant): string {
  const short = (text: string): string => text.replaceAll(/\s+/g, ' ').slice(0, 90);
  return `${mutant.kind}: ${short(mutant.before)} → ${short(mutant.after)}`;
}

/** Without any filter: with one, forge compiles everything first, to see what it would match. */
function forgeTest(contracts: string, limitMs: number): Promise<Outcome> {
  const environment = {
    FOUNDRY_FUZZ_RUNS: '32',
    FOUNDRY_FUZZ_SEED: FUZZ_SEED,
    FOUNDRY_INVARIANT_RUNS: '6',
    FOUNDRY_INVARIANT_DEPTH: '80',
  };
  return run({ program: 'forge', args: ['test', '--json', '--fail-fast'], directory: contracts, environment, limitMs });
}

function firstFailure(outcome: Outcome): string | undefined {
  if (outcome.timedOut) return 'the time limit';
  const start = outcome.stdout.indexOf('{"');
  if (start < 0) throw new Error(`forge failed:\n${tail(outcome)}`);
  const report = JSON.parse(outcome.stdout.slice(start)) as ForgeReport;
  const results = Object.values(report).flatMap((suite) => Object.entries(suite.test_results));
  if (results.length === 0) throw new Error(`forge ran no test:\n${tail(outcome)}`);
  return results.find(([, { status }]) => status === 'Failure')?.[0];
}

/**
 * Compiled projects, one for each worker, in which artifacts can be replaced. Each is compiled where it stands: in a copy forge would compile
 * again what it finds under another path, and judge the first mutant by the right bytecode.
 */
function openWorkshops(directory: string, ring: Ring): Promise<string[]> {
  return Promise.all(
    Array.from({ length: WORKERS }, async (_, worker) => {
      const contracts = await layOutProject(join(directory, `${ring}-${worker}`), RINGS[ring]);
      const failure = firstFailure(await forgeTest(contracts, BUILD_LIMIT_MS));
      // Against failing tests every mutant would look noticed.
      if (failure !== undefined) throw new Error(`${failure} fails without any mutant`);
      // And against tests that do not see the replacement, none.
      const broken = new Map([['SettlementCoordinator', { bytecode: INVALID, deployedBytecode: INVALID }]]);
      if ((await testWith(contracts, broken)) === undefined) throw new Error('the tests do not see the mutants');
      return contracts;
    }),
  );
}

/** Runs the tests with other bytecode, and puts the right one back. */
async function testWith(contracts: string, bytecodes: ReadonlyMap<string, Bytecode>): Promise<string | undefined> {
  const originals = new Map<string, string>();
  try {
    for (const [name, { bytecode, deployedBytecode }] of bytecodes) {
      const path = join(contracts, 'out', 'forge', `${name}.sol`, `${name}.json`);
      const text = await readFile(path, 'utf8');
      originals.set(path, text);
      const artifact = JSON.parse(text) as { bytecode: { object: string }; deployedBytecode: { object: string } };
      artifact.bytecode.object = `0x${bytecode}`;
      artifact.deployedBytecode.object = `0x${deployedBytecode}`;
      await writeFile(path, JSON.stringify(artifact));
    }
    return firstFailure(await forgeTest(contracts, TEST_LIMIT_MS));
  } finally {
    for (const [path, text] of originals) await writeFile(path, text);
  }
}

interface Court {
  judge(mutant: Mutant, worker: number): Promise<Verdict>;
}

async function openCourt(directory: string, analysed: AnalysedSources): Promise<Court> {
  const unit = await openWorkshops(directory, 'unit');
  // Built when the first mutant gets that far, by whoever brings it.
  let stateful: Promise<string[]> | undefined;
  const contractsOf = new Map<string, ReadonlyMap<string, string>>();
  for (const name of analysed.texts.keys()) {
    contractsOf.set(name, new Map([...CONTRACTS].filter(([source]) => needsOf(analysed, source).has(name))));
  }
  return {
    async judge(mutant, worker) {
      const text = applyMutant(analysed.texts.get(mutant.file) ?? '', mutant);
      const contracts = contractsOf.get(mutant.file) ?? new Map<string, string>();
      const bytecodes = compileWith(analysed, { name: mutant.file, text }, contracts);
      if (bytecodes === undefined) return { mutant, fate: 'does not compile' };
      if ((await testWith(unit[worker] ?? '', bytecodes)) !== undefined) return { mutant, fate: 'killed' };
      stateful ??= openWorkshops(directory, 'stateful');
      const failure = await testWith((await stateful)[worker] ?? '', bytecodes);
      return { mutant, fate: failure === undefined ? 'survived' : 'killed' };
    },
  };
}

async function judgeAll(court: Court, mutants: readonly Mutant[], limitMs: number): Promise<Verdict[]> {
  const queue = [...mutants];
  const verdicts: Verdict[] = [];
  const startedAt = performance.now();
  const work = async (worker: number): Promise<void> => {
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
      if (performance.now() - startedAt > limitMs) return;
      const verdict = await court.judge(mutant, worker);
      verdicts.push(verdict);
      if (verdict.fate === 'survived') say(`  survived: ${placeOf(mutant)}`);
      if (verdicts.length % 20 === 0)
        say(`  ${verdicts.length} of ${mutants.length} (${seconds(performance.now() - startedAt)})`);
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, (_, worker) => work(worker)));
  return verdicts;
}

function placeOf(mutant: Mutant): string {
  return `${mutant.id} ${mutant.file}:${mutant.line} ${mutant.where}: ${describe(mutant)}`;
}

function allMutants(analysed: AnalysedSources): { mutants: Mutant[]; seed: string } {
  const members = constantsByLibrary(analysed.asts.values());
  const subjects = [...analysed.texts].filter(([file]) => SUBJECT.test(file));
  const mutants = subjects.flatMap(([file, text]) => {
    const ast = analysed.asts.get(file);
    return ast === undefined ? [] : mutantsOf(file, text, ast, members);
  });
  const hash = createHash('sha256');
  for (const [file, text] of subjects) hash.update(`${file}\0${text}\0`);
  return { mutants, seed: hash.digest('hex').slice(0, 12) };
}

/** The same sources give the same sample; a change anywhere gives another one. */
function sample(mutants: readonly Mutant[], seed: string, size: number): Mutant[] {
  const rank = (mutant: Mutant): string => createHash('sha256').update(`${seed}${mutant.id}`).digest('hex');
  return mutants.toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1)).slice(0, size);
}

export interface MutationOptions {
  readonly all?: boolean;
  readonly file?: string;
  readonly ids?: readonly string[];
  readonly size?: number;
}

/**
 * Judges mutants and compares the survivors with the committed judgements.
 * @returns one line for each survivor that nobody has judged, and for each judgement of a mutant that no longer exists.
 */
export async function checkMutants(options: MutationOptions = {}): Promise<{ summary: string; failures: string[] }> {
  const startedAt = performance.now();
  const analysed = analyseSources();
  const { mutants, seed } = allMutants(analysed);
  const judged = new Map((JSON.parse(readFileSync(SURVIVORS, 'utf8')) as Judgement[]).map((each) => [each.id, each]));
  const complete = options.all === true || options.file !== undefined || options.ids !== undefined;
  const wanted = mutants.filter(
    ({ file, id }) => file.includes(options.file ?? '') && (options.ids?.includes(id) ?? true),
  );
  const chosen = complete ? wanted : sample(wanted, seed, options.size ?? SAMPLE);
  say(`  ${mutants.length} mutants, ${chosen.length} of them now (sample ${seed}); compiling the tests`);

  const directory = await mkdtemp(join(tmpdir(), 'keystone-mutants-'));
  try {
    const verdicts = await judgeAll(
      await openCourt(directory, analysed),
      chosen,
      complete ? ALL_LIMIT_MS : SAMPLE_LIMIT_MS,
    );
    const count = (fate: Fate): number => verdicts.filter((verdict) => verdict.fate === fate).length;
    const survivors = verdicts.filter(({ fate }) => fate === 'survived').map(({ mutant }) => mutant);
    const unjudged = survivors.filter(({ id }) => !judged.has(id));
    const known = new Set(mutants.map(({ id }) => id));
    const valid = verdicts.length - count('does not compile');
    const tolerated = complete ? 0 : Math.floor(valid * (1 - REQUIRED_SHARE));
    const failures = [
      ...(unjudged.length > tolerated ? unjudged.map((mutant) => `nobody noticed ${placeOf(mutant)}`) : []),
      ...[...judged.values()]
        .filter(({ id }) => !known.has(id))
        .map(({ id, where }) => `judged, but gone: ${id} ${where}`),
      ...(verdicts.length < (complete ? chosen.length : Math.min(LEAST, chosen.length))
        ? [`only ${verdicts.length} of ${chosen.length} mutants within the time limit`]
        : []),
    ];
    const summary =
      `${verdicts.length} of ${mutants.length} mutants: ${count('killed')} noticed, ${survivors.length} not ` +
      `(${survivors.length - unjudged.length} judged), ${count('does not compile')} not Solidity (${seconds(performance.now() - startedAt)})`;
    return { summary, failures };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      all: { type: 'boolean', default: false },
      file: { type: 'string' },
      id: { type: 'string', multiple: true },
      size: { type: 'string' },
    },
    strict: true,
  });
  const { summary, failures } = await checkMutants({
    all: values.all,
    ...(values.file === undefined ? {} : { file: values.file }),
    ...(values.id === undefined ? {} : { ids: values.id }),
    ...(values.size === undefined ? {} : { size: Number(values.size) }),
  });
  for (const failure of failures) say(failure);
  say(`mutation: ${summary}`);
  process.exitCode = failures.length === 0 ? 0 : 1;
}
