import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { jest } from '@jest/globals';
import { Wallet } from 'ethers';
import { createLocalJWKSet, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import pg from 'pg';
import { pino } from 'pino';

import { checkWebhookUrl, createWebhookSender, parseAllowedPrivateRanges } from '../../activities/webhooks/send.ts';
import type { CoordinatorChainConfiguration, RemoteChainConfiguration } from '../../domain/configuration.ts';
import { KeystoneError } from '../../domain/errors.ts';
import type { Uuid } from '../../domain/ids.ts';
import type { TokenStandard } from '../../domain/legs.ts';
import { NO_TEMPLATE_FEES } from '../../domain/template-fees.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { createApplication } from '../application.ts';
import { createAuthenticate } from '../authentication.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { SCOPES } from '../route.ts';

/** The API over real HTTP and a real database, with tokens signed by a key of this process. Only the chain's answers are canned. */

// Some tests send dozens of requests at once, on machines that do other things meanwhile.
jest.setTimeout(30_000);

export const ISSUER = 'https://issuer.test/';
export const AUDIENCE = 'https://api.keystone.test';
export const KBOND = '0x5fbdb2315678afecb367f032d93f642f64180aa3';
export const TUSDC = '0xe7f1725e7734ce288f8367e1bb143e90bb3f0512';
export const TEURC = '0x9fe46736679d2d9a65f0992f2272de9f3c7fa6e0';
/** An ERC-721 and an ERC-1400. */
export const KDEED = '0xcf7ed3acca5a467e9e704c703e8d87f634fb0fc9';
export const KFUND = '0xdc64a140aa3e981100a9beca4e685f962f0cf6c9';
/** Lives on the remote chain only; what is at its address on the other chain is no token. */
export const REMOTE_CASH = '0x5fc8d32690cc91d4c39d9d3abcbd16989f875707';
export const CHAIN_ID = 11_155_111;
export const REMOTE_CHAIN_ID = 43_113;

const TOKENS = new Map([
  [`${CHAIN_ID}/${KBOND}`, 18],
  [`${CHAIN_ID}/${TUSDC}`, 6],
  [`${CHAIN_ID}/${TEURC}`, 6],
  [`${CHAIN_ID}/${KFUND}`, 18],
  [`${REMOTE_CHAIN_ID}/${REMOTE_CASH}`, 2],
]);

export const TEST_CHAIN: CoordinatorChainConfiguration = {
  kind: 'coordinator',
  chain_id: CHAIN_ID,
  rpc_urls: ['http://127.0.0.1:1'],
  coordinator: '0x00000000000000000000000000000000000c0001',
  escrow: '0x00000000000000000000000000000000000e0001',
  registry: '0x00000000000000000000000000000000000f0001',
  attester_sets: { default: `0x${'a1'.repeat(32)}`, platform: `0x${'a2'.repeat(32)}` },
  deployment_block: 0,
  finality: 'finalized',
};

/** Not among the chains of `startTestApi` unless a test puts it there. */
export const REMOTE_CHAIN: RemoteChainConfiguration = {
  kind: 'remote',
  chain_id: REMOTE_CHAIN_ID,
  rpc_urls: ['http://127.0.0.1:1'],
  gateway: '0x00000000000000000000000000000000000d0002',
  escrow: '0x00000000000000000000000000000000000e0002',
  deployment_block: 0,
  finality: 'finalized',
};

export interface TestPlatform {
  readonly slug: string;
  readonly platformId: Uuid;
  readonly environmentId: Uuid;
  readonly clientId: string;
  readonly token: string;
}

export interface TestAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed body; undefined when it is not JSON. */
  readonly body: unknown;
}

/** The value at a JSON Pointer of an answer's body; undefined when there is none. */
export function at(answer: TestAnswer, pointer: string): unknown {
  let value = answer.body;
  for (const step of pointer.split('/').slice(1)) {
    value = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[step] : undefined;
  }
  return value;
}

/** The text at a JSON Pointer of an answer's body. */
export function textAt(answer: TestAnswer, pointer: string): string {
  const value = at(answer, pointer);
  if (typeof value !== 'string')
    throw new Error(`no text at ${pointer} of ${answer.status} ${answer.text.slice(0, 500)}`);
  return value;
}

export interface CallOptions {
  readonly token?: string | undefined;
  readonly body?: unknown;
  /** Sent instead of `body`, byte for byte. */
  readonly rawBody?: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Record<string, string>;
}

export interface TestApi {
  readonly url: string;
  readonly database: TestDatabase;
  readonly owner: pg.Client;
  call(method: string, path: string, options?: CallOptions): Promise<TestAnswer>;
  /** A platform with an environment and a client that has all scopes of a platform, or those given. */
  addPlatform(
    slug?: string,
    options?: { environment?: string; scopes?: readonly string[]; platformId?: Uuid },
  ): Promise<TestPlatform>;
  addOperator(scopes?: readonly string[]): Promise<{ clientId: string; token: string }>;
  sign(payload: JWTPayload, options?: { expiresIn?: string; issuer?: string; audience?: string }): Promise<string>;
  stop(): Promise<void>;
}

export const PLATFORM_SCOPES = Object.keys(SCOPES).filter(
  (scope) => !scope.startsWith('ops:') && scope !== 'compliance:decide',
);

