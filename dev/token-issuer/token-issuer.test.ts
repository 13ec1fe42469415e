import { createHash } from 'node:crypto';
import { chmod, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import type { RegisteredClient } from './clients.ts';
import { startTokenIssuer, type TokenIssuer } from './server.ts';

const AUDIENCE = 'https://api.keystone.localhost';
const SECRET = 's3cret-of-platform-a:with+odd%characters';
const CLIENTS: RegisteredClient[] = [
  { client_id: 'platform-a', client_secret: SECRET, scopes: ['settlements:read', 'settlements:write'] },
  {
    client_id: 'platform-b',
    client_secret_hash: `sha256:${createHash('sha256').update('secret-b').digest('hex')}`,
    scopes: ['settlements:read'],
  },
];

let folder: string;
let issuer: TokenIssuer;
const start = (changes: Record<string, unknown> = {}): Promise<TokenIssuer> =>
  startTokenIssuer({
    port: 0,
    audience: AUDIENCE,
    clients: () => Promise.resolve(CLIENTS),
    signingKeyFile: join(folder, 'key.json'),
    ...changes,
  });
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'token-issuer-'));
  issuer = await start();
});
afterEach(async () => {
  await issuer.close();
  await rm(folder, { recursive: true });
});

const GRANT = { grant_type: 'client_credentials', audience: AUDIENCE };
const PLATFORM_A = { client_id: 'platform-a', client_secret: SECRET };

function post(body: string, type: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(issuer.tokenUrl, { method: 'POST', headers: { 'content-type': type, ...headers }, body });
}
function postJson(body: Record<string, unknown>): Promise<Response> {
  return post(JSON.stringify(body), 'application/json');
}
function postForm(body: Record<string, string>, headers: Record<string, string> = {}): Promise<Response> {
  return post(new URLSearchParams(body).toString(), 'application/x-www-form-urlencoded', headers);
}
function basic(id: string, secret: string): Record<string, string> {
  const joined = `${encodeURIComponent(id)}:${encodeURIComponent(secret)}`;
  return { authorization: `Basic ${Buffer.from(joined).toString('base64')}` };
}
interface TokenAnswer {
  access_token: string;
  expires_in: number;
  scope: string;
}
async function verify(answer: TokenAnswer, at = issuer) {
  const keys = createRemoteJWKSet(new URL(at.jwksUrl));
  const rules = { issuer: at.issuer, audience: AUDIENCE, algorithms: ['RS256'], typ: 'at+jwt' };
  return jwtVerify(answer.access_token, keys, rules);
}

