/**
 * Prints what a settlement costs: every scenario that `test/gas` measures, beside published and measured numbers of comparable systems.
 *
 * It builds the contracts, runs the gas tests against the deployed bytes, and fails when one drifts more than 2 % from the committed
 * numbers in `snapshots/`. `FORGE_SNAPSHOT_EMIT=true npm run gas` accepts new numbers.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { buildContracts, CONTRACT_NAMES, loadArtifact } from './build.ts';

const CONTRACTS = import.meta.dirname;
const FORGE = join(CONTRACTS, '..', 'node_modules', '.bin', 'forge');
/** A compilation by the wasm compiler and the tests themselves. */
const FORGE_MS = 240_000;
/** EIP-170. */
const CODE_LIMIT_BYTES = 24_576;
const LIFE = ['create', 'attestBatch of 4', 'advance', 'deposit', 'last deposit and execution'] as const;
/** A prototype of this design with every guard, solc 0.8.30, 200 optimiser runs; thousands of gas. Handlers without LayerZero's part. */
const PROTOTYPE: Readonly<Record<string, number>> = {
  create: 222,
  attest: 40.6,
  'attestBatch of 4': 75.4,
  advance: 41.3,
  transition: 38,
  deposit: 80.5,
  'last deposit and execution': 127,
  timeout: 33,
  'timeout and refund of one leg': 64.4,
  'OPEN handler': 49,
  'PREPARED handler, which decides': 17,
  'EXECUTE handler': 12,
  'EXECUTED handler, which finalizes': 14,
  'remote execute, one leg': 68,
};
const LIFE_LIMIT = 546;
const LIFE_WANTED = 500;
const COMPARISON = [
  ['the prototype of this design, legacy pipeline / via-IR', '546 / 530'],
  ['PV01 DvP V1: two flows, no compliance, no commitments', '514'],
  ['a straight implementation of the published description', '1,120'],
] as const;

type Snapshot = Readonly<Record<string, number>>;

/** Runs the gas tests; their output is shown only when they fail. */
function measure(): void {
  const run = spawnSync(FORGE, ['test', '--match-path', 'test/gas/*'], {
    cwd: CONTRACTS,
    encoding: 'utf8',
    timeout: FORGE_MS,
    env: { ...process.env, FOUNDRY_TEST: 'test/gas' },
  });
  if (run.status === 0) return;
  process.stdout.write(`${run.stdout ?? ''}${run.stderr ?? ''}\n`);
  throw new Error('the gas tests failed: a step drifted more than 2 % from contracts/snapshots, or did not run');
}

function readSnapshot(group: string): Snapshot {
  const stored: Record<string, string> = JSON.parse(
    readFileSync(join(CONTRACTS, 'snapshots', `${group}.json`), 'utf8'),
  );
  return Object.fromEntries(Object.entries(stored).map(([name, gas]) => [name, Number(gas)]));
}

function thousands(gas: number): string {
  return (gas / 1000).toFixed(1);
}

function row(name: string, here: string, other: string): string {
  return `  ${name.padEnd(58)}${here.padStart(9)}${other.padStart(12)}`;
}

function lifeOf(snapshot: Snapshot): number {
  return LIFE.reduce((sum, step) => sum + (snapshot[step] ?? Number.NaN), 0);
}

async function sizes(): Promise<string[]> {
  const lines = CONTRACT_NAMES.map(async (name) => {
    const bytes = ((await loadArtifact(name)).deployedBytecode.length - 2) / 2;
    if (bytes > CODE_LIMIT_BYTES)
      throw new Error(`${name} has ${bytes} bytes of code; EIP-170 allows ${CODE_LIMIT_BYTES}`);
    return row(name, String(bytes), `${Math.round((100 * bytes) / CODE_LIMIT_BYTES)} %`);
  });
  return Promise.all(lines);
}

/** The whole table as text. */
async function renderTable(): Promise<string> {
  const settlement = readSnapshot('settlement');
  const crossChain = readSnapshot('cross-chain');
  const life = lifeOf(settlement);
  const steps = (snapshot: Snapshot): string[] =>
    Object.entries(snapshot).map(([name, gas]) => row(name, thousands(gas), String(PROTOTYPE[name] ?? '')));
  return [
    'Thousands of gas per transaction, deployed bytes (via-IR, 10,000 optimiser runs), approvals not counted',
    '',
    row('one chain, two legs', 'here', 'prototype'),
    ...steps(settlement),
    row('whole life: create to execution', thousands(life), String(LIFE_LIMIT)),
    '',
    row('two chains, without fees of real verifiers', 'here', 'prototype'),
    ...steps(crossChain),
    '',
    'Whole life elsewhere',
    ...COMPARISON.map(([name, gas]) => row(name, '', gas)),
    `  limit ${LIFE_LIMIT}, wanted ${LIFE_WANTED}: ${life <= LIFE_WANTED * 1000 ? 'reached' : `${thousands(life - LIFE_WANTED * 1000)} above what is wanted`}`,
    '',
    row('code size', 'bytes', 'of EIP-170'),
    ...(await sizes()),
    '',
  ].join('\n');
}

if (import.meta.main) {
  await buildContracts({ onProgress: (line) => process.stderr.write(`${line}\n`) });
  measure();
  process.stdout.write(await renderTable());
  if (lifeOf(readSnapshot('settlement')) > LIFE_LIMIT * 1000) {
    process.stderr.write(`the whole life is above its limit of ${LIFE_LIMIT}k gas\n`);
    process.exitCode = 1;
  }
}
