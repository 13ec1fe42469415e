import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

import type { Signer } from 'ethers';

import { createDeployer, type DeployableArtifact } from './deployer.ts';

/**
 * LayerZero for development: the published EndpointV2 and the SimpleMessageLib, deployed from the artifacts of their package. Messages wait on
 * the sending chain until a relay (dev/relay) carries them over, exactly as on a real network; only the verifiers are missing.
 */

/** LayerZero's ids of the test networks whose chain ids the local chains have. */
export const ENDPOINT_IDS = { 11_155_111: 40_161, 43_113: 40_106 } as const;

/** Endpoint id of a chain that has none in the list above: LayerZero gives out nothing in this range. */
const LOCAL_ENDPOINT_IDS = 4_000_000_000;

const require = createRequire(import.meta.url);

export interface EndpointOptions {
  /** Deploys, and becomes the owner of endpoint and library. */
  readonly signer: Signer;
  /** LayerZero's id of this chain; by default the one of its test network. */
  readonly endpointId?: number;
  /** Endpoint ids that can be sent to and received from. By default those of the local chains. */
  readonly reaches?: readonly number[];
  /** The only address that may declare messages to be verified. Without it anybody may forge one: for tests alone. */
  readonly relayer?: string;
  readonly onProgress?: (line: string) => void;
}

export interface EndpointDeployment {
  readonly endpointId: number;
  readonly endpoint: string;
  /** The library that sends and receives. */
  readonly messageLibrary: string;
  /** Block of the first transaction: no packet is older. */
  readonly deploymentBlock: number;
}

/** LayerZero's id for a chain id; for chains of tests one of our own making. */
export function endpointIdOf(chainId: number): number {
  const known: Readonly<Record<number, number>> = ENDPOINT_IDS;
  return known[chainId] ?? LOCAL_ENDPOINT_IDS + (chainId % 100_000_000);
}

/** A contract of LayerZero's packages, as published. @throws Error when the package has no such artifact. */
export async function loadLayerZeroArtifact(
  package_: 'lz-evm-protocol-v2' | 'lz-evm-messagelib-v2',
  path: string,
): Promise<DeployableArtifact> {
  const name = path.split('/').at(-1) ?? '';
  const file = require.resolve(`@layerzerolabs/${package_}/artifacts/contracts/${path}.sol/${name}.json`);
  const { abi, bytecode } = JSON.parse(await readFile(file, 'utf8')) as DeployableArtifact;
  return { abi, bytecode };
}

/**
 * Deploys endpoint and library, registers the library and makes it the default for every endpoint id of `reaches`.
 * @throws Error when a transaction is not included in time or reverts.
 */
export async function deployEndpoint(options: EndpointOptions): Promise<EndpointDeployment> {
  const deployer = await createDeployer(options.signer, options.onProgress);
  const endpointId = options.endpointId ?? endpointIdOf(deployer.chainId);
  const [endpointArtifact, libraryArtifact] = await Promise.all([
    loadLayerZeroArtifact('lz-evm-protocol-v2', 'EndpointV2'),
    loadLayerZeroArtifact('lz-evm-protocol-v2', 'messagelib/SimpleMessageLib'),
  ]);
  const endpoint = await deployer.create('EndpointV2', endpointArtifact, [endpointId, deployer.address]);
  // The second argument is the treasury, which nothing is paid to.
  const messageLibrary = await deployer.create('SimpleMessageLib', libraryArtifact, [endpoint, deployer.address]);
  const target = { address: endpoint, abi: endpointArtifact.abi };
  await deployer.call('registerLibrary', target, 'registerLibrary', [messageLibrary]);
  const reaches = options.reaches ?? Object.values(ENDPOINT_IDS);
  for (const remote of reaches.filter((id) => id !== endpointId)) {
    await deployer.call('setDefaultSendLibrary', target, 'setDefaultSendLibrary', [remote, messageLibrary]);
    await deployer.call('setDefaultReceiveLibrary', target, 'setDefaultReceiveLibrary', [remote, messageLibrary, 0]);
  }
  if (options.relayer !== undefined) {
    const library = { address: messageLibrary, abi: libraryArtifact.abi };
    await deployer.call('setWhitelistCaller', library, 'setWhitelistCaller', [options.relayer]);
  }
  return { endpointId, endpoint, messageLibrary, deploymentBlock: await deployer.settled() };
}
