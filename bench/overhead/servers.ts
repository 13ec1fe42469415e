import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { Client } from 'pg';

import { migrate } from '../../db/migrate.ts';
import { createDatabase, type Database } from '../../db/pool.ts';
import { provisionLogins } from '../../db/provision.ts';
import { anyFreePort } from '../../dev/ports.ts';
import { startPostgres } from '../../dev/postgres.ts';
import { findTemporal, startTemporal } from '../../dev/temporal-server.ts';
import { BENCH_LIMITS } from '../limits.ts';
import type { BenchRun } from '../run.ts';

/** One PostgreSQL and one Temporal server for both contestants, with the settings of the development stack and nothing else running. */
export interface OverheadServers {
  readonly ownerUrl: string;
  readonly temporalAddress: string;
  readonly pids: { readonly postgres: number; readonly temporal: number };
  /** Pools of their own, so that their statements are counted apart: the API's part, the worker's part, and the stub of the chain. */
  readonly api: Database;
  readonly worker: Database;
  readonly stub: Database;
  stop(): Promise<void>;
}

/** As many connections as the worker has by default (`DATABASE_POOL_SIZE`). */
const POOL_SIZE = 10;
const DATABASE = 'keystone';

export async function startOverheadServers({ directory, logs, registry, say }: BenchRun): Promise<OverheadServers> {
  const home = join(directory, 'servers');
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  const shared = { log: say, onSpawn: registry.remember };
  const binary = await findTemporal({ log: say });
  const [postgresPort, temporalPort] = [await anyFreePort(), await anyFreePort()];
  const [postgres, temporal] = await Promise.all([
    startPostgres({
      ...shared,
      dataDirectory: join(home, 'postgres'),
      port: postgresPort,
      logFile: join(logs, 'bench-postgres.log'),
    }),
    startTemporal({
      ...shared,
      binary,
      databaseFile: join(home, 'temporal.sqlite'),
      port: temporalPort,
      uiPort: 0,
      headless: true,
      namespace: 'default',
      logFile: join(logs, 'bench-temporal.log'),
    }),
  ]);
  const ownerUrl = await createKeystoneDatabase(postgres.url);
  const passwords = { api: randomBytes(16).toString('hex'), worker: randomBytes(16).toString('hex') };
  const { apiDatabaseUrl, workerDatabaseUrl } = await provisionLogins(ownerUrl, passwords);
  let stopping = false;
  const open = (url: string) =>
    createDatabase({
      url,
      poolSize: POOL_SIZE,
      applicationName: 'keystone-bench',
      // The server ends what is still closing when it stops.
      onError: (error) => stopping || say(`note    an idle database connection broke: ${error.message}`),
    });
  const pools = { api: open(apiDatabaseUrl), worker: open(workerDatabaseUrl), stub: open(workerDatabaseUrl) };
  return {
    ownerUrl,
    temporalAddress: temporal.address,
    pids: { postgres: postgres.pid, temporal: temporal.pid },
    ...pools,
    async stop() {
      stopping = true;
      await Promise.all(Object.values(pools).map((pool) => pool.close()));
      await Promise.all([temporal.stop(), postgres.stop()]);
    },
  };
}

async function createKeystoneDatabase(maintenanceUrl: string): Promise<string> {
  const client = new Client({ connectionString: maintenanceUrl, statement_timeout: BENCH_LIMITS.statementMs });
  await client.connect();
  try {
    await client.query(`CREATE DATABASE ${DATABASE}`);
  } finally {
    await client.end();
  }
  const url = new URL(maintenanceUrl);
  url.pathname = `/${DATABASE}`;
  await migrate(url.toString());
  return url.toString();
}
