import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { MATCH_REFUSAL_SENTENCES, type MatchRefusal } from '../../domain/matching.ts';
import { settlementOut } from '../settlements/views.ts';
import {
  at,
  CHAIN_ID,
  KBOND,
  newWallet,
  startTestApi,
  TEURC,
  type TestAnswer,
  type TestApi,
  type TestPlatform,
  textAt,
  TUSDC,
} from '../testing/test-api.ts';
import { instructionOut } from './contract.ts';

/** Seed 001's first body, with real addresses; `buyer` is its mirror image. */
function side(role: 'seller' | 'buyer', changes: Record<string, unknown> = {}) {
  const [asset, cash] = role === 'seller' ? ['deliver', 'receive'] : ['receive', 'deliver'];
  return {
    template_slug: 'dvp-standard',
    role,
    party: { external_reference: `${role}-001`, name: `${role} Ltd`, wallet_address: newWallet() },
    legs: [
      {
        leg_type: 'asset_delivery',
        instrument_id: KBOND,
        quantity: '500',
        direction: asset,
        chain_id: CHAIN_ID,
        external_reference: `${role}-bond`,
      },
      { leg_type: 'payment', instrument_id: TUSDC, quantity: '125000', direction: cash, chain_id: CHAIN_ID },
    ],
    ...changes,
  };
}

