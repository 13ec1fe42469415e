import {
  Contract,
  type ContractDeployTransaction,
  ContractFactory,
  getAddress,
  getCreateAddress,
  type Provider,
  type Signer,
  type TransactionReceipt,
} from 'ethers';

import { buildContracts, type ContractName, loadArtifact } from '../contracts/build.ts';

/** Deploys the settlement contracts and the test tokens, wired to each other, from the compiled artifacts. */

const LIMITS = {
  /** One call to the node. */
  callMs: 15_000,
  /** From sending a deployment to its inclusion. */
  inclusionMs: 120_000,
  attesters: 4,
} as const;

/** Added to each estimate, in percent: state may change between the estimate and the inclusion. */
const GAS_MARGIN_PERCENT = 120n;
const DEFAULT_SET_DELAY_SECONDS = 2 * 24 * 3600;
const DEFAULT_MESSAGE_GRACE_SECONDS = 3600;

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
  /** Address that may pause creation and deposits; the admin by default. */
  readonly pauser?: string;
  /** Seconds between the registration of a further attester set and its first use. */
  readonly setDelaySeconds?: number;
  /** Seconds after the deadline for which a settlement with every leg in waits for its execution. */
  readonly messageGraceSeconds?: number;
  /** Receives one line per contract. */
  readonly onProgress?: (line: string) => void;
}

export interface KeystoneDeployment {
  /** Checksummed addresses. */
  readonly coordinator: string;
  readonly escrow: string;
  readonly registry: string;
  /** Id of the attester set (0x and 32 bytes of hex): keccak256(abi.encode(address[] ascending, uint8 threshold)). */
  readonly attesterSet: string;
  /** Block of the first of the three contracts: no event of theirs is older. */
  readonly deploymentBlock: number;
}

export interface TestTokens {
  /** 18 decimals. */
  readonly KBOND: string;
  /** 6 decimals. */
  readonly TUSDC: string;
}

/** One contract to deploy at one nonce. */
interface Deployment {
  readonly name: ContractName;
  readonly nonce: number;
  readonly constructorArguments: readonly unknown[];
}

interface Deployer {
  readonly signer: Signer;
  readonly provider: Provider;
  readonly address: string;
  readonly say: (line: string) => void;
}

/**
 * Deploys registry, escrow and coordinator. The first two are told the address that the coordinator is going to have, which follows from
 * the signer's nonce; the coordinator's constructor reverts when they were told another one.
 * @throws Error when the attesters do not make a set, a deployment is not included in time, or it reverts.
 */
export async function deployKeystone(options: DeploymentOptions): Promise<KeystoneDeployment> {
  const set = attesterSetOf(options.attesters, options.threshold ?? options.attesters.length);
  const deployer = await prepare(options.signer, options.onProgress);
  const nonce = await nextNonce(deployer);
  const coordinator = getCreateAddress({ from: deployer.address, nonce: nonce + 2 });
  const { chainId } = await within(LIMITS.callMs, 'the chain id', deployer.provider.getNetwork());

  const settings = {
    coordinator,
    admin: deployer.address,
    setDelay: options.setDelaySeconds ?? DEFAULT_SET_DELAY_SECONDS,
    initialSets: [set],
  };
  const [registry, escrow] = await Promise.all([
    deploy(deployer, { name: 'ComplianceRegistry', nonce, constructorArguments: [settings] }),
    deploy(deployer, {
      name: 'KeystoneEscrow',
      nonce: nonce + 1,
      constructorArguments: [coordinator, coordinator, chainId],
    }),
  ]);
  const roles = {
    admin: deployer.address,
    creator: getAddress(options.creator),
    engine: getAddress(options.engine),
    pauser: getAddress(options.pauser ?? deployer.address),
  };
  const grace = options.messageGraceSeconds ?? DEFAULT_MESSAGE_GRACE_SECONDS;
  await deploy(deployer, {
    name: 'SettlementCoordinator',
    nonce: nonce + 2,
    constructorArguments: [registry.address, escrow.address, roles, grace],
  });
  return {
    coordinator,
    escrow: escrow.address,
    registry: registry.address,
    attesterSet: await readAttesterSetId(deployer, registry.address, set),
    deploymentBlock: Math.min(registry.blockNumber, escrow.blockNumber),
  };
}

