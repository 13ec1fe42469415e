import { existsSync, readFileSync } from 'node:fs';

import { Connection } from '@temporalio/client';
import proto from '@temporalio/proto';
import { Wallet } from 'ethers';

import type { ChainConfiguration } from '../domain/configuration.ts';
import { parseTrustedKeys, signingKeyFromSeed, type TrustedDeployment, trustedKeysFile } from '../keystone/keys.ts';
import { REPOSITORY } from './home.ts';
import { answersAt, type Launch, startNodeService, variable } from './launch.ts';
import { findPort } from './ports.ts';
import { randomHex, randomPrivateKey, randomWebhookSecret } from './secrets.ts';
import { OPERATOR_SCOPES, PLATFORM_SCOPES, seedPlatforms } from './seed-platforms.ts';
import { chainsVariable, type ContractsPart } from './stack-contracts.ts';
import type { StackPlatform } from './stack-file.ts';
import { writePrivateJson } from './stack-file.ts';
import type { DatabaseUrls, TemporalPart } from './stack-infrastructure.ts';

/** Our own programs: token issuer, webhook sink, API and worker. The provider sandboxes are in `stack-screening.ts`. */

const PREFERRED_PORTS = { api: 8_080, issuer: 8_090, sink: 8_093 } as const;
/** Milliseconds. */
const LIMITS = { temporalCallMs: 3_000, discoveryMs: 10_000 } as const;

/** The audience that the published clients ask for when they are told nothing else. */
const DEFAULT_AUDIENCE = 'https://api.keystoneos.xyz';
/** Only in development: webhook endpoints may be on this machine. */
const LOOPBACK_RANGES = '127.0.0.0/8,::1/128';
const { TASK_QUEUE_TYPE_WORKFLOW } = proto.temporal.api.enums.v1.TaskQueueType;

const PLATFORMS = [
  { slug: 'platform-a', name: 'Platform A' },
  { slug: 'platform-b', name: 'Platform B' },
] as const;

/** Who the demo's platforms and the operator are; made once. With OIDC_ISSUER set, their clients are those of that issuer. */
export interface Identities {
  readonly platforms: readonly (StackPlatform & { readonly name: string; readonly webhook_secret: string })[];
  readonly operator: { readonly client_id: string; readonly client_secret: string };
}

export function createIdentities(launch: Launch): Identities {
  const client = (slug: string): { client_id: string; client_secret: string } => {
    const prefix = `${slug.toUpperCase().replaceAll('-', '_')}_CLIENT`;
    return {
      client_id: variable(launch, `${prefix}_ID`) ?? `${slug}-development`,
      client_secret: variable(launch, `${prefix}_SECRET`) ?? launch.secrets.get(`${slug}-client-secret`, randomHex),
    };
  };
  return {
    platforms: PLATFORMS.map(({ slug, name }) => {
      const privateKey = launch.secrets.get(`${slug}-wallet-key`, randomPrivateKey);
      return {
        slug,
        name,
        ...client(slug),
        wallet: { address: new Wallet(privateKey).address, private_key: privateKey },
        webhook_secret: launch.secrets.get(`${slug}-webhook-secret`, randomWebhookSecret),
      };
    }),
    operator: client('operator'),
  };
}

export interface IssuerPart {
  readonly issuer: string;
  readonly jwksUrl: string;
  readonly tokenUrl: string;
  readonly audience: string;
}

/** Starts the token issuer, or uses the one of `OIDC_ISSUER`, and writes down whose clients are whose. */
export async function startIssuer(
  launch: Launch,
  identities: Identities,
  ownerDatabaseUrl: string,
): Promise<IssuerPart> {
  const audience = variable(launch, 'OIDC_AUDIENCE') ?? DEFAULT_AUDIENCE;
  const external = variable(launch, 'OIDC_ISSUER');
  const part =
    external === undefined
      ? await startOwnIssuer(launch, identities, audience)
      : await findIssuer(launch, external, audience);
  const hint = 'look at the log of the database; the owner of the schema must be a superuser or own the roles';
  await launch.steps.run('platforms', { hint }, async (step) => {
    await seedPlatforms(ownerDatabaseUrl, {
      issuer: part.issuer,
      platforms: identities.platforms.map(({ slug, name, client_id }) => ({ slug, name, clientId: client_id })),
      operatorClientId: identities.operator.client_id,
    });
    step.result(identities.platforms.map(({ slug }) => slug).join(', '));
  });
  return part;
}

