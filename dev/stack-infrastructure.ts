import { join } from 'node:path';

import { Client } from 'pg';

import { migrate } from '../db/migrate.ts';
import { provisionLogins } from '../db/provision.ts';
import { startAnvil } from './anvil.ts';
import { type Launch, onSpawn, variable } from './launch.ts';
import { findPort } from './ports.ts';
import { startPostgres } from './postgres.ts';
import { randomHex } from './secrets.ts';
import { findTemporal, registerSearchAttributes, startTemporal } from './temporal-server.ts';

/** PostgreSQL, Temporal and the chain: ours, or what the environment names instead. */

const PREFERRED_PORTS = { postgres: 15_432, temporal: 7_233, temporalUi: 8_233, chain: 8_545 } as const;
const DATABASE_NAME = 'keystone';
const STATEMENT_LIMIT_MS = 30_000;
const DUPLICATE_DATABASE = '42P04';

export interface DatabaseUrls {
  readonly owner: string;
  readonly api: string;
  readonly worker: string;
}

export async function startDatabase(launch: Launch): Promise<DatabaseUrls> {
  const external = variable(launch, 'DATABASE_URL');
  const owner = external ?? (await startEmbeddedDatabase(launch));
  return launch.steps.run(
    'database schema',
    { hint: 'look at the message above; `npm start -- --fresh` forgets the embedded database' },
    async (step) => {
      const applied = await migrate(owner);
      const passwords = {
        api: launch.secrets.get('database-api-password', randomHex),
        worker: launch.secrets.get('database-worker-password', randomHex),
      };
      const urls = await provisionLogins(owner, passwords);
      step.result(applied.length === 0 ? 'up to date' : `${applied.length} migrations`);
      return { owner, api: urls.apiDatabaseUrl, worker: urls.workerDatabaseUrl };
    },
  );
}

function startEmbeddedDatabase(launch: Launch): Promise<string> {
  const logFile = launch.home.log('postgres');
  const hint = 'set DATABASE_URL to a PostgreSQL 18 of yours, or `npm start -- --fresh`';
  return launch.steps.run('PostgreSQL 18', { logFile, hint }, async (step) => {
    const port = await findPort(PREFERRED_PORTS.postgres);
    const server = await launch.supervisor.start('postgres', () =>
      startPostgres({
        dataDirectory: join(launch.home.data, 'postgres'),
        port,
        logFile,
        log: launch.steps.say,
        onSpawn: onSpawn(launch),
      }),
    );
    await createDatabaseOnce(server.url);
    step.result(`127.0.0.1:${port}`);
    const url = new URL(server.url);
    url.pathname = `/${DATABASE_NAME}`;
    return url.toString();
  });
}

async function createDatabaseOnce(maintenanceUrl: string): Promise<void> {
  const client = new Client({ connectionString: maintenanceUrl, statement_timeout: STATEMENT_LIMIT_MS });
  await client.connect();
  try {
    await client.query(`CREATE DATABASE ${DATABASE_NAME}`);
  } catch (error) {
    if ((error as { code?: string }).code !== DUPLICATE_DATABASE) throw error;
  } finally {
    await client.end();
  }
}

export interface TemporalPart {
  readonly address: string;
  readonly namespace: string;
  readonly taskQueue: string;
  readonly uiUrl: string;
}

