import { randomUUID } from 'node:crypto';

import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { keccak256, Wallet } from 'ethers';

import { deployTestTokens } from '../dev/deploy-contracts.ts';
import { KeystoneError } from '../domain/errors.ts';
import { evmChainId } from '../keystone/caip.ts';
import { hashTerms } from '../keystone/terms.ts';
import { createCoordinatorClient } from './coordinator.ts';
import { depositTransactions } from './deposit.ts';
import { escrowInterface } from './escrow.ts';
import { createRegistryClient } from './registry.ts';
import { buildTerms, entityIndex, partyHash, partyPreimages, termsFromJson, termsHash, walletIndex } from './terms.ts';
import { type LocalChain, START_LIMIT_MS, startLocalChain, whileMining } from './testing/local-chain.ts';
import { createTrade, tokenInterface } from './testing/trade.ts';
import { createTokenDecimals, readDecimals } from './tokens.ts';
import { createTestDatabase, type TestDatabase } from '../test/support/database.ts';

/** Each test drives a chain and a database; on a busy machine five seconds are not enough. */
jest.setTimeout(30_000);

let local: LocalChain;
let database: TestDatabase;
beforeAll(async () => {
  [local, database] = await Promise.all([startLocalChain(), createTestDatabase()]);
}, START_LIMIT_MS);
afterAll(async () => {
  await Promise.all([local?.stop(), database?.drop()]);
});

describe('terms', () => {
  it('hash to what the coordinator computes, and to what the offline verifier computes', async () => {
    const { terms } = await createTrade(local);
    const hash = termsHash(local.chain, terms);
    expect(await createCoordinatorClient(local.chain).hashTerms(terms)).toBe(hash);
    expect(hashTerms(local.chain.coordinator, evmChainId(local.chain.chainId), terms.json)).toBe(hash);
  });

  it('with fees, token ids and more parties hash to what the coordinator computes', async () => {
    const address = (): string => Wallet.createRandom().address.toLowerCase();
    const leg = { chainId: 5, escrow: address(), token: address(), payerPosition: 2, payeePosition: 1 } as const;
    const place = (chainId: number) => ({
      chainId,
      participantId: randomUUID(),
      receive: address(),
      deposit: address(),
    });
    const terms = buildTerms({
      settlementId: randomUUID(),
      deadlineMs: 1_900_000_000_999,
      attesterSet: keccak256('0x01'),
      parties: [1, 2, 3].map(() => ({ chains: [place(5), place(7)] })),
      legs: [
        { ...leg, tokenStandard: 'ERC-721', amount: 1n, tokenId: 2n ** 200n },
        { ...leg, tokenStandard: 'ERC-20', amount: 2n ** 127n, fees: [{ recipient: address(), amount: 7n }] },
        { ...leg, chainId: 7, tokenStandard: 'ERC-1400', amount: 5n, partition: keccak256('0x02') },
      ],
    });
    expect(terms.params.deadline).toBe(1_900_000_000n);
    expect(await createCoordinatorClient(local.chain).hashTerms(terms)).toBe(termsHash(local.chain, terms));
  });

  it('survive storage as JSON unchanged', async () => {
    const { terms } = await createTrade(local);
    const stored: unknown = JSON.parse(JSON.stringify(terms.json));
    expect(termsFromJson(stored)).toEqual(terms);
  });

  it('that were damaged in storage are refused', async () => {
    const { terms } = await createTrade(local);
    for (const damaged of [null, {}, { ...terms.json, deadline_s: -1 }, { ...terms.json, settlement_id: '0x12' }]) {
      expect(() => termsFromJson(damaged)).toThrow(expect.objectContaining({ code: 'terms_differ' }));
    }
  });

  it('name each party on each of its chains by its entity, its receive wallet, and its deposit wallet where it is another one', () => {
    const address = (): string => Wallet.createRandom().address;
    const [alone, here, there] = [
      { chainId: 5, participantId: randomUUID(), receive: address(), deposit: address() },
      { chainId: 5, participantId: randomUUID(), receive: address(), deposit: address() },
      { chainId: 7, participantId: randomUUID(), receive: address(), deposit: '' },
    ];
    there.deposit = there.receive.toLowerCase();
    const parties = [{ chains: [alone] }, { chains: [here, there] }];
    const leg = { escrow: address(), token: address(), tokenStandard: 'ERC-20', amount: 1n } as const;
    const terms = buildTerms({
      settlementId: randomUUID(),
      deadlineMs: 1,
      attesterSet: keccak256('0x'),
      parties: [{ chains: [alone] }, { chains: [here, there] }],
      legs: [{ ...leg, chainId: 5, payerPosition: 1, payeePosition: 0 }],
    });
    expect(terms.params.partyHashes).toEqual([
      partyHash(alone.participantId, null),
      partyHash(alone.participantId, alone.receive),
      partyHash(alone.participantId, alone.deposit),
      partyHash(here.participantId, null),
      partyHash(here.participantId, here.receive),
      partyHash(here.participantId, here.deposit),
      partyHash(there.participantId, null),
      partyHash(there.participantId, there.receive),
    ]);
    expect(new Set(terms.params.partyHashes).size).toBe(8);
    // The payer pays from its deposit wallet, the payee is paid to its receive wallet.
    expect(terms.params.legs[0]).toMatchObject({ payer: 5, payee: 1 });
    expect(entityIndex(parties, 1, 7)).toBe(6);
    expect(walletIndex(parties, 1, 7, 'deposit')).toBe(7);
    expect(() => entityIndex(parties, 0, 7)).toThrow(RangeError);
    expect(() => partyPreimages([{ chains: [there, here] }])).toThrow(RangeError);
  });
});

