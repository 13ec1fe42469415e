import { getAddress, type Signer } from 'ethers';

import { buildContracts, type ContractName, loadArtifact } from '../contracts/build.ts';
import { type EndpointDeployment, loadLayerZeroArtifact } from './deploy-endpoint.ts';
import { type CallTarget, createDeployer, type Deployer } from './deployer.ts';

export { deployEndpoint, type EndpointDeployment, type EndpointOptions } from './deploy-endpoint.ts';

/**
 * Deploys the settlement contracts and the test tokens, wired to each other, from the compiled artifacts: on chains of development and of tests.
 * For real networks see deploy/contracts. Order: deployEndpoint everywhere, deployKeystone at home, deployRemote elsewhere, connectChains.
 */

const LIMITS = { attesters: 4, sets: 8 } as const;

const DEFAULT_SET_DELAY_SECONDS = 2 * 24 * 3600;
const DEFAULT_MESSAGE_GRACE_SECONDS = 3600;
/** Name of the attester set that a template uses unless it says otherwise. */
const DEFAULT_SET = 'default';
const ZERO_ADDRESS = `0x${'00'.repeat(20)}`;

export interface AttesterSetOptions {
  readonly attesters: readonly string[];
  /** How many of them must say Pass; all of them by default. */
  readonly threshold?: number;
}

export interface DeploymentOptions {
  /** Deploys, and becomes the admin of coordinator and registry. It needs a provider, and nothing else may use its nonces meanwhile. */
  readonly signer: Signer;
  /** Address that may create settlements. */
  readonly creator: string;
  /** Address that may carry settlements forward. */
  readonly engine: string;
  /** Addresses of the first attester set, one to four. */
  readonly attesters: readonly string[];
  /** How many of them must say Pass; all of them by default. */
  readonly threshold?: number;
  /** Further sets by name, for example a platform's own. */
  readonly furtherSets?: Readonly<Record<string, AttesterSetOptions>>;
  /** Address that may pause creation and deposits; the admin by default. */
  readonly pauser?: string;
  /** LayerZero's endpoint on this chain. Without it the coordinator settles on its own chain alone, for ever. */
  readonly endpoint?: EndpointDeployment;
  /** Seconds between the registration of a further attester set and its first use. */
  readonly setDelaySeconds?: number;
  /** Seconds after the deadline for which a settlement with every leg in waits for its execution. */
  readonly messageGraceSeconds?: number;
  /** Receives one line per contract. */
  readonly onProgress?: (line: string) => void;
}

export interface KeystoneDeployment {
  readonly chainId: number;
  /** Checksummed addresses. */
  readonly coordinator: string;
  readonly escrow: string;
  readonly registry: string;
  /** Id of the attester set `default` (0x and 32 bytes of hex): keccak256(abi.encode(address[] ascending, uint8 threshold)). */
  readonly attesterSet: string;
  /** Ids of all sets by name, `default` among them. */
  readonly attesterSets: Readonly<Record<string, string>>;
  readonly endpoint: EndpointDeployment | undefined;
  /** No event of these contracts is older. */
  readonly deploymentBlock: number;
}

export interface RemoteOptions {
  readonly signer: Signer;
  readonly endpoint: EndpointDeployment;
  /** The coordinator's chain: what `deployKeystone` answered there. */
  readonly home: Pick<KeystoneDeployment, 'chainId' | 'coordinator' | 'endpoint'>;
  /** Address that may pause deposits; the admin, who is the signer, by default. */
  readonly pauser?: string;
  readonly onProgress?: (line: string) => void;
}

export interface RemoteDeployment {
  readonly chainId: number;
  readonly gateway: string;
  readonly escrow: string;
  readonly endpoint: EndpointDeployment;
  readonly deploymentBlock: number;
}

export interface TestTokens {
  /** 18 decimals. */
  readonly KBOND: string;
  /** 6 decimals. */
  readonly TUSDC: string;
  /** ERC-721. */
  readonly KDEED: string;
  /** ERC-1400. */
  readonly KFUND: string;
}