function startOwnIssuer(launch: Launch, identities: Identities, audience: string): Promise<IssuerPart> {
  const advice = {
    logFile: launch.home.log('token-issuer'),
    hint: 'set OIDC_ISSUER and OIDC_JWKS_URL to an issuer of yours',
  };
  return launch.steps.run('token issuer', advice, async (step) => {
    const port = await findPort(PREFERRED_PORTS.issuer);
    const url = `http://127.0.0.1:${port}`;
    writePrivateJson(launch.secrets.file('clients.json'), [
      ...identities.platforms.map(({ client_id, client_secret }) => ({
        client_id,
        client_secret,
        scopes: PLATFORM_SCOPES,
      })),
      { ...identities.operator, scopes: OPERATOR_SCOPES },
    ]);
    const jwksUrl = `${url}/.well-known/jwks.json`;
    await startNodeService(launch, REPOSITORY, {
      name: 'token-issuer',
      entry: 'dev/token-issuer/main.ts',
      environment: {
        PORT: String(port),
        ISSUER: url,
        AUDIENCE: audience,
        CLIENTS_FILE: launch.secrets.file('clients.json'),
        SIGNING_KEY_FILE: launch.secrets.file('token-signing-key'),
      },
      ready: answersAt(jwksUrl),
    });
    step.result(`${url}/oauth/token`);
    return { issuer: url, jwksUrl, tokenUrl: `${url}/oauth/token`, audience };
  });
}

function findIssuer(launch: Launch, issuer: string, audience: string): Promise<IssuerPart> {
  const hint = 'set OIDC_JWKS_URL, and OIDC_TOKEN_URL for the demo';
  return launch.steps.run('token issuer (OIDC_ISSUER)', { hint }, async (step) => {
    const base = issuer.replace(/\/+$/, '');
    const jwksUrl = variable(launch, 'OIDC_JWKS_URL') ?? (await discoverJwks(base));
    step.result(issuer);
    return { issuer, jwksUrl, tokenUrl: variable(launch, 'OIDC_TOKEN_URL') ?? `${base}/oauth/token`, audience };
  });
}

async function discoverJwks(base: string): Promise<string> {
  const response = await fetch(`${base}/.well-known/openid-configuration`, {
    signal: AbortSignal.timeout(LIMITS.discoveryMs),
  });
  if (!response.ok) throw new Error(`the issuer's discovery document answers ${response.status}`);
  const document = (await response.json()) as { jwks_uri?: unknown };
  if (typeof document.jwks_uri !== 'string') throw new Error("the issuer's discovery document names no jwks_uri");
  return document.jwks_uri;
}

/** Answers the origin of the sink; a platform's endpoint is `<origin>/hooks/<slug>`. */
export function startWebhookSink(launch: Launch, identities: Identities): Promise<string> {
  const advice = { logFile: launch.home.log('webhook-sink'), hint: 'look at the log' };
  return launch.steps.run('webhook sink', advice, async (step) => {
    const port = await findPort(PREFERRED_PORTS.sink);
    const url = `http://127.0.0.1:${port}`;
    const secrets = identities.platforms.map(({ slug, webhook_secret }) => [slug, webhook_secret]);
    writePrivateJson(launch.secrets.file('webhook-sink.json'), Object.fromEntries(secrets));
    await startNodeService(launch, REPOSITORY, {
      name: 'webhook-sink',
      entry: 'dev/webhook-sink/main.ts',
      environment: {
        PORT: String(port),
        SECRETS_FILE: launch.secrets.file('webhook-sink.json'),
        STORE_FILE: `${launch.home.data}/webhooks.jsonl`,
      },
      ready: answersAt(`${url}/hooks/${PLATFORMS[0].slug}`),
    });
    step.result(url);
    return url;
  });
}

export interface Application {
  readonly database: DatabaseUrls;
  readonly temporal: TemporalPart;
  readonly contracts: ContractsPart;
  readonly issuer: IssuerPart;
  readonly screening: Record<string, string | undefined>;
  /** File made by `bundleWorkflows`. */
  readonly workflowBundle: string;
}

/** Answers the origin of the API. */
export function startApi(launch: Launch, application: Application): Promise<string> {
  const advice = {
    logFile: launch.home.log('api'),
    hint: 'look at the log; the variables of the API are in domain/configuration.ts',
  };
  return launch.steps.run('API', advice, async (step) => {
    const port = await findPort(PREFERRED_PORTS.api);
    const url = `http://127.0.0.1:${port}`;
    await startNodeService(launch, REPOSITORY, {
      name: 'api',
      entry: 'api/main.ts',
      environment: {
        HOST: '127.0.0.1',
        PORT: String(port),
        PUBLIC_URL: url,
        DATABASE_URL: application.database.api,
        KEYSTONE_CHAINS: chainsVariable(application.contracts),
        TEMPLATE_FEES: templateFees(launch, application.contracts),
        OIDC_ISSUER: application.issuer.issuer,
        OIDC_JWKS_URL: application.issuer.jwksUrl,
        OIDC_AUDIENCE: application.issuer.audience,
        WEBHOOK_ALLOWED_PRIVATE_RANGES: LOOPBACK_RANGES,
      },
      ready: answersAt(`${url}/readyz`),
    });
    step.result(url);
    return url;
  });
}

