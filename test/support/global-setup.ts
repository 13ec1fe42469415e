import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { migrate } from '../../db/migrate.ts';
import { provisionLogins } from '../../db/provision.ts';
import { startAnvil } from '../../dev/anvil.ts';
import { anyFreePort } from '../../dev/ports.ts';
import { startPostgres } from '../../dev/postgres.ts';
import { findTemporal, startTemporal } from '../../dev/temporal-server.ts';
import { databaseUrl, onMaintenanceDatabase } from './database.ts';
import { createRunDirectory, type RunDirectory, removeDeadRuns } from './run-directory.ts';
import { SERVERS_FILE_VARIABLE, TEST_CHAIN_ID, type TestServersFile } from './servers.ts';

/**
 * Starts one PostgreSQL, one Temporal server and one chain for the whole run of jest, on free ports, in a directory of this run.
 * `KEYSTONE_TEST_SERVERS=none` starts nothing, for a run of tests that need no server.
 */
export default async function globalSetup(): Promise<void> {
  await removeDeadRuns();
  if (process.env['KEYSTONE_TEST_SERVERS'] === 'none') return;
  const run = createRunDirectory();
  try {
    const [postgres, temporalAddress, anvilUrl] = await Promise.all([
      startDatabase(run),
      startWorkflowServer(run),
      startChain(run),
    ]);
    const servers: TestServersFile = { ...postgres, temporalAddress, anvilUrl };
    const file = join(run.path, 'servers.json');
    writeFileSync(file, JSON.stringify(servers), { mode: 0o600 });
    process.env[SERVERS_FILE_VARIABLE] = file;
  } catch (error) {
    await run.registry.endLeftovers();
    throw error;
  }
}

/** A line for the person who waits; jest shows standard error of the setup. */
function log(line: string): void {
  process.stderr.write(`[test servers] ${line}\n`);
}

type DatabasePart = Pick<TestServersFile, 'postgresUrl' | 'templateDatabase' | 'passwords'>;

async function startDatabase(run: RunDirectory): Promise<DatabasePart> {
  const postgres = await startPostgres({
    dataDirectory: join(run.path, 'postgres'),
    port: await anyFreePort(),
    logFile: join(run.path, 'postgres.log'),
    log,
    fsync: false,
    onSpawn: run.registry.remember,
  });
  const templateDatabase = 'keystone_template';
  const passwords = { api: randomBytes(16).toString('hex'), worker: randomBytes(16).toString('hex') };
  await onMaintenanceDatabase(postgres.url, `CREATE DATABASE ${templateDatabase}`);
  const template = databaseUrl(postgres.url, templateDatabase);
  await migrate(template);
  await provisionLogins(template, passwords);
  return { postgresUrl: postgres.url, templateDatabase, passwords };
}

async function startWorkflowServer(run: RunDirectory): Promise<string> {
  const binary = await findTemporal({ log });
  const temporal = await startTemporal({
    binary,
    databaseFile: join(run.path, 'temporal.sqlite'),
    port: await anyFreePort(),
    uiPort: 0,
    namespace: 'default',
    headless: true,
    logFile: join(run.path, 'temporal.log'),
    log,
    onSpawn: run.registry.remember,
  });
  return temporal.address;
}

async function startChain(run: RunDirectory): Promise<string> {
  const anvil = await startAnvil({
    port: await anyFreePort(),
    chainId: TEST_CHAIN_ID,
    logFile: join(run.path, 'anvil.log'),
    log,
    onSpawn: run.registry.remember,
  });
  return anvil.url;
}
