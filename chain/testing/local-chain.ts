import type { Wallet } from 'ethers';

import { buildContracts } from '../../contracts/build.ts';
import { deployKeystone, deployTestTokens } from '../../dev/deploy-contracts.ts';
import type { CoordinatorChainConfiguration } from '../../domain/configuration.ts';
import { type CoordinatorChain, createChain } from '../provider.ts';
import { type LocalNode, type LocalNodeOptions, startLocalNode, whileMining } from './local-node.ts';

export { START_LIMIT_MS, whileMining } from './local-node.ts';

/** A chain of its own for one test file, with our contracts. */

const CHAIN_ID = 31_338;

export interface LocalChain extends LocalNode {
  readonly chain: CoordinatorChain;
  readonly configuration: CoordinatorChainConfiguration;
  readonly attesterSet: string;
  /** Has every role and attests. */
  readonly owner: Wallet;
  readonly tokens: { readonly KBOND: string; readonly TUSDC: string };
}

export type LocalChainOptions = Partial<LocalNodeOptions>;

export async function startLocalChain(options: LocalChainOptions = {}): Promise<LocalChain> {
  // Before blocks come: compiling takes a while, and each block moves the clock.
  await buildContracts();
  const node = await startLocalNode({ chainId: CHAIN_ID, ...options });
  const owner = await node.wallet();
  const { deployed, tokens } = await whileMining(
    () => node.mine(),
    async () => ({
      deployed: await deployKeystone({
        signer: owner,
        creator: owner.address,
        engine: owner.address,
        attesters: [owner.address],
      }),
      tokens: await deployTestTokens(owner),
    }),
  ).catch(async (error: unknown) => {
    // Nobody else knows of this process yet, and a test run does not end while it lives.
    await node.stop();
    throw error;
  });
  const configuration: CoordinatorChainConfiguration = {
    kind: 'coordinator',
    chain_id: node.chainId,
    rpc_urls: [node.url],
    finality: 'finalized',
    coordinator: deployed.coordinator,
    escrow: deployed.escrow,
    registry: deployed.registry,
    attester_sets: { default: deployed.attesterSet },
    deployment_block: deployed.deploymentBlock,
  };
  const chain = createChain(configuration);
  return {
    ...node,
    chain,
    configuration,
    attesterSet: deployed.attesterSet,
    owner,
    tokens: { KBOND: tokens.KBOND.toLowerCase(), TUSDC: tokens.TUSDC.toLowerCase() },
    async stop() {
      chain.close();
      await node.stop();
    },
  };
}
