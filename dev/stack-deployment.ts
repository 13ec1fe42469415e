import { existsSync, readFileSync } from 'node:fs';

import type { Wallet } from 'ethers';
import { z } from 'zod';

import { chainSchema, coordinatorChainSchema, contractAddresses, remoteChainSchema } from '../domain/configuration.ts';
import type { ChainConfiguration } from '../domain/configuration.ts';
import {
  connectChains,
  deployEndpoint,
  deployKeystone,
  deployRemote,
  deployTestTokens,
  type EndpointDeployment,
  type KeystoneDeployment,
  type RemoteDeployment,
  type TestTokens,
} from './deploy-contracts.ts';
import { endpointIdOf } from './deploy-endpoint.ts';
import { type Launch, variable } from './launch.ts';
import { createProvider, type StackKeys } from './stack-accounts.ts';
import type { ChainPart } from './stack-infrastructure.ts';

/** What is deployed on the chains of the stack, and how it gets there. Contracts on several chains are one deployment: connected and frozen. */

export interface DeployedChain {
  /** As API and worker read it. */
  readonly configuration: ChainConfiguration;
  readonly tokens: TestTokens;
  /** Null when KEYSTONE_CHAINS names the contracts: then LayerZero's own network carries the messages. */
  readonly layerzero: EndpointDeployment | null;
}

/** `.keystone/deployment.json`, mode 0600: the addresses of nodes may hold keys. */
export interface DeploymentFile {
  /** Hash over the bytecode that was deployed: changed sources are deployed anew. */
  readonly code_sha256: string;
  readonly message_grace_seconds: number;
  /** Roles were given to these; other keys need other contracts. */
  readonly accounts: Readonly<Record<'engine' | 'oracle' | 'platformOracle' | 'carrier', string>>;
  readonly chains: readonly DeployedChain[];
}

export interface DeploymentContext {
  /** The coordinator's chain first. */
  readonly chains: readonly ChainPart[];
  readonly keys: StackKeys;
  readonly codeHash: string;
  /** For which a settlement with every leg of the coordinator's chain in waits for the votes of the others after its deadline. */
  readonly messageGraceSeconds: number;
  /** Contracts that are there already; then only test tokens are deployed. */
  readonly configured: readonly ChainConfiguration[] | undefined;
}

/** The chains of KEYSTONE_CHAINS, the coordinator's first; undefined when it is not set. @throws Error without the content, which may hold keys. */
export function configuredChains(launch: Launch): readonly ChainConfiguration[] | undefined {
  const text = variable(launch, 'KEYSTONE_CHAINS');
  if (text === undefined) return undefined;
  const chains = z.array(chainSchema).min(1).safeParse(parseJson(text));
  if (!chains.success) throw new Error(`KEYSTONE_CHAINS is not valid: ${z.prettifyError(chains.error)}`);
  return chains.data.toSorted((left, right) => Number(left.kind === 'remote') - Number(right.kind === 'remote'));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The text may hold an RPC key, so the parser's message (which quotes it) is not repeated; undefined is refused by the schema.
    return undefined;
  }
}

export function accountsOf(keys: StackKeys): DeploymentFile['accounts'] {
  const { engine, oracle, platformOracle, carrier } = keys;
  return {
    engine: engine.address,
    oracle: oracle.address,
    platformOracle: platformOracle.address,
    carrier: carrier.address,
  };
}

/** A remembered deployment, if every chain still has its code and it is that of today's sources and keys. */
export async function findDeployment(file: string, context: DeploymentContext): Promise<DeploymentFile | undefined> {
  if (!existsSync(file)) return undefined;
  const known = JSON.parse(readFileSync(file, 'utf8')) as DeploymentFile;
  const { configured, chains } = context;
  if (configured === undefined && known.code_sha256 !== context.codeHash) return undefined;
  if (configured === undefined && known.message_grace_seconds !== context.messageGraceSeconds) return undefined;
  if (JSON.stringify(known.accounts) !== JSON.stringify(accountsOf(context.keys))) return undefined;
  if (known.chains.length !== chains.length) return undefined;
  for (const [index, chain] of chains.entries()) {
    const deployed = known.chains[index];
    if (deployed?.configuration.chain_id !== chain.chainId) return undefined;
    const wanted = configured?.[index];
    const addresses = contractAddresses(deployed.configuration);
    if (wanted !== undefined && String(contractAddresses(wanted)) !== String(addresses)) return undefined;
    if (!(await hasCode(chain, [...addresses, ...Object.values(deployed.tokens)]))) return undefined;
  }
  return known;
}

