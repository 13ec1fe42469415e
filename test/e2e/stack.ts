import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { type ApiClient, createApiClient } from '../../dev/api-client.ts';
import { createPeople } from '../../dev/demo-people.ts';
import type { Participant, TradeContext } from '../../dev/demo-trade.ts';
import { REPOSITORY } from '../../dev/home.ts';
import { setFaults } from '../../dev/relay/client.ts';
import type { FaultInput } from '../../dev/relay/faults.ts';
import { CIPHEROWL_AUDIENCE, startCipherOwlSandbox } from '../../dev/sandboxes/cipherowl.ts';
import { SANDBOX_GROUP_ID, startLsegSandbox } from '../../dev/sandboxes/lseg.ts';
import { readStackFile, type StackChain, type StackFile } from '../../dev/stack-file.ts';

/** The stack that `npm start` brings up, in a home of its own, with screening sandboxes that the test controls. */
export interface EndToEndStack {
  readonly home: string;
  readonly file: StackFile;
  readonly context: TradeContext;
  readonly seller: Participant;
  readonly buyer: Participant;
  readonly operator: ApiClient;
  /** The chain that is not the coordinator's. */
  readonly remote: StackChain;
  /** Adds one fault of the message relay; answers how to lift it. */
  addFault(fault: FaultInput): Promise<() => Promise<void>>;
  /** Raw HTTP with a platform's own token: status, headers and bytes as they came. */
  request(who: 'seller' | 'buyer' | 'operator', method: string, path: string, body?: unknown): Promise<RawAnswer>;
  /** What the provider sandbox does next (simulated providers): see dev/sandboxes/README.md. */
  control(provider: 'lseg' | 'cipherowl', settings: object): Promise<void>;
  /** Current process ids by name, as the launcher wrote them. */
  processId(name: string): number;
  close(): Promise<void>;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Milliseconds. */
const LIMITS = { startMs: 120_000, stopMs: 30_000, requestMs: 15_000 } as const;
const FUNDS = { bond: '1000000', cash: '1000000000' } as const;
/** So that a settlement whose other chain never votes ends within a test. Seconds. */
const MESSAGE_GRACE_SECONDS = '10';

export async function startEndToEndStack(): Promise<EndToEndStack> {
  const home = mkdtempSync(join(tmpdir(), 'keystone-e2e-'));
  const lseg = await startLsegSandbox({ port: 0, apiKey: 'e2e-key', apiSecret: 'e2e-secret' });
  const cipherowl = await startCipherOwlSandbox({ port: 0, clientId: 'e2e', clientSecret: 'e2e-secret' });
  const launcher = launch(home, {
    LSEG_BASE_URL: `${lseg.url}/v2`,
    LSEG_API_KEY: 'e2e-key',
    LSEG_API_SECRET: 'e2e-secret',
    LSEG_GROUP_ID: SANDBOX_GROUP_ID,
    LSEG_SIMULATED: 'true',
    CIPHEROWL_BASE_URL: cipherowl.url,
    CIPHEROWL_CLIENT_ID: 'e2e',
    CIPHEROWL_CLIENT_SECRET: 'e2e-secret',
    CIPHEROWL_AUDIENCE,
    CIPHEROWL_CONFIG: 'co-sandbox',
    CIPHEROWL_SIMULATED: 'true',
    MESSAGE_GRACE_SECONDS,
  });
  try {
    await launcher.ready;
    const file = readStackFile(join(home, 'stack.json'));
    const { context, close } = await fundedPeople(file);
    const [, remote] = file.chains;
    if (remote === undefined) throw new Error('stack.json names one chain only');
    return {
      home,
      file,
      context,
      seller: context.seller,
      buyer: context.buyer,
      operator: createApiClient(file, file.operator),
      remote,
      addFault: createFaults(file),
      request: (who, method, path, body) => rawRequest(file, who, method, path, body),
      control: (provider, settings) => control(provider === 'lseg' ? lseg.url : cipherowl.url, settings),
      processId: (name) => processId(home, name),
      close: async () => {
        close();
        await launcher.stop();
        await Promise.all([lseg.close(), cipherowl.close()]);
        rmSync(home, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await launcher.stop();
    await Promise.all([lseg.close(), cipherowl.close()]);
    throw error;
  }
}

function launch(home: string, environment: Record<string, string>): { ready: Promise<void>; stop(): Promise<void> } {
  const child: ChildProcess = spawn(process.execPath, ['dev/start.ts', '--no-demo'], {
    cwd: REPOSITORY,
    env: { ...process.env, ...environment, KEYSTONE_HOME: home, NODE_OPTIONS: '', NODE_ENV: 'development' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const ready = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`the stack did not start in time:\n${output}`)), LIMITS.startMs);
    const take = (chunk: Buffer) => {
      output += chunk.toString();
      if (!output.includes('ready   Ctrl-C')) return;
      clearTimeout(timer);
      resolve();
    };
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
    child.once('exit', () => {
      clearTimeout(timer);
      reject(new Error(`the stack ended while starting:\n${output}`));
    });
  });
  return {
    ready,
    async stop() {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), LIMITS.stopMs);
      await exited;
      clearTimeout(timer);
    },
  };
}

