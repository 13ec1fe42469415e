import { getAddress, isAddress, ZeroAddress } from 'ethers';

import { type ChainConfiguration, contractAddresses } from '../domain/configuration.ts';
import type { KeystoneError } from '../domain/errors.ts';
import {
  chainsOfRole,
  type ChainWallet,
  resolveWallets,
  type StatedWallets,
  type WalletPurpose,
} from '../domain/wallets.ts';
import { checkChain, refusal } from './trade-rules.ts';

/** The rules about a party's wallets. What concerns the other side's wallets is asked of the database, which does not tell them. */

/** The address in lower case, or undefined when it is none; an address in mixed case must carry its EIP-55 checksum. */
export function normalAddress(text: string): string | undefined {
  return /^0x[0-9a-fA-F]{40}$/.test(text) && isAddress(text) ? getAddress(text).toLowerCase() : undefined;
}

/** A wallet in lower case. Throws `wallet_malformed` for what is no address, and for the zero address, which would swallow what it is paid. */
function checkWallet(text: string, pointer: string): string {
  const address = normalAddress(text);
  if (address === undefined || address === ZeroAddress) throw noWallet(pointer);
  return address;
}

function noWallet(pointer: string): KeystoneError {
  return refusal('wallet_malformed', pointer, 'The wallet address is not a valid EVM wallet address.');
}

export interface WalletsInput {
  readonly wallet_address?: string | undefined;
  readonly wallets?:
    | readonly { readonly chain_id: number; readonly address: string; readonly purpose: WalletPurpose }[]
    | undefined;
}

/** What a party states, with the place of the party in the request, so that later refusals can name the wallet. */
export interface CheckedWallets extends StatedWallets {
  readonly pointer: string;
}

/** Everything about wallets that can be said without the legs. Throws `wallet_missing`, `wallet_malformed`, `wallet_duplicated`, `chain_unknown`. */
export function checkStatedWallets(
  input: WalletsInput,
  pointer: string,
  chains: readonly ChainConfiguration[],
): CheckedWallets {
  const stated = input.wallets ?? [];
  if (input.wallet_address === undefined && stated.length === 0) {
    throw refusal('wallet_missing', `${pointer}/wallet_address`, 'Name a wallet address.');
  }
  const seen = new Set<string>();
  const wallets = stated.map(({ chain_id, address, purpose }, index) => {
    const place = `${pointer}/wallets/${index}`;
    checkChain(chain_id, `${place}/chain_id`, chains);
    if (seen.has(`${chain_id}/${purpose}`)) {
      throw refusal(
        'wallet_duplicated',
        `${place}/purpose`,
        `A ${purpose} wallet for chain ${chain_id} is named before.`,
      );
    }
    seen.add(`${chain_id}/${purpose}`);
    return { chain_id, purpose, wallet_address: checkWallet(address, `${place}/address`) };
  });
  const walletAddress =
    input.wallet_address === undefined ? undefined : checkWallet(input.wallet_address, `${pointer}/wallet_address`);
  return { pointer, walletAddress, wallets };
}

/** A leg as far as the wallets of its parties are concerned. `token`: lower case. */
export interface LegPlace {
  readonly chainId: number;
  readonly payerRole: string;
  readonly payeeRole: string;
  readonly token: string;
}

/**
 * The wallets of a role on the chains that its legs touch. A wallet for another chain is refused, since it would be neither used nor screened;
 * so is one that is a token of the trade or a contract of ours on its own chain, which would swallow what it is paid. On another chain the same
 * address is somebody else's. Throws `wallet_unused`, `wallet_missing`, `wallet_malformed`.
 */
export function walletsForLegs(
  stated: CheckedWallets,
  role: string,
  legs: readonly LegPlace[],
  chains: readonly ChainConfiguration[],
): readonly ChainWallet[] {
  const chainIds = chainsOfRole(legs, role);
  const unused = stated.wallets.findIndex((wallet) => !chainIds.includes(wallet.chain_id));
  if (unused >= 0) {
    throw refusal(
      'wallet_unused',
      `${stated.pointer}/wallets/${unused}/chain_id`,
      `No leg of this party is on this chain; its legs are on ${chainIds.join(', ')}.`,
    );
  }
  const resolved = resolveWallets(stated, chainIds);
  if (!resolved.ok) {
    throw refusal(
      'wallet_missing',
      `${stated.pointer}/wallets`,
      `The party has legs on chain ${resolved.chainId}, for which no wallet is named.`,
    );
  }
  for (const { chain_id: chainId, wallet_address: address } of resolved.wallets) {
    if (chains.some((chain) => chain.chain_id === chainId && contractAddresses(chain).includes(address))) {
      throw noWallet(placeOfWallet(stated, chainId, address));
    }
    if (legs.some((leg) => leg.chainId === chainId && leg.token === address)) {
      const place = placeOfWallet(stated, chainId, address);
      throw refusal('wallet_malformed', place, 'The wallet address is that of a token of this trade.');
    }
  }
  return resolved.wallets;
}

function placeOfWallet(stated: CheckedWallets, chainId: number, address: string): string {
  const index = stated.wallets.findIndex((wallet) => wallet.chain_id === chainId && wallet.wallet_address === address);
  return index < 0 ? `${stated.pointer}/wallet_address` : `${stated.pointer}/wallets/${index}/address`;
}

/** A leg that would be paid by and to the same wallet; the contract would refuse its deposit. */
export function walletShared(stated: CheckedWallets, legIndex: number | undefined) {
  const place = stated.walletAddress === undefined ? `${stated.pointer}/wallets` : `${stated.pointer}/wallet_address`;
  const leg = legIndex === undefined ? 'A leg' : `Leg ${legIndex}`;
  return refusal(
    'wallet_shared',
    place,
    `${leg} would be paid by and to the same wallet: payer and payee need different ones.`,
  );
}
