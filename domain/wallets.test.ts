import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { chainsOfRole, legPaidToItsPayer, resolveWallets, walletFor, type ChainWallet } from './wallets.ts';

const wallet = (chain_id: number, purpose: 'receive' | 'deposit', wallet_address: string): ChainWallet => ({
  chain_id,
  purpose,
  wallet_address,
});

describe('wallets of a party', () => {
  it('are its one wallet on every chain that its legs touch, chains ascending', () => {
    expect(resolveWallets({ walletAddress: '0xa', wallets: [] }, [7, 5, 7])).toEqual({
      ok: true,
      wallets: [wallet(5, 'receive', '0xa'), wallet(7, 'receive', '0xa')],
    });
  });

  it('are what is named for a chain and purpose, else the general one', () => {
    const wallets = [wallet(5, 'deposit', '0xd'), wallet(7, 'receive', '0xr')];
    expect(resolveWallets({ walletAddress: '0xa', wallets }, [5, 7, 9])).toEqual({
      ok: true,
      wallets: [
        wallet(5, 'receive', '0xa'),
        wallet(5, 'deposit', '0xd'),
        wallet(7, 'receive', '0xr'),
        wallet(9, 'receive', '0xa'),
      ],
    });
  });

  it('have no deposit wallet of their own where it is the receive wallet, so that nothing is screened twice', () => {
    const wallets = [wallet(5, 'receive', '0xa'), wallet(5, 'deposit', '0xa')];
    expect(resolveWallets({ wallets }, [5])).toEqual({ ok: true, wallets: [wallet(5, 'receive', '0xa')] });
  });

  it('serve both purposes when only one is named and there is no general one', () => {
    const resolved = resolveWallets({ wallets: [wallet(5, 'deposit', '0xd')] }, [5]);
    expect(resolved).toEqual({ ok: true, wallets: [wallet(5, 'receive', '0xd')] });
  });

  it('are missing on a chain for which nothing is named', () => {
    expect(resolveWallets({ wallets: [wallet(5, 'receive', '0xr')] }, [5, 7])).toEqual({ ok: false, chainId: 7 });
  });

  it('always answer a wallet for both purposes on every chain, whatever was named', () => {
    const address = fc.constantFrom('0xa', '0xb', '0xc');
    const named = fc.array(
      fc.record({
        chain_id: fc.constantFrom(5, 7),
        purpose: fc.constantFrom('receive' as const, 'deposit' as const),
        wallet_address: address,
      }),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(address, named, (walletAddress, wallets) => {
        const resolved = resolveWallets({ walletAddress, wallets }, [7, 5]);
        if (!resolved.ok) throw new Error('a general wallet was named');
        for (const chainId of [5, 7]) {
          const here = resolved.wallets.filter((one) => one.chain_id === chainId);
          expect(here[0]?.purpose).toBe('receive');
          expect(here.length === 1 || here[1]?.wallet_address !== here[0]?.wallet_address).toBe(true);
          for (const purpose of ['receive', 'deposit'] as const) {
            expect(walletFor(resolved.wallets, chainId, purpose)).toBeDefined();
          }
        }
      }),
    );
  });
});

describe('a leg', () => {
  const legs = [
    { chainId: 5, payerRole: 'seller', payeeRole: 'buyer' },
    { chainId: 7, payerRole: 'buyer', payeeRole: 'seller' },
  ];
  const shared = (seller: readonly ChainWallet[], buyer: readonly ChainWallet[] | undefined) =>
    legPaidToItsPayer(legs, (role) => (role === 'seller' ? seller : buyer));

  it('is never paid by and to the same wallet: the deposit wallet of one against the receive wallet of the other, on its chain', () => {
    const seller = [wallet(5, 'receive', '0xs'), wallet(5, 'deposit', '0xd'), wallet(7, 'receive', '0xs')];
    expect(shared(seller, [wallet(5, 'receive', '0xd'), wallet(7, 'receive', '0xb')])).toBe(0);
    expect(shared(seller, [wallet(5, 'receive', '0xb'), wallet(7, 'receive', '0xs')])).toBe(1);
  });

  it('may share an address of another chain, or one that receives on both sides', () => {
    const seller = [wallet(5, 'receive', '0xs'), wallet(5, 'deposit', '0xd'), wallet(7, 'receive', '0xt')];
    expect(shared(seller, [wallet(5, 'receive', '0xt'), wallet(7, 'receive', '0xd')])).toBeUndefined();
    expect(shared(seller, [wallet(5, 'receive', '0xs'), wallet(7, 'receive', '0xb')])).toBeUndefined();
    expect(shared(seller, undefined)).toBeUndefined();
  });

  it('puts both of its parties on its chain', () => {
    expect(chainsOfRole(legs, 'buyer')).toEqual([5, 7]);
    expect(chainsOfRole(legs, 'broker')).toEqual([]);
  });
});
