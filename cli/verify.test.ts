import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fixture from '../keystone/testing/packs.ts';
import * as cross from '../keystone/testing/cross-chain.ts';
import { type SimulatedChain, simulatedChain, simulatedChains } from '../keystone/testing/simulated-chain.ts';
import { at, mutable, relink } from '../keystone/testing/forgery.ts';

const COMMAND = join(import.meta.dirname, 'keystone.mjs');
const TIMEOUT_MS = 60_000;

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

let folder = '';
let server: Server;
let url = '';
let homeUrl = '';
let remoteUrl = '';
const file = (name: string): string => join(folder, name);

function keystone(...args: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const env = { ...process.env, KEYSTONE_HOME: folder, NO_COLOR: '1' };
    execFile(
      process.execPath,
      [COMMAND, ...args],
      { timeout: TIMEOUT_MS, env, cwd: folder },
      (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
      },
    );
  });
}

const hex = (value: number): string => `0x${value.toString(16)}`;

/** The chain that is asked for by the first part of the address. */
const CHAINS: Readonly<Record<string, () => SimulatedChain>> = {
  one: () => simulatedChain(),
  home: () => simulatedChains().home,
  remote: () => simulatedChains().remote,
};

/** A simulated chain in the clothes of a JSON-RPC node. */
async function answer(chain: string, method: string, params: readonly unknown[]): Promise<unknown> {
  const { reader } = (CHAINS[chain] ?? simulatedChain)();
  const [first] = params;
  switch (method) {
    case 'eth_chainId':
      return `0x${(await reader.chainId()).toString(16)}`;
    case 'eth_getCode':
      return reader.getCode(String(first));
    case 'eth_call':
      return reader.call(first as { to: string; data: string });
    case 'eth_getBlockByNumber': {
      const block = await reader.getBlock(first === 'finalized' ? first : Number(first));
      return block === undefined
        ? null
        : { number: hex(block.number), hash: block.hash, timestamp: hex(block.timestamp_s) };
    }
    case 'eth_getTransactionReceipt': {
      const receipt = await reader.getTransactionReceipt(String(first));
      return receipt === undefined
        ? null
        : {
            ...receipt,
            blockNumber: hex(receipt.blockNumber),
            status: '0x1',
            logs: receipt.logs.map((log) => ({ ...log, logIndex: hex(log.logIndex) })),
          };
    }
    default:
      return null;
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keystone-cli-'));
  const settlement = fixture.settlementPack();
  const forged = mutable(settlement);
  at(forged, 'protocols', 'dvp:seller', 'decision_object')['verdict'] = 'DENY';
  await writeFile(file('trusted-keys.json'), JSON.stringify(fixture.trusted()));
  await writeFile(file('other-keys.json'), JSON.stringify(fixture.trusted(fixture.testKey('9'))));
  await writeFile(file('settlement.json'), JSON.stringify(settlement, null, 2));
  await writeFile(file('cross-keys.json'), JSON.stringify(cross.trusted()));
  await writeFile(file('cross.json'), JSON.stringify(cross.crossChainPack()));
  await writeFile(file('payment.json'), JSON.stringify(fixture.paymentPack()));
  await writeFile(file('forged.json'), JSON.stringify(relink(forged)));
  await writeFile(file('other.json'), '{"hello":"world"}');
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      const { id, method, params } = JSON.parse(body) as { id: number; method: string; params: unknown[] };
      const [, chain = ''] = (request.url ?? '').split('/');
      answer(chain, method, params).then(
        (result) => response.end(JSON.stringify({ jsonrpc: '2.0', id, result })),
        (error: unknown) => response.end(JSON.stringify({ id, error: { code: -32000, message: String(error) } })),
      );
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  url = `${origin}/one/access-key-of-the-node`;
  homeUrl = `${origin}/home/access-key-of-the-node`;
  remoteUrl = `${origin}/remote/access-key-of-the-node`;
}, TIMEOUT_MS);

afterAll(async () => {
  await new Promise((resolve) => {
    server.close(resolve);
  });
  await rm(folder, { recursive: true });
});

