import { connect } from 'node:net';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { LIMITS } from '../domain/limits.ts';
import { createDatabase } from '../db/pool.ts';
import { problemOut } from './schemas.ts';
import { at, exampleSettlement, startTestApi, type TestApi, type TestPlatform } from './testing/test-api.ts';

describe('the HTTP edge', () => {
  let api: TestApi;
  let a: TestPlatform;
  let b: TestPlatform;

  beforeAll(async () => {
    api = await startTestApi();
    a = await api.addPlatform();
    b = await api.addPlatform();
  }, 60_000);
  afterAll(() => api.stop());

  const post = (rawBody: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
    api.call('POST', '/v1/settlements', { token: a.token, rawBody, headers });
  const deep = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;

  it.each<[string, number, string, string | Uint8Array<ArrayBuffer>]>([
    ['text that is no JSON', 400, 'malformed_json', '{'],
    ['nothing at all', 400, 'malformed_json', ''],
    ['bytes that are no UTF-8', 400, 'malformed_json', new Uint8Array([0x7b, 0xff, 0x7d])],
    ['a member twice', 400, 'malformed_json', '{"legs":[],"legs":[]}'],
    ['half a surrogate pair', 400, 'malformed_json', '{"external_reference":"\\ud800"}'],
    ['deep nesting', 400, 'malformed_request', deep(LIMITS.maximumJsonDepth + 1)],
    ['ten thousand brackets', 400, 'malformed_request', '['.repeat(10_000)],
    ['a scalar', 422, 'validation_failed', '7'],
    ['an array', 422, 'validation_failed', '[]'],
    ['__proto__', 422, 'validation_failed', '{"__proto__":{"role":"x"}}'],
    ['constructor', 422, 'validation_failed', '{"constructor":1}'],
    ['a NUL character', 422, 'validation_failed', '{"external_reference":"a\\u0000b"}'],
    ['a NUL character in a name', 422, 'validation_failed', '{"a\\u0000b":1}'],
    ['a number beyond every double', 422, 'validation_failed', '{"timeout_at":1e999}'],
    ['an integer beyond 2^53', 422, 'validation_failed', '{"parties":[{"chain_id":9007199254740993}]}'],
    ['null in a list', 422, 'validation_failed', '{"parties":[null]}'],
    ['a body that is too large', 413, 'body_too_large', `{"a":"${'x'.repeat(LIMITS.maximumBodyBytes)}"}`],
  ])(
    '%s is answered %i %s as a problem document, and the next request is served',
    async (_what, status, code, body) => {
      const answer = await post(body);
      expect([answer.status, at(answer, '/code')]).toEqual([status, code]);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
      expect(problemOut.safeParse(answer.body).error).toBeUndefined();
      expect((await api.call('GET', '/healthz')).status).toBe(200);
    },
  );

  it.each([
    ['text/plain', undefined],
    ['application/json; charset=latin1', undefined],
    ['application/x-www-form-urlencoded', 'a=b'],
    ['multipart/form-data', undefined],
  ])('415 for %s', async (contentType, body) => {
    const answer = await post(body ?? JSON.stringify(exampleSettlement(b.slug)), { 'Content-Type': contentType });
    expect([answer.status, at(answer, '/code')]).toEqual([415, 'unsupported_media_type']);
  });

  it('415 for a compressed body', async () => {
    expect((await post('{}', { 'Content-Encoding': 'gzip' })).status).toBe(415);
  });

  it('405 with Allow for a method that an address does not have', async () => {
    const answer = await api.call('PUT', '/v1/settlements', { token: a.token });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST, GET, HEAD']);
  });

  it('404 for an address that is not there, 400 for a bad percent escape', async () => {
    expect((await api.call('GET', '/v1/nothing', { token: a.token })).status).toBe(404);
    expect((await api.call('GET', '/v1/settlements/%zz', { token: a.token })).status).toBe(400);
    expect((await api.call('GET', '/v1/settlements/%00', { token: a.token })).status).toBe(404);
  });

  it('a safe X-Request-Id is taken over, another one replaced; it is in the problem document too', async () => {
    const given = await api.call('GET', '/v1/settlements', { headers: { 'X-Request-Id': 'trace-1' } });
    expect([given.headers.get('x-request-id'), at(given, '/request_id')]).toEqual(['trace-1', 'trace-1']);
    for (const unsafe of ['a b', 'x'.repeat(129), '<script>']) {
      const answer = await api.call('GET', '/healthz', { headers: { 'X-Request-Id': unsafe } });
      expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  it('every answer says which version it is, may not be stored, sniffed or framed, and not what serves it', async () => {
    for (const path of ['/healthz', '/v1/settlements', '/nowhere']) {
      const { headers } = await api.call('GET', path);
      expect(headers.get('keystone-version')).toBe('0.1.0');
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('x-powered-by')).toBeNull();
    }
  });

  it('a problem’s instance is the path without the query', async () => {
    const answer = await api.call('GET', '/v1/settlements?token=secret');
    expect(at(answer, '/instance')).toBe('/v1/settlements');
    expect(answer.text).not.toContain('secret');
  });

  it('a body that is refused unread ends the connection, so that its rest is not taken for a request', async () => {
    const { hostname, port } = new URL(api.url);
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => {
        socket.write(
          `POST /v1/settlements HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nContent-Type: application/json\r\n\r\nGET /healthz`,
        );
      });
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString();
      });
      socket.on('close', () => resolve(text));
      socket.on('error', reject);
      socket.setTimeout(5_000, () => socket.destroy(new Error('the connection stayed open')));
    });
    expect(answer).toContain('401');
    expect(answer.toLowerCase()).toContain('connection: close');
    expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
  });

  it('readyz is 200 with the database and 503 without; business then answers 503 with Retry-After, not 500', async () => {
    expect((await api.call('GET', '/readyz')).status).toBe(200);
    const dead = createDatabase({
      url: 'postgres://nobody:x@127.0.0.1:1/none',
      poolSize: 1,
      applicationName: 'test',
      onError: () => undefined,
    });
    const down = await startTestApi({ database: dead });
    try {
      expect((await down.call('GET', '/readyz')).status).toBe(503);
      expect((await down.call('GET', '/healthz')).status).toBe(200);
      const listed = await down.call('GET', '/v1/settlements', { token: (await down.addPlatform()).token });
      expect([listed.status, at(listed, '/code'), listed.headers.get('retry-after')]).toEqual([
        503,
        'database_unavailable',
        '1',
      ]);
    } finally {
      await down.stop();
      await dead.close();
    }
  }, 60_000);
});
