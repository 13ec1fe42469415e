import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';

import { formatEther } from 'ethers';

import { CONTRACT_NAMES, loadArtifact } from '../contracts/build.ts';
import type { ChainConfiguration } from '../domain/configuration.ts';
import { REPOSITORY } from './home.ts';
import { type Launch, variable } from './launch.ts';
import { addressesOf, checkChain, createProvider, loadKeys, type StackKeys } from './stack-accounts.ts';
import {
  accountsOf,
  deployAll,
  type DeployedChain,
  type DeploymentContext,
  type DeploymentFile,
  findDeployment,
} from './stack-deployment.ts';
import { writePrivateJson } from './stack-file.ts';
import type { ChainPart } from './stack-infrastructure.ts';

/** The contracts on the chains: compiled, deployed once, found again, and the accounts that use them funded. */

/** Some thirty seconds on a quiet machine. Milliseconds. */
const COMPILE_LIMIT_MS = 300_000;
const run = promisify(execFile);
const DEFAULT_GRACE_SECONDS = 120;

export interface ContractsPart {
  /** The coordinator's chain first, with the addresses of today's nodes. */
  readonly chains: readonly (DeployedChain & { readonly part: ChainPart })[];
  readonly keys: StackKeys;
}

/** KEYSTONE_CHAINS of API and worker. */
export function chainsVariable(contracts: ContractsPart): string {
  return JSON.stringify(contracts.chains.map(({ configuration }) => configuration));
}

/**
 * Compiles in a process of its own: the compiler would keep this one from looking after the servers that start meanwhile. Answers the hash over
 * all bytecodes.
 */
export function compileContracts(launch: Launch): Promise<string> {
  const hint = 'npm run contracts:build shows the compiler messages';
  return launch.steps.run('contracts compiled', { hint }, async (step) => {
    const options = { cwd: REPOSITORY, timeout: COMPILE_LIMIT_MS };
    const { stdout } = await run(process.execPath, ['contracts/build.ts'], options);
    step.result(stdout.includes('unchanged') ? 'unchanged' : 'built');
    const hash = createHash('sha256');
    for (const name of CONTRACT_NAMES) hash.update((await loadArtifact(name)).bytecode);
    return hash.digest('hex');
  });
}

export interface ContractsOptions {
  readonly ownerDatabaseUrl: string;
  readonly codeHash: string;
  readonly configured: readonly ChainConfiguration[] | undefined;
  /** Addresses beside our own that get ether on chains that we started ourselves. */
  readonly funded: readonly string[];
}

export async function prepareContracts(
  launch: Launch,
  chains: readonly ChainPart[],
  options: ContractsOptions,
): Promise<ContractsPart> {
  const keys = loadKeys(
    launch,
    chains.map(({ chainId }) => chainId),
  );
  const { ownerDatabaseUrl, codeHash, configured } = options;
  const addresses = [...addressesOf(keys), ...options.funded];
  await launch.steps.run(
    'chains and accounts checked',
    { hint: 'check RPC_URL_<chain id>, or `npm start -- --fresh`' },
    async () => {
      await Promise.all(chains.map((chain) => checkChain(launch, chain, { ownerDatabaseUrl, addresses })));
    },
  );
  const deployed = await deployOnce(launch, {
    chains,
    keys,
    codeHash,
    configured,
    messageGraceSeconds: messageGrace(launch),
  });
  return {
    chains: deployed.map((one, index) => withNode(one, chains[index])),
    keys,
  };
}

/** An hour on real networks; here messages take seconds, and a person waits. */
function messageGrace(launch: Launch): number {
  const seconds = Number(variable(launch, 'MESSAGE_GRACE_SECONDS') ?? DEFAULT_GRACE_SECONDS);
  if (!Number.isInteger(seconds) || seconds < 1) throw new Error('MESSAGE_GRACE_SECONDS is not a number of seconds');
  return seconds;
}

/** The node may have another port than when the contracts were deployed. */
function withNode(deployed: DeployedChain, part: ChainPart | undefined): ContractsPart['chains'][number] {
  if (part === undefined) throw new Error(`chain ${deployed.configuration.chain_id} was not started`);
  const rpcUrls = deployed.layerzero === null ? deployed.configuration.rpc_urls : [part.rpcUrl];
  return { ...deployed, configuration: { ...deployed.configuration, rpc_urls: rpcUrls }, part };
}

function deployOnce(launch: Launch, context: DeploymentContext): Promise<readonly DeployedChain[]> {
  const { chains, keys, configured } = context;
  const file = launch.home.file('deployment.json');
  const { engine, oracle, relayer, deployers } = keys;
  const external = chains.flatMap(({ embedded, chainId }, index) =>
    embedded ? [] : [`on chain ${chainId} to ${deployers[index]?.address} (deployer) and ${relayer.address} (relayer)`],
  );
  const roles = `on the first also to ${engine.address} (engine) and ${oracle.address} (oracle)`;
  const hint = external.length === 0 ? 'npm start -- --fresh' : `send test ether ${external.join(', ')}; ${roles}`;
  const advice = { hint, ...(chains[0] !== undefined && { logFile: chains[0].logFile }) };
  return launch.steps.run('contracts deployed', advice, async (step) => {
    const known = await findDeployment(file, context);
    if (known !== undefined) {
      step.result(`already there on ${chains.length} chains`);
      // What KEYSTONE_CHAINS says today counts, not what it said then.
      return known.chains.map((chain, index) => ({
        ...chain,
        configuration: configured?.[index] ?? chain.configuration,
      }));
    }
    for (const [index, chain] of chains.entries()) await requireBalance(chain, deployers[index]?.address ?? '');
    const deployed = await deployAll(context, step.progress);
    const content: DeploymentFile = {
      code_sha256: context.codeHash,
      message_grace_seconds: context.messageGraceSeconds,
      accounts: accountsOf(keys),
      chains: deployed,
    };
    writePrivateJson(file, content);
    step.result(
      `on ${deployed.map(({ configuration }) => configuration.chain_id).join(' and ')}, connected and frozen`,
    );
    return deployed;
  });
}

async function requireBalance(chain: ChainPart, deployer: string): Promise<void> {
  const provider = createProvider(chain);
  try {
    const balance = await provider.getBalance(deployer);
    if (balance === 0n) {
      throw new Error(`the deployer ${deployer} has ${formatEther(balance)} ether on chain ${chain.chainId}`);
    }
  } finally {
    provider.destroy();
  }
}
