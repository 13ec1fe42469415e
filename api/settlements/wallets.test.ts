import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import {
  at,
  CHAIN_ID,
  exampleConfirmation,
  exampleLegs,
  exampleSettlement,
  newWallet,
  REMOTE_CASH,
  REMOTE_CHAIN,
  REMOTE_CHAIN_ID,
  startTestApi,
  statedBy,
  TEST_CHAIN,
  type TestAnswer,
  type TestApi,
  type TestPlatform,
  textAt,
} from '../testing/test-api.ts';

const [BOND, HOME_CASH] = exampleLegs();
const CASH = { ...HOME_CASH, chain_id: REMOTE_CHAIN_ID, instrument_id: REMOTE_CASH };
const [HOME, REMOTE] = [CHAIN_ID, REMOTE_CHAIN_ID];
const on = (chain_id: number, purpose: 'receive' | 'deposit', address = newWallet()) => ({
  chain_id,
  address,
  purpose,
});

/** The bond is paid on the home chain by the seller, the cash on the remote chain by the buyer. */
describe('wallets per chain and purpose', () => {
  let api: TestApi;
  let a: TestPlatform;
  let b: TestPlatform;

  beforeAll(async () => {
    api = await startTestApi({ chains: [TEST_CHAIN, REMOTE_CHAIN] });
    a = await api.addPlatform();
    b = await api.addPlatform();
  }, 60_000);
  afterAll(() => api.stop());

  const create = (party: Record<string, unknown>, legs: unknown[] = [BOND, CASH]) =>
    api.call('POST', '/v1/settlements', {
      token: a.token,
      body: exampleSettlement(b.slug, { legs, parties: [{ role: 'seller', external_reference: 's', ...party }] }),
    });
  const confirm = (created: TestAnswer, changes: Record<string, unknown>) =>
    api.call('POST', `/v1/settlements/${textAt(created, '/id')}/confirm`, {
      token: b.token,
      body: { external_reference: 'b', ...changes },
    });
  const read = (id: string, token: string) => api.call('GET', `/v1/settlements/${id}`, { token });
  const walletsOf = async (id: string, role: string) =>
    (
      await api.owner.query(
        `SELECT w.chain_id, w.purpose, w.wallet_address, w.participant_id, w.environment_id FROM keystone.party_wallets w
         JOIN keystone.parties p ON p.id = w.party_id WHERE p.settlement_id = $1 AND p.role = $2 ORDER BY w.chain_id, w.purpose DESC`,
        [id, role],
      )
    ).rows as { chain_id: string; purpose: string; wallet_address: string; participant_id: string }[];
  const problem = (answer: TestAnswer) => [answer.status, at(answer, '/code'), at(answer, '/errors/0/pointer')];

  it('one wallet address serves every chain of the party’s legs, under another participant id on each', async () => {
    const wallet = newWallet();
    const id = textAt(await create({ wallet_address: wallet }), '/id');
    const rows = await walletsOf(id, 'seller');
    expect(rows.map((row) => [Number(row.chain_id), row.purpose, row.wallet_address])).toEqual([
      [REMOTE, 'receive', wallet.toLowerCase()],
      [HOME, 'receive', wallet.toLowerCase()],
    ]);
    expect(new Set(rows.map((row) => row.participant_id)).size).toBe(2);
    for (const row of rows) expect(row.participant_id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab]/);
  });

  it('named ones count on their chain, share one participant id there, and a deposit wallet is kept where it differs', async () => {
    const wallets = [on(HOME, 'deposit'), on(REMOTE, 'receive'), on(HOME, 'receive')];
    const created = await create({ wallets: [...wallets, on(REMOTE, 'deposit', wallets[1]?.address)] });
    expect(created.status).toBe(201);
    const rows = await walletsOf(textAt(created, '/id'), 'seller');
    expect(rows.map((row) => [Number(row.chain_id), row.purpose, row.wallet_address])).toEqual([
      [REMOTE, 'receive', wallets[1]?.address.toLowerCase()],
      [HOME, 'receive', wallets[2]?.address.toLowerCase()],
      [HOME, 'deposit', wallets[0]?.address.toLowerCase()],
    ]);
    expect(rows[1]?.participant_id).toBe(rows[2]?.participant_id);
    expect(rows[0]?.participant_id).not.toBe(rows[1]?.participant_id);
    expect(at(created, '/parties/0')).toMatchObject({
      wallet_address: null,
      wallets: [{ chain_id: REMOTE }, { chain_id: HOME, purpose: 'receive' }, { chain_id: HOME, purpose: 'deposit' }],
    });
  });

  it('are shown to their owner alone, in the API and by row-level security, for as long as the settlement lives', async () => {
    const mine = [on(HOME, 'receive'), on(HOME, 'deposit'), on(REMOTE, 'receive')];
    const theirs = [on(HOME, 'receive'), on(REMOTE, 'receive'), on(REMOTE, 'deposit')];
    const created = await create({ wallets: mine });
    const id = textAt(created, '/id');
    expect(at(await confirm(created, { wallets: theirs }), '/state')).toBe('INSTRUCTED');
    for (const [platform, own, foreign, index] of [
      [a, mine, theirs, 0],
      [b, theirs, mine, 1],
    ] as const) {
      const answer = await read(id, platform.token);
      const events = await api.call('GET', `/v1/settlements/${id}/events`, { token: platform.token });
      const shown = at(answer, `/parties/${index}/wallets`) as { address: string }[];
      expect(shown.map(({ address }) => address).toSorted()).toEqual(own.map(({ address }) => address).toSorted());
      expect(at(answer, `/parties/${1 - index}/wallets`)).toBeNull();
      for (const { address } of foreign) {
        expect(answer.text.toLowerCase()).not.toContain(address.toLowerCase());
        expect(events.text.toLowerCase()).not.toContain(address.toLowerCase());
      }
      const rows = await api.database.api.transaction(
        { kind: 'tenant', environmentId: platform.environmentId },
        (transaction) =>
          transaction.query('SELECT environment_id FROM keystone.party_wallets WHERE settlement_id = $1', [id]),
      );
      expect(rows).toEqual(own.map(() => ({ environment_id: platform.environmentId })));
    }
    const operator = await api.addOperator();
    expect(at(await read(id, operator.token), '/parties/1/wallets')).toHaveLength(3);
  });

  it('the confirm body of seed 000 works as it stands', async () => {
    const created = await create({ wallet_address: newWallet() });
    const answer = await confirm(created, exampleConfirmation({ chain_id: HOME }));
    expect([answer.status, at(answer, '/state')]).toEqual([200, 'INSTRUCTED']);
    expect(await walletsOf(textAt(created, '/id'), 'buyer')).toHaveLength(2);
  });

  describe('422', () => {
    const broken: [string, Record<string, unknown>, string][] = [
      ['wallet_missing', {}, '/wallet_address'],
      ['wallet_missing', { wallets: [] }, '/wallet_address'],
      ['wallet_missing', { wallets: [on(HOME, 'receive')] }, '/wallets'],
      ['wallet_malformed', { wallets: [on(HOME, 'receive', '0x12')] }, '/wallets/0/address'],
      ['wallet_malformed', { wallets: [on(HOME, 'receive', `0x${'aB'.repeat(20)}`)] }, '/wallets/0/address'],
      [
        'wallet_malformed',
        { wallet_address: newWallet(), wallets: [on(HOME, 'deposit', TEST_CHAIN.escrow)] },
        '/wallets/0/address',
      ],
      ['wallet_malformed', { wallet_address: REMOTE_CHAIN.gateway }, '/wallet_address'],
      [
        'wallet_malformed',
        { wallet_address: newWallet(), wallets: [on(REMOTE, 'deposit', REMOTE_CASH)] },
        '/wallets/0/address',
      ],
      ['wallet_duplicated', { wallets: [on(HOME, 'receive'), on(HOME, 'receive')] }, '/wallets/1/purpose'],
      ['chain_unknown', { wallets: [on(1, 'receive')] }, '/wallets/0/chain_id'],
      [
        'validation_failed',
        { wallets: [{ chain_id: HOME, address: newWallet(), purpose: 'hold' }] },
        '/wallets/0/purpose',
      ],
    ];
    it.each(broken)('%s for %j, in all three requests, naming the place', async (code, party, place) => {
      const created = await create({ wallet_address: newWallet() });
      const instruction = {
        role: 'seller',
        party: { external_reference: 's', ...party },
        legs: statedBy('seller', [BOND, CASH]),
      };
      const submitted = await api.call('POST', '/v1/instructions', { token: a.token, body: instruction });
      expect(problem(await create(party))).toEqual([422, code, `/parties/0${place}`]);
      expect(problem(await confirm(created, party))).toEqual([422, code, place]);
      expect(problem(submitted)).toEqual([422, code, `/party${place}`]);
    });

    it('wallet_unused for a wallet on a chain that no leg of the party touches', async () => {
      const answer = await create({ wallet_address: newWallet(), wallets: [on(REMOTE, 'receive')] }, [BOND, HOME_CASH]);
      expect(problem(answer)).toEqual([422, 'wallet_unused', '/parties/0/wallets/0/chain_id']);
    });
  });

  it('an address that is a contract of ours or a token on another chain only is somebody else’s on this one', async () => {
    const wallets = [on(HOME, 'receive', REMOTE_CHAIN.gateway), on(REMOTE, 'receive', TEST_CHAIN.escrow)];
    expect((await create({ wallets: [...wallets, on(HOME, 'deposit', REMOTE_CASH)] })).status).toBe(201);
  });

  describe('wallet_shared', () => {
    const [seller, depositOfSeller, sellerElsewhere] = [newWallet(), newWallet(), newWallet()];
    const ofSeller = {
      wallets: [
        on(HOME, 'receive', seller),
        on(HOME, 'deposit', depositOfSeller),
        on(REMOTE, 'receive', sellerElsewhere),
        // It pays nothing there, and this one must not be taken for the other.
        on(REMOTE, 'deposit'),
      ],
    };
    const cases: [string, Record<string, unknown>, boolean][] = [
      ['the buyer receives the bond where the seller pays it from', { wallet_address: depositOfSeller }, true],
      [
        'the buyer pays the cash from where the seller is paid',
        { wallet_address: newWallet(), wallets: [on(REMOTE, 'deposit', sellerElsewhere)] },
        true,
      ],
      ['the same in other letters', { wallet_address: depositOfSeller.toLowerCase() }, true],
      [
        'the buyer pays from where the seller is paid on the other chain',
        { wallet_address: newWallet(), wallets: [on(REMOTE, 'deposit', seller)] },
        false,
      ],
      [
        'the buyer receives where the seller pays from on the other chain',
        { wallets: [on(HOME, 'receive'), on(REMOTE, 'receive', depositOfSeller)] },
        false,
      ],
      ['both receive at one custodian', { wallets: [on(HOME, 'receive', seller), on(REMOTE, 'receive')] }, false],
      ['other wallets', { wallet_address: newWallet() }, false],
    ];

    it.each(cases)('way 1, across platforms: %s', async (_what, ofBuyer, shared) => {
      const answer = await confirm(await create(ofSeller), ofBuyer);
      expect(answer.status === 200 ? 'fine' : at(answer, '/code')).toBe(shared ? 'wallet_shared' : 'fine');
      // What the other side's wallet is, the refusal does not tell beyond what the caller has sent itself.
      if (shared) expect(answer.text).not.toMatch(/0x[0-9a-f]{40}/i);
    });

    it.each(cases)('way 1, one platform with both parties: %s', async (_what, ofBuyer, shared) => {
      const parties = [
        { role: 'seller', external_reference: 's', ...ofSeller },
        { role: 'buyer', external_reference: 'b', ...ofBuyer },
      ];
      const answer = await api.call('POST', '/v1/settlements', {
        token: a.token,
        body: { parties, legs: [BOND, CASH] },
      });
      expect(answer.status === 201 ? 'fine' : at(answer, '/code')).toBe(shared ? 'wallet_shared' : 'fine');
    });

    it.each(cases)('way 2, whoever comes first: %s', async (_what, ofBuyer, shared) => {
      const instruction = (role: 'seller' | 'buyer', party: Record<string, unknown>) => ({
        role,
        party: { external_reference: role, ...party },
        legs: statedBy(role, [BOND, CASH]),
      });
      const sides = [
        { token: a.token, body: instruction('seller', ofSeller) },
        { token: b.token, body: instruction('buyer', ofBuyer) },
      ] as const;
      for (const [first, second] of [sides, [sides[1], sides[0]]] as const) {
        const waiting = await api.call('POST', '/v1/instructions', first);
        const trade_reference = textAt(waiting, '/trade_reference');
        const answer = await api.call('POST', '/v1/instructions', {
          ...second,
          body: { ...second.body, trade_reference },
        });
        expect(answer.status === 201 ? at(answer, '/status') : at(answer, '/code')).toBe(
          shared ? 'wallet_shared' : 'matched',
        );
      }
    });
  });

  it('a matched settlement has both sides’ wallets, one participant id for each party and chain, and never the instruction’s', async () => {
    const side = (role: 'seller' | 'buyer', wallets: unknown[]) => ({
      role,
      party: { external_reference: role, wallets },
      legs: statedBy(role, [BOND, CASH]),
    });
    const four = () => [on(HOME, 'receive'), on(HOME, 'deposit'), on(REMOTE, 'receive'), on(REMOTE, 'deposit')];
    const first = await api.call('POST', '/v1/instructions', { token: a.token, body: side('seller', four()) });
    expect(at(first, '/party/wallets')).toHaveLength(4);
    const second = await api.call('POST', '/v1/instructions', {
      token: b.token,
      body: { ...side('buyer', four()), trade_reference: textAt(first, '/trade_reference') },
    });
    const id = textAt(second, '/settlement_id');
    const rows = [...(await walletsOf(id, 'seller')), ...(await walletsOf(id, 'buyer'))];
    expect(rows).toHaveLength(8);
    const participants = Map.groupBy(rows, (row) => row.participant_id);
    expect([...participants.values()].map((same) => same.length)).toEqual([2, 2, 2, 2]);
    for (const same of participants.values()) expect(new Set(same.map((row) => row.chain_id)).size).toBe(1);
  });
});
