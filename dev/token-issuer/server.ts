import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { type ReceivedRequest, type Reply, startServer } from '../sandboxes/loopback-server.ts';
import { authenticate, type RegisteredClient } from './clients.ts';
import { loadSigningKey, SIGNING_ALGORITHM, type SigningKey } from './signing-key.ts';
import { readTokenRequest, type TokenRequest, TokenRefused } from './token-request.ts';

/** As long as the hosted service's tokens live. */
const TOKEN_LIFETIME_S = 24 * 60 * 60;
const KEY_SET_MAX_AGE_S = 300;

export interface TokenIssuerOptions {
  /** 0 takes a free port. */
  port: number;
  host?: string;
  /** The `iss` claim; the server's own address when left out. Give one when the port may move, since platforms are bound to it. */
  issuer?: string;
  /** The one API that tokens are for, for example `https://api.keystone.localhost`. */
  audience: string;
  /** Asked at each token request, so that a client added later works at once. */
  clients: () => Promise<readonly RegisteredClient[]>;
  signingKeyFile: string;
  tokenLifetimeS?: number;
  /** ms since epoch. */
  now?: () => number;
}

export interface TokenIssuer {
  /** Origin. */
  url: string;
  /** Ends in `/oauth/token`. */
  tokenUrl: string;
  jwksUrl: string;
  issuer: string;
  close: () => Promise<void>;
}

interface Issuing {
  options: TokenIssuerOptions;
  key: SigningKey;
  issuer: () => string;
}

function grantedScopes(wanted: readonly string[] | undefined, registered: RegisteredClient): readonly string[] {
  if (wanted === undefined) return registered.scopes;
  // Refused instead of left out in silence: the client would find out only at its first 403.
  if (wanted.some((scope) => !registered.scopes.includes(scope))) {
    throw new TokenRefused(400, 'invalid_scope', 'a requested scope is not granted to this client');
  }
  return [...new Set(wanted)];
}

async function issue({ options, key, issuer }: Issuing, wanted: TokenRequest): Promise<Reply> {
  const registered = authenticate(await options.clients(), wanted.clientId, wanted.clientSecret);
  if (registered === undefined) throw new TokenRefused(401, 'invalid_client', 'client authentication failed');
  if (wanted.audience !== undefined && wanted.audience !== options.audience) {
    throw new TokenRefused(403, 'access_denied', 'no such audience for this client');
  }
  const scope = grantedScopes(wanted.scopes, registered).join(' ');
  const issuedAtS = Math.floor((options.now ?? Date.now)() / 1_000);
  const lifetimeS = options.tokenLifetimeS ?? TOKEN_LIFETIME_S;
  // Claims of RFC 9068; `azp` is what the hosted service's tokens carry besides.
  const token = await new SignJWT({ client_id: registered.client_id, azp: registered.client_id, scope })
    .setProtectedHeader({ alg: SIGNING_ALGORITHM, typ: 'at+jwt', kid: key.kid })
    .setIssuer(issuer())
    .setSubject(registered.client_id)
    .setAudience(options.audience)
    .setIssuedAt(issuedAtS)
    .setExpirationTime(issuedAtS + lifetimeS)
    .setJti(randomUUID())
    .sign(key.privateKey);
  return { status: 200, json: { access_token: token, token_type: 'Bearer', expires_in: lifetimeS, scope } };
}

/** RFC 6749 §5.1: no cache on the way may keep a token. */
const NO_STORE = { 'cache-control': 'no-store', pragma: 'no-cache' };

async function answerTokenRequest(issuing: Issuing, request: ReceivedRequest): Promise<Reply> {
  try {
    const reply = await issue(issuing, readTokenRequest(request));
    return { ...reply, headers: NO_STORE };
  } catch (error) {
    if (!(error instanceof TokenRefused)) throw error;
    const headers: Record<string, string> = { ...NO_STORE };
    const basic = /^basic /i.test(request.headers.authorization ?? '');
    if (error.status === 401 && basic) headers['www-authenticate'] = 'Basic realm="keystone development issuer"';
    return { status: error.status, headers, json: { error: error.error, error_description: error.message } };
  }
}

function metadata(issuer: string, origin: string): Record<string, unknown> {
  return {
    issuer,
    token_endpoint: `${origin}/oauth/token`,
    jwks_uri: `${origin}/.well-known/jwks.json`,
    grant_types_supported: ['client_credentials'],
    response_types_supported: [],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    id_token_signing_alg_values_supported: [SIGNING_ALGORITHM],
    subject_types_supported: ['public'],
  };
}

/**
 * Starts the development token issuer: client credentials for access tokens as an OAuth server would give them.
 * @throws Error under NODE_ENV=production, where clients and keys in files of a checkout have no place.
 */
export async function startTokenIssuer(options: TokenIssuerOptions): Promise<TokenIssuer> {
  if (process.env['NODE_ENV'] === 'production')
    throw new Error('the development token issuer refuses to run in production');
  const key = await loadSigningKey(options.signingKeyFile);
  let origin = '';
  const issuer = (): string => options.issuer ?? origin;
  const keySet = { keys: [key.publicJwk] };
  const cached = { 'cache-control': `public, max-age=${KEY_SET_MAX_AGE_S}` };
  const server = await startServer(options, (request) => {
    const { method, path } = request;
    if (path === '/oauth/token') {
      if (method !== 'POST') return { status: 405, headers: { allow: 'POST' } };
      return answerTokenRequest({ options, key, issuer }, request);
    }
    if (method === 'GET' && path === '/.well-known/jwks.json') return { status: 200, headers: cached, json: keySet };
    if (
      method === 'GET' &&
      ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server'].includes(path)
    ) {
      return { status: 200, headers: cached, json: metadata(issuer(), origin) };
    }
    return { status: 404, json: { error: 'not_found' } };
  });
  origin = server.url;
  return {
    url: origin,
    tokenUrl: `${origin}/oauth/token`,
    jwksUrl: `${origin}/.well-known/jwks.json`,
    issuer: issuer(),
    close: server.close,
  };
}
