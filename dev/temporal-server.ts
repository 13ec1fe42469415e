import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

import { Connection } from '@temporalio/client';

import { SEARCH_ATTRIBUTES } from '../domain/workflow-contract.ts';
import { type OnSpawn, type RunningProcess, startProcess, waitUntilReady } from './processes.ts';
import { temporalVersion } from './temporal-binary.ts';

export { registerSearchAttributes } from '../deploy/temporal-namespace.ts';
export { findTemporal } from './temporal-binary.ts';

/** The Temporal development server with its UI, on a database file. */

const LIMITS = { startMs: 60_000, callMs: 5_000, stopMs: 15_000 } as const;

/** The server's one history shard otherwise looks at its queues 20 times a second, which costs every workflow step up to 50 ms. */
const DYNAMIC_CONFIGURATION = {
  'history.transferProcessorMaxPollRPS': '2000',
  'history.timerProcessorMaxPollRPS': '2000',
  'history.visibilityProcessorMaxPollRPS': '500',
  'system.enableActivityEagerExecution': 'true',
  // Would ask the internet.
  'frontend.enableServerVersionCheck': 'false',
} as const;

/** Names of the types on the command line of the server. */
const ATTRIBUTE_FLAGS = { KEYWORD: 'Keyword', KEYWORD_LIST: 'KeywordList', BOOL: 'Bool' } as const;

export interface TemporalOptions {
  /** Path from `findTemporal`. */
  readonly binary: string;
  /** SQLite file; kept across restarts. */
  readonly databaseFile: string;
  readonly port: number;
  /** Ignored when headless. */
  readonly uiPort: number;
  readonly namespace: string;
  readonly logFile: string;
  readonly log: (line: string) => void;
  readonly onSpawn?: OnSpawn;
  /** Without the UI, for tests. */
  readonly headless?: boolean;
}

export interface RunningTemporal extends RunningProcess {
  /** host:port of the gRPC frontend. */
  readonly address: string;
  readonly uiUrl: string;
}

/** Starts the server and waits until namespace and search attributes are there. @throws Error that names the log. */
export async function startTemporal(options: TemporalOptions): Promise<RunningTemporal> {
  mkdirSync(dirname(options.databaseFile), { recursive: true });
  await forgetForeignDatabase(options);
  const server = await startProcess({
    name: 'temporal',
    command: options.binary,
    args: serverArguments(options),
    environment: { PATH: process.env['PATH'], HOME: process.env['HOME'], TZ: 'UTC' },
    logFile: options.logFile,
    onSpawn: options.onSpawn,
    stopSignal: 'SIGTERM',
    stopLimitMs: LIMITS.stopMs,
  });
  const address = `127.0.0.1:${options.port}`;
  await waitUntilReady(server, () => isReady(address, options.namespace), LIMITS.startMs);
  return { ...server, address, uiUrl: options.headless === true ? '' : `http://127.0.0.1:${options.uiPort}` };
}

function serverArguments(options: TemporalOptions): string[] {
  const ui = options.headless === true ? ['--headless'] : ['--ui-ip', '127.0.0.1', '--ui-port', String(options.uiPort)];
  const groups = [
    ['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(options.port), '--namespace', options.namespace],
    ui,
    [
      '--db-filename',
      options.databaseFile,
      '--sqlite-pragma',
      'journal_mode=WAL',
      '--sqlite-pragma',
      'synchronous=NORMAL',
    ],
    ['--log-level', 'warn', '--log-format', 'json'],
    ...Object.entries(DYNAMIC_CONFIGURATION).map(([name, value]) => ['--dynamic-config-value', `${name}=${value}`]),
    ...Object.entries(SEARCH_ATTRIBUTES).map(([name, type]) => [
      '--search-attribute',
      `${name}=${ATTRIBUTE_FLAGS[type]}`,
    ]),
  ];
  return groups.flat();
}

/** The server creates its schema only in a new file, so a file of another version would fail in obscure ways later. */
async function forgetForeignDatabase(options: TemporalOptions): Promise<void> {
  const versionFile = `${options.databaseFile}.version`;
  const version = await temporalVersion(options.binary);
  const known = existsSync(versionFile) ? readFileSync(versionFile, 'utf8') : undefined;
  if (existsSync(options.databaseFile) && known !== version) {
    options.log(
      `the Temporal database was made by another version (${known ?? 'unknown'}, now ${version}): it starts empty`,
    );
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${options.databaseFile}${suffix}`, { force: true });
  }
  writeFileSync(versionFile, version);
}

/** True when the namespace answers and knows our search attributes. */
async function isReady(address: string, namespace: string): Promise<boolean> {
  let connection: Connection | undefined;
  try {
    connection = await Connection.connect({ address, connectTimeout: LIMITS.callMs });
    const open = connection;
    const known = await open.withDeadline(Date.now() + LIMITS.callMs, () =>
      open.operatorService.listSearchAttributes({ namespace }),
    );
    return Object.keys(SEARCH_ATTRIBUTES).every((name) => known.customAttributes[name] !== undefined);
  } catch {
    // Not yet: the caller asks again until its time limit.
    return false;
  } finally {
    await connection?.close();
  }
}
