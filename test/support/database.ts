import { randomBytes } from 'node:crypto';

import { Client } from 'pg';

import { createDatabase, type Database } from '../../db/pool.ts';
import { readServersFile } from './servers.ts';

const CONNECT_LIMIT_MS = 5_000;
/** A copy takes about 0.1 s, but many test files may ask at once. */
const COPY_LIMIT_MS = 60_000;
const POOL_SIZE = 5;

export interface TestDatabase {
  /** Connection strings of the owner, of keystone_api and of keystone_worker. */
  readonly ownerUrl: string;
  readonly apiUrl: string;
  readonly workerUrl: string;
  readonly api: Database;
  readonly worker: Database;
  /** Closes both pools and removes the database, whoever is still connected. */
  drop(): Promise<void>;
}

/** A database of its own for one test file: migrated, provisioned, without rows. Call `drop` in `afterAll`. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const servers = readServersFile();
  const name = `test_${randomBytes(8).toString('hex')}`;
  await onMaintenanceDatabase(servers.postgresUrl, `CREATE DATABASE ${name} TEMPLATE ${servers.templateDatabase}`);
  const ownerUrl = databaseUrl(servers.postgresUrl, name);
  const apiUrl = databaseUrl(servers.postgresUrl, name, { user: 'keystone_api', password: servers.passwords.api });
  const workerUrl = databaseUrl(servers.postgresUrl, name, {
    user: 'keystone_worker',
    password: servers.passwords.worker,
  });
  const api = open(apiUrl);
  const worker = open(workerUrl);
  return {
    ownerUrl,
    apiUrl,
    workerUrl,
    api,
    worker,
    async drop() {
      await Promise.all([api.close(), worker.close()]);
      await onMaintenanceDatabase(servers.postgresUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    },
  };
}

function open(url: string): Database {
  // Errors of idle connections come when a test stops or drops the database; the query that needs one fails by itself.
  return createDatabase({ url, poolSize: POOL_SIZE, applicationName: 'keystone-test', onError: () => undefined });
}

/** The same server, another database, and another login if given. */
export function databaseUrl(ownerUrl: string, database: string, login?: { user: string; password: string }): string {
  const url = new URL(ownerUrl);
  url.pathname = `/${database}`;
  if (login !== undefined) {
    url.username = login.user;
    url.password = encodeURIComponent(login.password);
  }
  return url.toString();
}

/** Runs one statement outside of a transaction, as CREATE and DROP DATABASE want it. */
export async function onMaintenanceDatabase(url: string, statement: string): Promise<void> {
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_LIMIT_MS,
    query_timeout: COPY_LIMIT_MS,
  });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
