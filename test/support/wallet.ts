import { JsonRpcProvider, Network, parseEther, toQuantity, Wallet } from 'ethers';

import { getTestServers, TEST_CHAIN_ID } from './servers.ts';

const POLL_MS = 100;
const FUNDS = parseEther('1000');

/** A provider for the shared chain; call `destroy` in `afterAll`. */
export function createTestProvider(): JsonRpcProvider {
  const network = Network.from(TEST_CHAIN_ID);
  const provider = new JsonRpcProvider(getTestServers().anvilUrl, network, {
    staticNetwork: network,
    batchMaxCount: 1,
    cacheTimeout: -1,
  });
  provider.pollingInterval = POLL_MS;
  return provider;
}

/** A new wallet with 1000 ether on the chain of `provider`: test files that share a wallet would take each other's nonces. */
export async function createFundedWallet(provider: JsonRpcProvider): Promise<Wallet> {
  const wallet = new Wallet(Wallet.createRandom().privateKey, provider);
  await provider.send('anvil_setBalance', [wallet.address, toQuantity(FUNDS)]);
  return wallet;
}