export async function startWorkflowServer(launch: Launch): Promise<TemporalPart> {
  const namespace = variable(launch, 'TEMPORAL_NAMESPACE') ?? 'default';
  const taskQueue = variable(launch, 'TEMPORAL_TASK_QUEUE') ?? 'keystone';
  const external = variable(launch, 'TEMPORAL_ADDRESS');
  if (external !== undefined) return useExternalTemporal(launch, { address: external, namespace, taskQueue });

  const binary = await launch.steps.run(
    'Temporal binary',
    { hint: 'put `temporal` on PATH, or set TEMPORAL_CLI_PATH or TEMPORAL_ADDRESS' },
    async (step) => {
      const found = await findTemporal({ log: launch.steps.say, onProgress: step.progress });
      step.result(found);
      return found;
    },
  );
  const logFile = launch.home.log('temporal');
  const hint = 'set TEMPORAL_ADDRESS to a server of yours, or `npm start -- --fresh`';
  return launch.steps.run('Temporal server with UI', { logFile, hint }, async (step) => {
    const port = await findPort(PREFERRED_PORTS.temporal);
    const uiPort = await findPort(PREFERRED_PORTS.temporalUi);
    const server = await launch.supervisor.start('temporal', () =>
      startTemporal({
        binary,
        databaseFile: join(launch.home.data, 'temporal', 'temporal.sqlite'),
        port,
        uiPort,
        namespace,
        logFile,
        log: launch.steps.say,
        onSpawn: onSpawn(launch),
      }),
    );
    step.result(`${server.address}, UI ${server.uiUrl}`);
    return { address: server.address, namespace, taskQueue, uiUrl: server.uiUrl };
  });
}

function useExternalTemporal(launch: Launch, target: Omit<TemporalPart, 'uiUrl'>): Promise<TemporalPart> {
  const hint =
    'check TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE; the operator service must be allowed to add search attributes';
  return launch.steps.run('Temporal server (TEMPORAL_ADDRESS)', { hint }, async (step) => {
    const added = await registerSearchAttributes(target);
    step.result(`${target.address}, ${added.length} search attributes added`);
    return { ...target, uiUrl: variable(launch, 'TEMPORAL_UI_URL') ?? '' };
  });
}

export interface ChainPart {
  readonly chainId: number;
  /** For people. */
  readonly name: string;
  readonly rpcUrl: string;
  /** True for a chain that we started ourselves, where accounts can be funded at will. */
  readonly embedded: boolean;
  readonly logFile: string;
}

/** What the test networks with these ids are called. */
const CHAIN_NAMES: Readonly<Record<number, string>> = { 11_155_111: 'Sepolia', 43_113: 'Fuji' };

export interface WantedChain {
  readonly chainId: number;
  /** Position among the chains of the stack; 0 is the coordinator's. */
  readonly index: number;
  /** Node that KEYSTONE_CHAINS names. */
  readonly configuredUrl: string | undefined;
}

export async function startChain(launch: Launch, wanted: WantedChain): Promise<ChainPart> {
  const { chainId } = wanted;
  const name = CHAIN_NAMES[chainId] ?? `chain ${chainId}`;
  // The coordinator's chain keeps the name that it had when it was the only one.
  const process = wanted.index === 0 ? 'anvil' : `anvil-${chainId}`;
  const logFile = launch.home.log(process);
  const external = variable(launch, `RPC_URL_${chainId}`) ?? wanted.configuredUrl;
  if (external !== undefined) {
    // The address may hold a key, so it is not printed.
    launch.steps.say(`ok      EVM: chain ${chainId}, a node that is running already`);
    return { chainId, name, rpcUrl: external, embedded: false, logFile };
  }
  const hint = `set RPC_URL_${chainId} to a node of yours, or \`npm start -- --fresh\``;
  return launch.steps.run(`EVM (anvil) as ${name}`, { logFile, hint }, async (step) => {
    const port = await findPort(PREFERRED_PORTS.chain + wanted.index);
    const server = await launch.supervisor.start(process, () =>
      startAnvil({
        name: process,
        port,
        chainId,
        stateFile: join(launch.home.data, `chain-${chainId}.json`),
        logFile,
        log: launch.steps.say,
        onSpawn: onSpawn(launch),
      }),
    );
    step.result(`chain ${chainId} at ${server.url}`);
    return { chainId, name: `${name} (local)`, rpcUrl: server.url, embedded: true, logFile };
  });
}
