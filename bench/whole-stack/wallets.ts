import { Interface, type JsonRpcProvider, MaxUint256, parseEther, parseUnits, toQuantity, Wallet } from 'ethers';

import type { DepositTransaction } from '../../dev/demo-types.ts';
import type { StackChain } from '../../dev/stack-file.ts';
import { BENCH_LIMITS } from '../limits.ts';

/** Wallets of the load generator: they count their nonces themselves and do not wait, so that they are never what is measured. */
export interface LoadWallet {
  readonly address: string;
  /** Signs and sends with the next nonce; resolves when the node has taken it. */
  send(transaction: Pick<DepositTransaction, 'to' | 'data'>): Promise<string>;
}

export interface WalletPair {
  readonly seller: LoadWallet;
  readonly buyer: LoadWallet;
}

const FUNDS = parseEther('1000');
/** Base units: more than all settlements of a run need. */
const TOKENS = 10n ** 30n;
/** A local chain's fees start at one gwei and fall. */
const FEES = { maxFeePerGas: parseUnits('50', 'gwei'), maxPriorityFeePerGas: parseUnits('1', 'gwei') } as const;
/** Others may change what a transaction finds between the estimate and its block. */
const GAS_MARGIN_PERCENT = 125n;

const token = new Interface([
  'function mint(address to, uint256 amount)',
  'function approve(address spender, uint256 amount)',
]);

function createLoadWallet(chain: StackChain, provider: JsonRpcProvider): LoadWallet {
  const wallet = new Wallet(Wallet.createRandom().privateKey);
  let nonce = 0;
  return {
    address: wallet.address,
    async send({ to, data }) {
      const taken = nonce;
      nonce += 1;
      const estimate = await provider.estimateGas({ from: wallet.address, to, data });
      const raw = await wallet.signTransaction({
        type: 2,
        chainId: chain.chain_id,
        nonce: taken,
        to,
        data,
        gasLimit: (estimate * GAS_MARGIN_PERCENT) / 100n,
        ...FEES,
      });
      return (await provider.send('eth_sendRawTransaction', [raw])) as string;
    },
  };
}

/** Pairs with ether, tokens and an approval of the escrow beforehand: a settlement is then one transaction of each party. */
export async function createWalletPairs(
  chain: StackChain,
  provider: JsonRpcProvider,
  count: number,
): Promise<readonly WalletPair[]> {
  const pairs = Array.from({ length: count }, () => ({
    seller: createLoadWallet(chain, provider),
    buyer: createLoadWallet(chain, provider),
  }));
  const hashes = await Promise.all(
    pairs.flatMap(({ seller, buyer }) => [
      equip(seller, chain.tokens.KBOND, chain.contracts.escrow, provider),
      equip(buyer, chain.tokens.TUSDC, chain.contracts.escrow, provider),
    ]),
  );
  for (const hash of hashes) {
    const receipt = await provider.waitForTransaction(hash, 1, BENCH_LIMITS.fundingMs);
    if (receipt?.status !== 1) throw new Error('a wallet of the load generator could not be equipped');
  }
  return pairs;
}

/** Answers the hash of the last transaction. */
async function equip(wallet: LoadWallet, address: string, escrow: string, provider: JsonRpcProvider): Promise<string> {
  await provider.send('anvil_setBalance', [wallet.address, toQuantity(FUNDS)]);
  await wallet.send({ to: address, data: token.encodeFunctionData('mint', [wallet.address, TOKENS]) });
  return wallet.send({ to: address, data: token.encodeFunctionData('approve', [escrow, MaxUint256]) });
}