describe('keystone verify', () => {
  it(
    'valid packs exit 0, with every check on a line and what was not checked',
    async () => {
      const { code, stdout } = await keystone('verify', file('settlement.json'), file('payment.json'));
      expect(code).toBe(0);
      expect(stdout).toContain('✓ settlement_ref == sha256:JCS(settlement_attestation)');
      expect(stdout).toContain('Not checked:');
      expect(stdout.match(/✓ valid \(strict\)/g)).toHaveLength(2);
    },
    TIMEOUT_MS,
  );

  it(
    'a forged pack exits 1 and names the check, also among valid ones and foreign files',
    async () => {
      const { code, stdout } = await keystone(
        'verify',
        file('settlement.json'),
        file('other.json'),
        file('forged.json'),
      );
      expect(code).toBe(1);
      expect(stdout).toContain('✗ [dvp:seller] decision verdict is ALLOW');
    },
    TIMEOUT_MS,
  );

  it.each([
    ['a foreign file', 'other.json'],
    ['an absent file', 'absent.json'],
  ])(
    '%s exits 2',
    async (_what, name) => {
      expect((await keystone('verify', file(name))).code).toBe(2);
    },
    TIMEOUT_MS,
  );

  it(
    'unpinned keys exit 1, and --json says why in a form for machines',
    async () => {
      const { code, stdout } = await keystone(
        'verify',
        file('settlement.json'),
        '--keys',
        file('other-keys.json'),
        '--json',
      );
      const { exit_code, results } = JSON.parse(stdout) as {
        exit_code: number;
        results: { checks: { name: string; status: string }[] }[];
      };
      expect([code, exit_code]).toEqual([1, 1]);
      expect(results[0]?.checks.filter((check) => check.status === 'refuted').map((check) => check.name)).toContain(
        'pack_signature key is pinned',
      );
    },
    TIMEOUT_MS,
  );

  it(
    'the chain is read again over JSON-RPC, by chain id or by asking the node',
    async () => {
      for (const rpc of [url, `11155111=${url}`, `eip155:11155111=${url}`]) {
        const { code, stdout } = await keystone('verify', file('settlement.json'), '--rpc', rpc);
        expect([code, stdout.includes('✓ on chain: decision set digest anchored')]).toEqual([0, true]);
        expect(stdout).not.toContain('access-key-of-the-node');
      }
    },
    TIMEOUT_MS,
  );

  it(
    'an RPC address for another chain, or one that does not answer, exits 3 and keeps the address to itself',
    async () => {
      const other = await keystone('verify', file('settlement.json'), '--rpc', `43113=${remoteUrl}`);
      const dead = await keystone('verify', file('settlement.json'), '--rpc', '11155111=http://127.0.0.1:9/access-key');
      expect([other.code, dead.code]).toEqual([3, 3]);
      expect(dead.stdout + dead.stderr).not.toContain('access-key');
    },
    TIMEOUT_MS,
  );

  it(
    'a node of another chain than it is named for is refused, not held against the pack',
    async () => {
      const { code, stdout, stderr } = await keystone('verify', file('settlement.json'), '--rpc', `1=${url}`);
      expect([code, stdout]).toEqual([64, '']);
      expect(stderr).toContain('--rpc names the chain 1, but the node there is of chain 11155111');
      expect(stderr).not.toContain('access-key');
    },
    TIMEOUT_MS,
  );

  it(
    'a settlement across chains is read again on each of them, and shown leg by leg and in order',
    async () => {
      const { code, stdout } = await keystone(
        'verify',
        file('cross.json'),
        '--keys',
        file('cross-keys.json'),
        '--rpc',
        `11155111=${homeUrl}`,
        '--rpc',
        `43113=${remoteUrl}`,
      );
      expect([code, stdout.includes('Not checked:')]).toEqual([0, false]);
      expect(stdout).toMatch(/eip155:43113 +remote +gateway 0x9999…9999, escrow 0x8888…8888 +read again/);
      expect(stdout).toMatch(/1 +eip155:43113 +buyer 0x4444…4444 → seller 0x1111…1111 +125469141026 +125155859775/);
      const events = [
        'settlement created',
        '9 of 9 attestations',
        'decisions anchored',
        'gateway opened',
        'leg 3 paid in',
        'gateway PREPARED',
        'PREPARED of eip155:43113 counted',
        'EXECUTE decided',
        'gateway received EXECUTE',
        'leg 1 paid out',
        'gateway EXECUTED',
        'EXECUTED of eip155:43113 counted',
        'settlement FINALIZED',
      ].map((event) => stdout.indexOf(event));
      expect(events).toEqual(events.toSorted((a, b) => a - b));
      expect(events[0]).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );

  it(
    'of a settlement across chains, a chain without RPC address is listed as not checked and exits 3',
    async () => {
      const keys = ['--keys', file('cross-keys.json')];
      const some = await keystone('verify', file('cross.json'), ...keys, '--rpc', homeUrl);
      expect(some.code).toBe(3);
      expect(some.stdout).toMatch(/Not checked:\n {2}on chain: eip155:43113 read again\n/);
      expect(some.stdout).toMatch(/eip155:43113 +remote .* not read again/);
      const none = await keystone('verify', file('cross.json'), ...keys);
      expect(none.code).toBe(0);
      expect(none.stdout).toContain(
        'Not checked:\n  on chain: eip155:11155111 read again\n  on chain: eip155:43113 read again\n',
      );
    },
    TIMEOUT_MS,
  );

  it(
    '--compatible runs the published 46 checks',
    async () => {
      const { code, stdout } = await keystone('verify', '--compatible', file('payment.json'));
      expect([code, stdout.includes('46/46 checks pass')]).toEqual([0, true]);
    },
    TIMEOUT_MS,
  );

  it.each([
    [['verify']],
    [['verify', 'x', '--colour']],
    [['verify', 'x', '--rpc', 'ftp://x']],
    [['verify', 'x', '--keys', '/nonexistent/keys.json']],
    [['verify', '--compatible', '--rpc', 'http://127.0.0.1:1', 'x']],
    [['unknown']],
    [[]],
  ])(
    'called as %j it exits 64 and shows the usage',
    async (args) => {
      const { code, stderr } = await keystone(...args);
      expect([code, stderr.includes('Usage: keystone')]).toEqual([64, true]);
    },
    TIMEOUT_MS,
  );

  it(
    '--help exits 0',
    async () => {
      expect((await keystone('--help')).code).toBe(0);
      expect((await keystone('verify', '--help')).stdout).toContain('Exit codes:');
    },
    TIMEOUT_MS,
  );
});
