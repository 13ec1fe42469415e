import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';

import { formatEther, JsonRpcProvider, Network, parseEther, toQuantity, Wallet } from 'ethers';
import { z } from 'zod';

import { buildContracts, CONTRACT_NAMES, loadArtifact } from '../contracts/build.ts';
import { chainSchema, type CoordinatorChainConfiguration, coordinatorChainSchema } from '../domain/configuration.ts';
import { findDiscontinuity, forgetChain } from './chain-continuity.ts';
import { deployKeystone, deployTestTokens, type KeystoneDeployment } from './deploy-contracts.ts';
import { type Launch, variable } from './launch.ts';
import { randomPrivateKey } from './secrets.ts';
import type { ChainPart } from './stack-infrastructure.ts';
import { writePrivateJson } from './stack-file.ts';

/** The contracts on the chain: compiled, deployed once, found again, and the accounts that use them funded. */

const FUNDS = parseEther('1000');
const LOW_FUNDS = parseEther('100');
const POLL_MS = 200;

/** `.keystone/deployment-<chain id>.json` */
interface Deployment {
  readonly coordinator: string;
  readonly escrow: string;
  readonly registry: string;
  readonly attester_set: string;
  readonly deployment_block: number;
  readonly tokens: { readonly KBOND: string; readonly TUSDC: string };
  /** Roles were given to these; other keys need other contracts. */
  readonly engine: string;
  readonly attester: string;
  /** Hash over the bytecode that was deployed: changed sources are deployed anew. */
  readonly code_sha256: string;
}

export interface ContractsPart {
  readonly configuration: CoordinatorChainConfiguration;
  readonly tokens: { readonly KBOND: string; readonly TUSDC: string };
  readonly keys: ChainKeys;
}

export interface ChainKeys {
  readonly engine: Wallet;
  readonly attester: Wallet;
}

/** `funded` are addresses beside our own that get ether on a chain that we started ourselves. */
export async function prepareContracts(
  launch: Launch,
  chain: ChainPart,
  options: { ownerDatabaseUrl: string; funded: readonly string[] },
): Promise<ContractsPart> {
  const provider = createProvider(chain);
  try {
    const codeHash = await compile(launch);
    const keys = {
      engine: new Wallet(variable(launch, 'ENGINE_PRIVATE_KEY') ?? launch.secrets.get('engine-key', randomPrivateKey)),
      attester: new Wallet(
        variable(launch, 'ATTESTER_PRIVATE_KEY') ?? launch.secrets.get('attester-key', randomPrivateKey),
      ),
    };
    const deployer = new Wallet(launch.secrets.get('deployer-key', randomPrivateKey), provider);
    const accounts = [deployer.address, keys.engine.address, keys.attester.address, ...options.funded];
    const advice = {
      logFile: launch.home.log('anvil'),
      hint: `check RPC_URL_${chain.chainId}, or \`npm start -- --fresh\``,
    };
    await launch.steps.run('chain and accounts checked', advice, async () => {
      await checkContinuity(launch, chain, options.ownerDatabaseUrl);
      await fundAccounts(chain, provider, accounts);
    });
    const configured = findConfigured(launch, chain.chainId);
    const deployment = await deployOnce(launch, { chain, provider, deployer, keys, codeHash, configured });
    return { configuration: configured ?? configurationOf(chain, deployment), tokens: deployment.tokens, keys };
  } finally {
    provider.destroy();
  }
}

function createProvider(chain: ChainPart): JsonRpcProvider {
  const network = Network.from(chain.chainId);
  const provider = new JsonRpcProvider(chain.rpcUrl, network, {
    staticNetwork: network,
    batchMaxCount: 1,
    cacheTimeout: -1,
  });
  provider.pollingInterval = POLL_MS;
  return provider;
}

async function checkContinuity(launch: Launch, chain: ChainPart, ownerDatabaseUrl: string): Promise<void> {
  const database = { ownerDatabaseUrl, chainId: chain.chainId };
  const problem = await findDiscontinuity(database, chain.rpcUrl);
  if (problem === undefined) return;
  if (!chain.embedded) {
    throw new Error(
      `${problem}. RPC_URL_${chain.chainId} names another chain than before: use another KEYSTONE_HOME or database for it.`,
    );
  }
  const { openSettlements } = await forgetChain(database);
  launch.steps.say(
    `note    ${problem}: what was stored of chain ${chain.chainId} is forgotten, contracts are deployed anew`,
  );
  if (openSettlements > 0) {
    launch.steps.say(
      `note    ${openSettlements} open settlements on it cannot finish; \`npm start -- --fresh\` forgets them`,
    );
  }
}

function compile(launch: Launch): Promise<string> {
  return launch.steps.run(
    'contracts compiled',
    { hint: 'npm run contracts:build shows the compiler messages' },
    async (step) => {
      const built = await buildContracts({ onProgress: step.progress });
      step.result(built.cached ? 'unchanged' : 'built');
      const hash = createHash('sha256');
      for (const name of CONTRACT_NAMES) hash.update((await loadArtifact(name)).bytecode);
      return hash.digest('hex');
    },
  );
}

