import { z } from 'zod';

/**
 * Configuration of the processes, read once at the start from the environment. Pure: the caller hands the variables in, all problems
 * are reported together, and no value is ever part of a message.
 */

const address = z.string().regex(/^0x[0-9a-fA-F]{40}$/);
const bytes32 = z.string().regex(/^0x[0-9a-fA-F]{64}$/);

const everyChain = {
  chain_id: z.number().int().positive(),
  /** One to four nodes of the same chain. Transactions go to all of them, and they have to agree before one is believed. */
  rpc_urls: z.array(z.url()).min(1).max(4),
  escrow: address,
  /** First block to index. */
  deployment_block: z.number().int().nonnegative(),
  /** `finalized` asks the node for its finalised block; a number counts confirmations behind the head. */
  finality: z.union([z.literal('finalized'), z.number().int().nonnegative()]).default('finalized'),
};

/** The chain of the state machine. */
export const coordinatorChainSchema = z.strictObject({
  kind: z.literal('coordinator'),
  ...everyChain,
  coordinator: address,
  registry: address,
  /** Attester sets that templates may name, by name. */
  attester_sets: z.record(z.string(), bytes32),
});
export type CoordinatorChainConfiguration = z.infer<typeof coordinatorChainSchema>;

/** A chain on which legs may live, and which follows the coordinator's messages. */
export const remoteChainSchema = z.strictObject({
  kind: z.literal('remote'),
  ...everyChain,
  gateway: address,
});
export type RemoteChainConfiguration = z.infer<typeof remoteChainSchema>;

export const chainSchema = z.discriminatedUnion('kind', [coordinatorChainSchema, remoteChainSchema]);
export type ChainConfiguration = z.infer<typeof chainSchema>;

const chainsFromJson = z
  .string()
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      // The text may hold an RPC key, so the parser's message (which quotes it) is not repeated.
      context.addIssue({ code: 'custom', message: 'is not JSON' });
      return z.NEVER;
    }
  })
  .pipe(
    z
      .array(chainSchema)
      .min(1)
      .max(8)
      .refine((chains) => chains.filter(({ kind }) => kind === 'coordinator').length === 1, {
        message: 'names exactly one coordinator chain',
      })
      .refine((chains) => new Set(chains.map(({ chain_id }) => chain_id)).size === chains.length, {
        message: 'names a chain twice',
      }),
  );

const port = z.coerce.number().int().min(0).max(65_535);

const shared = {
  NODE_ENV: z.enum(['development', 'test', 'production']).default('development'),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  DATABASE_URL: z.string().regex(/^postgres(ql)?:\/\//),
  DATABASE_POOL_SIZE: z.coerce.number().int().min(1).max(100).default(10),
  KEYSTONE_CHAINS: chainsFromJson,
};

export const apiConfigurationSchema = z.object({
  ...shared,
  HOST: z.string().default('127.0.0.1'),
  PORT: port.default(8_080),
  PUBLIC_URL: z.url().optional(),
  OIDC_ISSUER: z.url(),
  OIDC_JWKS_URL: z.url(),
  OIDC_AUDIENCE: z.string().min(1),
  /** CIDR ranges that webhook endpoints may point to although they are not public; comma-separated. Empty in production. */
  WEBHOOK_ALLOWED_PRIVATE_RANGES: z.string().default(''),
});
export type ApiConfiguration = z.infer<typeof apiConfigurationSchema>;

export const workerConfigurationSchema = z.object({
  ...shared,
  TEMPORAL_ADDRESS: z.string().min(1).default('127.0.0.1:7233'),
  TEMPORAL_NAMESPACE: z.string().min(1).default('default'),
  TEMPORAL_TASK_QUEUE: z.string().min(1).default('keystone'),
  ENGINE_PRIVATE_KEY: bytes32,
  ATTESTER_PRIVATE_KEY: bytes32,
  /** File with the orchestrator's Ed25519 seed in hex; mode 0600. */
  KEYSTONE_SIGNING_KEY_FILE: z.string().min(1),
  /** Made by deploy/bundle-workflows.ts from this checkout; without it the worker bundles at its start. */
  WORKFLOW_BUNDLE_FILE: z.string().min(1).optional(),
  KEYSTONE_IDENTITY: z.string().min(1).default('did:web:keystone.local'),
  WEBHOOK_ALLOWED_PRIVATE_RANGES: z.string().default(''),
});
export type WorkerConfiguration = z.infer<typeof workerConfigurationSchema>;

/** The chain of the state machine; the schema demands exactly one. */
export function coordinatorOf(chains: readonly ChainConfiguration[]): CoordinatorChainConfiguration {
  const found = chains.find((chain) => chain.kind === 'coordinator');
  if (found === undefined) throw new Error('configuration is not valid: KEYSTONE_CHAINS names no coordinator chain');
  return found;
}

/** Every contract of ours on the chain, in lower case. */
export function contractAddresses(chain: ChainConfiguration): string[] {
  const addresses =
    chain.kind === 'coordinator' ? [chain.coordinator, chain.registry, chain.escrow] : [chain.gateway, chain.escrow];
  return addresses.map((contract) => contract.toLowerCase());
}

/** Parses the environment or throws one message that lists every variable that is wrong, without its value. */
export function parseConfiguration<Schema extends z.ZodType>(
  schema: Schema,
  environment: Record<string, string | undefined>,
): z.infer<Schema> {
  const present = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = schema.safeParse(present);
  if (parsed.success) return applyRpcOverrides(parsed.data, environment);
  const problems = parsed.error.issues.map((issue) => `  ${issue.path.join('.')}: ${issue.message}`);
  throw new Error(`configuration is not valid:\n${problems.join('\n')}`);
}

/** `RPC_URL_<chain id>` replaces the nodes of one chain (several separated by commas) without rewriting the whole list. */
function applyRpcOverrides<Result>(configuration: Result, environment: Record<string, string | undefined>): Result {
  const chains = (configuration as { KEYSTONE_CHAINS?: ChainConfiguration[] }).KEYSTONE_CHAINS;
  for (const chain of chains ?? []) {
    const override = environment[`RPC_URL_${chain.chain_id}`];
    if (override !== undefined && override !== '') chain.rpc_urls = override.split(',').map((url) => url.trim());
  }
  return configuration;
}
