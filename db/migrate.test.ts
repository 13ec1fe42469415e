import { randomBytes } from 'node:crypto';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';

import { databaseUrl, onMaintenanceDatabase } from '../test/support/database.ts';
import { getTestServers } from '../test/support/servers.ts';
import { migrate } from './migrate.ts';

const STARTERS = 5;
const name = `migrate_${randomBytes(6).toString('hex')}`;
let url: string;

beforeAll(async () => {
  const { postgresUrl } = getTestServers();
  await onMaintenanceDatabase(postgresUrl, `CREATE DATABASE ${name}`);
  url = databaseUrl(postgresUrl, name);
});
afterAll(() => onMaintenanceDatabase(getTestServers().postgresUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));

describe('migrations', () => {
  it('run once when five processes start at the same time, and all five go on', async () => {
    const applied = await Promise.all(Array.from({ length: STARTERS }, () => migrate(url)));
    const working = applied.filter((names) => names.length > 0);
    expect(working).toHaveLength(1);
    const client = new Client({ connectionString: url });
    await client.connect();
    const { rows } = await client.query<{ name: string }>('SELECT name FROM keystone_migrations ORDER BY id');
    await client.end();
    expect(rows.map((row) => row.name)).toEqual(working[0]);
  }, 30_000);

  it('find nothing to do afterwards', async () => {
    expect(await migrate(url)).toEqual([]);
  });
});
