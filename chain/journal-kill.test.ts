import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, expect, it } from '@jest/globals';

import { createTestDatabase, type TestDatabase } from '../test/support/database.ts';
import { type BareChain, startBareChain } from './testing/bare-chain.ts';
import type { Work } from './testing/journal-process.ts';
import { START_LIMIT_MS } from './testing/local-chain.ts';
import { countMints } from './testing/mint.ts';

const KILLS = 22;
/** Some lives end by themselves, when a block comes early and everything is done. */
const KILLED_AT_WORK = 16;
const INTENTS_PER_LIFE = 4;
/** One of them becomes senseless while it waits. */
const FICKLE_INDEX = 3;
/** Longest life of a process before it is killed: start-up takes about 300 ms here, a block comes every two seconds. */
const LIFE_MS = 1_800;
const LAST_LIFE_LIMIT_MS = 90_000;
const TEST_LIMIT_MS = 240_000;
const PROCESS = fileURLToPath(new URL('./testing/journal-process.ts', import.meta.url));

interface Version {
  readonly id: number;
  readonly nonce: number;
  readonly status: string;
  readonly is_cancel: boolean;
  readonly replaces: number | null;
  readonly fee: string;
  readonly tip: string;
}

let local: BareChain;
let database: TestDatabase;
beforeAll(async () => {
  [local, database] = await Promise.all([startBareChain({ blockTimeSeconds: 2 }), createTestDatabase()]);
}, START_LIMIT_MS);
afterAll(async () => {
  await Promise.all([local?.stop(), database?.drop()]);
});

/** A process at work, and its end: one that ends by itself would otherwise be waited for in vain. */
interface Life {
  readonly child: ChildProcess;
  readonly closed: Promise<unknown[]>;
}

function startProcess(work: Work): Life {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', PROCESS], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  child.stdin?.end(JSON.stringify(work));
  return { child, closed };
}

const readVersions = (): Promise<Version[]> =>
  database.worker.transaction({ kind: 'worker' }, (transaction) =>
    transaction.query<Version>(
      `SELECT id, nonce, status, is_cancel, replaces, max_fee_per_gas AS fee, max_priority_fee_per_gas AS tip
       FROM keystone.chain_transactions ORDER BY id`,
    ),
  );

/** Both caps of every replacement are at least 10 % above what it replaces. */
function assertBumps(versions: readonly Version[]): void {
  const byId = new Map(versions.map((version) => [version.id, version]));
  for (const version of versions) {
    const before = version.replaces === null ? undefined : byId.get(version.replaces);
    if (before === undefined) continue;
    expect(BigInt(version.fee) * 10n).toBeGreaterThanOrEqual(BigInt(before.fee) * 11n);
    expect(BigInt(version.tip) * 10n).toBeGreaterThanOrEqual(BigInt(before.tip) * 11n);
  }
}

it(
  `every effect happens exactly once and nonces have no gap, although the process is killed ${KILLS} times with replacements and cancellations in flight`,
  async () => {
    const signer = await local.wallet();
    const intents: { settlementId: ReturnType<typeof randomUUID>; recipient: string; fickle: boolean }[] = [];
    const work = (): Work => ({
      databaseUrl: database.workerUrl,
      configuration: local.configuration,
      privateKey: signer.privateKey,
      token: local.token,
      intents,
    });
    let killedAtWork = 0;
    for (let kill = 0; kill < KILLS; kill += 1) {
      for (let index = 0; index < INTENTS_PER_LIFE; index += 1) {
        intents.push({
          settlementId: randomUUID(),
          recipient: `0x${randomBytes(20).toString('hex')}`,
          fickle: index === FICKLE_INDEX,
        });
      }
      const { child, closed } = startProcess(work());
      await sleep(randomInt(LIFE_MS));
      if (child.kill('SIGKILL')) killedAtWork += 1;
      await closed;
    }
    const last = startProcess(work());
    const overdue = setTimeout(() => last.child.kill('SIGKILL'), LAST_LIFE_LIMIT_MS);
    const [code] = await last.closed;
    clearTimeout(overdue);
    expect(code).toBe(0);

    // The oracle is the chain: our tables would repeat our own mistake.
    const counts = await countMints(local, local.token);
    const wanted = intents.filter((intent) => !intent.fickle);
    expect(wanted.map((intent) => counts.get(intent.recipient))).toEqual(wanted.map(() => 1));
    const fickle = intents.filter((intent) => intent.fickle).map((intent) => counts.get(intent.recipient) ?? 0);
    expect(Math.max(...fickle)).toBeLessThanOrEqual(1);
    expect(counts.size).toBe(wanted.length + fickle.filter((count) => count === 1).length);

    const versions = await readVersions();
    const nonces = [...new Set(versions.map((version) => version.nonce))].toSorted((a, b) => a - b);
    expect(nonces).toEqual(nonces.map((_, index) => index));
    expect(await local.chain.transactionCount(signer.address, 'latest')).toBe(nonces.length);
    const settled = versions.filter((version) => version.status !== 'replaced');
    expect(settled.map((version) => version.nonce).toSorted((a, b) => a - b)).toEqual(nonces);
    assertBumps(versions);

    const replaced = versions.filter((version) => version.replaces !== null && !version.is_cancel).length;
    const cancelled = versions.filter((version) => version.is_cancel).length;
    console.info(
      `${nonces.length} nonces, ${replaced} replacements, ${cancelled} cancellations, ${killedAtWork} kills`,
    );
    // Otherwise the test has not tested what it says.
    expect(replaced).toBeGreaterThan(KILLS / 4);
    expect(cancelled).toBeGreaterThan(0);
    expect(killedAtWork).toBeGreaterThanOrEqual(KILLED_AT_WORK);
  },
  TEST_LIMIT_MS,
);
