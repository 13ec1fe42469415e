import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';

import { getTestServers } from '../test/support/servers.ts';
import { startAnvil } from './anvil.ts';
import { anyFreePort, findPort, isPortFree } from './ports.ts';
import { startPostgres } from './postgres.ts';
import { isAlive, type ProcessRecord } from './processes.ts';
import { findTemporal, registerSearchAttributes, startTemporal } from './temporal-server.ts';

const CHAIN_ID = 31_338;
const LIMIT_MS = 60_000;

let directory: string;
let lines: string[];
let spawned: ProcessRecord[];

beforeEach(() => {
  // Only for its owner, like a checkout below root's home: PostgreSQL must start there although it runs as another user.
  directory = mkdtempSync(join(tmpdir(), 'keystone-servers-'));
  chmodSync(directory, 0o700);
  lines = [];
  spawned = [];
});

afterEach(() => {
  for (const record of spawned) if (isAlive(record)) process.kill(record.pid, 'SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

function common(name: string) {
  return {
    logFile: join(directory, `${name}.log`),
    log: (line: string) => {
      lines.push(line);
    },
    onSpawn: (record: ProcessRecord) => {
      spawned.push(record);
    },
  };
}

async function query<Row extends object>(url: string, sql: string): Promise<Row[]> {
  const client = new Client({ connectionString: url, statement_timeout: 5_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function call<Result>(url: string, method: string, params: readonly unknown[] = []): Promise<Result> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    signal: AbortSignal.timeout(5_000),
  });
  return ((await response.json()) as { result: Result }).result;
}

describe('PostgreSQL', () => {
  it(
    'that survived its launcher is taken over, with its data',
    async () => {
      const dataDirectory = join(directory, 'postgres');
      const first = await startPostgres({ dataDirectory, port: await anyFreePort(), ...common('postgres') });
      await query(first.url, 'CREATE TABLE kept AS SELECT 1 AS number');
      const second = await startPostgres({ dataDirectory, port: await anyFreePort(), ...common('postgres') });
      expect(lines).toEqual([expect.stringContaining(`left behind (pid ${first.pid})`)]);
      expect(first.hasExited()).toBe(true);
      expect(await query(second.url, 'SELECT number FROM kept')).toEqual([{ number: 1 }]);
      await second.stop();
    },
    LIMIT_MS,
  );

  it(
    'comes back after kill -9 although its lock file names a pid that is another process by now',
    async () => {
      const dataDirectory = join(directory, 'postgres');
      const first = await startPostgres({ dataDirectory, port: await anyFreePort(), ...common('postgres') });
      await query(first.url, 'CREATE TABLE kept AS SELECT 1 AS number');
      process.kill(first.pid, 'SIGKILL');
      await first.exited;
      const lockFile = join(dataDirectory, 'postmaster.pid');
      // A process of the same OS user: of another user's process the server would see by itself that it is no server.
      const [stranger] = await query<{ pid: number }>(
        getTestServers().postgresUrl,
        `SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'`,
      );
      writeFileSync(lockFile, readFileSync(lockFile, 'utf8').replace(/^\d+/, String(stranger?.pid)));
      const second = await startPostgres({ dataDirectory, port: await anyFreePort(), ...common('postgres') });
      expect(await query(second.url, 'SELECT number FROM kept')).toEqual([{ number: 1 }]);
      await second.stop();
    },
    LIMIT_MS,
  );

  it(
    'listens on loopback only, wants scram passwords and syncs its commits',
    async () => {
      const server = await startPostgres({
        dataDirectory: join(directory, 'postgres'),
        port: await anyFreePort(),
        ...common('postgres'),
      });
      const settings = await query(
        server.url,
        `SELECT name, setting FROM pg_settings WHERE name IN ('listen_addresses', 'fsync', 'password_encryption', 'unix_socket_directories') ORDER BY name`,
      );
      expect(settings).toEqual([
        { name: 'fsync', setting: 'on' },
        { name: 'listen_addresses', setting: '127.0.0.1' },
        { name: 'password_encryption', setting: 'scram-sha-256' },
        { name: 'unix_socket_directories', setting: '' },
      ]);
      const wrong = new URL(server.url);
      wrong.password = 'wrong';
      await expect(query(wrong.toString(), 'SELECT 1')).rejects.toThrow('password authentication failed');
      await server.stop();
    },
    LIMIT_MS,
  );
});

describe('the local chain', () => {
  it(
    'keeps its blocks when it is killed',
    async () => {
      const stateFile = join(directory, 'chain.json');
      const first = await startAnvil({ port: await anyFreePort(), chainId: CHAIN_ID, stateFile, ...common('anvil') });
      const accounts = await call<string[]>(first.url, 'eth_accounts');
      const hash = await call<string>(first.url, 'eth_sendTransaction', [
        { from: accounts[0], to: accounts[1], value: '0x1' },
      ]);
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      process.kill(first.pid, 'SIGKILL');
      await first.exited;
      const second = await startAnvil({ port: await anyFreePort(), chainId: CHAIN_ID, stateFile, ...common('anvil') });
      const receipt = await call<{ status: string } | null>(second.url, 'eth_getTransactionReceipt', [hash]);
      expect(receipt?.status).toBe('0x1');
      await second.stop();
      expect(lines).toEqual([]);
    },
    LIMIT_MS,
  );

  it(
    'has the same first block and the time of day after each restart',
    async () => {
      const stateFile = join(directory, 'chain.json');
      const firstBlocks: string[] = [];
      for (let start = 0; start < 4; start += 1) {
        const server = await startAnvil({
          port: await anyFreePort(),
          chainId: CHAIN_ID,
          stateFile,
          ...common('anvil'),
        });
        // Two more blocks, so that the newest one was mined after the start.
        await new Promise((resolve) => setTimeout(resolve, 2_500));
        const first = await call<{ hash: string }>(server.url, 'eth_getBlockByNumber', ['0x0', false]);
        const newest = await call<{ timestamp: string }>(server.url, 'eth_getBlockByNumber', ['latest', false]);
        firstBlocks.push(first.hash);
        expect(Math.abs(Date.now() / 1000 - Number(newest.timestamp))).toBeLessThan(3);
        process.kill(server.pid, start % 2 === 0 ? 'SIGKILL' : 'SIGTERM');
        await server.exited;
        await new Promise((resolve) => setTimeout(resolve, 1_500));
      }
      expect(new Set(firstBlocks).size).toBe(1);
    },
    LIMIT_MS,
  );

  it(
    'starts afresh from a state file that was cut short, says so and keeps the file',
    async () => {
      const stateFile = join(directory, 'chain.json');
      const first = await startAnvil({ port: await anyFreePort(), chainId: CHAIN_ID, stateFile, ...common('anvil') });
      await first.stop();
      truncateSync(stateFile, 100);
      const second = await startAnvil({ port: await anyFreePort(), chainId: CHAIN_ID, stateFile, ...common('anvil') });
      expect(lines).toEqual([expect.stringContaining('damaged')]);
      expect(existsSync(`${stateFile}.broken`)).toBe(true);
      await second.stop();
    },
    LIMIT_MS,
  );
});

describe('Temporal', () => {
  it(
    'forgets a database that another version made, and says so',
    async () => {
      const databaseFile = join(directory, 'temporal.sqlite');
      writeFileSync(databaseFile, 'not a database');
      writeFileSync(`${databaseFile}.version`, 'temporal version 0.1.0');
      const server = await startTemporal({
        binary: await findTemporal({ log: () => undefined }),
        databaseFile,
        port: await anyFreePort(),
        uiPort: 0,
        namespace: 'default',
        headless: true,
        ...common('temporal'),
      });
      expect(lines).toEqual([expect.stringContaining('made by another version (temporal version 0.1.0')]);
      await server.stop();
    },
    LIMIT_MS,
  );

  it('of somebody else gets our search attributes; asking again, and twice at once, changes nothing', async () => {
    const target = { address: getTestServers().temporalAddress, namespace: 'default' };
    expect(await Promise.all([registerSearchAttributes(target), registerSearchAttributes(target)])).toEqual([[], []]);
  });

  it('is not looked for any further when TEMPORAL_CLI_PATH names something that does not work', async () => {
    const before = process.env['TEMPORAL_CLI_PATH'];
    process.env['TEMPORAL_CLI_PATH'] = join(directory, 'missing');
    try {
      await expect(findTemporal({ log: () => undefined })).rejects.toThrow(
        'TEMPORAL_CLI_PATH does not name a usable temporal binary',
      );
    } finally {
      if (before === undefined) delete process.env['TEMPORAL_CLI_PATH'];
      else process.env['TEMPORAL_CLI_PATH'] = before;
    }
  });
});

describe('a port', () => {
  it('is given to one of several parts that look at once', async () => {
    const wanted = await anyFreePort();
    const found = await Promise.all([1, 2, 3, 4, 5].map(() => findPort(wanted + 1)));
    expect(new Set(found).size).toBe(5);
  });

  it('moves when it is taken', async () => {
    const taken = Number(new URL(getTestServers().anvilUrl).port);
    const found = await findPort(taken);
    expect(found).not.toBe(taken);
    expect(await isPortFree(found)).toBe(true);
  });
});
