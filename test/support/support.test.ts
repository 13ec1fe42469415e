import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Connection } from '@temporalio/client';
import type { JsonRpcProvider } from 'ethers';

import { createTestDatabase, type TestDatabase } from './database.ts';
import { getTestServers, TEST_CHAIN_ID } from './servers.ts';
import { createFundedWallet, createTestProvider } from './wallet.ts';

function count(database: TestDatabase): Promise<number> {
  return database.worker.transaction({ kind: 'worker' }, async (transaction) => {
    const rows = await transaction.query<{ total: string }>('SELECT count(*)::text AS total FROM keystone.audit_log');
    return Number(rows[0]?.total);
  });
}

describe('the servers of a test run', () => {
  let first: TestDatabase;
  let second: TestDatabase;
  let provider: JsonRpcProvider;

  beforeAll(async () => {
    [first, second] = await Promise.all([createTestDatabase(), createTestDatabase()]);
    provider = createTestProvider();
  });

  afterAll(async () => {
    provider.destroy();
    await Promise.all([first.drop(), second.drop()]);
  });

  it('give each test file a migrated database of its own', async () => {
    await first.worker.transaction({ kind: 'worker' }, async (transaction) => {
      await transaction.query(
        `INSERT INTO keystone.audit_log (actor, action, resource_type, resource_id) VALUES ('system:test', 'probe', 'probe', 'one')`,
      );
    });
    expect(await count(first)).toBe(1);
    expect(await count(second)).toBe(0);
  });

  it('log the API in as a role that owns nothing and is not a superuser', async () => {
    const role = await first.api.transaction({ kind: 'operator' }, (transaction) =>
      transaction.query(
        `SELECT rolsuper, rolbypassrls, session_user::text AS login FROM pg_roles WHERE rolname = session_user`,
      ),
    );
    expect(role).toEqual([{ rolsuper: false, rolbypassrls: false, login: 'keystone_api' }]);
  });

  it('have a Temporal server that knows our search attributes', async () => {
    const connection = await Connection.connect({ address: getTestServers().temporalAddress });
    const known = await connection.operatorService.listSearchAttributes({ namespace: 'default' });
    await connection.close();
    expect(Object.keys(known.customAttributes)).toEqual(
      expect.arrayContaining(['SettlementState', 'SettlementPlatforms', 'SettlementNeedsAttention']),
    );
  });

  it('have a chain that mines and gives a test file a wallet with funds', async () => {
    const wallet = await createFundedWallet(provider);
    const sent = await wallet.sendTransaction({ to: wallet.address, value: 1n });
    const receipt = await sent.wait(1, 10_000);
    expect(receipt?.status).toBe(1);
    expect((await provider.getNetwork()).chainId).toBe(BigInt(TEST_CHAIN_ID));
  });
});