async function fundedPeople(file: StackFile): Promise<{ context: TradeContext; close: () => void }> {
  const people = createPeople(file);
  const { seller, buyer } = people.context;
  await Promise.all(
    file.chains.flatMap(({ chain_id }) => [
      seller.walletOn(chain_id).ensure('KBOND', FUNDS.bond),
      buyer.walletOn(chain_id).ensure('TUSDC', FUNDS.cash),
    ]),
  );
  return { context: people.context, close: () => people.close() };
}

/** The relay takes whole lists; tests that run at once each have rules of their own. One request after the other, so that none is lost. */
function createFaults(file: StackFile): EndToEndStack['addFault'] {
  const { relay } = file;
  if (relay === null) throw new Error('the stack has no message relay');
  const standing = new Map<string, FaultInput>();
  let queue: Promise<unknown> = Promise.resolve();
  const push = (): Promise<void> => {
    const sent = queue.then(() => setFaults(relay, [...standing.values()])).then(() => undefined);
    // The caller gets the failure through `sent`.
    queue = sent.catch(() => undefined);
    return sent;
  };
  return async (fault) => {
    standing.set(fault.id, fault);
    await push();
    return async () => {
      standing.delete(fault.id);
      await push();
    };
  };
}

async function rawRequest(
  file: StackFile,
  who: 'seller' | 'buyer' | 'operator',
  method: string,
  path: string,
  body?: unknown,
): Promise<RawAnswer> {
  const credentials = { seller: file.platforms[0], buyer: file.platforms[1], operator: file.operator }[who];
  if (credentials === undefined) throw new Error(`stack.json has no ${who}`);
  const token = await accessToken(file, credentials);
  const response = await fetch(`${file.api_url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(LIMITS.requestMs),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

async function accessToken(
  file: StackFile,
  credentials: { client_id: string; client_secret: string },
): Promise<string> {
  const response = await fetch(file.token_url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      grant_type: 'client_credentials',
      audience: file.audience,
      client_id: credentials.client_id,
      client_secret: credentials.client_secret,
    }),
    signal: AbortSignal.timeout(LIMITS.requestMs),
  });
  return ((await response.json()) as { access_token: string }).access_token;
}

async function control(url: string, settings: object): Promise<void> {
  const response = await fetch(`${url}/__control`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(settings),
    signal: AbortSignal.timeout(LIMITS.requestMs),
  });
  if (!response.ok) throw new Error(`the sandbox's control answered ${response.status}: ${await response.text()}`);
}

/** From the launcher's registry, which is rewritten at each restart. */
function processId(home: string, name: string): number {
  const registry = JSON.parse(readFileSync(join(home, 'processes.json'), 'utf8')) as { name: string; pid: number }[];
  const found = registry.findLast((entry) => entry.name === name);
  if (found === undefined) throw new Error(`no process ${name} in the registry`);
  return found.pid;
}