describe('200: a token that an outside verifier accepts', () => {
  it.each<[string, () => Promise<Response>]>([
    ['JSON', () => postJson({ ...GRANT, ...PLATFORM_A })],
    ['form', () => postForm({ ...GRANT, ...PLATFORM_A })],
    ['Basic with a form', () => postForm(GRANT, basic('platform-a', SECRET))],
    [
      'Basic with JSON',
      () => post(JSON.stringify(GRANT), 'application/json; charset=utf-8', basic('platform-a', SECRET)),
    ],
    ['explicit nulls', () => postJson({ ...GRANT, ...PLATFORM_A, scope: null })],
    ['no audience', () => postForm({ grant_type: 'client_credentials', ...PLATFORM_A })],
  ])('%s', async (_way, ask) => {
    const response = await ask();
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toBe('no-store');
    const answer = (await response.json()) as TokenAnswer;
    expect(answer).toMatchObject({
      token_type: 'Bearer',
      expires_in: 86_400,
      scope: 'settlements:read settlements:write',
    });
    const { payload } = await verify(answer);
    expect(payload).toMatchObject({
      sub: 'platform-a',
      client_id: 'platform-a',
      azp: 'platform-a',
      aud: AUDIENCE,
      scope: 'settlements:read settlements:write',
    });
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(86_400);
    expect(payload.jti).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('takes a secret that is registered as a hash, and narrows to the scope asked for', async () => {
    const hashed = await postJson({ ...GRANT, client_id: 'platform-b', client_secret: 'secret-b' });
    expect(hashed.status).toBe(200);
    const narrow = await postJson({ ...GRANT, ...PLATFORM_A, scope: 'settlements:read' });
    const answer = (await narrow.json()) as TokenAnswer;
    expect(answer.scope).toBe('settlements:read');
    expect((await verify(answer)).payload['scope']).toBe('settlements:read');
  });

  it('keeps its key over a restart in a file that only its owner reads', async () => {
    const answer = (await (await postJson({ ...GRANT, ...PLATFORM_A })).json()) as TokenAnswer;
    const restarted = await start({ issuer: issuer.issuer });
    try {
      await expect(verify(answer, restarted)).resolves.toBeDefined();
    } finally {
      await restarted.close();
    }
    expect((await stat(join(folder, 'key.json'))).mode & 0o777).toBe(0o600);
  });

  it('describes itself', async () => {
    const response = await fetch(`${issuer.url}/.well-known/openid-configuration`);
    expect(await response.json()).toMatchObject({
      issuer: issuer.issuer,
      token_endpoint: issuer.tokenUrl,
      jwks_uri: issuer.jwksUrl,
    });
    const keys = (await (await fetch(issuer.jwksUrl)).json()) as { keys: Record<string, unknown>[] };
    expect(keys.keys).toHaveLength(1);
    expect(Object.keys(keys.keys[0] ?? {}).toSorted()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use']);
  });
});

describe('refusals in OAuth shape', () => {
  it.each<[string, () => Promise<Response>, number, string]>([
    ['unknown client', () => postJson({ ...GRANT, client_id: 'nobody', client_secret: SECRET }), 401, 'invalid_client'],
    ['wrong secret', () => postJson({ ...GRANT, ...PLATFORM_A, client_secret: 'wrong' }), 401, 'invalid_client'],
    [
      'the hash as the secret',
      () => postJson({ ...GRANT, client_id: 'platform-b', client_secret: CLIENTS[1]?.client_secret_hash }),
      401,
      'invalid_client',
    ],
    ['no credentials', () => postJson(GRANT), 401, 'invalid_client'],
    ['wrong Basic secret', () => postForm(GRANT, basic('platform-a', 'wrong')), 401, 'invalid_client'],
    ['another grant', () => postJson({ ...PLATFORM_A, grant_type: 'password' }), 400, 'unsupported_grant_type'],
    ['no grant', () => postJson(PLATFORM_A), 400, 'invalid_request'],
    [
      'another audience',
      () => postJson({ ...GRANT, ...PLATFORM_A, audience: 'https://elsewhere' }),
      403,
      'access_denied',
    ],
    [
      'a scope not granted',
      () => postJson({ ...GRANT, ...PLATFORM_A, scope: 'compliance:decide' }),
      400,
      'invalid_scope',
    ],
    [
      'credentials twice',
      () => postForm({ ...GRANT, ...PLATFORM_A }, basic('platform-a', SECRET)),
      400,
      'invalid_request',
    ],
    [
      'a repeated parameter',
      () => post('grant_type=client_credentials&grant_type=password', 'application/x-www-form-urlencoded'),
      400,
      'invalid_request',
    ],
    ['no JSON', () => post('{', 'application/json'), 400, 'invalid_request'],
    ['a JSON list', () => post('[]', 'application/json'), 400, 'invalid_request'],
    ['another media type', () => post('x', 'text/plain'), 400, 'invalid_request'],
  ])('%s', async (_what, ask, status, error) => {
    const response = await ask();
    expect(response.status).toBe(status);
    expect(response.headers.get('cache-control')).toBe('no-store');
    const text = await response.text();
    expect(JSON.parse(text)).toEqual({ error, error_description: expect.any(String) });
    expect(text).not.toContain(SECRET);
  });

  it('answers an unknown id and a wrong secret with the same bytes', async () => {
    const unknown = await postJson({ ...GRANT, client_id: 'nobody', client_secret: 'x' });
    const wrong = await postJson({ ...GRANT, client_id: 'platform-a', client_secret: 'x' });
    expect(await unknown.text()).toBe(await wrong.text());
  });

  it('challenges a failed Basic login', async () => {
    const response = await postForm(GRANT, basic('platform-a', 'wrong'));
    expect(response.headers.get('www-authenticate')).toMatch(/^Basic realm=/);
  });

  it('refuses to run in production, and with a key that others can read', async () => {
    await chmod(join(folder, 'key.json'), 0o644);
    await expect(start()).rejects.toThrow('chmod 600');
    await chmod(join(folder, 'key.json'), 0o600);
    const before = process.env['NODE_ENV'];
    process.env['NODE_ENV'] = 'production';
    try {
      await expect(start()).rejects.toThrow('production');
    } finally {
      process.env['NODE_ENV'] = before;
    }
  });
});
