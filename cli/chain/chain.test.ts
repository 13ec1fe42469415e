import { execFile } from 'node:child_process';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { chainIsHalted } from '../../db/chain-halts.ts';
import { catchUp, FINALITY, type Indexing, startIndexing } from '../../chain/testing/indexing.ts';
import { type LocalChain, START_LIMIT_MS, startLocalChain } from '../../chain/testing/local-chain.ts';
import { mintCall } from '../../chain/testing/mint.ts';

jest.setTimeout(90_000);

const COMMAND = join(import.meta.dirname, '..', 'keystone.mjs');

let local: LocalChain;
let indexing: Indexing;
beforeAll(async () => {
  local = await startLocalChain();
}, START_LIMIT_MS);
afterAll(() => local?.stop());
beforeEach(async () => {
  indexing = await startIndexing(local);
}, START_LIMIT_MS);
afterEach(() => indexing?.close());

function keystone(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const env = { PATH: process.env['PATH'], DATABASE_URL: indexing.database.workerUrl };
    execFile(process.execPath, [COMMAND, 'chain', ...args], { timeout: 60_000, env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}

async function haltChain(): Promise<void> {
  const indexer = indexing.indexer();
  const noise = await local.wallet();
  const hash = await local.send(noise, mintCall(local.tokens.KBOND, noise.address));
  await local.mine(FINALITY);
  await catchUp(indexer);
  await local.rpc('anvil_reorg', [FINALITY + 1, []]);
  await local.rpc('anvil_dropTransaction', [hash]);
  await local.mine(FINALITY);
  for (let round = 0; round < 5; round += 1) await indexer.runOnce().catch(() => undefined); // Its doubts.
  expect(await isHalted()).toBe(true);
}

const isHalted = () =>
  indexing.database.worker.transaction({ kind: 'worker' }, (transaction) => chainIsHalted(transaction, local.chainId));

describe('keystone chain', () => {
  it('lists what is halted, and resumes it through the worker that runs', async () => {
    expect((await keystone('halts')).stdout).toBe('No chain is halted.\n');
    await haltChain();
    expect((await keystone('halts')).stdout).toMatch(
      new RegExp(`Chain ${local.chainId}: reorganised, since .*\\n.*took back`),
    );
    const running = indexing.run({ limits: { haltedPollMs: 50, pollMs: 50 } });
    const resumed = await keystone('resume', String(local.chainId), '--reason', 'three nodes agree', '--by', 'ada');
    expect([resumed.code, resumed.stdout]).toEqual([0, expect.stringContaining('is resumed')]);
    expect(await isHalted()).toBe(false);
    expect(await indexing.query('SELECT resume_requested_by, resume_reason FROM keystone.chain_halts')).toEqual([
      { resume_requested_by: 'operator:ada', resume_reason: 'three nodes agree' },
    ]);
    await running.stop();
  });

  it('says that nobody answers when no worker runs, and keeps the request for the next one', async () => {
    await haltChain();
    const asked = await keystone('resume', String(local.chainId), '--reason', 'three nodes agree', '--wait', '1');
    expect([asked.code, asked.stderr]).toEqual([3, expect.stringContaining('has not resumed')]);
    expect((await indexing.indexer().runOnce()).kind).toBe('resumed');
  });

  it('resumes nothing without a reason, nor a chain that is not halted', async () => {
    expect((await keystone('resume', String(local.chainId))).code).toBe(64);
    const idle = await keystone('resume', String(local.chainId), '--reason', 'why not');
    expect([idle.code, idle.stderr]).toEqual([1, expect.stringContaining('is not halted')]);
  });
});
