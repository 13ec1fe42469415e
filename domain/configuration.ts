import { z } from 'zod';

import { NO_TEMPLATE_FEES, templateFeesFromJson } from './template-fees.ts';

/**
 * Configuration of the processes, read once at the start from the environment. Pure: the caller hands the variables in, all problems
 * are reported together, and no value is ever part of a message.
 */

const address = z.string().regex(/^0x[0-9a-fA-F]{40}$/);
const bytes32 = z.string().regex(/^0x[0-9a-fA-F]{64}$/);
/** Text and not bigint: chain entries are handed on as JSON. */
const wei = z.string().regex(/^(?:0|[1-9][0-9]{0,29})$/, 'is not an amount of wei');

/** A node that is named twice would agree with itself. */
const rpcUrls = z
  .array(z.url())
  .min(1)
  .max(4)
  .refine((urls) => new Set(urls).size === urls.length, { message: 'names a node twice' });

const everyChain = {
  chain_id: z.number().int().positive(),
  /** One to four nodes of the same chain. Transactions go to all of them, and they have to agree before one is believed. */
  rpc_urls: rpcUrls,
  escrow: address,
  /** First block to index. */
  deployment_block: z.number().int().nonnegative(),
  /** `finalized` asks the node for its finalised block; a number counts confirmations behind the head. */
  finality: z.union([z.literal('finalized'), z.number().int().nonnegative()]).default('finalized'),
  /** Nodes that have to answer, and to agree, before a block is taken for final; see decision 0012. */
  minimum_nodes: z.number().int().min(1).max(4).optional(),
  /** Least tip of a transaction, wei per gas. */
  minimum_tip_wei: wei.optional(),
  /** A signer with less than this raises an alert. */
  low_balance_wei: wei.optional(),
  /** Most that one settlement may cost in message fees on this chain, gas of those transactions included. */
  message_fee_budget_wei: wei.optional(),
  /** Only for links in answers and pages. */
  explorer_url: z.url().optional(),
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

const hasEnoughNodes = (chain: ChainConfiguration): boolean => (chain.minimum_nodes ?? 1) <= chain.rpc_urls.length;

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
      })
      .refine((chains) => chains.every(hasEnoughNodes), { message: 'wants more nodes than it names' }),
  );

const seconds = z.coerce.number().int().min(1).max(604_800);
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
  /** Fees by template slug, as JSON; nobody pays any without it. The worker reads them from the legs. */
  TEMPLATE_FEES: templateFeesFromJson.default(NO_TEMPLATE_FEES),
  /** CIDR ranges that webhook endpoints may point to although they are not public; comma-separated. Empty in production. */
  WEBHOOK_ALLOWED_PRIVATE_RANGES: z.string().default(''),
});
export type ApiConfiguration = z.infer<typeof apiConfigurationSchema>;

/** Accounts of the worker by what they may do. The admin's key is in no process. */
export const SIGNER_ROLES = ['engine', 'oracle', 'relayer'] as const;
export type SignerRole = (typeof SIGNER_ROLES)[number];

/** AWS takes a key id, an alias, or the ARN of either. */
const kmsKeyId = z.string().regex(/^[A-Za-z0-9:/_-]{1,2048}$/);

/** For each role a private key here, or the name of a key in the key management service. */
const signerKeys = {
  ENGINE_PRIVATE_KEY: bytes32.optional(),
  ENGINE_KMS_KEY_ID: kmsKeyId.optional(),
  ORACLE_PRIVATE_KEY: bytes32.optional(),
  ORACLE_KMS_KEY_ID: kmsKeyId.optional(),
  RELAYER_PRIVATE_KEY: bytes32.optional(),
  RELAYER_KMS_KEY_ID: kmsKeyId.optional(),
};
export type SignerKeys = z.infer<z.ZodObject<typeof signerKeys>>;

const KEY_VARIABLES = {
  engine: ['ENGINE_PRIVATE_KEY', 'ENGINE_KMS_KEY_ID'],
  oracle: ['ORACLE_PRIVATE_KEY', 'ORACLE_KMS_KEY_ID'],
  relayer: ['RELAYER_PRIVATE_KEY', 'RELAYER_KMS_KEY_ID'],
} as const satisfies Record<SignerRole, readonly [keyof SignerKeys, keyof SignerKeys]>;

export type SignerKey =
  | { readonly kind: 'local'; readonly privateKey: string }
  | { readonly kind: 'kms'; readonly keyId: string };

/** Where each role's key is. The schema demands exactly one place. */
export function signerKeysOf(configuration: SignerKeys): Record<SignerRole, SignerKey> {
  const keyOf = (role: SignerRole): SignerKey => {
    const [privateKey, keyId] = KEY_VARIABLES[role].map((variable) => configuration[variable]);
    if (privateKey !== undefined) return { kind: 'local', privateKey };
    if (keyId !== undefined) return { kind: 'kms', keyId };
    throw new Error(`configuration is not valid: the role ${role} has no key`);
  };
  return { engine: keyOf('engine'), oracle: keyOf('oracle'), relayer: keyOf('relayer') };
}

const workerVariables = z.object({
  ...shared,
  ...signerKeys,
  TEMPORAL_ADDRESS: z.string().min(1).default('127.0.0.1:7233'),
  TEMPORAL_NAMESPACE: z.string().min(1).default('default'),
  TEMPORAL_TASK_QUEUE: z.string().min(1).default('keystone'),
  /** A message between chains that is in transit longer than this raises attention. */
  MESSAGE_OVERDUE_SECONDS: seconds.default(600),
  /** After this long without effect a message is sent once more. */
  MESSAGE_RESEND_SECONDS: seconds.default(1_800),
  /** File with the orchestrator's Ed25519 seed in hex; mode 0600. */
  KEYSTONE_SIGNING_KEY_FILE: z.string().min(1),
  /** Made by deploy/bundle-workflows.ts from this checkout; without it the worker bundles at its start. */
  WORKFLOW_BUNDLE_FILE: z.string().min(1).optional(),
  KEYSTONE_IDENTITY: z.string().min(1).default('did:web:keystone.local'),
  WEBHOOK_ALLOWED_PRIVATE_RANGES: z.string().default(''),
});

/** Runs even when other variables are wrong, so that all problems are told at once. */
const always = { when: () => true };
export const workerConfigurationSchema = SIGNER_ROLES.reduce((schema, role) => {
  const [privateKey, keyId] = KEY_VARIABLES[role];
  return schema.refine((found) => (found[privateKey] === undefined) !== (found[keyId] === undefined), {
    ...always,
    path: [privateKey],
    message: `wants exactly one of ${privateKey} and ${keyId}`,
  });
}, workerVariables);
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
    const name = `RPC_URL_${chain.chain_id}`;
    const override = environment[name];
    if (override === undefined || override === '') continue;
    const urls = rpcUrls.safeParse(override.split(',').map((url) => url.trim()));
    // An RPC address holds a key, so the parser's message is not repeated.
    if (!urls.success) throw new Error(`configuration is not valid:\n  ${name}: wants one to four different addresses`);
    chain.rpc_urls = urls.data;
    if (!hasEnoughNodes(chain))
      throw new Error(`configuration is not valid:\n  ${name}: wants more nodes than it names`);
  }
  return configuration;
}
