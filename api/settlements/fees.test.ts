import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import {
  at,
  exampleConfirmation,
  exampleLegs,
  exampleSettlement,
  KDEED,
  newWallet,
  startTestApi,
  statedBy,
  TEURC,
  type TestAnswer,
  type TestApi,
  type TestPlatform,
  textAt,
} from '../testing/test-api.ts';

const RECIPIENT = newWallet();
const [BOND, CASH] = exampleLegs();

/** Way 1 and way 2 of one trade, so that both are seen to do the same. */
describe('fees', () => {
  let api: TestApi;
  let a: TestPlatform;
  let b: TestPlatform;

  beforeAll(async () => {
    const fee = { basisPoints: 25, recipient: RECIPIENT.toLowerCase() };
    api = await startTestApi({ templateFees: { 'dvp-standard': fee, 'dvp-immediate': fee } });
    a = await api.addPlatform();
    b = await api.addPlatform();
  }, 60_000);
  afterAll(() => api.stop());

  const create = (changes: Record<string, unknown> = {}) =>
    api.call('POST', '/v1/settlements', { token: a.token, body: exampleSettlement(b.slug, changes) });
  const side = (role: 'seller' | 'buyer', changes: Record<string, unknown> = {}, legs = [BOND, CASH]) => ({
    role,
    party: { external_reference: role, wallet_address: newWallet() },
    legs: statedBy(role, legs),
    ...changes,
  });
  const submit = (platform: TestPlatform, body: unknown) =>
    api.call('POST', '/v1/instructions', { token: platform.token, body });
  const match = async (first: Record<string, unknown>, second: Record<string, unknown>, legs = [BOND, CASH]) => {
    const waiting = await submit(a, side('seller', first, legs));
    return submit(b, side('buyer', { trade_reference: textAt(waiting, '/trade_reference'), ...second }, legs));
  };
  const read = (answer: TestAnswer, pointer: string, platform = a) =>
    api.call('GET', `/v1/settlements/${textAt(answer, pointer)}`, { token: platform.token });

  it.each([
    // 25 basis points of 125,000.000000 are 312.500000.
    ['seller_pays', '125000000000', '124687500000'],
    ['buyer_pays', '125312500000', '125000000000'],
    ['split', '125156250000', '124843750000'],
  ])(
    '%s: on the payment leg alone, the same both ways in, and seen by both sides',
    async (fee_mode, amount, payee_receives) => {
      const expected = {
        fee_mode,
        fee: { basis_points: 25, recipient: RECIPIENT },
        legs: [
          { amount: '500000000000000000000', fees: [], payee_receives: '500000000000000000000' },
          { quantity: '125000', amount, fees: [{ recipient: RECIPIENT, amount: '312500000' }], payee_receives },
        ],
      };
      const direct = await create({ fee_mode });
      expect([direct.status, direct.body]).toEqual([201, expect.anything()]);
      expect(direct.body).toMatchObject(expected);
      expect((await read(direct, '/id', b)).body).toMatchObject(expected);
      const matched = await match({ fee_mode }, { fee_mode });
      expect((await read(matched, '/settlement_id')).body).toMatchObject(expected);
      expect((await read(matched, '/settlement_id', b)).body).toMatchObject(expected);
      const rows = await api.owner.query(
        'SELECT fee_mode, fee_basis_points, fee_recipient FROM keystone.settlements WHERE id = ANY ($1)',
        [[at(direct, '/id'), at(matched, '/settlement_id')]],
      );
      const kept = { fee_mode, fee_basis_points: 25, fee_recipient: RECIPIENT.toLowerCase() };
      expect(rows.rows).toEqual([kept, kept]);
    },
  );

  it('are borne as the template says where nobody says anything, and events say so', async () => {
    const direct = await create();
    expect(at(direct, '/fee_mode')).toBe('seller_pays');
    const events = await api.call('GET', `/v1/settlements/${textAt(direct, '/id')}/events`, { token: b.token });
    expect(at(events, '/items/0/payload/fee_mode')).toBe('seller_pays');
    expect(at(events, '/items/1/payload')).toMatchObject({
      fee_mode: 'seller_pays',
      legs: [
        { fees: [] },
        {
          amount: '125000000000',
          fees: [{ recipient: RECIPIENT, amount: '312500000' }],
          payee_receives: '124687500000',
        },
      ],
    });
  });

  it('are of each payment leg, whichever way it goes, and the confirmation changes none of them', async () => {
    const legs = [
      BOND,
      CASH,
      { ...CASH, instrument_id: TEURC, quantity: '0.0399' },
      { ...CASH, direction: 'deliver', quantity: '1' },
    ];
    const created = await create({ legs, fee_mode: 'buyer_pays' });
    await api.call('POST', `/v1/settlements/${textAt(created, '/id')}/confirm`, {
      token: b.token,
      body: exampleConfirmation(),
    });
    expect((await read(created, '/id')).body).toMatchObject({
      legs: [
        { fees: [] },
        { fees: [{ amount: '312500000' }] },
        // 39,900 × 25 / 10000 = 99.75, rounded down.
        { amount: '39999', fees: [{ amount: '99' }], payee_receives: '39900', payer_role: 'buyer' },
        // The seller is the one who pays this one, and adds the fee.
        { amount: '1002500', fees: [{ amount: '2500' }], payee_receives: '1000000', payer_role: 'seller' },
      ],
    });
  });

  it('that round to nothing make no entry, and neither does a payment in one ERC-721 token', async () => {
    const tiny = { ...CASH, quantity: '0.000399' };
    const deed = { ...CASH, instrument_id: KDEED, token_standard: 'ERC-721', token_id: '7', quantity: '1' };
    const created = await create({ legs: [BOND, tiny, deed], fee_mode: 'buyer_pays' });
    expect(created.body).toMatchObject({
      legs: [{}, { amount: '399', fees: [], payee_receives: '399' }, { amount: '1', fees: [] }],
    });
  });

  it('quantity_too_large when the added fee no longer fits, which the bare quantity does', async () => {
    const most = { ...CASH, quantity: `${(2n ** 128n - 1n) / 10n ** 6n}` };
    expect((await create({ legs: [BOND, most], fee_mode: 'seller_pays' })).status).toBe(201);
    const answer = await create({ legs: [BOND, most], fee_mode: 'buyer_pays' });
    expect([at(answer, '/code'), at(answer, '/errors/0/pointer')]).toEqual(['quantity_too_large', '/legs/1/quantity']);
  });

  describe('two sides that do not agree on who bears them', () => {
    it.each([
      [{ fee_mode: 'buyer_pays' }, { fee_mode: 'split' }],
      [{ fee_mode: 'buyer_pays' }, {}],
      [{}, { fee_mode: 'split' }],
    ])('%j and %j do not match, and both are told why in so many words', async (first, second) => {
      const answer = await match(first, second);
      expect(answer.body).toMatchObject({
        status: 'pending_match',
        settlement_id: null,
        match_refusal: { code: 'match_fee_modes_differ', detail: expect.stringContaining('fee_mode') },
      });
    });

    it('saying what the template says is agreeing with silence', async () => {
      expect(at(await match({ fee_mode: 'seller_pays' }, {}), '/status')).toBe('matched');
    });
  });

  describe('a trade without a payment leg', () => {
    const gift = { template_slug: 'dvp-immediate', legs: [BOND] };

    it('has no fee and no fee mode, in both ways in', async () => {
      const direct = await create(gift);
      expect(direct.body).toMatchObject({ fee_mode: null, legs: [{ fees: [] }] });
      const matched = await match({ template_slug: 'dvp-immediate' }, { template_slug: 'dvp-immediate' }, [BOND]);
      expect((await read(matched, '/settlement_id')).body).toMatchObject({ fee_mode: null, legs: [{ fees: [] }] });
    });

    it('422 fee_mode_senseless for one that names a bearer all the same', async () => {
      const direct = await create({ ...gift, fee_mode: 'split' });
      const submitted = await submit(a, side('seller', { template_slug: 'dvp-immediate', fee_mode: 'split' }, [BOND]));
      for (const answer of [direct, submitted]) {
        expect([answer.status, at(answer, '/code'), at(answer, '/errors/0/pointer')]).toEqual([
          422,
          'fee_mode_senseless',
          '/fee_mode',
        ]);
      }
    });
  });

  it('a template without a fee takes none, whatever the sides say about bearing it', async () => {
    const bare = await startTestApi();
    try {
      const [one, other] = [await bare.addPlatform(), await bare.addPlatform()];
      const answer = await bare.call('POST', '/v1/settlements', {
        token: one.token,
        body: exampleSettlement(other.slug, { fee_mode: 'buyer_pays' }),
      });
      expect(answer.body).toMatchObject({
        fee_mode: 'buyer_pays',
        legs: [{ fees: [] }, { amount: '125000000000', fees: [], payee_receives: '125000000000' }],
      });
    } finally {
      await bare.stop();
    }
  });

  it('are shown with the template that takes them, beside its attesters', async () => {
    const answer = await api.call('GET', '/v1/settlement-templates', { token: a.token });
    const templates = at(answer, '/items') as { slug: string; is_active: boolean; config: Record<string, unknown> }[];
    const shown = Object.fromEntries(
      templates.map(({ slug, is_active, config }) => [
        slug,
        [is_active, config['attester_set'], config['fee'], config['default_fee_mode']],
      ]),
    );
    const set = (name: string, byte: string) => ({ name, id: `0x${byte.repeat(32)}` });
    expect(shown).toEqual({
      'dvp-standard': [true, set('default', 'a1'), { basis_points: 25, recipient: RECIPIENT }, 'seller_pays'],
      'dvp-immediate': [true, set('default', 'a1'), { basis_points: 25, recipient: RECIPIENT }, 'seller_pays'],
      'dvp-crosschain': [true, set('default', 'a1'), null, 'seller_pays'],
      'dvp-platform-oracle': [true, set('platform', 'a2'), null, 'seller_pays'],
      'dvp-two-attesters': [false, { name: 'two-of-two', id: null }, null, 'seller_pays'],
    });
  });
});
