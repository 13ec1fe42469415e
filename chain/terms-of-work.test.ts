import { describe, expect, it } from '@jest/globals';
import { Wallet } from 'ethers';

import { LIMITS } from '../domain/limits.ts';
import type { ChainWallet } from '../domain/wallets.ts';
import { settlementWork, workLeg, workParty } from './testing/work.ts';
import { partyHash } from './terms.ts';
import { partyHashesOf, termsOfWork, walletOf } from './terms-of-work.ts';

const address = (): string => Wallet.createRandom().address.toLowerCase();
const wallet = (chain_id: number, purpose: ChainWallet['purpose']): ChainWallet => ({
  chain_id,
  purpose,
  wallet_address: address(),
});
const places = {
  escrows: new Map([
    [5, address()],
    [7, address()],
  ]),
  attesterSet: `0x${'22'.repeat(32)}`,
};

describe('the terms of a settlement’s rows', () => {
  const seller = workParty(0, 'seller', [wallet(5, 'receive'), wallet(5, 'deposit'), wallet(7, 'receive')]);
  const buyer = workParty(1, 'buyer', [wallet(5, 'receive'), wallet(7, 'receive'), wallet(7, 'deposit')]);
  const fee = { recipient: address(), amount: '3' };
  const legs = [
    workLeg({
      leg_index: 0,
      chain_id: 5,
      token_address: address(),
      token_standard: 'ERC-721',
      token_id: '9',
      amount: '1',
    }),
    workLeg({
      leg_index: 1,
      chain_id: 5,
      token_address: address(),
      token_standard: 'ERC-1400',
      partition: `0x${'ab'.repeat(32)}`,
    }),
    workLeg({
      leg_index: 2,
      chain_id: 7,
      token_address: address(),
      payer_role: 'buyer',
      payee_role: 'seller',
      fees: [fee],
    }),
  ];
  const work = settlementWork([seller, buyer], legs);

  it('have each leg in the escrow of its chain, from the payer’s deposit wallet to the payee’s receive wallet there', () => {
    const { params } = termsOfWork(work, places);
    const hashOf = (index: number | undefined) => params.partyHashes[index ?? -1];
    for (const [index, [payer, payee]] of [
      [seller, buyer],
      [seller, buyer],
      [buyer, seller],
    ].entries()) {
      const [leg, chainId] = [params.legs[index], legs[index]?.chain_id ?? 0];
      if (leg === undefined || payer === undefined || payee === undefined) throw new Error('a leg is missing');
      const [from, to] = [walletOf(payer, chainId, 'deposit'), walletOf(payee, chainId, 'receive')];
      expect(leg.escrow.toLowerCase()).toBe(places.escrows.get(chainId));
      expect(hashOf(leg.payer)).toBe(partyHash(from.participantId, from.wallet));
      expect(hashOf(leg.payee)).toBe(partyHash(to.participantId, to.wallet));
    }
    expect(
      params.legs.map((leg) => [leg.tokenId, leg.partition.slice(0, 4), leg.fees.map((one) => one.amount)]),
    ).toEqual([
      [9n, '0x00', []],
      [0n, '0xab', []],
      [0n, '0x00', [3n]],
    ]);
  });

  it('name every hash that is to be screened, in their own order, with what it stands for', () => {
    const { params } = termsOfWork(work, places);
    const hashes = partyHashesOf(work);
    expect(hashes.map(({ party_hash }) => party_hash)).toEqual(params.partyHashes);
    expect(hashes.map(({ party_id, chain_id, kind }) => [party_id === seller.id ? 's' : 'b', chain_id, kind])).toEqual([
      ['s', 5, 'entity'],
      ['s', 5, 'wallet'],
      ['s', 5, 'wallet'],
      ['s', 7, 'entity'],
      ['s', 7, 'wallet'],
      ['b', 5, 'entity'],
      ['b', 5, 'wallet'],
      ['b', 7, 'entity'],
      ['b', 7, 'wallet'],
      ['b', 7, 'wallet'],
    ]);
    expect(hashes[2]?.wallet).toBe(seller.wallets[1]?.wallet_address);
  });

  it('do not depend on the order in which rows come', () => {
    const shuffled = { ...work, parties: [buyer, { ...seller, wallets: seller.wallets.toReversed() }] };
    expect(termsOfWork(shuffled, places)).toEqual(termsOfWork(work, places));
    expect(partyHashesOf(shuffled)).toEqual(partyHashesOf(work));
  });

  it('are refused for a chain without an escrow, a party without wallets, and a role that nobody has', () => {
    const broken = (change: object, code: string) =>
      expect(() => termsOfWork({ ...work, ...change }, places)).toThrow(expect.objectContaining({ code }));
    expect(() => termsOfWork(work, { ...places, escrows: new Map([[5, address()]]) })).toThrow(
      expect.objectContaining({ code: 'configuration_invalid' }),
    );
    broken({ parties: [seller, { ...buyer, wallets: [] }] }, 'internal');
    broken({ legs: [{ ...legs[0], payer_role: 'broker' }] }, 'internal');
    const elsewhere = { ...work, parties: [seller, workParty(1, 'buyer', [wallet(5, 'receive')])] };
    expect(() => termsOfWork(elsewhere, places)).toThrow(RangeError);
  });

  it('are refused when a party has two participant ids on one chain: only one of them would have an entity check', () => {
    const [first, ...rest] = seller.wallets;
    if (first === undefined) throw new Error('the seller has wallets');
    const torn = {
      ...seller,
      wallets: [{ ...first, participant_id: buyer.wallets[0]?.participant_id ?? '' }, ...rest],
    };
    expect(() => termsOfWork({ ...work, parties: [torn, buyer] }, places)).toThrow('two participant ids');
  });

  it('fit into the contract with the most chains and wallets that the API takes', () => {
    const chains = Array.from({ length: LIMITS.maximumChainsPerSettlement }, (_, index) => index + 1);
    const everywhere = () => chains.flatMap((chain) => [wallet(chain, 'receive'), wallet(chain, 'deposit')]);
    const widest = settlementWork(
      [workParty(0, 'seller', everywhere()), workParty(1, 'buyer', everywhere())],
      chains.map((chain_id, leg_index) => workLeg({ leg_index, chain_id, token_address: address() })),
    );
    const escrows = new Map(chains.map((chain) => [chain, address()]));
    expect(termsOfWork(widest, { ...places, escrows }).params.partyHashes).toHaveLength(30);
  });
});
