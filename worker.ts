import { readFileSync } from 'node:fs';

import { Client, Connection } from '@temporalio/client';
import {
  bundleWorkflowCode,
  NativeConnection,
  Runtime,
  Worker,
  type WorkerOptions,
  type WorkflowBundleOption,
} from '@temporalio/worker';
import { type Logger, pino } from 'pino';

import { createSettlementActivities } from './activities/create-activities.ts';
import { createSettlementChains } from './activities/create-chains.ts';
import { createDepositInfoReader } from './activities/deposit-info.ts';
import { createOutboxRelay } from './activities/outbox-relay.ts';
import { parseAllowedPrivateRanges } from './activities/webhooks/address-policy.ts';
import { createDeliveryActivities } from './activities/webhooks/delivery-activities.ts';
import { webhookTaskQueue } from './activities/webhooks/delivery-contract.ts';
import { createWebhookDispatcher } from './activities/webhooks/dispatch.ts';
import { createWebhookSender } from './activities/webhooks/send.ts';
import { createDeliveryStarter } from './activities/webhooks/start-delivery.ts';
import { createBalanceWatcher } from './chain/balances.ts';
import { runSweeps } from './chain/run-sweeps.ts';
import { createIndexer } from './chain/indexer.ts';
import { createJournal, type Journal, type JournalEvent } from './chain/journal.ts';
import { createChain, type IndexedChain, type NodeEvent } from './chain/provider.ts';
import { createSigners } from './chain/signers/index.ts';
import { createProvidersFromEnvironment } from './compliance/providers.ts';
import { createDatabase, type Database } from './db/pool.ts';
import {
  parseConfiguration,
  type SignerRole,
  type WorkerConfiguration,
  workerConfigurationSchema,
} from './domain/configuration.ts';
import { signingKeyFromSeed } from './keystone/keys.ts';

/** The worker: wires dependencies, runs until it is told to stop, nothing else. */

/** For two cores (reference measurements); scale by more processes. Times in milliseconds unless they say otherwise. */
const LIMITS = {
  settlementActivities: 100,
  deliveryActivities: 50,
  cachedWorkflows: 500,
  shutdownGrace: '10s',
  shutdownForce: '15s',
  stickyQueue: '5s',
} as const;

const MS_PER_SECOND = 1_000;

async function main(): Promise<void> {
  const configuration = parseConfiguration(workerConfigurationSchema, process.env);
  const log = pino({ level: configuration.LOG_LEVEL, base: { process: 'worker' } });
  installRuntime(log);
  const database = createDatabase({
    url: configuration.DATABASE_URL,
    poolSize: configuration.DATABASE_POOL_SIZE,
    applicationName: 'keystone-worker',
    onError: (error) => log.warn({ err: error }, 'an idle database connection broke'),
  });
  const { chains, home, accounts, settlementChains } = await openChains(configuration, database, log);
  const address = configuration.TEMPORAL_ADDRESS;
  const [connection, native] = await Promise.all([
    Connection.connect({ address }),
    NativeConnection.connect({ address }),
  ]);
  const client = new Client({ connection, namespace: configuration.TEMPORAL_NAMESPACE });
  const sender = createWebhookSender({
    allowedPrivateRanges: parseAllowedPrivateRanges(configuration.WEBHOOK_ALLOWED_PRIVATE_RANGES),
  });
  const activities = createSettlementActivities({
    database,
    chains: settlementChains,
    providers: createProvidersFromEnvironment(process.env),
    signingKey: signingKeyFromSeed(readFileSync(configuration.KEYSTONE_SIGNING_KEY_FILE, 'utf8').trim()),
    identity: configuration.KEYSTONE_IDENTITY,
    log,
    limits: {
      messageOverdueMs: configuration.MESSAGE_OVERDUE_SECONDS * MS_PER_SECOND,
      messageResendMs: configuration.MESSAGE_RESEND_SECONDS * MS_PER_SECOND,
    },
  });
  const workers = await createWorkers(
    configuration,
    native,
    { ...activities },
    { ...createDeliveryActivities({ database, sender }) },
  );
  const stopping = new AbortController();
  const taskQueue = configuration.TEMPORAL_TASK_QUEUE;
  const loops = [
    createOutboxRelay({ database, client, taskQueue, log }).run(stopping.signal),
    createWebhookDispatcher({
      database,
      sender,
      log,
      ...createDeliveryStarter({ client, taskQueue }),
      depositInfoFor: createDepositInfoReader({ database, coordinator: home }),
    }).run(stopping.signal),
    runSweeps(
      accounts.map(({ journal }) => journal),
      log,
      stopping.signal,
    ),
    createBalanceWatcher({ database, accounts: accounts.map(watched), log }).run(stopping.signal),
    ...chains.map((chain) =>
      createIndexer({ database, chain, configuration: chain.configuration, log }).start(stopping.signal),
    ),
  ];
  await runUntilStopped(workers, loops, stopping, log);
  for (const chain of chains) chain.close();
  await Promise.all([connection.close(), native.close(), database.close()]);
}

/** A signer on one of the chains that it pays on. */
interface Account {
  readonly role: SignerRole;
  readonly chain: IndexedChain;
  readonly journal: Journal;
}

function watched({ role, chain, journal }: Account) {
  return { chain, role, address: journal.address };
}

