import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Webhook } from 'standardwebhooks';

import { LIMITS } from '../../domain/limits.ts';
import { at, startTestApi, type TestApi, type TestPlatform, textAt } from '../testing/test-api.ts';
import { endpointOut } from './contract.ts';

const BASE = '/v1/platforms/me/webhooks';

describe('webhook endpoints', () => {
  let api: TestApi;
  let a: TestPlatform;
  let receiver: Server;
  let receiverUrl: string;
  const received: { headers: IncomingHttpHeaders; body: string }[] = [];

  beforeAll(async () => {
    api = await startTestApi();
    a = await api.addPlatform();
    receiver = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      request.on('end', () => {
        received.push({ headers: request.headers, body });
        response.statusCode = request.url === '/broken' ? 500 : 200;
        response.end();
      });
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    receiverUrl = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  }, 60_000);
  afterAll(async () => {
    receiver.closeAllConnections();
    await new Promise((resolve) => receiver.close(resolve));
    await api.stop();
  });

  const create = (body: Record<string, unknown>, token = a.token) => api.call('POST', BASE, { token, body });
  const call = (method: string, path: string, body?: unknown, token = a.token) =>
    api.call(method, `${BASE}/${path}`, { token, body });

  it('201 shows the secret once; afterwards it is in no answer', async () => {
    const made = await create({ url: 'https://hooks.example.com/a', description: 'first', secret: null });
    expect(made.status).toBe(201);
    expect(textAt(made, '/secret')).toMatch(/^whsec_/);
    expect(at(made, '/events')).toEqual(['*']);
    const id = textAt(made, '/id');
    for (const answer of [
      await call('GET', id),
      await call('PATCH', id, { events: ['settlement.*'] }),
      await api.call('GET', BASE, { token: a.token }),
    ]) {
      expect(answer.status).toBe(200);
      expect(answer.text).not.toContain(textAt(made, '/secret'));
    }
    expect(endpointOut.safeParse((await call('GET', id)).body).error).toBeUndefined();
  });

  it('200 PATCH changes what is given and nothing else; null leaves a field alone', async () => {
    const id = textAt(await create({ url: 'https://hooks.example.com/b', description: 'b' }), '/id');
    const changed = await call('PATCH', id, { is_active: false, description: null, url: null });
    expect(changed.body).toMatchObject({ is_active: false, description: 'b', url: 'https://hooks.example.com/b' });
    expect(at(await call('PATCH', id, { description: '' }), '/description')).toBeNull();
  });

  it('200 rotation answers the new secret; the old one stays valid for a day and is signed with as well', async () => {
    const made = await create({ url: receiverUrl });
    const id = textAt(made, '/id');
    const rotated = await call('POST', `${id}/rotate-secret`);
    const until = Date.parse(textAt(rotated, '/previous_secret_valid_until'));
    expect(until - Date.now()).toBeGreaterThan(86_000_000);
    received.length = 0;
    await call('POST', `${id}/test`);
    for (const secret of [textAt(made, '/secret'), textAt(rotated, '/new_secret')]) {
      expect(() =>
        new Webhook(secret).verify(received[0]?.body ?? '', received[0]?.headers as Record<string, string>),
      ).not.toThrow();
    }
  });

  it('200 test sends one signed ping, whatever the subscription, answers how it went and logs the attempt', async () => {
    const id = textAt(await create({ url: receiverUrl, events: ['settlement.state.finalized'] }), '/id');
    received.length = 0;
    const tested = await call('POST', `${id}/test`, {});
    expect(tested.body).toMatchObject({ success: true, status_code: 200, error: null });
    expect(received).toHaveLength(1);
    expect(JSON.parse(received[0]?.body ?? '{}')).toMatchObject({ event: 'test.ping' });
    const log = await call('GET', `${id}/deliveries`);
    expect(log.body).toMatchObject({
      total: 1,
      items: [{ event: 'test.ping', success: true, response_status: 200, endpoint_id: id }],
    });
  });

  it('200 test of a broken receiver is a result, not an error', async () => {
    const id = textAt(await create({ url: `${receiverUrl}/broken` }), '/id');
    expect((await call('POST', `${id}/test`)).body).toMatchObject({ success: false, status_code: 500 });
  });

  it('204 DELETE removes it from everywhere', async () => {
    const id = textAt(await create({ url: 'https://hooks.example.com/c' }), '/id');
    const deleted = await call('DELETE', id);
    expect([deleted.status, deleted.text]).toEqual([204, '']);
    for (const [method, path] of [
      ['GET', id],
      ['DELETE', id],
      ['POST', `${id}/test`],
      ['POST', `${id}/rotate-secret`],
      ['GET', `${id}/deliveries`],
    ] as const) {
      expect((await call(method, path)).status).toBe(404);
    }
    expect((await api.call('GET', BASE, { token: a.token })).text).not.toContain(id);
  });

  it('404 for another platform, and nothing of it changes', async () => {
    const stranger = await api.addPlatform();
    const id = textAt(await create({ url: 'https://hooks.example.com/d' }), '/id');
    for (const [method, path, body] of [
      ['GET', id, undefined],
      ['PATCH', id, { is_active: false }],
      ['DELETE', id, undefined],
      ['POST', `${id}/rotate-secret`, undefined],
    ] as const) {
      expect((await call(method, path, body, stranger.token)).status).toBe(404);
    }
    expect(at(await call('GET', id), '/is_active')).toBe(true);
  });

  it('409 beyond the limit of endpoints, also when they come at once', async () => {
    const crowded = await api.addPlatform();
    const answers = await Promise.all(
      Array.from({ length: LIMITS.maximumWebhookEndpointsPerEnvironment + 3 }, (_, index) =>
        create({ url: `https://hooks.example.com/${index}` }, crowded.token),
      ),
    );
    const refused = answers.filter((answer) => answer.status === 409);
    expect(refused.map((answer) => at(answer, '/code'))).toEqual(Array(3).fill('webhook_limit_reached'));
  });

  it.each([
    ['webhook_url_refused', { url: 'http://hooks.example.com/' }, '/url'],
    ['webhook_url_refused', { url: 'https://10.0.0.1/' }, '/url'],
    ['webhook_url_refused', { url: 'https://[::ffff:169.254.169.254]/' }, '/url'],
    ['webhook_url_refused', { url: 'https://user:password@hooks.example.com/' }, '/url'],
    ['webhook_url_refused', { url: 'not a url' }, '/url'],
    ['validation_failed', { url: 'https://hooks.example.com/', secret: 'hunter2' }, '/secret'],
    ['validation_failed', { url: 'https://hooks.example.com/', events: ['settlement.unheard_of'] }, '/events/0'],
    ['validation_failed', { url: 'https://hooks.example.com/', events: [] }, '/events'],
    ['validation_failed', { events: ['*'] }, '/url'],
  ])('422 %s for %j', async (code, body, pointer) => {
    const answer = await create(body);
    expect([answer.status, at(answer, '/code'), at(answer, '/errors/0/pointer')]).toEqual([422, code, pointer]);
    expect(answer.text).not.toContain('hunter2');
    expect(answer.text).not.toContain('password');
  });
});
