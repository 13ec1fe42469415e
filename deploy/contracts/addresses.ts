import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';

import { keccak256, toUtf8Bytes } from 'ethers';

import { type ChainTarget, coordinatorTarget, type DeploymentConfiguration, remoteTargets } from './configuration.ts';
import type { Network } from './network.ts';

/**
 * Where the contracts are going to be. A contract's address follows from the deployer and its nonce, so the only thing to remember between two
 * attempts is the nonce with which the first one began; everything else is read from the chains.
 */

/** Contracts in the order of their creation, by kind of chain. */
export const CREATIONS = {
  coordinator: ['ComplianceRegistry', 'KeystoneEscrow', 'SettlementCoordinator'],
  remote: ['KeystoneEscrow', 'Gateway'],
} as const;

/** The state file: mode 0600, since it is what a resumed deployment trusts. */
interface DeploymentState {
  readonly version: 1;
  /** Hash over the configuration: another one is another deployment. */
  readonly configuration: string;
  readonly chains: Readonly<Record<string, Beginning>>;
}

interface Beginning {
  readonly deployer: string;
  readonly first_nonce: number;
  /** Head of the chain before the first transaction. */
  readonly first_block: number;
}

export interface ChainAddresses {
  readonly target: ChainTarget;
  readonly network: Network;
  readonly firstNonce: number;
  /** No event of these contracts is older. */
  readonly firstBlock: number;
  readonly escrow: string;
  /** The application that sends and receives: coordinator or gateway. */
  readonly application: string;
  /** On the coordinator's chain. */
  readonly registry: string | undefined;
}

export interface Addresses {
  readonly home: ChainAddresses;
  readonly remotes: readonly ChainAddresses[];
}

/** `write` false leaves no state file behind, for a plan. @throws Error when the state belongs to another configuration or account. */
export async function locateContracts(
  configuration: DeploymentConfiguration,
  networks: ReadonlyMap<number, Network>,
  state: { readonly file: string; readonly write: boolean },
): Promise<Addresses> {
  const hash = keccak256(toUtf8Bytes(JSON.stringify(configuration)));
  const known = readState(state.file);
  if (known !== undefined && known.configuration !== hash) {
    throw new Error(`${state.file} belongs to another configuration: name another state file for a new deployment`);
  }
  const chains: Record<string, Beginning> = {};
  for (const { chain_id: chainId } of configuration.chains) {
    const network = networkOf(networks, chainId);
    const before = known?.chains[chainId];
    if (before !== undefined && before.deployer !== network.deployer) {
      throw new Error(`the deployment on chain ${chainId} was begun by ${before.deployer}, not by ${network.deployer}`);
    }
    chains[chainId] = before ?? {
      deployer: network.deployer,
      first_nonce: await network.settledNonce(),
      first_block: await network.blockNumber(),
    };
  }
  // Before the first transaction: an attempt that is killed right after it must find its contracts again.
  if (state.write && known === undefined) writeState(state.file, { version: 1, configuration: hash, chains });
  const locate = (target: ChainTarget): ChainAddresses => {
    const network = networkOf(networks, target.chain_id);
    const { first_nonce: firstNonce = 0, first_block: firstBlock = 0 } = chains[target.chain_id] ?? {};
    const names: readonly string[] = CREATIONS[target.kind];
    const at = (name: string): string => network.addressAt(firstNonce + names.indexOf(name));
    const isHome = target.kind === 'coordinator';
    return {
      target,
      network,
      firstNonce,
      firstBlock,
      escrow: at('KeystoneEscrow'),
      application: at(isHome ? 'SettlementCoordinator' : 'Gateway'),
      registry: isHome ? at('ComplianceRegistry') : undefined,
    };
  };
  return { home: locate(coordinatorTarget(configuration)), remotes: remoteTargets(configuration).map(locate) };
}

function networkOf(networks: ReadonlyMap<number, Network>, chainId: number): Network {
  const network = networks.get(chainId);
  if (network === undefined) throw new Error(`no node is given for chain ${chainId}`);
  return network;
}

function readState(file: string): DeploymentState | undefined {
  if (!existsSync(file)) return undefined;
  const state = JSON.parse(readFileSync(file, 'utf8')) as DeploymentState;
  if (state.version !== 1) throw new Error(`${file} is not a state file of this version`);
  return state;
}

function writeState(file: string, state: DeploymentState): void {
  const unfinished = `${file}.new`;
  writeFileSync(unfinished, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  renameSync(unfinished, file);
}
