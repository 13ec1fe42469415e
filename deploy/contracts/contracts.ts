import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

import type { InterfaceAbi } from 'ethers';

import { type Artifact, type ContractName, loadArtifact } from '../../contracts/build.ts';
import type { Target } from './network.ts';

/** Our compiled contracts, and the interfaces of LayerZero's published ones, which are on the networks already. */

const require = createRequire(import.meta.url);

const LAYER_ZERO = {
  endpoint: 'lz-evm-protocol-v2/artifacts/contracts/EndpointV2.sol/EndpointV2.json',
  sendLibrary: 'lz-evm-messagelib-v2/artifacts/contracts/uln/uln302/SendUln302.sol/SendUln302.json',
  receiveLibrary: 'lz-evm-messagelib-v2/artifacts/contracts/uln/uln302/ReceiveUln302.sol/ReceiveUln302.json',
} as const;
export type LayerZeroPart = keyof typeof LAYER_ZERO;

export interface ContractBook {
  readonly artifacts: Readonly<Record<ContractName, Artifact>>;
  ours(name: ContractName, address: string): Target;
  layerZero(part: LayerZeroPart, address: string): Target;
}

/** @throws Error when the contracts were not built. */
export async function openContractBook(): Promise<ContractBook> {
  const names = ['ComplianceRegistry', 'KeystoneEscrow', 'SettlementCoordinator', 'Gateway'] as const;
  const loaded = await Promise.all(names.map(async (name) => [name, await loadArtifact(name)] as const));
  const artifacts = Object.fromEntries(loaded) as Record<ContractName, Artifact>;
  const published = await Promise.all(
    Object.entries(LAYER_ZERO).map(async ([part, path]) => {
      const { abi } = JSON.parse(await readFile(require.resolve(`@layerzerolabs/${path}`), 'utf8')) as {
        abi: InterfaceAbi;
      };
      return [part, abi] as const;
    }),
  );
  const interfaces = Object.fromEntries(published) as Record<LayerZeroPart, InterfaceAbi>;
  return {
    artifacts,
    ours: (name, address) => ({ address, abi: artifacts[name].abi }),
    layerZero: (part, address) => ({ address, abi: interfaces[part] }),
  };
}
