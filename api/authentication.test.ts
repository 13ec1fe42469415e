import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createRemoteJWKSet, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';

import { createAuthenticate } from './authentication.ts';
import { AUDIENCE, at, ISSUER, startTestApi, type TestApi, type TestPlatform } from './testing/test-api.ts';

describe('authentication', () => {
  let api: TestApi;
  let a: TestPlatform;

  beforeAll(async () => {
    api = await startTestApi();
    a = await api.addPlatform();
  }, 60_000);
  afterAll(() => api.stop());

  const ask = (token: string | undefined, headers: Record<string, string> = {}) =>
    api.call('GET', '/v1/settlements', { token, headers });
  const claims = () => ({ client_id: a.clientId, scope: 'settlements:read' });

  describe('200', () => {
    it.each<[string, () => Record<string, unknown>]>([
      ['client_id', () => ({ client_id: a.clientId })],
      ['azp', () => ({ azp: a.clientId })],
      ['sub', () => ({ sub: a.clientId })],
      ['sub with @clients', () => ({ sub: `${a.clientId}@clients` })],
    ])('the client is taken from %s', async (_what, claim) => {
      expect((await ask(await api.sign({ ...claim(), scope: 'settlements:read' }))).status).toBe(200);
    });
  });

  describe('401', () => {
    it('without a token, with a challenge', async () => {
      const answer = await ask(undefined);
      expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="keystone"']);
    });

    it.each<[string, () => Promise<string>]>([
      ['is expired beyond the skew', () => api.sign(claims(), { expiresIn: '-2m' })],
      ['is for another audience', () => api.sign(claims(), { audience: 'https://elsewhere.test' })],
      ['is of another issuer', () => api.sign(claims(), { issuer: 'https://evil.test/' })],
      ['has no client', () => api.sign({ scope: 'settlements:read' })],
      ['names a client with control characters', () => api.sign({ ...claims(), client_id: 'a\u0000b' })],
      [
        'is not signed',
        async () => new UnsecuredJWT(claims()).setIssuer(ISSUER).setAudience(AUDIENCE).setExpirationTime('1h').encode(),
      ],
      [
        'is signed with another key',
        async () => {
          const { privateKey } = await generateKeyPair('ES256');
          return new SignJWT(claims())
            .setProtectedHeader({ alg: 'ES256', kid: 'test' })
            .setIssuer(ISSUER)
            .setAudience(AUDIENCE)
            .setExpirationTime('1h')
            .sign(privateKey);
        },
      ],
      [
        'is signed with a shared secret',
        () =>
          new SignJWT(claims())
            .setProtectedHeader({ alg: 'HS256', kid: 'test' })
            .setIssuer(ISSUER)
            .setAudience(AUDIENCE)
            .setExpirationTime('1h')
            .sign(Buffer.alloc(32, 1)),
      ],
      ['is no token', async () => 'abc'],
    ])('when the token %s', async (_what, token) => {
      const answer = await ask(await token());
      expect([answer.status, at(answer, '/code')]).toEqual([401, 'unauthenticated']);
      expect(answer.headers.get('www-authenticate')).toContain('invalid_token');
    });

    it('for Basic credentials', async () => {
      expect((await ask(undefined, { Authorization: 'Basic YTpi' })).status).toBe(401);
    });
  });

  describe('403', () => {
    it('a scope counts only when the token and our table both have it', async () => {
      const limited = await api.addPlatform(undefined, { scopes: ['templates:read'] });
      const tokens = [
        await api.sign({ client_id: limited.clientId, scope: 'settlements:read' }),
        await api.sign({ client_id: a.clientId, scope: 'templates:read' }),
        await api.sign({ client_id: a.clientId }),
      ];
      for (const token of tokens) {
        const answer = await ask(token);
        expect([answer.status, at(answer, '/code')]).toEqual([403, 'insufficient_scope']);
        expect(answer.headers.get('www-authenticate')).toContain('insufficient_scope');
      }
    });

    it.each([
      ['its client is revoked', `UPDATE keystone.clients SET revoked_at = now() WHERE client_id = $1`, 'clientId'],
      ['its platform is suspended', `UPDATE keystone.platforms SET status = 'suspended' WHERE id = $1`, 'platformId'],
      [
        'its environment is deactivated',
        `UPDATE keystone.environments SET is_active = false WHERE id = $1`,
        'environmentId',
      ],
    ] as const)('a token that worked stops working at once when %s', async (_what, sql, field) => {
      const platform = await api.addPlatform();
      expect((await ask(platform.token)).status).toBe(200);
      await api.owner.query(sql, [platform[field]]);
      const answer = await ask(platform.token);
      expect([answer.status, at(answer, '/code')]).toEqual([403, 'client_unknown']);
    });

    it('a client of the same name at another issuer is nobody here', async () => {
      await api.owner.query(
        `INSERT INTO keystone.clients (issuer, client_id, kind, scopes) VALUES ('https://other.test/', 'twin', 'operator', '{settlements:read}')`,
      );
      expect(at(await ask(await api.sign({ client_id: 'twin', scope: 'settlements:read' })), '/code')).toBe(
        'client_unknown',
      );
    });
  });

  it('503, not 401, when the issuer’s keys cannot be read: the caller did nothing wrong', async () => {
    const authenticate = createAuthenticate({
      database: api.database.api,
      issuer: ISSUER,
      audience: AUDIENCE,
      keys: createRemoteJWKSet(new URL('http://127.0.0.1:1/jwks'), { timeoutDuration: 500 }),
    });
    await expect(authenticate(`Bearer ${await api.sign(claims())}`)).rejects.toMatchObject({
      code: 'issuer_unavailable',
    });
  });
});