async function hasCode(chain: ChainPart, addresses: readonly string[]): Promise<boolean> {
  const provider = createProvider(chain);
  try {
    const codes = await Promise.all(addresses.map((address) => provider.getCode(address)));
    return codes.every((code) => code !== '0x');
  } finally {
    provider.destroy();
  }
}

/** What somebody deploys with on one chain. */
interface Deploying {
  readonly chain: ChainPart;
  readonly signer: Wallet;
}

/** Deploys and connects everything, side by side where one chain does not wait for the other. */
export async function deployAll(
  context: DeploymentContext,
  onProgress: (line: string) => void,
): Promise<readonly DeployedChain[]> {
  const providers = context.chains.map((chain) => createProvider(chain));
  try {
    const deploying = context.chains.map((chain, index): Deploying => {
      const provider = providers[index] ?? null;
      return { chain, signer: found(context.keys.deployers, index).connect(provider) };
    });
    if (context.configured !== undefined) return await deployTokensOnly(context.configured, deploying);
    return await deployConnected(context, deploying, onProgress);
  } finally {
    for (const provider of providers) provider.destroy();
  }
}

async function deployTokensOnly(
  configured: readonly ChainConfiguration[],
  deploying: readonly Deploying[],
): Promise<DeployedChain[]> {
  return Promise.all(
    configured.map(async (configuration, index) => {
      const signer = deploying[index]?.signer;
      if (signer === undefined) throw new Error(`chain ${configuration.chain_id} was not started`);
      return { configuration, tokens: await deployTestTokens(signer), layerzero: null };
    }),
  );
}

async function deployConnected(
  { keys, messageGraceSeconds }: DeploymentContext,
  deploying: readonly Deploying[],
  onProgress: (line: string) => void,
): Promise<DeployedChain[]> {
  const reaches = deploying.map(({ chain }) => endpointIdOf(chain.chainId));
  const endpoints = await Promise.all(
    deploying.map(({ signer }) => deployEndpoint({ signer, reaches, relayer: keys.carrier.address, onProgress })),
  );
  const [home, ...others] = deploying.map((one, index) => ({ ...one, endpoint: found(endpoints, index) }));
  if (home === undefined) throw new Error('there is no chain to deploy to');
  const { engine, oracle, platformOracle } = keys;
  const [coordinator, otherTokens] = await Promise.all([
    deployKeystone({
      signer: home.signer,
      endpoint: home.endpoint,
      creator: engine.address,
      engine: engine.address,
      messageGraceSeconds,
      attesters: [oracle.address],
      furtherSets: {
        platform: { attesters: [platformOracle.address] },
        'two-of-two': { attesters: [oracle.address, platformOracle.address] },
      },
      onProgress,
    }),
    Promise.all(others.map(({ signer }) => deployTestTokens(signer))),
  ]);
  const [homeTokens, remotes] = await Promise.all([
    deployTestTokens(home.signer),
    Promise.all(
      others.map(({ signer, endpoint }) => deployRemote({ signer, endpoint, home: coordinator, onProgress })),
    ),
  ]);
  await connectChains(
    { signer: home.signer, deployment: coordinator },
    remotes.map((deployment, index) => ({ signer: found(others, index).signer, deployment })),
  );
  return [
    {
      configuration: coordinatorConfiguration(home.chain, coordinator),
      tokens: homeTokens,
      layerzero: home.endpoint,
    },
    ...remotes.map((remote, index) => ({
      configuration: remoteConfiguration(found(others, index).chain, remote),
      tokens: found(otherTokens, index),
      layerzero: remote.endpoint,
    })),
  ];
}

function found<Item>(items: readonly Item[], index: number): Item {
  const item = items[index];
  if (item === undefined) throw new Error(`there are ${items.length} chains, and number ${index} was asked for`);
  return item;
}

function coordinatorConfiguration(chain: ChainPart, deployment: KeystoneDeployment): ChainConfiguration {
  return coordinatorChainSchema.parse({
    kind: 'coordinator',
    chain_id: chain.chainId,
    rpc_urls: [chain.rpcUrl],
    coordinator: deployment.coordinator,
    escrow: deployment.escrow,
    registry: deployment.registry,
    attester_sets: deployment.attesterSets,
    deployment_block: deployment.deploymentBlock,
    finality: 'finalized',
  });
}

function remoteConfiguration(chain: ChainPart, deployment: RemoteDeployment): ChainConfiguration {
  return remoteChainSchema.parse({
    kind: 'remote',
    chain_id: chain.chainId,
    rpc_urls: [chain.rpcUrl],
    gateway: deployment.gateway,
    escrow: deployment.escrow,
    deployment_block: deployment.deploymentBlock,
    finality: 'finalized',
  });
}