export function startWorker(launch: Launch, application: Application): Promise<void> {
  const advice = {
    logFile: launch.home.log('worker'),
    hint: 'look at the log; the variables of the worker are in domain/configuration.ts',
  };
  return launch.steps.run('worker', advice, async (step) => {
    const { temporal, contracts } = application;
    // Made here, read by the worker from the file.
    signingSeed(launch);
    await startNodeService(launch, REPOSITORY, {
      name: 'worker',
      entry: 'worker.ts',
      environment: {
        DATABASE_URL: application.database.worker,
        KEYSTONE_CHAINS: chainsVariable(contracts),
        TEMPORAL_ADDRESS: temporal.address,
        TEMPORAL_NAMESPACE: temporal.namespace,
        TEMPORAL_TASK_QUEUE: temporal.taskQueue,
        ENGINE_PRIVATE_KEY: contracts.keys.engine.privateKey,
        ORACLE_PRIVATE_KEY: contracts.keys.oracle.privateKey,
        RELAYER_PRIVATE_KEY: contracts.keys.relayer.privateKey,
        ...MESSAGE_PATIENCE,
        KEYSTONE_SIGNING_KEY_FILE: launch.secrets.file(SIGNING_SEED),
        WEBHOOK_ALLOWED_PRIVATE_RANGES: LOOPBACK_RANGES,
        WORKFLOW_BUNDLE_FILE: application.workflowBundle,
        NODE_OPTIONS: WORKER_HEAP,
        ...application.screening,
      },
      ready: () => hasWorkers(temporal),
    });
    step.result(`task queue ${temporal.taskQueue}`);
  });
}

/**
 * A small young generation: by default V8 lets each of the worker's isolates (its own and one per workflow thread) grow one that is never given
 * back. Measured once, at twenty settlements at once: peak 308 MiB instead of 452, at about the same speed. The second limit is only a ceiling.
 */
const WORKER_HEAP = '--max-semi-space-size=4 --max-old-space-size=384';
/** Seconds. Local messages take some five; one that a test's relay dropped for good is sent again while the test still looks. */
const MESSAGE_PATIENCE = { MESSAGE_OVERDUE_SECONDS: '30', MESSAGE_RESEND_SECONDS: '60' } as const;
const SIGNING_SEED = 'signing-seed';
/** Earlier deployments that stay pinned, counted by chain. */
const KEPT_DEPLOYMENTS = 100;

function signingSeed(launch: Launch): string {
  return launch.secrets.get(SIGNING_SEED, randomHex);
}

/**
 * A fee to look at: the template of the third trade takes one, a tenth of a percent of the payment, which goes to the account that deployed the coordinator.
 * TEMPLATE_FEES replaces it, `{}` for none.
 */
function templateFees(launch: Launch, contracts: ContractsPart): string {
  const fee = { basis_points: 10, recipient: contracts.keys.deployers[0]?.address };
  return variable(launch, 'TEMPLATE_FEES') ?? JSON.stringify({ 'dvp-crosschain': fee });
}

/** `.keystone/trusted-keys.json`: what `keystone verify` pins. */
export function writeTrustedKeys(launch: Launch, contracts: ContractsPart): void {
  const key = signingKeyFromSeed(signingSeed(launch));
  const pinned = { kid: key.kid, public_key_b64: key.public_key_b64, name: 'Keystone, local development' };
  const file = launch.home.file('trusted-keys.json');
  const current = contracts.chains.map(({ configuration }) => pinnedContracts(configuration));
  const known = new Set(current.map((deployment) => JSON.stringify(deployment)));
  const earlier = earlierDeployments(file).filter((deployment) => !known.has(JSON.stringify(deployment)));
  writePrivateJson(file, trustedKeysFile([pinned], [...earlier, ...current]));
}

/** In lower case and in this order, as they are read back. */
function pinnedContracts(chain: ChainConfiguration): TrustedDeployment {
  const pinned = { chain_id: `eip155:${chain.chain_id}` };
  const escrow = chain.escrow.toLowerCase();
  if (chain.kind === 'remote') return { ...pinned, gateway: chain.gateway.toLowerCase(), escrow };
  const { coordinator, registry } = chain;
  return { ...pinned, coordinator: coordinator.toLowerCase(), registry: registry.toLowerCase(), escrow };
}

/** Contracts of earlier starts stay pinned: proofs of what settled on them are as good as they were. */
function earlierDeployments(file: string): readonly TrustedDeployment[] {
  if (!existsSync(file)) return [];
  return (parseTrustedKeys(readFileSync(file, 'utf8')).contracts ?? []).slice(-KEPT_DEPLOYMENTS);
}

/** True when somebody polls the task queue for workflows: a worker that runs but does not poll would settle nothing. */
async function hasWorkers(temporal: TemporalPart): Promise<boolean> {
  let connection: Connection | undefined;
  try {
    connection = await Connection.connect({ address: temporal.address, connectTimeout: LIMITS.temporalCallMs });
    const open = connection;
    const described = await open.withDeadline(Date.now() + LIMITS.temporalCallMs, () =>
      open.workflowService.describeTaskQueue({
        namespace: temporal.namespace,
        taskQueue: { name: temporal.taskQueue },
        taskQueueType: TASK_QUEUE_TYPE_WORKFLOW,
      }),
    );
    return described.pollers.length > 0;
  } catch {
    // Not yet: the caller asks again until its time limit.
    return false;
  } finally {
    await connection?.close();
  }
}
