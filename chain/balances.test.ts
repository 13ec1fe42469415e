import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { parseEther } from 'ethers';

import { listBalances, recordBalance, type SignerBalance } from '../db/signer-balances.ts';
import { createTestDatabase, type TestDatabase } from '../test/support/database.ts';
import { createBalanceWatcher, type PayingAccount } from './balances.ts';
import { createChain } from './provider.ts';
import { type BareChain, startBareChain } from './testing/bare-chain.ts';
import { START_LIMIT_MS } from './testing/local-chain.ts';

jest.setTimeout(30_000);

let local: BareChain;
let database: TestDatabase;
beforeAll(async () => {
  [local, database] = await Promise.all([startBareChain(), createTestDatabase()]);
}, START_LIMIT_MS);
afterAll(async () => {
  await Promise.all([local?.stop(), database?.drop()]);
});

interface Line {
  readonly level: 'info' | 'warn' | 'error';
  readonly fields: object;
}

function setUp(accounts: readonly PayingAccount[]) {
  const lines: Line[] = [];
  const at = (level: Line['level']) => (fields: object) => lines.push({ level, fields });
  const watcher = createBalanceWatcher({
    database: database.worker,
    accounts,
    log: { info: at('info'), warn: at('warn'), error: at('error') },
    limits: { balanceCheckMs: 20, lowBalanceWei: parseEther('0.5') },
  });
  return { watcher, lines };
}

const newAccount = (): string => `0x${randomBytes(20).toString('hex')}`;
const stored = async (signer: string): Promise<SignerBalance | undefined> =>
  (await database.worker.transaction({ kind: 'worker' }, listBalances)).find((row) => row.signer === signer);

describe('a signer', () => {
  it('that falls below the limit is told once, and once more when it has recovered', async () => {
    const address = newAccount();
    await local.fund(address, parseEther('1'));
    const { watcher, lines } = setUp([{ chain: local.chain, role: 'relayer', address }]);
    expect(await watcher.check()).toEqual([]);
    await local.fund(address, parseEther('0.4'));
    await watcher.check();
    await watcher.check();
    expect(lines).toEqual([
      {
        level: 'error',
        fields: {
          event: 'signer_balance_low',
          chainId: local.chain.chainId,
          role: 'relayer',
          signer: address,
          balanceWei: parseEther('0.4').toString(),
          limitWei: parseEther('0.5').toString(),
        },
      },
    ]);
    expect(await stored(address)).toMatchObject({ low: true, balance_wei: parseEther('0.4').toString() });
    await local.fund(address, parseEther('0.5'));
    await watcher.check();
    await watcher.check();
    expect(lines.map(({ level }) => level)).toEqual(['error', 'info']);
    expect(await stored(address)).toMatchObject({ low: false, role: 'relayer' });
  });

  it('that is low at the first look is told, by one of the processes that look at once', async () => {
    const address = newAccount();
    const watchers = [1, 2, 3, 4].map(() => setUp([{ chain: local.chain, role: 'engine', address }]));
    await Promise.all(watchers.map(({ watcher }) => watcher.check()));
    expect(watchers.flatMap(({ lines }) => lines)).toHaveLength(1);
  });

  it('is seen to cross the limit by one of two processes, however their looks interleave', async () => {
    const seen = { chainId: 1, signer: newAccount(), role: 'engine', balanceWei: 1n, low: true } as const;
    const look = (linger: () => Promise<void>) =>
      database.worker.transaction({ kind: 'worker' }, async (transaction) => {
        const wasLow = await recordBalance(transaction, seen);
        await linger();
        return wasLow;
      });
    let second: Promise<boolean | undefined> | undefined;
    const first = await look(async () => {
      second = look(() => Promise.resolve());
      await sleep(200);
    });
    expect([first, await second]).toEqual([undefined, true]);
  });

  it('has the limit of its chain', async () => {
    const address = newAccount();
    await local.fund(address, 10n);
    const chain = createChain({ ...local.configuration, low_balance_wei: '10' });
    const { watcher, lines } = setUp([{ chain, role: 'oracle', address }]);
    await watcher.check();
    expect(lines).toEqual([]);
    await local.fund(address, 9n);
    await watcher.check();
    expect(lines).toHaveLength(1);
    chain.close();
  });

  it('is watched although another one’s chain does not answer, until the loop is stopped', async () => {
    const address = newAccount();
    const away = createChain({ ...local.configuration, chain_id: 5, rpc_urls: ['http://127.0.0.1:9/secret-key'] });
    const { watcher, lines } = setUp([
      { chain: away, role: 'relayer', address },
      { chain: local.chain, role: 'relayer', address },
    ]);
    const stop = new AbortController();
    const running = watcher.run(stop.signal);
    for (let look = 0; look < 100 && !lines.some(({ level }) => level === 'error'); look += 1) {
      await sleep(20);
    }
    stop.abort();
    await running;
    expect(lines.filter(({ level }) => level === 'error')).toHaveLength(1);
    const warning = lines.find(({ level }) => level === 'warn')?.fields as { err: Error } | undefined;
    expect(warning?.err).toMatchObject({ code: 'chain_unavailable' });
    expect(`${String(warning?.err)} ${String(warning?.err.cause)}`).not.toContain('secret-key');
    away.close();
  });
});
