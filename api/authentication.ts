import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify, type JWTVerifyGetKey } from 'jose';

import { authenticateClient } from '../db/clients.ts';
import type { Database } from '../db/pool.ts';
import { KeystoneError } from '../domain/errors.ts';
import { API_LIMITS } from './limits.ts';
import type { Caller } from './route.ts';

/** Asymmetric algorithms only: with a shared secret, whoever can check a token could make one. */
export const TOKEN_ALGORITHMS = ['RS256', 'ES256', 'EdDSA'];

export interface AuthenticationOptions {
  readonly database: Database;
  readonly issuer: string;
  readonly audience: string;
  readonly keys: JWTVerifyGetKey;
}

/** The issuer's keys by HTTP, cached; refetched at most once per cooldown, so that forged key ids cannot make us flood the issuer. */
export function remoteKeys(jwksUrl: string): JWTVerifyGetKey {
  return createRemoteJWKSet(new URL(jwksUrl), {
    timeoutDuration: API_LIMITS.jwksTimeoutMs,
    cooldownDuration: API_LIMITS.jwksCooldownMs,
    cacheMaxAge: API_LIMITS.jwksCacheMs,
  });
}

export type Authenticate = (authorization: string | undefined) => Promise<Caller>;

/**
 * Who is calling. The token proves (issuer, client id); platform, environment and the most that it may do come from our own table, which
 * is asked on every request, so that a suspension holds at once. Throws `unauthenticated`, `client_unknown`, `issuer_unavailable`.
 */
export function createAuthenticate(options: AuthenticationOptions): Authenticate {
  return async (authorization) => {
    const payload = await verify(options, bearerToken(authorization));
    const clientId = clientIdOf(payload);
    // There is no tenant yet; this principal is the API's own role with none set, which can ask the one function only.
    const record = await options.database.transaction({ kind: 'worker' }, (transaction) =>
      authenticateClient(transaction, options.issuer, clientId),
    );
    if (record === undefined) {
      throw new KeystoneError('client_unknown', 'This client is not bound to an active environment.');
    }
    const granted = new Set(record.scopes);
    const scopes = new Set(scopesOf(payload).filter((scope) => granted.has(scope)));
    if (record.kind === 'operator') return { kind: 'operator', clientId, scopes };
    const { environment_id, environment_slug, platform_id, platform_slug, default_timeout_seconds } = record;
    if (
      environment_id === null ||
      environment_slug === null ||
      platform_id === null ||
      platform_slug === null ||
      default_timeout_seconds === null
    ) {
      throw new KeystoneError('internal', 'The client is not set up completely.');
    }
    return {
      kind: 'platform',
      clientId,
      scopes,
      environmentId: environment_id,
      environmentSlug: environment_slug,
      platformId: platform_id,
      platformSlug: platform_slug,
      defaultTimeoutSeconds: default_timeout_seconds,
    };
  };
}

function bearerToken(authorization: string | undefined): string {
  if (authorization === undefined) throw new KeystoneError('unauthenticated', 'An access token is needed.');
  const match =
    authorization.length <= API_LIMITS.maximumAuthorizationLength && /^Bearer +([\w.~+/=-]+) *$/i.exec(authorization);
  if (!match) throw refused('not a bearer token');
  return match[1] ?? '';
}

async function verify(options: AuthenticationOptions, token: string): Promise<JWTPayload> {
  try {
    const verified = await jwtVerify(token, options.keys, {
      issuer: options.issuer,
      audience: options.audience,
      algorithms: TOKEN_ALGORITHMS,
      clockTolerance: API_LIMITS.clockSkewSeconds,
      requiredClaims: ['exp'],
    });
    return verified.payload;
  } catch (error) {
    if (isTokenFault(error)) throw refused(error);
    throw new KeystoneError('issuer_unavailable', 'The keys of the token issuer cannot be read just now.', {
      cause: error,
    });
  }
}

/** Everything that jose says about the token itself. The rest (a time-out, a broken key set) is the issuer's outage, not the caller's fault. */
function isTokenFault(error: unknown): boolean {
  if (!(error instanceof errors.JOSEError)) return false;
  return !(
    error instanceof errors.JWKSTimeout ||
    error instanceof errors.JWKSInvalid ||
    error.code === 'ERR_JOSE_GENERIC'
  );
}

/** One sentence for every fault: which check failed is for the log, since it helps only who forges. */
function refused(cause: unknown): KeystoneError {
  return new KeystoneError('unauthenticated', 'The access token is not valid.', { cause });
}

const AUTH0_SUFFIX = '@clients';

/** RFC 9068 says `client_id`; Auth0 says `azp`, and `<client id>@clients` as subject. */
function clientIdOf(payload: JWTPayload): string {
  for (const claim of [payload['client_id'], payload['azp']]) {
    if (typeof claim === 'string' && claim !== '') return checked(claim);
  }
  const subject = payload.sub ?? '';
  return checked(subject.endsWith(AUTH0_SUFFIX) ? subject.slice(0, -AUTH0_SUFFIX.length) : subject);
}

function checked(clientId: string): string {
  if (/^[\x21-\x7e]{1,255}$/.test(clientId)) return clientId;
  throw refused('the token names no client');
}

/** `scope` is a list in text (RFC 8693); Auth0 puts a user's into `permissions`. A token without either grants nothing. */
function scopesOf(payload: JWTPayload): string[] {
  const { scope, permissions } = payload as { scope?: unknown; permissions?: unknown };
  const fromScope = typeof scope === 'string' ? scope.split(' ') : [];
  const fromPermissions = Array.isArray(permissions) ? permissions.filter((entry) => typeof entry === 'string') : [];
  return [...fromScope, ...fromPermissions].filter((entry) => entry !== '');
}
