import { z } from 'zod';

/** What a deployment to real networks is told. It holds no secret: nodes and the deployer's key come from the environment. */

const LIMITS = { chains: 17, verifiers: 8, attesters: 4, sets: 8 } as const;
/** One verifier alone could forge a decision, and with it take one leg without the other. */
const LEAST_VERIFIERS = 2;

const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, 'is not an address')
  .refine((text) => !/^0x0{40}$/.test(text), 'is the zero address')
  .toLowerCase();
const seconds = z.number().int().positive();

const everyChain = {
  chain_id: z.number().int().positive(),
  /** LayerZero's names for the chain and its contracts there: https://docs.layerzero.network/v2/deployments/deployed-contracts */
  endpoint_id: z.number().int().positive(),
  endpoint: address,
  send_library: address,
  receive_library: address,
  executor: address,
  /** Every one of them has to confirm every message of this chain's pathways, those that leave it and those that arrive. */
  verifiers: z.array(address).min(LEAST_VERIFIERS).max(LIMITS.verifiers),
  /** Blocks after which a block of this chain is final. */
  finality_blocks: z.number().int().nonnegative(),
  /** Blocks that the verifiers wait for before they confirm a message that left this chain. */
  confirmations: z.number().int().positive(),
};

const coordinatorChain = z.strictObject({
  kind: z.literal('coordinator'),
  ...everyChain,
  roles: z.strictObject({
    admin: address,
    /** The engine's account unless it is named: our worker signs both with one key. */
    creator: address.optional(),
    engine: address,
    pauser: address,
  }),
});

const remoteChain = z.strictObject({
  kind: z.literal('remote'),
  ...everyChain,
  roles: z.strictObject({ admin: address, pauser: address }),
});

export type CoordinatorTarget = z.infer<typeof coordinatorChain>;
export type RemoteTarget = z.infer<typeof remoteChain>;
export type ChainTarget = CoordinatorTarget | RemoteTarget;

const attesterSet = z.strictObject({
  attesters: z.array(address).min(1).max(LIMITS.attesters),
  threshold: z.number().int().min(1).max(LIMITS.attesters),
});

export const deploymentSchema = z
  .strictObject({
    chains: z
      .array(z.discriminatedUnion('kind', [coordinatorChain, remoteChain]))
      .min(1)
      .max(LIMITS.chains),
    attester_sets: z.record(z.string().regex(/^[a-z0-9-]{1,63}$/), attesterSet),
    /** Between the registration of a further attester set and its first use. */
    set_delay_seconds: seconds,
    /** For which a settlement with every leg in waits for its votes after the deadline. */
    message_grace_seconds: seconds,
    /** Bytes. Our longest message has 192. */
    max_message_size: z.number().int().min(192).max(10_000),
  })
  .check((context) => {
    for (const message of problemsOf(context.value)) {
      context.issues.push({ code: 'custom', message, input: undefined });
    }
  });
export type DeploymentConfiguration = z.infer<typeof deploymentSchema>;

/** Rules across fields. */
function problemsOf({ chains, attester_sets: sets }: DeploymentConfiguration): string[] {
  const problems: string[] = [];
  const expect = (holds: boolean, message: string): void => {
    if (!holds) problems.push(message);
  };
  expect(
    chains.filter(({ kind }) => kind === 'coordinator').length === 1,
    'there has to be exactly one coordinator chain',
  );
  expect(isUnique(chains.map(({ chain_id }) => chain_id)), 'a chain is named twice');
  expect(isUnique(chains.map(({ endpoint_id }) => endpoint_id)), 'an endpoint id is named twice');
  expect(sets['default'] !== undefined, 'there has to be an attester set `default`');
  for (const chain of chains) {
    const name = `chain ${chain.chain_id}`;
    expect(isUnique(chain.verifiers), `${name}: a verifier is named twice`);
    expect(
      chain.verifiers.length === chains[0]?.verifiers.length,
      `${name}: every chain needs the same verifiers, so as many of them`,
    );
    expect(
      chain.confirmations >= chain.finality_blocks,
      `${name}: ${chain.confirmations} confirmations are fewer than the ${chain.finality_blocks} blocks to finality; a reorganisation could take back what was acted on elsewhere`,
    );
  }
  for (const [name, set] of Object.entries(sets)) {
    expect(isUnique(set.attesters), `attester set ${name}: an attester is named twice`);
    expect(
      set.threshold <= set.attesters.length,
      `attester set ${name}: the threshold is more than there are attesters`,
    );
  }
  return [...problems, ...sharedAccounts({ chains, attester_sets: sets })];
}

/** Whoever holds two roles takes two parts of the system with one key. The same role on several chains may have the same account. */
function sharedAccounts({
  chains,
  attester_sets: sets,
}: Pick<DeploymentConfiguration, 'chains' | 'attester_sets'>): string[] {
  const roleOf = new Map<string, string>();
  const problems = new Set<string>();
  const held = [
    ...chains.flatMap(({ roles }) => Object.entries(roles)),
    ...Object.values(sets).flatMap(({ attesters }) => attesters.map((attester) => ['attester', attester] as const)),
  ];
  for (const [role, account] of held) {
    if (account === undefined) continue;
    const other = roleOf.get(account) ?? role;
    if (other !== role) problems.add(`${account} is ${other} and ${role}: every role needs an account of its own`);
    roleOf.set(account, role);
  }
  return [...problems];
}

/** The deployer configures until the freeze and has no role before or after. @throws Error when it is one of the accounts. */
export function checkDeployer(configuration: DeploymentConfiguration, deployer: string): void {
  const { chains, attester_sets: sets } = configuration;
  const accounts = [
    ...chains.flatMap(({ roles }) => Object.values(roles)),
    ...Object.values(sets).flatMap(({ attesters }) => attesters),
  ];
  if (accounts.includes(deployer.toLowerCase())) {
    throw new Error(`${deployer} deploys and is named as the holder of a role or as an attester: use another account`);
  }
}

export function coordinatorTarget({ chains }: DeploymentConfiguration): CoordinatorTarget {
  const found = chains.find((chain) => chain.kind === 'coordinator');
  if (found === undefined) throw new Error('there is no coordinator chain');
  return found;
}

export function remoteTargets({ chains }: DeploymentConfiguration): readonly RemoteTarget[] {
  return chains.filter((chain) => chain.kind === 'remote');
}

/** @throws Error that lists everything that is wrong. */
export function parseDeployment(value: unknown): DeploymentConfiguration {
  const parsed = deploymentSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    ({ path, message }) => `  ${path.length === 0 ? '' : `${path.join('.')}: `}${message}`,
  );
  throw new Error(`the configuration is not valid:\n${problems.join('\n')}`);
}

function isUnique(values: readonly unknown[]): boolean {
  return new Set(values).size === values.length;
}