/**
 * Deploys KBOND and TUSDC, which anybody may mint. For development chains only.
 * @throws Error when a deployment is not included in time.
 */
export async function deployTestTokens(signer: Signer, onProgress?: (line: string) => void): Promise<TestTokens> {
  const deployer = await prepare(signer, onProgress);
  const nonce = await nextNonce(deployer);
  const [bond, cash] = await Promise.all([
    deploy(deployer, { name: 'KBOND', nonce, constructorArguments: [] }),
    deploy(deployer, { name: 'TUSDC', nonce: nonce + 1, constructorArguments: [] }),
  ]);
  return { KBOND: bond.address, TUSDC: cash.address };
}

/** Ascending order, as the registry demands: each set then has exactly one id. */
function attesterSetOf(attesters: readonly string[], threshold: number): { attesters: string[]; threshold: number } {
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
  const { provider } = signer;
  if (provider === null) throw new Error('the deploying signer is not connected to a node');
  const say = onProgress ?? ((): void => undefined);
  await buildContracts({ onProgress: say });
  return { signer, provider, address: await signer.getAddress(), say };
}

/** Counts what is pending too: a deployment that was interrupted may still be on its way. */
function nextNonce(deployer: Deployer): Promise<number> {
  return within(
    LIMITS.callMs,
    "the deployer's nonce",
    deployer.provider.getTransactionCount(deployer.address, 'pending'),
  );
}

async function deploy(deployer: Deployer, deployment: Deployment): Promise<{ address: string; blockNumber: number }> {
  const { name, nonce } = deployment;
  const artifact = await loadArtifact(name);
  const factory = new ContractFactory(artifact.abi, artifact.bytecode);
  const request: ContractDeployTransaction = await factory.getDeployTransaction(...deployment.constructorArguments);
  const { provider, address: from } = deployer;
  const estimate = await within(LIMITS.callMs, `the gas of ${name}`, provider.estimateGas({ ...request, from }));
  const gasLimit = (estimate * GAS_MARGIN_PERCENT) / 100n;
  const sending = deployer.signer.sendTransaction({ ...request, nonce, gasLimit });
  const sent = await within(LIMITS.callMs, `sending ${name}`, sending);
  const receipt = await included(provider, sent.hash, name);
  const address = getCreateAddress({ from, nonce });
  deployer.say(`${name} at ${address}, block ${receipt.blockNumber}`);
  return { address, blockNumber: receipt.blockNumber };
}

async function included(provider: Provider, hash: string, name: string): Promise<TransactionReceipt> {
  const receipt = await provider.waitForTransaction(hash, 1, LIMITS.inclusionMs);
  if (receipt === null) throw new Error(`${name}: transaction ${hash} is not included`);
  if (receipt.status !== 1) throw new Error(`${name}: transaction ${hash} reverted`);
  return receipt;
}

/** Asked of the contract, so that nobody computes the id by another rule than the one that will judge it. */
async function readAttesterSetId(
  deployer: Deployer,
  registry: string,
  set: { attesters: string[]; threshold: number },
): Promise<string> {
  const { abi } = await loadArtifact('ComplianceRegistry');
  const contract = new Contract(registry, abi, deployer.provider);
  const id: unknown = await within(LIMITS.callMs, 'the attester set', contract.getFunction('attesterSetId')(set));
  if (typeof id !== 'string') throw new Error('the registry did not answer with the id of the attester set');
  return id;
}

/** @throws Error that says what was waited for, when it takes longer. */
async function within<Value>(limitMs: number, what: string, work: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: no answer from the node in ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
