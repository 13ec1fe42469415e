import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { createTestDatabase, type TestDatabase } from '../test/support/database.ts';
import { getTestServers, TEST_CHAIN_ID } from '../test/support/servers.ts';
import { createTestProvider } from '../test/support/wallet.ts';
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

  async function rememberBlock(number: number, hash: string, origin: string): Promise<void> {
    await database.worker.transaction({ kind: 'worker' }, (transaction) =>
      transaction.query(
        `INSERT INTO keystone.chain_cursors (chain_id, block_number, block_hash, origin_hash) VALUES ($1, $2, $3, $4)`,
        [TEST_CHAIN_ID, number, hash, origin],
      ),
    );
  }

  it('is recognised by its first block, or by one that is missing or different, and forgotten', async () => {
    const rpcUrl = getTestServers().anvilUrl;
    const provider = createTestProvider();
    const first = (await provider.getBlock(0))?.hash ?? '';
    provider.destroy();
    const other = `0x${'1'.repeat(64)}`;
    expect(await findDiscontinuity(target(), rpcUrl)).toBeUndefined();

    const cases = [
      { number: 0, hash: first, origin: other, problem: 'begins with another block' },
      { number: 1, hash: other, origin: first, problem: 'is not the one that was indexed before' },
      { number: 1_000_000, hash: other, origin: first, problem: 'has no block 1000000' },
      { number: 0, hash: first, origin: first, problem: undefined },
    ];
    for (const { number, hash, origin, problem } of cases) {
      await rememberBlock(number, hash, origin);
      const found = await findDiscontinuity(target(), rpcUrl);
      if (problem === undefined) expect(found).toBeUndefined();
      else expect(found).toContain(problem);
      expect(await forgetChain(target())).toEqual({ openSettlements: 0 });
      expect(await findDiscontinuity(target(), rpcUrl)).toBeUndefined();
    }
  });
});