describe('a deposit', () => {
  it('approves exactly the leg and carries the terms hash', async () => {
    const { terms, parties } = await createTrade(local);
    const [payer, payee] = parties;
    const [approve, deposit] = depositTransactions({ coordinator: local.chain, terms, legIndex: 0, payer, payee });
    expect(tokenInterface.decodeFunctionData('approve', approve?.data ?? '')[1]).toBe(500n * 10n ** 18n);
    expect(approve?.to).toBe(local.tokens.KBOND);
    const decoded = escrowInterface.decodeFunctionData('depositLeg', deposit?.data ?? '');
    expect(decoded[4]).toBe(termsHash(local.chain, terms));
    expect([approve?.value, deposit?.value]).toEqual(['0', '0']);
  });

  it('is refused for a party that the leg does not name', async () => {
    const { terms, parties } = await createTrade(local);
    const [payer, payee] = parties;
    const swapped = { coordinator: local.chain, terms, legIndex: 0, payer: payee, payee: payer };
    expect(() => depositTransactions(swapped)).toThrow(expect.objectContaining({ code: 'terms_differ' }));
  });
});

describe('a settlement on chain', () => {
  it('goes from creation to execution with the calls that the clients encode', async () => {
    const trade = await createTrade(local);
    const coordinator = createCoordinatorClient(local.chain);
    const registry = createRegistryClient(local.chain);
    expect(await coordinator.stateOf(trade.settlementId)).toBeUndefined();
    await trade.create();
    expect(await coordinator.settlementOf(trade.settlementId)).toMatchObject({
      termsHash: termsHash(local.chain, trade.terms),
      state: 'COMPLIANCE_CHECKING',
      deadlineMs: Number(trade.terms.params.deadline) * 1_000,
    });
    expect(await registry.areAllPartiesCleared(trade.settlementId)).toBe(false);
    await trade.attestAll();
    expect(await registry.areAllPartiesCleared(trade.settlementId)).toBe(true);
    await trade.open();
    await trade.deposit(0);
    expect(await coordinator.allLegsDeposited(trade.settlementId)).toBe(false);
    await trade.deposit(1);
    expect(await coordinator.stateOf(trade.settlementId)).toBe('FINALIZED');
  });
});

describe('decimals', () => {
  it('are those that the token states', async () => {
    expect(await readDecimals(local.chain, local.tokens.KBOND)).toBe(18);
    expect(await readDecimals(local.chain, local.tokens.TUSDC)).toBe(6);
  });

  it('do not exist for a wallet, or for a contract that is no token', async () => {
    for (const address of [local.owner.address, local.configuration.coordinator]) {
      await expect(readDecimals(local.chain, address)).rejects.toMatchObject({ code: 'instrument_unknown' });
    }
  });

  it('are read once and then known without the chain', async () => {
    const { chainId } = local.chain;
    const first = createTokenDecimals({ database: database.api, chains: [local.chain] });
    expect(await first(chainId, local.tokens.TUSDC, 'ERC-20')).toBe(6);
    const deaf = { ...local.chain, call: unreachable, code: unreachable };
    const second = createTokenDecimals({ database: database.api, chains: [deaf] });
    expect(await second(chainId, local.tokens.TUSDC.toUpperCase().replace('0X', '0x'), 'ERC-20')).toBe(6);
    const other = second(chainId, local.tokens.KBOND, 'ERC-20');
    await expect(other).rejects.toMatchObject({ code: 'chain_unavailable' });
    await expect(second(1, local.tokens.KBOND, 'ERC-20')).rejects.toMatchObject({ code: 'chain_unknown' });
  });

  it('are none for an ERC-721, and a token of another kind than stated is refused as the escrow would refuse it', async () => {
    const { chainId } = local.chain;
    const { KDEED: deed } = await whileMining(
      () => local.mine(),
      () => deployTestTokens(local.owner),
    );
    const read = createTokenDecimals({ database: database.api, chains: [local.chain] });
    expect(await read(chainId, deed, 'ERC-721')).toBe(0);
    await expect(read(chainId, local.tokens.KBOND, 'ERC-721')).rejects.toMatchObject({
      code: 'token_standard_differs',
    });
    await expect(read(chainId, local.owner.address, 'ERC-721')).rejects.toMatchObject({ code: 'instrument_unknown' });
    // An ERC-721 without decimals is no fungible token, whichever of the two reasons is found first.
    await expect(read(chainId, deed, 'ERC-20')).rejects.toMatchObject({
      code: expect.stringMatching(/^(?:instrument_unknown|token_standard_differs)$/),
    });
  });
});

function unreachable(): Promise<string> {
  return Promise.reject(new KeystoneError('chain_unavailable', 'down'));
}