/**
 * Deploys registry, escrow and coordinator. The first two are told the address that the coordinator is going to have, which follows from
 * the signer's nonce; the coordinator's constructor reverts when they were told another one.
 * @throws Error when the attesters do not make a set, a deployment is not included in time, or it reverts.
 */
export async function deployKeystone(options: DeploymentOptions): Promise<KeystoneDeployment> {
  const { attesters, threshold, endpoint } = options;
  const first: AttesterSetOptions = { attesters, ...(threshold !== undefined && { threshold }) };
  const sets = Object.entries({ [DEFAULT_SET]: first, ...options.furtherSets }).map(
    ([name, set]) => [name, attesterSetOf(set)] as const,
  );
  if (sets.length > LIMITS.sets) throw new Error(`more than ${LIMITS.sets} attester sets`);
  const deployer = await prepare(options.signer, options.onProgress);
  const coordinator = deployer.addressAhead(2);
  const settings = {
    coordinator,
    admin: deployer.address,
    setDelay: options.setDelaySeconds ?? DEFAULT_SET_DELAY_SECONDS,
    initialSets: sets.map(([, set]) => set),
  };
  const roles = {
    admin: deployer.address,
    creator: getAddress(options.creator),
    engine: getAddress(options.engine),
    pauser: getAddress(options.pauser ?? deployer.address),
  };
  const registry = await create(deployer, 'ComplianceRegistry', [settings]);
  const escrow = await create(deployer, 'KeystoneEscrow', [coordinator, coordinator, deployer.chainId]);
  const grace = options.messageGraceSeconds ?? DEFAULT_MESSAGE_GRACE_SECONDS;
  await create(deployer, 'SettlementCoordinator', [registry, escrow, roles, grace, endpoint?.endpoint ?? ZERO_ADDRESS]);
  const deploymentBlock = await deployer.settled();

  const target = { address: registry, abi: (await loadArtifact('ComplianceRegistry')).abi };
  const attesterSets: Record<string, string> = {};
  // Asked of the contract, so that nobody computes the id by another rule than the one that will judge it.
  for (const [name, set] of sets) attesterSets[name] = String(await deployer.read(target, 'attesterSetId', [set]));
  const attesterSet = attesterSets[DEFAULT_SET] ?? '';
  return {
    chainId: deployer.chainId,
    coordinator,
    escrow,
    registry,
    attesterSet,
    attesterSets,
    endpoint,
    deploymentBlock,
  };
}

/**
 * Deploys escrow and gateway on a chain that is to follow the coordinator. Nothing arrives there before `connectChains`.
 * @throws Error when the coordinator has no endpoint, a deployment is not included in time, or it reverts.
 */
export async function deployRemote(options: RemoteOptions): Promise<RemoteDeployment> {
  const { endpoint, home } = options;
  if (home.endpoint === undefined) throw new Error('the coordinator was deployed without an endpoint');
  const deployer = await prepare(options.signer, options.onProgress);
  const gateway = deployer.addressAhead(1);
  const escrow = await create(deployer, 'KeystoneEscrow', [gateway, home.coordinator, home.chainId]);
  const homeChain = {
    coordinator: home.coordinator,
    chainId: home.chainId,
    endpointId: home.endpoint.endpointId,
  };
  const pauser = getAddress(options.pauser ?? deployer.address);
  await create(deployer, 'Gateway', [escrow, endpoint.endpoint, homeChain, deployer.address, pauser]);
  const deploymentBlock = await deployer.settled();
  return { chainId: deployer.chainId, gateway, escrow, endpoint, deploymentBlock };
}

export interface DeployedBy<Deployment> {
  /** Who deployed it, and may therefore still configure it. */
  readonly signer: Signer;
  readonly deployment: Deployment;
}

/**
 * Connects the coordinator with every other chain, chooses the message libraries explicitly on both sides, and freezes all of it for ever.
 * Chains cannot be added afterwards. With no remote chains the coordinator settles on its own chain alone.
 * @throws Error when a transaction is not included in time or reverts.
 */
