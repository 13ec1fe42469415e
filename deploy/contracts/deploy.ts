import type { CoordinatorChainConfiguration, RemoteChainConfiguration } from '../../domain/configuration.ts';
import { locateContracts } from './addresses.ts';
import { checkDeployer, type DeploymentConfiguration } from './configuration.ts';
import { openContractBook } from './contracts.ts';
import type { Network } from './network.ts';
import { findNetworkProblems } from './networks-ready.ts';
import { readBack, type Reading } from './read-back.ts';
import { configurationSteps, creationSteps, freezeSteps, type Step, type StepContext } from './steps.ts';

/** A deployment to real networks from beginning to end. Safe to repeat: what is done already is not done again. */

export interface DeploymentRun {
  readonly configuration: DeploymentConfiguration;
  /** By chain id. */
  readonly networks: ReadonlyMap<number, Network>;
  readonly stateFile: string;
  /** Says what would be done, and sends nothing. */
  readonly dryRun: boolean;
  readonly say: (line: string) => void;
}

export interface DeploymentResult {
  /** Entries of KEYSTONE_CHAINS, still without the addresses of nodes. */
  readonly chains: readonly (
    | Omit<CoordinatorChainConfiguration, 'rpc_urls'>
    | Omit<RemoteChainConfiguration, 'rpc_urls'>
  )[];
  /** Everything that was read back; empty for a dry run. */
  readonly readings: readonly Reading[];
}

/** @throws Error that lists what is wrong, before anything is sent where that can be known; else when a step fails or a value read back differs. */
export async function deployContracts(run: DeploymentRun): Promise<DeploymentResult> {
  const { configuration, networks, say } = run;
  for (const network of networks.values()) checkDeployer(configuration, network.deployer);
  const book = await openContractBook();
  const problems = await findNetworkProblems(configuration, networks, book);
  if (problems.length > 0) throw new Error(`the networks are not as configured:\n  ${problems.join('\n  ')}`);
  const addresses = await locateContracts(configuration, networks, { file: run.stateFile, write: !run.dryRun });
  const context: StepContext = { configuration, addresses, book };
  if (run.dryRun) {
    await printPlan(context, say);
    return { chains: [], readings: [] };
  }

  await perform(creationSteps(context), say);
  await perform(configurationSteps(context), say);
  // The freeze cannot be taken back, so everything is read back before it, and again after it.
  requireAgreement(await readBack(context, { frozen: false }));
  say('every setting was read back and is as configured');
  await perform(freezeSteps(context), say);
  const readings = await readBack(context, { frozen: true });
  requireAgreement(readings);
  say('frozen: nobody can change peers, libraries or verifiers any more');
  return { chains: await chainEntries(context), readings };
}

async function perform(steps: readonly Step[], say: (line: string) => void): Promise<void> {
  for (const step of steps) {
    const name = `chain ${step.chainId}: ${step.label}`;
    if (await step.isDone()) {
      say(`there    ${name}`);
      continue;
    }
    await step.run();
    if (!(await step.isDone())) throw new Error(`${name}: it was sent, and the chain does not show it`);
    say(`done     ${name}`);
  }
}

/** Settings can only be asked of contracts that exist; those of contracts that do not are to do. */
async function printPlan(context: StepContext, say: (line: string) => void): Promise<void> {
  const missing = new Set<number>();
  for (const step of creationSteps(context)) {
    const isDone = await step.isDone();
    if (!isDone) missing.add(step.chainId);
    say(`${isDone ? 'there  ' : 'to do  '}  chain ${step.chainId}: ${step.label}`);
  }
  const home = context.addresses.home.network.chainId;
  for (const step of [...configurationSteps(context), ...freezeSteps(context)]) {
    const isAskable = !missing.has(step.chainId) && !missing.has(home);
    const isDone = isAskable && (await step.isDone());
    say(`${isDone ? 'there  ' : 'to do  '}  chain ${step.chainId}: ${step.label}`);
  }
}

function requireAgreement(readings: readonly Reading[]): void {
  const wrong = readings.filter(({ agrees }) => !agrees);
  if (wrong.length === 0) return;
  const lines = wrong.map(
    ({ chainId, what, expected, found }) => `chain ${chainId}: ${what} is ${found}, not ${expected}`,
  );
  throw new Error(`what was read back is not what was configured:\n  ${lines.join('\n  ')}`);
}

async function chainEntries({ configuration, addresses, book }: StepContext): Promise<DeploymentResult['chains']> {
  const { home, remotes } = addresses;
  const registry = book.ours('ComplianceRegistry', home.registry ?? '');
  const sets: Record<string, string> = {};
  for (const [name, { attesters, threshold }] of Object.entries(configuration.attester_sets)) {
    const set = { attesters: attesters.toSorted((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1)), threshold };
    sets[name] = String(await home.network.read(registry, 'attesterSetId', [set]));
  }
  return [
    {
      kind: 'coordinator',
      chain_id: home.network.chainId,
      coordinator: home.application,
      registry: home.registry ?? '',
      escrow: home.escrow,
      attester_sets: sets,
      deployment_block: home.firstBlock,
      finality: 'finalized',
    },
    ...remotes.map(({ network, application, escrow, firstBlock }) => ({
      kind: 'remote' as const,
      chain_id: network.chainId,
      gateway: application,
      escrow,
      deployment_block: firstBlock,
      finality: 'finalized' as const,
    })),
  ];
}
