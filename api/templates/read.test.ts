import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { SETTLEMENT_TEMPLATES } from '../../domain/templates.ts';
import { at, startTestApi, type TestApi, type TestPlatform, textAt } from '../testing/test-api.ts';
import { templateOut } from './contract.ts';

describe('settlement templates', () => {
  let api: TestApi;
  let a: TestPlatform;

  beforeAll(async () => {
    api = await startTestApi();
    a = await api.addPlatform();
  }, 60_000);
  afterAll(() => api.stop());

  const get = (path: string) => api.call('GET', `/v1/settlement-templates${path}`, { token: a.token });

  it('200 lists all of them, page by page', async () => {
    const first = await get('?limit=3');
    const second = await get(`?limit=3&cursor=${textAt(first, '/next_cursor')}`);
    const slugs = [first, second].flatMap((page) => (at(page, '/items') as { slug: string }[]).map(({ slug }) => slug));
    expect(slugs).toEqual(SETTLEMENT_TEMPLATES.map(({ slug }) => slug));
    expect([at(second, '/has_more'), at(second, '/total')]).toEqual([false, SETTLEMENT_TEMPLATES.length]);
  });

  it('200 reads one by its UUID, without null where stock clients want a number or nothing', async () => {
    const answer = await get(`/${SETTLEMENT_TEMPLATES[0]?.id}`);
    expect(templateOut.safeParse(answer.body).error).toBeUndefined();
    const actions = Object.values(at(answer, '/config/actions') as Record<string, Record<string, unknown>>);
    expect(actions.flatMap((action) => Object.values(action)).includes(null)).toBe(false);
  });

  it('404 by its slug, which is no UUID', async () => {
    expect((await get('/dvp-standard')).status).toBe(404);
  });
});