export async function connectChains(
  home: DeployedBy<KeystoneDeployment>,
  remotes: readonly DeployedBy<RemoteDeployment>[],
): Promise<void> {
  const { coordinator, endpoint } = home.deployment;
  if (endpoint === undefined) throw new Error('the coordinator was deployed without an endpoint');
  const atHome = async (): Promise<void> => {
    const deployer = await prepare(home.signer);
    const target = { address: coordinator, abi: (await loadArtifact('SettlementCoordinator')).abi };
    for (const { deployment } of remotes) {
      const { chainId, gateway, escrow } = deployment;
      const remoteId = deployment.endpoint.endpointId;
      await deployer.call('connect', target, 'connect', [chainId, remoteId, gateway, escrow]);
      await chooseLibraries(deployer, endpoint, coordinator, remoteId);
    }
    await deployer.call('freeze', target, 'freeze', []);
    await deployer.settled();
  };
  const atRemote = async ({ signer, deployment }: DeployedBy<RemoteDeployment>): Promise<void> => {
    const deployer = await prepare(signer);
    const target = { address: deployment.gateway, abi: (await loadArtifact('Gateway')).abi };
    await chooseLibraries(deployer, deployment.endpoint, deployment.gateway, endpoint.endpointId);
    await deployer.call('freeze', target, 'freeze', []);
    await deployer.settled();
  };
  await Promise.all([atHome(), ...remotes.map(atRemote)]);
}

/** Defaults belong to LayerZero, which may change them: the contracts refuse to be frozen with them. */
async function chooseLibraries(
  deployer: Deployer,
  endpoint: EndpointDeployment,
  application: string,
  remoteId: number,
): Promise<void> {
  const { abi } = await loadLayerZeroArtifact('lz-evm-protocol-v2', 'EndpointV2');
  const target: CallTarget = { address: endpoint.endpoint, abi };
  const path = [application, remoteId, endpoint.messageLibrary];
  await deployer.call('setSendLibrary', target, 'setSendLibrary', path);
  await deployer.call('setReceiveLibrary', target, 'setReceiveLibrary', [...path, 0]);
}

/**
 * Deploys test tokens of three standards, which anybody may mint. For development chains only.
 * @throws Error when a deployment is not included in time.
 */
export async function deployTestTokens(signer: Signer, onProgress?: (line: string) => void): Promise<TestTokens> {
  const deployer = await prepare(signer, onProgress);
  const tokens = {
    KBOND: await create(deployer, 'KBOND', []),
    TUSDC: await create(deployer, 'TUSDC', []),
    KDEED: await create(deployer, 'KDEED', []),
    KFUND: await create(deployer, 'KFUND', []),
  };
  await deployer.settled();
  return tokens;
}

/** Ascending order, as the registry demands: each set then has exactly one id. */
function attesterSetOf({ attesters, threshold = attesters.length }: AttesterSetOptions): {
  attesters: string[];
  threshold: number;
} {
  const ascending = attesters
    .map((attester) => getAddress(attester))
    .toSorted((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1));
  if (new Set(ascending).size !== ascending.length) throw new Error('an attester is named twice');
  if (ascending.length === 0 || ascending.length > LIMITS.attesters) {
    throw new Error(`an attester set has 1 to ${LIMITS.attesters} attesters, not ${ascending.length}`);
  }
  if (!Number.isInteger(threshold) || threshold < 1 || threshold > ascending.length) {
    throw new Error(`a threshold of ${threshold} does not fit ${ascending.length} attesters`);
  }
  return { attesters: ascending, threshold };
}

async function prepare(signer: Signer, onProgress?: (line: string) => void): Promise<Deployer> {
  await buildContracts(onProgress === undefined ? {} : { onProgress });
  return createDeployer(signer, onProgress);
}

async function create(deployer: Deployer, name: ContractName, values: readonly unknown[]): Promise<string> {
  return deployer.create(name, await loadArtifact(name), values);
}