async function fundAccounts(chain: ChainPart, provider: JsonRpcProvider, addresses: readonly string[]): Promise<void> {
  for (const address of addresses) {
    if ((await provider.getBalance(address)) >= LOW_FUNDS || !chain.embedded) continue;
    await provider.send('anvil_setBalance', [address, toQuantity(FUNDS)]);
  }
}

interface DeploymentContext {
  readonly chain: ChainPart;
  readonly provider: JsonRpcProvider;
  readonly deployer: Wallet;
  readonly keys: ChainKeys;
  readonly codeHash: string;
  /** Contracts that are there already; then only the test tokens are deployed. */
  readonly configured: CoordinatorChainConfiguration | undefined;
}

/** The entry of KEYSTONE_CHAINS for the chain, in the form that API and worker read. */
function findConfigured(launch: Launch, chainId: number): CoordinatorChainConfiguration | undefined {
  const text = variable(launch, 'KEYSTONE_CHAINS');
  if (text === undefined) return undefined;
  const chains = z.array(chainSchema).safeParse(parseJson(text));
  if (!chains.success) throw new Error(`KEYSTONE_CHAINS is not valid: ${z.prettifyError(chains.error)}`);
  const found = chains.data.find((chain) => chain.chain_id === chainId);
  return found?.kind === 'coordinator' ? found : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The text may hold an RPC key, so the parser's message (which quotes it) is not repeated; undefined is refused by the schema.
    return undefined;
  }
}

function deployOnce(launch: Launch, context: DeploymentContext): Promise<Deployment> {
  const { chain, provider, deployer, keys, codeHash } = context;
  const file = launch.home.file(`deployment-${chain.chainId}.json`);
  const hint = chain.embedded
    ? 'npm start -- --fresh'
    : `send test ether to ${deployer.address} (deployer), ${keys.engine.address} (engine) and ${keys.attester.address} (attester)`;
  return launch.steps.run('contracts deployed', { hint, logFile: launch.home.log('anvil') }, async (step) => {
    const known = await findDeployment(file, context);
    if (known !== undefined) {
      step.result(`already there, coordinator ${known.coordinator}`);
      return known;
    }
    const balance = await provider.getBalance(deployer.address);
    if (balance === 0n) throw new Error(`the deployer ${deployer.address} has ${formatEther(balance)} ether`);
    const contracts = await contractsOf(context, step.progress);
    const deployment: Deployment = {
      coordinator: contracts.coordinator,
      escrow: contracts.escrow,
      registry: contracts.registry,
      attester_set: contracts.attesterSet,
      deployment_block: contracts.deploymentBlock,
      tokens: await deployTestTokens(deployer),
      engine: keys.engine.address,
      attester: keys.attester.address,
      code_sha256: codeHash,
    };
    writePrivateJson(file, deployment);
    step.result(`coordinator ${deployment.coordinator}`);
    return deployment;
  });
}

async function contractsOf(
  { configured, deployer, keys }: DeploymentContext,
  onProgress: (line: string) => void,
): Promise<Pick<KeystoneDeployment, 'coordinator' | 'escrow' | 'registry' | 'attesterSet' | 'deploymentBlock'>> {
  if (configured === undefined) {
    const { engine, attester } = keys;
    const roles = { creator: engine.address, engine: engine.address, attesters: [attester.address] };
    return deployKeystone({ signer: deployer, ...roles, onProgress });
  }
  const attesterSet = configured.attester_sets['default'];
  if (attesterSet === undefined) throw new Error('KEYSTONE_CHAINS names no attester set `default`');
  const { coordinator, escrow, registry, deployment_block: deploymentBlock } = configured;
  return { coordinator, escrow, registry, attesterSet, deploymentBlock };
}

/** A remembered deployment, if the chain still has its code and it is that of today's sources and keys. */
async function findDeployment(file: string, context: DeploymentContext): Promise<Deployment | undefined> {
  if (!existsSync(file)) return undefined;
  const known = JSON.parse(readFileSync(file, 'utf8')) as Deployment;
  const { configured } = context;
  if (configured === undefined && known.code_sha256 !== context.codeHash) return undefined;
  if (configured !== undefined && known.coordinator !== configured.coordinator) return undefined;
  if (known.engine !== context.keys.engine.address || known.attester !== context.keys.attester.address)
    return undefined;
  const addresses = [known.coordinator, known.escrow, known.registry, known.tokens.KBOND, known.tokens.TUSDC];
  for (const address of addresses) if ((await context.provider.getCode(address)) === '0x') return undefined;
  return known;
}

function configurationOf(chain: ChainPart, deployment: Deployment): CoordinatorChainConfiguration {
  return coordinatorChainSchema.parse({
    chain_id: chain.chainId,
    kind: 'coordinator',
    rpc_urls: [chain.rpcUrl],
    coordinator: deployment.coordinator,
    escrow: deployment.escrow,
    registry: deployment.registry,
    attester_sets: { default: deployment.attester_set },
    deployment_block: deployment.deployment_block,
    finality: 'finalized',
  });
}