export async function startTestApi(overrides: Partial<ApiDependencies> = {}): Promise<TestApi> {
  const database = await createTestDatabase();
  const owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'test', alg: 'ES256' };
  const allowedPrivateRanges = parseAllowedPrivateRanges('127.0.0.0/8');
  const application = createApplication({
    database: database.api,
    chains: [TEST_CHAIN],
    templateFees: NO_TEMPLATE_FEES,
    tokenDecimals: cannedDecimals,
    checkWebhookUrl: (url) => checkWebhookUrl(url, { allowedPrivateRanges }),
    webhookSender: createWebhookSender({ allowedPrivateRanges }),
    now: Date.now,
    log: pino({ level: 'silent' }),
    authenticate: createAuthenticate({
      database: database.api,
      issuer: ISSUER,
      audience: AUDIENCE,
      keys: createLocalJWKSet({ keys: [jwk] }),
    }),
    ...overrides,
  });
  const server = createServer(application);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const sign: TestApi['sign'] = (payload, options = {}) =>
    new SignJWT(payload)
      .setProtectedHeader({ alg: 'ES256', kid: 'test' })
      .setIssuer(options.issuer ?? ISSUER)
      .setAudience(options.audience ?? AUDIENCE)
      .setIssuedAt()
      .setExpirationTime(options.expiresIn ?? '1h')
      .sign(privateKey);

  async function addClient(kind: 'platform' | 'operator', scopes: readonly string[], environmentId: Uuid | null) {
    const clientId = `client-${randomUUID()}`;
    await owner.query(
      'INSERT INTO keystone.clients (issuer, client_id, kind, environment_id, scopes) VALUES ($1, $2, $3, $4, $5)',
      [ISSUER, clientId, kind, environmentId, scopes],
    );
    return { clientId, token: await sign({ client_id: clientId, scope: scopes.join(' ') }) };
  }

  return {
    url,
    database,
    owner,
    sign,
    call: (method, path, options) => call(url, method, path, options),
    async addPlatform(slug = `platform-${randomUUID().slice(0, 8)}`, options = {}) {
      const platformId = options.platformId ?? randomUUID();
      const environmentId = randomUUID();
      await owner.query('INSERT INTO keystone.platforms (id, slug, name) VALUES ($1, $2, $2) ON CONFLICT DO NOTHING', [
        platformId,
        slug,
      ]);
      await owner.query('INSERT INTO keystone.environments (id, platform_id, slug, name) VALUES ($1, $2, $3, $3)', [
        environmentId,
        platformId,
        options.environment ?? 'development',
      ]);
      return {
        slug,
        platformId,
        environmentId,
        ...(await addClient('platform', options.scopes ?? PLATFORM_SCOPES, environmentId)),
      };
    },
    addOperator: (scopes = Object.keys(SCOPES)) => addClient('operator', scopes, null),
    async stop() {
      await stopServer(server);
      await owner.end();
      await database.drop();
    },
  };
}

function stopServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** As `chain/tokens.ts` answers for a chain on which these tokens live. */
async function cannedDecimals(chainId: number, address: string, standard: TokenStandard): Promise<number> {
  const isDeed = chainId === CHAIN_ID && address === KDEED;
  const decimals = isDeed ? 0 : TOKENS.get(`${chainId}/${address}`);
  if (decimals === undefined) throw new KeystoneError('instrument_unknown', 'There is no such token.');
  if (isDeed !== (standard === 'ERC-721'))
    throw new KeystoneError('token_standard_differs', 'It is another kind of token.');
  return decimals;
}

async function call(url: string, method: string, path: string, options: CallOptions = {}): Promise<TestAnswer> {
  const body = options.rawBody ?? (options.body === undefined ? undefined : JSON.stringify(options.body));
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(options.token !== undefined && { Authorization: `Bearer ${options.token}` }),
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
      ...options.headers,
    },
    ...(body !== undefined && { body }),
    signal: AbortSignal.timeout(20_000),
  });
  const text = await response.text();
  const json = (response.headers.get('content-type') ?? '').includes('json');
  return { status: response.status, headers: response.headers, text, body: json ? JSON.parse(text) : undefined };
}

export function newWallet(): string {
  return Wallet.createRandom().address;
}

interface ExampleLeg {
  readonly leg_type: string;
  readonly instrument_id: string;
  readonly quantity: string;
  readonly direction: string;
  readonly party_role: string;
  readonly chain_id: number;
}

/** The legs of the published example: 500 KBOND from the seller against 125,000 TUSDC. */
export function exampleLegs(): [ExampleLeg, ExampleLeg] {
  return [
    {
      leg_type: 'asset_delivery',
      instrument_id: KBOND,
      quantity: '500',
      direction: 'deliver',
      party_role: 'seller',
      chain_id: CHAIN_ID,
    },
    {
      leg_type: 'payment',
      instrument_id: TUSDC,
      quantity: '125000',
      direction: 'receive',
      party_role: 'seller',
      chain_id: CHAIN_ID,
    },
  ];
}

/** The body of seed 000, with real addresses and legs. */
export function exampleSettlement(counterparty: string, changes: Record<string, unknown> = {}) {
  return {
    parties: [
      {
        role: 'seller',
        external_reference: 'seller-001',
        name: 'Acme Securities',
        wallet_address: newWallet(),
        chain_id: CHAIN_ID,
      },
    ],
    counterparty_parties: [
      {
        platform_slug: counterparty,
        role: 'buyer',
        wallet_address_hint: '0x...',
        counterparty_reference: 'Entity Name or LEI',
      },
    ],
    legs: exampleLegs(),
    ...changes,
  };
}

export function exampleConfirmation(changes: Record<string, unknown> = {}) {
  return {
    external_reference: 'buyer-acct-042',
    name: 'Beta Capital',
    wallet_address: newWallet(),
    chain_id: CHAIN_ID,
    ...changes,
  };
}

/** Legs of a seller's party as the instruction of one side states them. */
export function statedBy(role: 'seller' | 'buyer', legs: readonly ExampleLeg[]) {
  return legs.map(({ party_role: _role, direction, ...leg }) => ({
    ...leg,
    direction: (direction === 'deliver') === (role === 'seller') ? 'deliver' : 'receive',
  }));
}
