import { createHmac } from 'node:crypto';
import { appendFile, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { startWebhookSink, type WebhookSink } from './server.ts';

const SECRET = `whsec_${Buffer.from('a secret of 24 bytes or so').toString('base64')}`;
const OTHER_SECRET = `whsec_${Buffer.from('another secret, same kind').toString('base64')}`;
const BODY = JSON.stringify({
  event: 'settlement.state.finalized',
  data: { settlement_id: 's-1', state: 'FINALIZED', name: 'Société' },
});

let folder: string;
let sink: WebhookSink;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'webhook-sink-'));
  sink = await startWebhookSink({ port: 0, secrets: { 'platform-a': SECRET }, storeFile: join(folder, 'hooks.jsonl') });
});
afterEach(async () => {
  await sink.close();
  await rm(folder, { recursive: true });
});

/** Signed by the published library, which is the oracle: nothing of ours makes these headers. */
function standard(body: string, secret = SECRET, at = new Date()): Record<string, string> {
  return {
    'webhook-id': 'evt_1',
    'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
    'webhook-signature': new Webhook(secret).sign('evt_1', at, body),
  };
}
function keystone(body: string, secret = SECRET): Record<string, string> {
  return { 'x-keystone-signature': createHmac('sha256', secret).update(body).digest('hex') };
}
function deliver(headers: Record<string, string>, body = BODY, slug = 'platform-a'): Promise<Response> {
  const all = { 'content-type': 'application/json', ...headers };
  return fetch(`${sink.url}/hooks/${slug}`, { method: 'POST', headers: all, body });
}
interface Item {
  id: number;
  received_at_ms: number;
  verified: { keystone: boolean; standard: boolean };
  answered: number;
  body: unknown;
  raw_body: string;
  headers: Record<string, string>;
}
async function list(query = '', slug = 'platform-a'): Promise<Item[]> {
  const response = await fetch(`${sink.url}/hooks/${slug}${query}`);
  expect(response.status).toBe(200);
  return ((await response.json()) as { items: Item[] }).items;
}
function put(path: string, body: unknown): Promise<Response> {
  return fetch(`${sink.url}/hooks/${path}`, { method: 'PUT', body: JSON.stringify(body) });
}

describe('200: what is signed rightly', () => {
  it('accepts both schemes together and keeps the delivery', async () => {
    const response = await deliver({ ...standard(BODY), ...keystone(BODY) });
    expect(response.status).toBe(200);
    const [item] = await list();
    expect(item).toMatchObject({ id: 1, verified: { keystone: true, standard: true }, answered: 200, raw_body: BODY });
    expect(item?.body).toEqual(JSON.parse(BODY));
    expect(item?.headers['webhook-id']).toBe('evt_1');
    expect(Math.abs((item?.received_at_ms ?? 0) - Date.now())).toBeLessThan(10_000);
  });

  it('accepts either scheme alone', async () => {
    expect((await deliver(standard(BODY))).status).toBe(200);
    expect((await deliver(keystone(BODY))).status).toBe(200);
  });

  it('accepts one right signature among those of a rotation', async () => {
    const both = standard(BODY);
    both['webhook-signature'] =
      `${standard(BODY, OTHER_SECRET)['webhook-signature']} v1a,AAAA ${both['webhook-signature']}`;
    expect((await deliver(both)).status).toBe(200);
  });
});

describe('401: what is not', () => {
  const stale = new Date(Date.now() - 10 * 60_000);
  it.each<[string, Record<string, string>]>([
    ['no signature', {}],
    ['another secret, standard', standard(BODY, OTHER_SECRET)],
    ['another secret, keystone', keystone(BODY, OTHER_SECRET)],
    ['another body', standard(`${BODY} `)],
    ['one right, one wrong', { ...standard(BODY), ...keystone(`${BODY} `) }],
    ['a stale timestamp', standard(BODY, SECRET, stale)],
    ['another id', { ...standard(BODY), 'webhook-id': 'evt_2' }],
    ['upper-case hex', { 'x-keystone-signature': keystone(BODY)['x-keystone-signature']?.toUpperCase() ?? '' }],
    ['the key without its prefix', keystone(BODY, SECRET.slice('whsec_'.length))],
  ])('%s', async (_what, headers) => {
    expect((await deliver(headers)).status).toBe(401);
    expect(await list()).toHaveLength(1);
  });

  it('a slug without a secret, until it is told one', async () => {
    const headers = { ...standard(BODY), ...keystone(BODY) };
    expect((await deliver(headers, BODY, 'platform-b')).status).toBe(401);
    expect((await put('platform-b/secret', { secret: SECRET })).status).toBe(204);
    expect((await deliver(headers, BODY, 'platform-b')).status).toBe(200);
  });
});

describe('listing and faults', () => {
  it('filters by settlement and continues after an id', async () => {
    const other = BODY.replace('s-1', 's-2');
    await deliver(keystone(BODY));
    await deliver(keystone(other), other);
    await deliver(keystone(BODY));
    expect((await list('?settlement_id=s-1')).map((item) => item.id)).toEqual([1, 3]);
    expect((await list('?settlement_id=s-1&after=1')).map((item) => item.id)).toEqual([3]);
    expect((await list('?limit=1')).map((item) => item.id)).toEqual([1]);
    expect((await fetch(`${sink.url}/hooks/platform-a?after=x`)).status).toBe(400);
  });

  it('fails as many deliveries as asked, then answers properly again', async () => {
    expect((await put('platform-a/behaviour', { status: 500, delay_ms: 5, times: 2 })).status).toBe(204);
    const answers = [];
    for (let attempt = 0; attempt < 3; attempt += 1) answers.push((await deliver(keystone(BODY))).status);
    expect(answers).toEqual([500, 500, 200]);
    expect((await list()).map((item) => item.answered)).toEqual([500, 500, 200]);
    expect((await put('platform-a/behaviour', { status: 42 })).status).toBe(400);
  });

  it('has what it received after a restart, even when the last line was cut off', async () => {
    await deliver(keystone(BODY));
    await sink.close();
    const file = join(folder, 'hooks.jsonl');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await appendFile(file, '\n{"id":2,"slug":"platf');
    sink = await startWebhookSink({ port: 0, secrets: { 'platform-a': SECRET }, storeFile: file });
    await deliver(keystone(BODY));
    expect((await list()).map((item) => item.id)).toEqual([1, 2]);
  });

  it('refuses a body beyond its limit and a path that it does not know', async () => {
    expect((await deliver(keystone('x'), 'x'.repeat(1024 * 1024 + 1))).status).toBe(413);
    expect((await deliver({}, BODY, '../secret')).status).toBe(404);
  });
});
