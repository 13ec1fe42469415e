import { createApiClient } from './api-client.ts';
import type { Participant, TradeContext } from './demo-trade.ts';
import { createChainClient, createPartyWallet } from './demo-wallet.ts';
import type { StackFile, StackPlatform } from './stack-file.ts';

/** The two parties of every trade: a platform each, with one account that it uses on every chain. */
export interface People {
  readonly context: TradeContext;
  /** Closes the connections to the chains. */
  close(): void;
}

/** @throws Error when the stack lacks a chain or a platform. */
export function createPeople(stack: StackFile): People {
  const [chain] = stack.chains;
  const [platformA, platformB] = stack.platforms;
  if (chain === undefined || platformA === undefined || platformB === undefined) {
    throw new Error('stack.json names no chain or fewer than two platforms');
  }
  const providers = stack.chains.map((one) => ({ chain: one, provider: createChainClient(one) }));
  const participant = (
    platform: StackPlatform,
    who: Pick<Participant, 'role' | 'externalReference' | 'name'>,
  ): Participant => {
    const wallets = new Map(
      providers.map((one) => [one.chain.chain_id, createPartyWallet(one.chain, platform, one.provider)]),
    );
    const walletOn = (chainId: number): Participant['wallet'] => {
      const wallet = wallets.get(chainId);
      if (wallet === undefined) throw new Error(`the stack has no chain ${chainId}`);
      return wallet;
    };
    const api = createApiClient(stack, platform);
    return { slug: platform.slug, ...who, api, wallet: walletOn(chain.chain_id), walletOn };
  };
  const seller = participant(platformA, {
    role: 'seller',
    externalReference: 'seller-001',
    name: 'Acme Securities',
  });
  const buyer = participant(platformB, {
    role: 'buyer',
    externalReference: 'buyer-acct-042',
    name: 'Beta Capital',
  });
  return {
    context: { chain, chains: stack.chains, seller, buyer, sinkUrl: stack.webhook_sink_url },
    close: () => {
      for (const { provider } of providers) provider.destroy();
    },
  };
}
