import { Contract, JsonRpcProvider, Network, parseUnits, Wallet } from 'ethers';

import type { DepositTransaction } from './demo-types.ts';
import type { StackChain, StackPlatform } from './stack-file.ts';

/** A party's own wallet on one chain, outside of Keystone: it holds tokens and sends what the deposit information says. */

/** Milliseconds. */
const LIMITS = { inclusionMs: 30_000, pollMs: 150 } as const;

const TOKEN_ABI = [
  'function balanceOf(address) view returns (uint256)',
  'function decimals() view returns (uint8)',
  'function mint(address to, uint256 amount)',
] as const;

/** The fungible ones, in which trades are counted. */
export const FUNGIBLE_TOKENS = ['KBOND', 'TUSDC'] as const;
export type TokenName = (typeof FUNGIBLE_TOKENS)[number];

export interface PartyWallet {
  readonly address: string;
  readonly chain: StackChain;
  /** Base units. */
  balanceOf(token: TokenName): Promise<bigint>;
  /** Mints so much that the wallet has at least `amount`, human units. */
  ensure(token: TokenName, amount: string): Promise<void>;
  /**
   * Sends the transactions one after the other, each after the one before is included. Calls for one wallet wait for each other:
   * two deposits of one token at once would overwrite each other's approval. Answers the hashes.
   */
  send(transactions: readonly DepositTransaction[]): Promise<string[]>;
}

export function createChainClient(chain: StackChain): JsonRpcProvider {
  const network = Network.from(chain.chain_id);
  const provider = new JsonRpcProvider(chain.rpc_url, network, {
    staticNetwork: network,
    batchMaxCount: 1,
    cacheTimeout: -1,
  });
  provider.pollingInterval = LIMITS.pollMs;
  return provider;
}

export function createPartyWallet(chain: StackChain, platform: StackPlatform, provider: JsonRpcProvider): PartyWallet {
  const wallet = new Wallet(platform.wallet.private_key, provider);
  const tokens = {
    KBOND: new Contract(chain.tokens.KBOND, TOKEN_ABI, wallet),
    TUSDC: new Contract(chain.tokens.TUSDC, TOKEN_ABI, wallet),
  };
  let queue: Promise<unknown> = Promise.resolve();

  /** One job after the other; a failed one does not stop those behind it. */
  function inTurn<Result>(job: () => Promise<Result>): Promise<Result> {
    const turn = queue.then(job, job);
    queue = turn.catch(() => undefined); // The caller gets the failure through `turn`.
    return turn;
  }

  async function sendOne(transaction: { to: string; data: string; value: bigint }): Promise<string> {
    const sent = await wallet.sendTransaction(transaction);
    // ethers throws for a reverted transaction, with everything it knows on one long line.
    const receipt = await sent.wait(1, LIMITS.inclusionMs).catch((error: { code?: string }) => {
      if (error.code !== 'CALL_EXCEPTION') throw error;
    });
    if (receipt?.status !== 1) throw new Error(`the transaction ${sent.hash} was reverted`);
    return sent.hash;
  }

  async function balanceOf(token: TokenName): Promise<bigint> {
    return (await tokens[token].getFunction('balanceOf').staticCall(wallet.address)) as bigint;
  }

  return {
    address: wallet.address,
    chain,
    balanceOf,
    ensure: (token, amount) =>
      inTurn(async () => {
        const decimals = (await tokens[token].getFunction('decimals').staticCall()) as bigint;
        const missing = parseUnits(amount, decimals) - (await balanceOf(token));
        if (missing <= 0n) return;
        const data = tokens[token].interface.encodeFunctionData('mint', [wallet.address, missing]);
        await sendOne({ to: chain.tokens[token], data, value: 0n });
      }),
    send: (transactions) =>
      inTurn(async () => {
        const hashes: string[] = [];
        for (const { to, data, value } of transactions) hashes.push(await sendOne({ to, data, value: BigInt(value) }));
        return hashes;
      }),
  };
}
