import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import {
  at,
  exampleConfirmation,
  exampleSettlement,
  startTestApi,
  type TestApi,
  type TestPlatform,
  textAt,
} from '../testing/test-api.ts';
import { settlementListOut, settlementOut } from './views.ts';

const MISSING = '00000000-0000-4000-8000-000000000000';

describe('reading settlements', () => {
  let api: TestApi;
  let a: TestPlatform;
  let b: TestPlatform;
  let stranger: TestPlatform;

  beforeAll(async () => {
    api = await startTestApi();
    a = await api.addPlatform();
    b = await api.addPlatform();
    stranger = await api.addPlatform();
  }, 60_000);
  afterAll(() => api.stop());

  async function open(): Promise<string> {
    const answer = await api.call('POST', '/v1/settlements', {
      token: a.token,
      body: exampleSettlement(b.slug, { external_reference: 'deal-7', idempotency_key: `key-${Math.random()}` }),
    });
    return textAt(answer, '/id');
  }
  const get = (path: string, token: string) => api.call('GET', path, { token });

  describe('GET /v1/settlements/{id}', () => {
    it('200 for both sides, each with every declared field, and without what only the other may see', async () => {
      const id = await open();
      const [mine, theirs] = [await get(`/v1/settlements/${id}`, a.token), await get(`/v1/settlements/${id}`, b.token)];
      expect(settlementOut.safeParse(mine.body).error).toBeUndefined();
      expect(settlementOut.safeParse(theirs.body).error).toBeUndefined();
      expect(at(mine, '/external_reference')).toBe('deal-7');
      expect(at(theirs, '/external_reference')).toBeNull();
      expect(at(theirs, '/idempotency_key')).toBe(id);
      expect(at(theirs, '/parties/0')).toMatchObject({
        external_reference: null,
        name: null,
        wallet_address: null,
        chain_id: null,
      });
    });

    it('200 for an operator, who sees everything', async () => {
      const operator = await api.addOperator();
      const answer = await get(`/v1/settlements/${await open()}`, operator.token);
      expect(at(answer, '/parties/0/external_reference')).toBe('seller-001');
    });

    it('the id may be written in upper case', async () => {
      expect((await get(`/v1/settlements/${(await open()).toUpperCase()}`, a.token)).status).toBe(200);
    });
  });

  it('404: a foreign settlement, a missing one and no id at all are the same bytes and headers, at every address below', async () => {
    const id = await open();
    const withoutChangingHeaders = (headers: Headers) =>
      [...headers].filter(([name]) => name !== 'date' && name !== 'x-request-id');
    for (const [method, rest, body] of [
      ['GET', '', undefined],
      ['GET', '/events', undefined],
      ['GET', '/proof', undefined],
      ['GET', '/legs/0/deposit-info', undefined],
      ['GET', '/compliance/references', undefined],
      ['POST', '/confirm', exampleConfirmation()],
      ['POST', '/reject', {}],
      ['POST', '/compliance-decision', { decision: 'approve' }],
    ] as const) {
      const ask = (which: string) =>
        api.call(method, `/v1/settlements/${which}${rest}`, { token: stranger.token, body });
      const [foreign, missing, malformed] = [await ask(id), await ask(MISSING), await ask('not-an-id')];
      expect([foreign.status, foreign.text]).toEqual([404, missing.text]);
      expect(malformed.text).toBe(missing.text);
      expect(withoutChangingHeaders(foreign.headers)).toEqual(withoutChangingHeaders(missing.headers));
      expect(foreign.text).not.toContain(id);
      expect(foreign.text).not.toContain(foreign.headers.get('x-request-id') ?? '');
    }
  });

  describe('GET /v1/settlements', () => {
    it('lists newest first by offset and by cursor, each once, and nothing foreign', async () => {
      const platform = await api.addPlatform();
      const made: string[] = [];
      for (let index = 0; index < 5; index += 1) {
        const answer = await api.call('POST', '/v1/settlements', {
          token: platform.token,
          body: exampleSettlement(b.slug),
        });
        made.unshift(textAt(answer, '/id'));
      }
      const byOffset = await get('/v1/settlements?limit=2&offset=2', platform.token);
      expect(settlementListOut.safeParse(byOffset.body).error).toBeUndefined();
      expect(byOffset.body).toMatchObject({
        total: 5,
        limit: 2,
        offset: 2,
        has_more: true,
        items: [{ id: made[2] }, { id: made[3] }],
      });
      const seen: string[] = [];
      let cursor = '';
      do {
        const page = await get(`/v1/settlements?limit=2${cursor && `&cursor=${cursor}`}`, platform.token);
        seen.push(...(at(page, '/items') as { id: string }[]).map((item) => item.id));
        cursor = (at(page, '/next_cursor') as string | null) ?? '';
      } while (cursor !== '' && seen.length < 10);
      expect(seen).toEqual(made);
      expect(at(await get('/v1/settlements', stranger.token), '/total')).toBe(0);
    });

    it('filters by state; an unknown state lists nothing', async () => {
      await open();
      expect(at(await get('/v1/settlements?state=AWAITING_CONFIRMATION&limit=1', a.token), '/items/0/state')).toBe(
        'AWAITING_CONFIRMATION',
      );
      expect(at(await get('/v1/settlements?state=&limit=1&cursor=', a.token), '/items/0/id')).toBeDefined();
      expect((await get('/v1/settlements?state=SETTLED', a.token)).body).toMatchObject({
        items: [],
        total: 0,
        has_more: false,
      });
    });

    it.each([
      'limit=0',
      'limit=201',
      'limit=x',
      'offset=-1',
      'cursor=abc',
      'cursor=%00',
      'limit=1&limit=2',
      'surprise=1',
    ])('422 for ?%s', async (query) => {
      const answer = await get(`/v1/settlements?${query}`, a.token);
      expect([answer.status, at(answer, '/code')]).toEqual([422, 'validation_failed']);
      expect(at(answer, '/errors/0/pointer')).toBe(`?${query.split('=')[0]}`);
    });
  });

  it('events come oldest first without gaps and each carries the hash of the one before', async () => {
    const id = await open();
    await api.call('POST', `/v1/settlements/${id}/confirm`, { token: b.token, body: exampleConfirmation() });
    const first = await get(`/v1/settlements/${id}/events?limit=2`, b.token);
    const rest = await get(`/v1/settlements/${id}/events?cursor=${textAt(first, '/next_cursor')}`, b.token);
    expect(first.body).toMatchObject({
      total: 3,
      has_more: true,
      items: [{ sequence: 1, from_state: null, previous_hash: null }, { sequence: 2 }],
    });
    expect(rest.body).toMatchObject({
      items: [{ sequence: 3, to_state: 'INSTRUCTED', previous_hash: at(first, '/items/1/content_hash') }],
      has_more: false,
    });
  });

  it('related is answered to stock clients for what they may see', async () => {
    const id = await open();
    expect((await get(`/v1/settlements/${id}/related`, a.token)).body).toEqual({ opening: null, closing: null });
    expect((await get(`/v1/settlements/${id}/related`, stranger.token)).status).toBe(404);
  });

  describe('GET …/proof', () => {
    it('409 before there is one, then the stored text byte for byte', async () => {
      const id = await open();
      expect(at(await get(`/v1/settlements/${id}/proof`, a.token), '/code')).toBe('proof_not_ready');
      const pack = '{"b":1,  "a":"ü"}';
      await api.owner.query('INSERT INTO keystone.proofs (settlement_id, pack) VALUES ($1, $2)', [id, pack]);
      const answer = await get(`/v1/settlements/${id}/proof`, b.token);
      expect([answer.status, answer.text]).toEqual([200, pack]);
    });
  });
});