/** One client for each chain, one journal for each signer on each chain that it pays on. */
async function openChains(configuration: WorkerConfiguration, database: Database, log: Logger) {
  const chains = configuration.KEYSTONE_CHAINS.map((chain) =>
    createChain(chain, {
      onNodeEvent: (event) => log[NODE_EVENT_LEVELS[event.kind]](event, `node event: ${event.kind}`),
    }),
  );
  await Promise.all(chains.map((chain) => chain.checkChainId()));
  const home = chains.find((chain) => chain.kind === 'coordinator');
  if (home === undefined) throw new Error('KEYSTONE_CHAINS names no coordinator chain');
  const signers = await createSigners(configuration);
  const account = (role: SignerRole, chain: IndexedChain): Account => ({
    role,
    chain,
    journal: createJournal({
      database,
      chain,
      signer: signers[role],
      onEvent: (event) => log[JOURNAL_EVENT_LEVELS[event.kind] ?? 'info'](event, `transaction ${event.kind}`),
    }),
  });
  const [engine, oracle, relayer] = [account('engine', home), account('oracle', home), account('relayer', home)];
  const remotes = chains
    .filter((chain) => chain.kind === 'remote')
    .map((chain) => ({ chain, relayer: account('relayer', chain) }));
  const settlementChains = createSettlementChains({
    home: { chain: home, engine: engine.journal, oracle: oracle.journal, relayer: relayer.journal },
    remotes: remotes.map(({ chain, relayer }) => ({ chain, relayer: relayer.journal })),
  });
  const accounts = [engine, oracle, relayer, ...remotes.map((remote) => remote.relayer)];
  return { chains, home, accounts, settlementChains };
}

/** What does not go as it should; everything else is the usual course. */
const JOURNAL_EVENT_LEVELS: Partial<Record<JournalEvent['kind'], 'warn' | 'error'>> = {
  without_funds: 'error',
  nonce_lost: 'error',
  stuck: 'warn',
  fee_capped: 'warn',
  refused: 'warn',
};

/** Nodes that contradict each other stop a chain, and only a person can tell which of them is right. */
const NODE_EVENT_LEVELS = {
  node_down: 'warn',
  node_up: 'info',
  wrong_chain: 'error',
  disagreement: 'error',
  agreement: 'info',
} as const satisfies Record<NodeEvent['kind'], keyof Logger>;

async function createWorkers(
  configuration: WorkerConfiguration,
  connection: NativeConnection,
  settlementActivities: object,
  deliveryActivities: object,
): Promise<Worker[]> {
  const workflowBundle = await bundleOf(configuration.WORKFLOW_BUNDLE_FILE);
  const shared: Omit<WorkerOptions, 'taskQueue'> = {
    connection,
    workflowBundle,
    namespace: configuration.TEMPORAL_NAMESPACE,
    shutdownGraceTime: LIMITS.shutdownGrace,
    shutdownForceTime: LIMITS.shutdownForce,
  };
  const taskQueue = configuration.TEMPORAL_TASK_QUEUE;
  return Promise.all([
    Worker.create({
      ...shared,
      taskQueue,
      activities: settlementActivities,
      maxConcurrentActivityTaskExecutions: LIMITS.settlementActivities,
      maxCachedWorkflows: LIMITS.cachedWorkflows,
      stickyQueueScheduleToStartTimeout: LIMITS.stickyQueue,
    }),
    Worker.create({
      ...shared,
      taskQueue: webhookTaskQueue(taskQueue),
      activities: deliveryActivities,
      maxConcurrentActivityTaskExecutions: LIMITS.deliveryActivities,
      maxCachedWorkflows: LIMITS.cachedWorkflows,
    }),
  ]);
}

/** Ahead of time if there is one; else bundled here, once for both queues. */
async function bundleOf(file: string | undefined): Promise<WorkflowBundleOption> {
  if (file !== undefined) return { codePath: file };
  const workflowsPath = new URL('./workflows/index.ts', import.meta.url).pathname;
  return bundleWorkflowCode({ workflowsPath, logger: Runtime.instance().logger });
}

/** Ends when a signal asks for it, or when any part ends by itself, which none should: the supervisor then starts the process anew. */
async function runUntilStopped(
  workers: Worker[],
  loops: Promise<void>[],
  stopping: AbortController,
  log: Logger,
): Promise<void> {
  const stop = () => stopping.abort();
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  stopping.signal.addEventListener('abort', () => {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  });
  const parts = [...workers.map((worker) => worker.run()), ...loops].map((part) => part.finally(stop));
  log.info({ parts: parts.length }, 'worker is up');
  const failed = (await Promise.allSettled(parts)).find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/** Temporal's core logs through pino as well; once per process, before the first connection. */
function installRuntime(log: Logger): void {
  const levels = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;
  const at = (level: keyof typeof levels) => (message: string, fields?: Record<string, unknown>) =>
    log[levels[level]]({ ...fields }, message);
  Runtime.install({
    logger: {
      log: (level, message, fields) => at(level)(message, fields),
      trace: at('TRACE'),
      debug: at('DEBUG'),
      info: at('INFO'),
      warn: at('WARN'),
      error: at('ERROR'),
    },
    shutdownSignals: [],
  });
}

main().catch((error: unknown) => {
  // The logger may be what failed; standard error always works.
  console.error(error instanceof Error ? error.stack : error);
  process.exitCode = 1;
});
