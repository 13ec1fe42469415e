import { createGatewayClient } from '../chain/gateway.ts';
import type { Journal } from '../chain/journal.ts';
import type { RemoteChain as RemoteNode } from '../chain/provider.ts';
import { createEscrowChain } from './escrow-chain.ts';
import { createHomeChain, type HomeSigners } from './home-chain.ts';
import type { RemoteChain, SettlementChains } from './settlement-chains.ts';
import { never, submit } from './submit.ts';

export interface ChainsDependencies {
  readonly home: HomeSigners;
  readonly remotes: readonly { readonly chain: RemoteNode; readonly relayer: Journal }[];
}

/**
 * Every chain through the journals of its signers. What needs a role is signed by the engine or the oracle; what anybody may do, here and
 * elsewhere, by the relayer, whose key can therefore do nothing that a stranger cannot.
 */
export function createSettlementChains(dependencies: ChainsDependencies): SettlementChains {
  return {
    home: createHomeChain(
      dependencies.home,
      dependencies.remotes.map(({ chain }) => chain.chainId),
    ),
    remotes: new Map(
      dependencies.remotes.map(({ chain, relayer }) => [chain.chainId, createRemoteChain(chain, relayer)]),
    ),
  };
}

function createRemoteChain(chain: RemoteNode, relayer: Journal): RemoteChain {
  const gateway = createGatewayClient(chain);
  return {
    ...createEscrowChain(chain, relayer, async (settlementId) => {
      const { phase, depositedBits, refundedBits } = await gateway.statusOf(settlementId);
      return { executed: phase === 'EXECUTED', depositedBits, refundedBits };
    }),
    gateway: chain.gateway,
    statusOf: (id) => gateway.statusOf(id),
    quoteVote: (id) => gateway.quoteVote(id),
    sendVote: (intent) => submit(relayer, gateway.sendVote(intent.settlementId, intent.feeWei), intent, never),
  };
}
