import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { createTestDatabase, type TestDatabase } from '../test/support/database.ts';
import { getTestServers, TEST_CHAIN_ID } from '../test/support/servers.ts';
import { findDiscontinuity, forgetChain } from './chain-continuity.ts';
import { PLATFORM_SCOPES, type Seed, seedPlatforms } from './seed-platforms.ts';

const SEED: Seed = {
  issuer: 'http://127.0.0.1:1',
  platforms: [
    { slug: 'platform-a', name: 'Platform A', clientId: 'a' },
    { slug: 'platform-b', name: 'Platform B', clientId: 'b' },
  ],
  operatorClientId: 'operator',
};

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});

afterAll(() => database.drop());

function authenticate(clientId: string, issuer = SEED.issuer): Promise<Record<string, unknown>[]> {
  return database.api.transaction(
    { kind: 'tenant', environmentId: '00000000-0000-4000-8000-000000000000' },
    (transaction) => transaction.query('SELECT * FROM keystone.authenticate_client($1, $2)', [issuer, clientId]),
  );
}

describe('the platforms of the development stack', () => {
  it('are the same after a second start, also under an issuer that moved', async () => {
    await seedPlatforms(database.ownerUrl, SEED);
    const [first] = await authenticate('a');
    await seedPlatforms(database.ownerUrl, SEED);
    await seedPlatforms(database.ownerUrl, { ...SEED, issuer: 'http://127.0.0.1:2' });
    expect(await authenticate('a')).toEqual([first]);
    expect(await authenticate('a', 'http://127.0.0.1:2')).toEqual([first]);
    expect(first).toMatchObject({
      platform_slug: 'platform-a',
      environment_slug: 'development',
      scopes: [...PLATFORM_SCOPES],
    });
  });

  it('may not decide compliance; the operator may, and belongs to no platform', async () => {
    await seedPlatforms(database.ownerUrl, SEED);
    const [platform] = await authenticate('b');
    const [operator] = await authenticate('operator');
    expect(platform?.['scopes']).not.toContain('compliance:decide');
    expect(operator).toMatchObject({ kind: 'operator', environment_id: null });
    expect(operator?.['scopes']).toContain('compliance:decide');
  });
});

describe('a chain that is not the one that was indexed', () => {
  const target = () => ({ ownerDatabaseUrl: database.ownerUrl, chainId: TEST_CHAIN_ID });

  async function rememberBlock(number: number, hash: string): Promise<void> {
    await database.worker.transaction({ kind: 'worker' }, (transaction) =>
      transaction.query(
        `INSERT INTO keystone.chain_cursors (chain_id, block_number, block_hash, origin_hash) VALUES ($1, $2, $3, $3)`,
        [TEST_CHAIN_ID, number, hash],
      ),
    );
  }

  it('is recognised by a block that is missing or different, and forgotten', async () => {
    const rpcUrl = getTestServers().anvilUrl;
    expect(await findDiscontinuity(target(), rpcUrl)).toBeUndefined();

    await rememberBlock(0, `0x${'1'.repeat(64)}`);
    expect(await findDiscontinuity(target(), rpcUrl)).toContain('is not the one that was indexed before');
    expect(await forgetChain(target())).toEqual({ openSettlements: 0 });
    expect(await findDiscontinuity(target(), rpcUrl)).toBeUndefined();

    await rememberBlock(1_000_000, `0x${'1'.repeat(64)}`);
    expect(await findDiscontinuity(target(), rpcUrl)).toContain('has no block 1000000');
    await forgetChain(target());
    expect(await findDiscontinuity(target(), rpcUrl)).toBeUndefined();
  });
});
