import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import {
  at,
  CHAIN_ID,
  exampleLegs,
  exampleSettlement,
  KBOND,
  KDEED,
  KFUND,
  newWallet,
  REMOTE_CASH,
  REMOTE_CHAIN,
  REMOTE_CHAIN_ID,
  startTestApi,
  TEST_CHAIN,
  type TestApi,
  type TestPlatform,
  textAt,
} from '../testing/test-api.ts';

const PARTITION = `0x${'Ab'.repeat(32)}`;
const [BOND, CASH] = exampleLegs();
const without = (leg: object, ...names: string[]) =>
  Object.fromEntries(Object.entries(leg).filter(([name]) => !names.includes(name)));

describe('what a settlement moves, and where', () => {
  let api: TestApi;
  let a: TestPlatform;
  let b: TestPlatform;

  beforeAll(async () => {
    api = await startTestApi({ chains: [TEST_CHAIN, REMOTE_CHAIN] });
    a = await api.addPlatform();
    b = await api.addPlatform();
  }, 60_000);
  afterAll(() => api.stop());

  const create = (changes: Record<string, unknown>) =>
    api.call('POST', '/v1/settlements', { token: a.token, body: exampleSettlement(b.slug, changes) });
  const deed = (changes: Record<string, unknown> = {}) => ({
    ...BOND,
    instrument_id: KDEED,
    quantity: '1',
    token_standard: 'ERC-721',
    token_id: '7',
    ...changes,
  });
  const fund = (changes: Record<string, unknown> = {}) => ({
    ...BOND,
    instrument_id: KFUND,
    token_standard: 'ERC-1400',
    partition: PARTITION,
    ...changes,
  });

  describe('201', () => {
    it('an ERC-721 is one token by its id, which may be as large as a token id gets', async () => {
      const largest = (2n ** 256n - 1n).toString();
      const answer = await create({ legs: [deed({ token_id: largest }), deed({ quantity: '1.0' }), CASH] });
      expect([answer.status, at(answer, '/legs/0')]).toEqual([
        201,
        expect.objectContaining({
          token_standard: 'ERC-721',
          token_id: largest,
          partition: null,
          quantity: '1',
          amount: '1',
          decimals: 0,
          fees: [],
          payee_receives: '1',
        }),
      ]);
      expect(at(answer, '/legs/1/token_id')).toBe('7');
    });

    it('a token id may be a JSON number, taken digit by digit', async () => {
      const body = JSON.stringify(exampleSettlement(b.slug, { legs: [deed(), CASH] })).replace(
        '"token_id":"7"',
        '"token_id":123456789012345678901234567890',
      );
      const answer = await api.call('POST', '/v1/settlements', { token: a.token, rawBody: body });
      expect(at(answer, '/legs/0/token_id')).toBe('123456789012345678901234567890');
    });

    it('an ERC-1400 names its partition, an ERC-3643 nothing more than an ERC-20', async () => {
      const answer = await create({ legs: [fund(), { ...BOND, token_standard: 'ERC-3643' }, CASH] });
      expect([answer.status, at(answer, '/legs/0'), at(answer, '/legs/1')]).toEqual([
        201,
        expect.objectContaining({
          partition: PARTITION.toLowerCase(),
          token_id: null,
          amount: '500000000000000000000',
        }),
        expect.objectContaining({ token_standard: 'ERC-3643', token_id: null, partition: null }),
      ]);
    });

    it('eight legs, several per party, one asset several times and in both directions', async () => {
      const legs = [BOND, BOND, { ...BOND, direction: 'receive' }, deed(), fund(), CASH, CASH, CASH];
      const answer = await create({ legs });
      expect([answer.status, (at(answer, '/legs') as unknown[]).length]).toEqual([201, 8]);
    });

    it('each leg lives on its own chain, and its decimals are read there', async () => {
      const cash = { ...CASH, chain_id: REMOTE_CHAIN_ID, instrument_id: REMOTE_CASH, quantity: '12.34' };
      const answer = await create({ template_slug: 'dvp-crosschain', legs: [BOND, cash] });
      expect([at(answer, '/legs/0/chain_id'), at(answer, '/legs/1')]).toEqual([
        CHAIN_ID,
        expect.objectContaining({ chain_id: REMOTE_CHAIN_ID, amount: '1234', decimals: 2 }),
      ]);
    });

    it('the counterparty sees in its notice what moves where', async () => {
      const answer = await create({ legs: [deed(), CASH] });
      const events = await api.call('GET', `/v1/settlements/${textAt(answer, '/id')}/events`, { token: b.token });
      expect(at(events, '/items/1/payload')).toMatchObject({
        fee_mode: 'seller_pays',
        legs: [
          { chain_id: CHAIN_ID, token_standard: 'ERC-721', token_id: '7', partition: null, payee_receives: '1' },
          { amount: '125000000000', fees: [], payee_receives: '125000000000' },
        ],
      });
    });
  });

  describe('the chain of a leg that names none', () => {
    const party = (changes: Record<string, unknown>) => ({
      parties: [{ role: 'seller', external_reference: 's', wallet_address: newWallet(), ...changes }],
    });
    const chainOf = async (changes: Record<string, unknown>, leg: object) => {
      const answer = await create({ ...changes, legs: [BOND, without(leg, 'chain_id')] });
      return answer.status === 201 ? at(answer, '/legs/1/chain_id') : at(answer, '/code');
    };
    const remote = { ...CASH, instrument_id: REMOTE_CASH };
    const walletOn = (chain_id: number, purpose = 'receive') => ({ chain_id, address: newWallet(), purpose });

    it('is the one that its party names', async () => {
      expect(await chainOf(party({ chain_id: REMOTE_CHAIN_ID }), remote)).toBe(REMOTE_CHAIN_ID);
      expect(await chainOf(party({ chain_id: CHAIN_ID }), CASH)).toBe(CHAIN_ID);
    });

    it('is the one chain of the wallets that its party names; of several, none is guessed', async () => {
      expect(await chainOf(party({ wallets: [walletOn(REMOTE_CHAIN_ID)] }), remote)).toBe(REMOTE_CHAIN_ID);
      const both = { wallets: [walletOn(REMOTE_CHAIN_ID), walletOn(CHAIN_ID)] };
      expect(await chainOf(party(both), remote)).toBe('chain_missing');
    });

    it('is the coordinator’s when its party names none, or has not spoken yet', async () => {
      expect(await chainOf(party({}), CASH)).toBe(CHAIN_ID);
      const ofBuyer = { ...CASH, party_role: 'buyer', direction: 'deliver' };
      expect(await chainOf(party({ chain_id: REMOTE_CHAIN_ID }), ofBuyer)).toBe(CHAIN_ID);
    });
  });

  describe('422', () => {
    const zero = `0x${'0'.repeat(40)}`;
    it.each<[string, string, object, string]>([
      ['native_coin_refused', 'the zero address', { ...BOND, instrument_id: zero }, 'instrument_id'],
      [
        'native_coin_refused',
        'the usual placeholder',
        { ...BOND, instrument_id: '0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE' },
        'instrument_id',
      ],
      ['instrument_unknown', 'the escrow', { ...BOND, instrument_id: TEST_CHAIN.escrow }, 'instrument_id'],
      [
        'instrument_unknown',
        'a gateway',
        { ...BOND, chain_id: REMOTE_CHAIN_ID, instrument_id: REMOTE_CHAIN.gateway },
        'instrument_id',
      ],
      ['instrument_unknown', 'a token of another chain', { ...BOND, chain_id: REMOTE_CHAIN_ID }, 'instrument_id'],
      [
        'token_standard_unsupported',
        'a standard that nobody knows',
        { ...BOND, token_standard: 'ERC-777' },
        'token_standard',
      ],
      ['token_standard_differs', 'an ERC-20 called ERC-721', deed({ instrument_id: KBOND }), 'token_standard'],
      ['token_standard_differs', 'an ERC-721 called ERC-20', { ...BOND, instrument_id: KDEED }, 'token_standard'],
      ['token_id_missing', 'no token id', without(deed(), 'token_id'), 'token_id'],
      ['token_id_unexpected', 'a token id of an ERC-20', { ...BOND, token_id: '7' }, 'token_id'],
      ['validation_failed', 'a token id of 257 bits', deed({ token_id: (2n ** 256n).toString() }), 'token_id'],
      ['validation_failed', 'a negative token id', deed({ token_id: '-1' }), 'token_id'],
      ['quantity_not_one', 'two of one token', deed({ quantity: '2' }), 'quantity'],
      ['quantity_not_one', 'half a token', deed({ quantity: '0.5' }), 'quantity'],
      ['partition_missing', 'no partition', without(fund(), 'partition'), 'partition'],
      ['partition_missing', 'the zero partition', fund({ partition: `0x${'0'.repeat(64)}` }), 'partition'],
      ['partition_unexpected', 'a partition of an ERC-20', { ...BOND, partition: PARTITION }, 'partition'],
      ['validation_failed', 'a partition of 31 bytes', fund({ partition: PARTITION.slice(0, -2) }), 'partition'],
    ])('%s for %s, naming the place', async (code, _what, leg, place) => {
      const answer = await create({ legs: [leg, CASH] });
      expect([answer.status, at(answer, '/code'), at(answer, '/errors/0/pointer')]).toEqual([
        422,
        code,
        `/legs/0/${place}`,
      ]);
    });

    it('legs_duplicated when one ERC-721 token would move twice', async () => {
      const answer = await create({ legs: [deed(), CASH, deed({ direction: 'receive' })] });
      expect([at(answer, '/code'), at(answer, '/errors/0/pointer')]).toEqual(['legs_duplicated', '/legs/2/token_id']);
    });

    it('nine legs', async () => {
      const answer = await create({ legs: [CASH, ...Array.from({ length: 8 }, () => BOND)] });
      expect([answer.status, at(answer, '/code'), at(answer, '/errors/0/pointer')]).toEqual([
        422,
        'validation_failed',
        '/legs',
      ]);
    });

    it('template_unavailable when the attesters of a template are not set up here', async () => {
      const answer = await create({ template_slug: 'dvp-two-attesters' });
      expect([at(answer, '/code'), at(answer, '/errors/0/pointer')]).toEqual([
        'template_unavailable',
        '/template_slug',
      ]);
      expect((await create({ template_slug: 'dvp-platform-oracle' })).status).toBe(201);
    });
  });

  it('chains_too_many: six chains would make more party hashes than the contract takes', async () => {
    const more = [1, 2, 3, 4].map((chain_id) => ({ ...REMOTE_CHAIN, chain_id }));
    const wide = await startTestApi({ chains: [TEST_CHAIN, REMOTE_CHAIN, ...more], tokenDecimals: async () => 6 });
    try {
      const [one, other] = [await wide.addPlatform(), await wide.addPlatform()];
      const legs = [CHAIN_ID, REMOTE_CHAIN_ID, 1, 2, 3, 4].map((chain_id) => ({ ...CASH, chain_id }));
      const ask = (chosen: unknown[]) =>
        wide.call('POST', '/v1/settlements', {
          token: one.token,
          body: exampleSettlement(other.slug, { template_slug: 'dvp-immediate', legs: chosen }),
        });
      expect(at(await ask(legs), '/code')).toBe('chains_too_many');
      expect((await ask(legs.slice(1))).status).toBe(201);
    } finally {
      await wide.stop();
    }
  });

  it('instructions match by token id, with one asset in several legs, and keep each side’s references of equal legs', async () => {
    const side = (role: 'seller' | 'buyer', tokenId: string, changes: Record<string, unknown> = {}) => {
      const direction = role === 'seller' ? 'deliver' : 'receive';
      const back = role === 'seller' ? 'receive' : 'deliver';
      return {
        role,
        party: { external_reference: role, wallet_address: newWallet() },
        legs: [
          { ...without(deed({ token_id: tokenId }), 'party_role'), direction, external_reference: `${role}-deed` },
          { ...without(CASH, 'party_role'), direction: back, quantity: '10', external_reference: `${role}-first` },
          { ...without(CASH, 'party_role'), direction: back, quantity: '10', external_reference: `${role}-second` },
        ],
        ...changes,
      };
    };
    const submit = (token: string, body: unknown) => api.call('POST', '/v1/instructions', { token, body });
    const first = await submit(a.token, side('seller', '7'));
    expect(first.body).toMatchObject({ status: 'pending_match', legs: [{ token_id: '7' }, { token_id: null }, {}] });
    const trade_reference = textAt(first, '/trade_reference');
    const wrong = await submit(b.token, side('buyer', '8', { trade_reference }));
    expect(at(wrong, '/match_refusal/code')).toBe('match_instruments_differ');
    const right = await submit(b.token, side('buyer', '7', { trade_reference }));
    expect(at(right, '/status')).toBe('matched');
    const path = `/v1/settlements/${textAt(right, '/settlement_id')}`;
    const references = async (token: string) =>
      (at(await api.call('GET', path, { token }), '/legs') as { external_reference: string }[]).map(
        (leg) => leg.external_reference,
      );
    expect(await references(a.token)).toEqual(['seller-deed', 'seller-first', 'seller-second']);
    expect(await references(b.token)).toEqual(['buyer-deed', 'buyer-first', 'buyer-second']);
    expect(at(await api.call('GET', path, { token: b.token }), '/legs/0')).toMatchObject({
      token_id: '7',
      amount: '1',
    });
  });
});
