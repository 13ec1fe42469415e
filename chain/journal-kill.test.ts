import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, expect, it } from '@jest/globals';

import { createTestDatabase, type TestDatabase } from '../test/support/database.ts';
import type { Work } from './testing/journal-process.ts';
import { type LocalChain, START_LIMIT_MS, startLocalChain } from './testing/local-chain.ts';
import { countMints } from './testing/mint.ts';

const KILLS = 22;
const INTENTS_PER_LIFE = 4;
/** Longest life of a process before it is killed: start-up takes about 300 ms here, its work about as long. */
const LIFE_MS = 1_200;
const LAST_LIFE_LIMIT_MS = 60_000;
const TEST_LIMIT_MS = 180_000;
const PROCESS = fileURLToPath(new URL('./testing/journal-process.ts', import.meta.url));

let local: LocalChain;
let database: TestDatabase;
beforeAll(async () => {
  [local, database] = await Promise.all([startLocalChain({ blockTimeSeconds: 1 }), createTestDatabase()]);
}, START_LIMIT_MS);
afterAll(async () => {
  await Promise.all([local?.stop(), database?.drop()]);
});

function startProcess(work: Work): ChildProcess {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', PROCESS], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin?.end(JSON.stringify(work));
  return child;
}

it(
  `every effect happens exactly once and nonces have no gap, although the process is killed ${KILLS} times`,
  async () => {
    const signer = await local.wallet();
    const intents: { settlementId: string; recipient: string }[] = [];
    const work = (): Work => ({
      databaseUrl: database.workerUrl,
      configuration: local.configuration,
      privateKey: signer.privateKey,
      token: local.tokens.KBOND,
      intents,
    });
    let killedAtWork = 0;
    for (let kill = 0; kill < KILLS; kill += 1) {
      for (let index = 0; index < INTENTS_PER_LIFE; index += 1) {
        intents.push({ settlementId: randomUUID(), recipient: `0x${randomBytes(20).toString('hex')}` });
      }
      const child = startProcess(work());
      await sleep(randomInt(LIFE_MS));
      if (child.kill('SIGKILL')) killedAtWork += 1;
      await once(child, 'close');
    }
    const last = startProcess(work());
    const [code] = (await once(last, 'close', { signal: AbortSignal.timeout(LAST_LIFE_LIMIT_MS) })) as [number | null];
    expect(code).toBe(0);
    // The oracle is the chain: our tables would repeat our own mistake.
    const counts = await countMints(local, local.tokens.KBOND);
    expect(intents.map((intent) => counts.get(intent.recipient))).toEqual(intents.map(() => 1));
    expect(counts.size).toBe(intents.length);
    expect(await local.chain.transactionCount(signer.address, 'latest')).toBe(intents.length);
    const signed = await database.worker.transaction({ kind: 'worker' }, (transaction) =>
      transaction.query<{ nonce: number }>('SELECT nonce FROM keystone.chain_transactions ORDER BY nonce'),
    );
    expect(signed.map((row) => row.nonce)).toEqual(intents.map((_, index) => index));
    expect(killedAtWork).toBeGreaterThanOrEqual(KILLS - 2);
  },
  TEST_LIMIT_MS,
);