describe('instructions', () => {
  let api: TestApi;
  let a: TestPlatform;
  let b: TestPlatform;

  beforeAll(async () => {
    api = await startTestApi();
    a = await api.addPlatform();
    b = await api.addPlatform();
  }, 60_000);
  afterAll(() => api.stop());

  const submit = (token: string, body: unknown, headers: Record<string, string> = {}) =>
    api.call('POST', '/v1/instructions', { token, body, headers });
  const get = (path: string, token: string) => api.call('GET', path, { token });
  const settlementsOf = async (reference: string) =>
    (await api.owner.query('SELECT id FROM keystone.settlements WHERE trade_reference = $1', [reference])).rowCount;

  async function pair(
    first: Record<string, unknown> = {},
    second: Record<string, unknown> = {},
  ): Promise<[TestAnswer, TestAnswer]> {
    const one = await submit(a.token, side('seller', first));
    return [one, await submit(b.token, side('buyer', { trade_reference: textAt(one, '/trade_reference'), ...second }))];
  }

  describe('201', () => {
    it('the first instruction gets a trade reference and waits', async () => {
      const answer = await submit(a.token, side('seller'));
      expect(answer.status).toBe(201);
      expect(instructionOut.safeParse(answer.body).error).toBeUndefined();
      expect(textAt(answer, '/trade_reference')).toMatch(/^KS-[0-9a-f-]{36}$/);
      expect(answer.body).toMatchObject({ status: 'pending_match', settlement_id: null, match_refusal: null });
      expect(at(answer, '/expires_at')).toBe(at(answer, '/timeout_at'));
    });

    it('the second one with the reference settles: both confirmed, legs as the first states them, visible to both', async () => {
      const [first, second] = await pair();
      expect(second.body).toMatchObject({ status: 'matched', match_refusal: null });
      const id = textAt(second, '/settlement_id');
      const mine = await get(`/v1/settlements/${id}`, a.token);
      expect(settlementOut.safeParse(mine.body).error).toBeUndefined();
      expect(mine.body).toMatchObject({
        state: 'INSTRUCTED',
        settlement_type: 'cross_platform',
        trade_reference: at(first, '/trade_reference'),
        parties: [
          { role: 'seller', status: 'confirmed', environment_id: a.environmentId, external_reference: 'seller-001' },
          {
            role: 'buyer',
            status: 'confirmed',
            environment_id: b.environmentId,
            external_reference: null,
            wallet_address: null,
          },
        ],
        legs: [
          {
            leg_type: 'asset_delivery',
            direction: 'deliver',
            party_role: 'seller',
            payer_role: 'seller',
            external_reference: 'seller-bond',
          },
          {
            leg_type: 'payment',
            direction: 'receive',
            party_role: 'seller',
            payer_role: 'buyer',
            external_reference: null,
          },
        ],
      });
      const theirs = await get(`/v1/settlements/${id}`, b.token);
      expect(at(theirs, '/legs/0/external_reference')).toBe('buyer-bond');
      expect(at(theirs, '/parties/0/external_reference')).toBeNull();
      const again = await get(`/v1/instructions/${textAt(first, '/id')}`, a.token);
      expect(again.body).toMatchObject({ status: 'matched', settlement_id: id });
    });

    it('the order in which the two sides come does not matter', async () => {
      const one = await submit(b.token, side('buyer'));
      const two = await submit(a.token, side('seller', { trade_reference: textAt(one, '/trade_reference') }));
      const settlement = await get(`/v1/settlements/${textAt(two, '/settlement_id')}`, a.token);
      expect(at(settlement, '/legs/0')).toMatchObject({
        party_role: 'buyer',
        direction: 'receive',
        payer_role: 'seller',
        payee_role: 'buyer',
      });
    });

    it('the earlier deadline applies', async () => {
      const early = new Date(Date.now() + 600_000).toISOString();
      const late = new Date(Date.now() + 900_000).toISOString();
      const [, second] = await pair({ timeout_at: late }, { timeout_at: early });
      const settlement = await get(`/v1/settlements/${textAt(second, '/settlement_id')}`, a.token);
      expect(at(settlement, '/timeout_at')).toBe(early);
    });

    it('quantities are compared by value and instruments without regard to case', async () => {
      const legs = side('buyer').legs.map((leg) => ({
        ...leg,
        quantity: `${leg.quantity}.00`,
        instrument_id: leg.instrument_id.toUpperCase().replace('0X', '0x'),
      }));
      const [, second] = await pair({}, { legs });
      expect(at(second, '/status')).toBe('matched');
    });

    it('dvp-immediate settles a delivery free of payment', async () => {
      const leg = (direction: string) => [{ instrument_id: KBOND, quantity: '1', direction }];
      const [, second] = await pair(
        { template_slug: 'dvp-immediate', legs: leg('deliver') },
        { template_slug: 'dvp-immediate', legs: leg('receive') },
      );
      expect(at(second, '/status')).toBe('matched');
    });

    it('both sides may be one platform’s', async () => {
      const one = await submit(a.token, side('seller'));
      const two = await submit(a.token, side('buyer', { trade_reference: textAt(one, '/trade_reference') }));
      const settlement = await get(`/v1/settlements/${textAt(two, '/settlement_id')}`, a.token);
      expect(at(settlement, '/settlement_type')).toBe('single_platform');
    });

    const otherLegs = (changes: Record<string, unknown>) => ({
      legs: side('buyer').legs.map((leg, index) => (index === 0 ? { ...leg, ...changes } : leg)),
    });
    it.each<[MatchRefusal, Record<string, unknown>]>([
      ['match_template_differs', { template_slug: 'dvp-immediate' }],
      ['match_same_role', { role: 'seller' }],
      ['match_instruments_differ', otherLegs({ instrument_id: TEURC })],
      [
        'match_leg_types_differ',
        {
          legs: side('buyer').legs.map((leg) => ({
            ...leg,
            leg_type: leg.leg_type === 'payment' ? 'asset_delivery' : 'payment',
          })),
        },
      ],
      ['match_quantities_differ', otherLegs({ quantity: '501' })],
      ['match_directions_not_complementary', otherLegs({ direction: 'deliver' })],
    ])('an incompatible second instruction is kept, unmatched, and says %s', async (code, changes) => {
      const [first, second] = await pair({}, changes);
      expect(second.status).toBe(201);
      expect(second.body).toMatchObject({
        status: 'pending_match',
        settlement_id: null,
        match_refusal: { code, detail: MATCH_REFUSAL_SENTENCES[code] },
      });
      expect(at(await get(`/v1/instructions/${textAt(first, '/id')}`, a.token), '/match_refusal')).toBeNull();
    });

    it('after an incompatible one, the right one still matches the first', async () => {
      const one = await submit(a.token, side('seller'));
      const reference = textAt(one, '/trade_reference');
      await submit(b.token, side('seller', { trade_reference: reference }));
      const right = await submit(b.token, side('buyer', { trade_reference: reference }));
      expect(at(right, '/status')).toBe('matched');
    });

    it('a sandbox never matches production', async () => {
      const production = await api.addPlatform(undefined, { environment: 'production' });
      const one = await submit(a.token, side('seller'));
      const two = await submit(production.token, side('buyer', { trade_reference: textAt(one, '/trade_reference') }));
      expect(two.body).toMatchObject({ status: 'pending_match', match_refusal: null });
    });

    it('twenty pairs at once: each reference makes exactly one settlement', async () => {
      const references = Array.from({ length: 20 }, (_, index) => `RACE-${Date.now()}-${index}`);
      const answers = await Promise.all(
        references.flatMap((reference) => [
          submit(a.token, side('seller', { trade_reference: reference })),
          submit(b.token, side('buyer', { trade_reference: reference })),
        ]),
      );
      expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([201]));
      for (const reference of references) expect(await settlementsOf(reference)).toBe(1);
    });

    it('twenty instructions of one reference at once make one settlement', async () => {
      const reference = `CROWD-${Date.now()}`;
      await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          submit(
            index % 2 === 0 ? a.token : b.token,
            side(index % 2 === 0 ? 'seller' : 'buyer', { trade_reference: reference }),
          ),
        ),
      );
      expect(await settlementsOf(reference)).toBe(1);
    });
  });

  describe('200', () => {
    it('the same idempotency key answers the same instruction, also when it was matched', async () => {
      const one = await submit(a.token, side('seller'));
      const body = side('buyer', { trade_reference: textAt(one, '/trade_reference') });
      const first = await submit(b.token, body, { 'Idempotency-Key': 'instruction-1' });
      const second = await submit(b.token, body, { 'Idempotency-Key': 'instruction-1' });
      expect([first.status, second.status, at(second, '/id')]).toEqual([201, 200, at(first, '/id')]);
      expect(at(second, '/settlement_id')).toBe(at(first, '/settlement_id'));
    });

    it('lists by status; one whose time is over is expired, and matches nobody', async () => {
      const platform = await api.addPlatform();
      const one = await submit(platform.token, side('seller'));
      await api.owner.query(`UPDATE keystone.instructions SET expires_at = now() - interval '1 second' WHERE id = $1`, [
        textAt(one, '/id'),
      ]);
      const listed = await get('/v1/instructions?status=expired', platform.token);
      expect(listed.body).toMatchObject({ total: 1, items: [{ id: at(one, '/id'), status: 'expired' }] });
      expect(at(await get('/v1/instructions?status=pending_match', platform.token), '/total')).toBe(0);
      expect(at(await get('/v1/instructions?status=nonsense', platform.token), '/total')).toBe(0);
      const late = await submit(b.token, side('buyer', { trade_reference: textAt(one, '/trade_reference') }));
      expect(at(late, '/status')).toBe('pending_match');
    });

    it('cancelling answers the instruction, which then matches nobody', async () => {
      const one = await submit(a.token, side('seller'));
      const cancelled = await api.call('DELETE', `/v1/instructions/${textAt(one, '/id')}`, { token: a.token });
      expect([cancelled.status, at(cancelled, '/status')]).toEqual([200, 'cancelled']);
      const late = await submit(b.token, side('buyer', { trade_reference: textAt(one, '/trade_reference') }));
      expect(at(late, '/status')).toBe('pending_match');
    });
  });

  it('404: an instruction is its owner’s alone, before and after the match', async () => {
    const [first] = await pair();
    const path = `/v1/instructions/${textAt(first, '/id')}`;
    const missing = await get('/v1/instructions/00000000-0000-4000-8000-000000000000', b.token);
    expect((await get(path, b.token)).text).toBe(missing.text);
    expect((await api.call('DELETE', path, { token: b.token })).text).toBe(missing.text);
  });

  describe('409', () => {
    it('instruction_not_cancellable once it is matched or cancelled', async () => {
      const [first] = await pair();
      const answer = await api.call('DELETE', `/v1/instructions/${textAt(first, '/id')}`, { token: a.token });
      expect([answer.status, at(answer, '/detail')]).toEqual([409, 'Instruction is not cancellable']);
    });

    it('trade_reference_taken for an involved platform, and for a stranger only when it would settle a second time', async () => {
      const [first] = await pair();
      const reference = textAt(first, '/trade_reference');
      const own = await submit(a.token, side('seller', { trade_reference: reference }));
      expect([own.status, at(own, '/code')]).toEqual([409, 'trade_reference_taken']);
      const [c, d] = [await api.addPlatform(), await api.addPlatform()];
      expect(at(await submit(c.token, side('seller', { trade_reference: reference })), '/status')).toBe(
        'pending_match',
      );
      expect(at(await submit(d.token, side('buyer', { trade_reference: reference })), '/code')).toBe(
        'trade_reference_taken',
      );
      expect(await settlementsOf(reference)).toBe(1);
    });
  });

  describe('422', () => {
    it.each<[string, Record<string, unknown>]>([
      ['legs_missing', { legs: [] }],
      ['leg_type_missing', { legs: side('seller').legs.slice(0, 1) }],
      ['role_unknown', { role: 'broker' }],
      ['validation_failed', { fee_mode: 'nobody_pays' }],
      ['wallet_malformed', { party: { external_reference: 'x', wallet_address: '0xSellerWallet...' } }],
    ])('%s', async (code, changes) => {
      const answer = await submit(a.token, side('seller', changes));
      expect([answer.status, at(answer, '/code')]).toEqual([422, code]);
    });

    it('wallet_shared with the other side', async () => {
      const wallet = newWallet();
      const [, second] = await pair(
        { party: { external_reference: 's', wallet_address: wallet } },
        { party: { external_reference: 'b', wallet_address: wallet } },
      );
      expect([second.status, at(second, '/code')]).toEqual([422, 'wallet_shared']);
    });
  });

  it('a candidate’s own references of its legs never leave the database function', async () => {
    const one = await submit(a.token, side('seller'));
    const rows = await api.database.api.transaction({ kind: 'tenant', environmentId: b.environmentId }, (transaction) =>
      transaction.query('SELECT * FROM keystone.lock_match_candidates($1, 10)', [textAt(one, '/trade_reference')]),
    );
    expect(JSON.stringify(rows)).toContain(KBOND);
    expect(JSON.stringify(rows)).not.toContain('seller-bond');
  });
});
