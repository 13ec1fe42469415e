import { JsonRpcProvider, Network, parseEther, toQuantity, Wallet } from 'ethers';

import { findDiscontinuity, forgetChain } from './chain-continuity.ts';
import { type Launch, variable } from './launch.ts';
import { randomPrivateKey } from './secrets.ts';
import type { ChainPart } from './stack-infrastructure.ts';

/** The accounts of the stack, and the chains that they act on: funded where we can, checked to be the ones that the database knows. */

const FUNDS = parseEther('1000');
const LOW_FUNDS = parseEther('100');
const POLL_MS = 100;

/** One key per purpose. None of them can redirect money; see docs/operations/stack.md. */
export interface StackKeys {
  /** Creates settlements and carries them forward, on the coordinator's chain. */
  readonly engine: Wallet;
  /** Attests what our screening found, on the coordinator's chain. */
  readonly oracle: Wallet;
  /** Pays for messages, executions and refunds on every chain; has no role. */
  readonly relayer: Wallet;
  /** By which platform-a attests itself. Belongs to the platform: no process of the stack gets it. */
  readonly platformOracle: Wallet;
  /** The development relay's, which verifies and delivers messages. */
  readonly carrier: Wallet;
  /**
   * Deploy, and are the admins of contracts that are only for development. Another one for each chain: with the same account two different
   * contracts on two chains would have the same address, and people would take one for the other.
   */
  readonly deployers: readonly Wallet[];
}

/** `chainIds`: the coordinator's chain first, as the deployers of the answer. */
export function loadKeys(launch: Launch, chainIds: readonly number[]): StackKeys {
  const own = (name: string): Wallet => new Wallet(launch.secrets.get(name, randomPrivateKey));
  const given = (name: string, variableName: string): Wallet => {
    const key = variable(launch, variableName);
    return key === undefined ? own(name) : new Wallet(key);
  };
  return {
    engine: given('engine-key', 'ENGINE_PRIVATE_KEY'),
    oracle: given('oracle-key', 'ORACLE_PRIVATE_KEY'),
    relayer: given('relayer-key', 'RELAYER_PRIVATE_KEY'),
    platformOracle: own('platform-oracle-key'),
    carrier: own('message-relay-key'),
    deployers: chainIds.map((chainId, index) => own(index === 0 ? 'deployer-key' : `deployer-key-${chainId}`)),
  };
}

export function addressesOf({ deployers, ...single }: StackKeys): string[] {
  return [...Object.values(single), ...deployers].map(({ address }) => address);
}

export function createProvider(chain: ChainPart): JsonRpcProvider {
  const network = Network.from(chain.chainId);
  const provider = new JsonRpcProvider(chain.rpcUrl, network, {
    staticNetwork: network,
    batchMaxCount: 1,
    cacheTimeout: -1,
  });
  provider.pollingInterval = POLL_MS;
  return provider;
}

export interface AccountsOptions {
  readonly ownerDatabaseUrl: string;
  readonly addresses: readonly string[];
}

/** Per chain: is it the one that the database knows, and has everybody who acts on it ether? */
export async function checkChain(launch: Launch, chain: ChainPart, options: AccountsOptions): Promise<void> {
  await checkContinuity(launch, chain, options.ownerDatabaseUrl);
  const provider = createProvider(chain);
  try {
    for (const address of options.addresses) {
      if (!chain.embedded || (await provider.getBalance(address)) >= LOW_FUNDS) continue;
      await provider.send('anvil_setBalance', [address, toQuantity(FUNDS)]);
    }
  } finally {
    provider.destroy();
  }
}

async function checkContinuity(launch: Launch, chain: ChainPart, ownerDatabaseUrl: string): Promise<void> {
  const database = { ownerDatabaseUrl, chainId: chain.chainId };
  const problem = await findDiscontinuity(database, chain.rpcUrl);
  if (problem === undefined) return;
  if (!chain.embedded) {
    throw new Error(
      `${problem}. The node of chain ${chain.chainId} shows another chain than before: use another KEYSTONE_HOME or database for it.`,
    );
  }
  const { openSettlements } = await forgetChain(database);
  launch.steps.say(
    `note    ${problem}: what was stored of chain ${chain.chainId} is forgotten, contracts are deployed anew`,
  );
  if (openSettlements > 0) {
    launch.steps.say(
      `note    ${openSettlements} open settlements on it cannot finish; \`npm start -- --fresh\` forgets them`,
    );
  }
}
