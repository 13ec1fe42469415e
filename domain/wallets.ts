import type { Uuid } from './ids.ts';

/** A party is paid to its receive wallet and pays from its deposit wallet; refunds go back to where a deposit came from. */
export const WALLET_PURPOSES = ['receive', 'deposit'] as const;
export type WalletPurpose = (typeof WALLET_PURPOSES)[number];

/** A wallet of a party on one chain, as it is stored. `wallet_address`: lower case. */
export interface ChainWallet {
  readonly chain_id: number;
  readonly purpose: WalletPurpose;
  readonly wallet_address: string;
}

/** With the salt of the party's hashes on that chain; all wallets of a party on one chain share it. */
export interface PartyWallet extends ChainWallet {
  readonly participant_id: Uuid;
}

/** What a party says about its wallets. Addresses in lower case. */
export interface StatedWallets {
  /** For every chain and purpose that `wallets` does not name. */
  readonly walletAddress?: string | undefined;
  readonly wallets: readonly ChainWallet[];
}

export type WalletsResult =
  | { readonly ok: true; readonly wallets: readonly ChainWallet[] }
  /** No wallet is named for this chain. */
  | { readonly ok: false; readonly chainId: number };

/**
 * The wallets of a party on each chain that its legs touch: chains ascending, the receive wallet first, a deposit wallet only where it is
 * another one. Where only one purpose is named for a chain and there is no general wallet, that wallet serves both.
 */
export function resolveWallets(stated: StatedWallets, chainIds: Iterable<number>): WalletsResult {
  const resolved: ChainWallet[] = [];
  for (const chainId of [...new Set(chainIds)].toSorted((a, b) => a - b)) {
    const named = (purpose: WalletPurpose) =>
      stated.wallets.find((wallet) => wallet.chain_id === chainId && wallet.purpose === purpose)?.wallet_address;
    const receive = named('receive') ?? stated.walletAddress ?? named('deposit');
    if (receive === undefined) return { ok: false, chainId };
    resolved.push({ chain_id: chainId, purpose: 'receive', wallet_address: receive });
    const deposit = named('deposit') ?? receive;
    if (deposit !== receive) resolved.push({ chain_id: chainId, purpose: 'deposit', wallet_address: deposit });
  }
  return { ok: true, wallets: resolved };
}

/** The wallet for a purpose on a chain; the receive wallet stands in for a deposit wallet that is not there. */
export function walletFor<Wallet extends ChainWallet>(
  wallets: readonly Wallet[],
  chainId: number,
  purpose: WalletPurpose,
): Wallet | undefined {
  const here = wallets.filter((wallet) => wallet.chain_id === chainId);
  return here.find((wallet) => wallet.purpose === purpose) ?? here.find((wallet) => wallet.purpose === 'receive');
}

interface LegRoles {
  readonly chainId: number;
  readonly payerRole: string;
  readonly payeeRole: string;
}

/** Chains on which a role pays or is paid. */
export function chainsOfRole(legs: readonly LegRoles[], role: string): number[] {
  const touched = legs.filter((leg) => leg.payerRole === role || leg.payeeRole === role).map((leg) => leg.chainId);
  return [...new Set(touched)].toSorted((a, b) => a - b);
}

/**
 * Position of the first leg that would be paid by and to the same wallet, which the contract refuses. A wallet counts on its own chain only;
 * roles whose wallets are not known are passed over.
 */
export function legPaidToItsPayer(
  legs: readonly LegRoles[],
  walletsOfRole: (role: string) => readonly ChainWallet[] | undefined,
): number | undefined {
  const index = legs.findIndex(({ chainId, payerRole, payeeRole }) => {
    const payer = walletFor(walletsOfRole(payerRole) ?? [], chainId, 'deposit');
    const payee = walletFor(walletsOfRole(payeeRole) ?? [], chainId, 'receive');
    return payer !== undefined && payer.wallet_address === payee?.wallet_address;
  });
  return index < 0 ? undefined : index;
}
