import { z } from 'zod';
import { jsonOf, type ReceivedRequest } from '../sandboxes/loopback-server.ts';

/** A token request that cannot be served, in OAuth terms (RFC 6749 §5.2). */
export class TokenRefused extends Error {
  override readonly name = 'TokenRefused';
  readonly status: number;
  readonly error: string;

  constructor(status: number, error: string, description: string) {
    super(description);
    this.status = status;
    this.error = error;
  }
}

export interface TokenRequest {
  clientId: string;
  clientSecret: string;
  /** Undefined when the client left it out: the issuer serves one API. */
  audience: string | undefined;
  /** Scopes asked for; undefined for all that the client has. */
  scopes: readonly string[] | undefined;
  /** True when the client used HTTP Basic, which wants a challenge with a 401. */
  basic: boolean;
}

const MAX_PARAMETERS = 50;

const text = z.string().max(4_000).nullish();
/** Parameters that this endpoint reads; others are ignored, as OAuth demands. Null means absent. */
const parameters = z.object({
  grant_type: text,
  client_id: text,
  client_secret: text,
  audience: text,
  scope: text,
});

function refuse(description: string): TokenRefused {
  return new TokenRefused(400, 'invalid_request', description);
}

function formParameters(body: Buffer): Record<string, string> {
  const form = [...new URLSearchParams(body.toString('utf8'))];
  if (form.length > MAX_PARAMETERS) throw refuse('too many parameters');
  // RFC 6749 §3.2: a parameter must not come twice; taking either would let a proxy and us see different ones.
  if (new Set(form.map(([name]) => name)).size !== form.length) throw refuse('a parameter is repeated');
  return Object.fromEntries(form);
}

function bodyParameters(request: ReceivedRequest): z.infer<typeof parameters> {
  const [type = ''] = (request.headers['content-type'] ?? '').split(';');
  const mediaType = type.trim().toLowerCase();
  let raw: unknown;
  if (mediaType === 'application/json') raw = jsonOf(request.body);
  else if (mediaType === 'application/x-www-form-urlencoded') raw = formParameters(request.body);
  else throw refuse('the body must be application/json or application/x-www-form-urlencoded');
  const parsed = parameters.safeParse(raw);
  if (!parsed.success) throw refuse('the body is not an object of text parameters');
  return parsed.data;
}

function formDecoded(part: string): string {
  return decodeURIComponent(part.replaceAll('+', ' '));
}

/** RFC 6749 §2.3.1: id and secret are form-encoded before they are joined and encoded. */
function basicCredentials(header: string | undefined): { id: string; secret: string } | undefined {
  const [scheme = '', encoded = ''] = (header ?? '').split(' ');
  if (scheme.toLowerCase() !== 'basic') return undefined;
  const decoded = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  if (colon === -1) throw new TokenRefused(401, 'invalid_client', 'client authentication failed');
  try {
    return { id: formDecoded(decoded.slice(0, colon)), secret: formDecoded(decoded.slice(colon + 1)) };
  } catch {
    // A percent sign that encodes nothing: no client of ours has such a secret.
    throw new TokenRefused(401, 'invalid_client', 'client authentication failed');
  }
}

/** Reads a client-credentials request in any of the four ways to make it. @throws TokenRefused */
export function readTokenRequest(request: ReceivedRequest): TokenRequest {
  const body = bodyParameters(request);
  if (!body.grant_type) throw refuse('grant_type is missing');
  if (body.grant_type !== 'client_credentials') {
    throw new TokenRefused(400, 'unsupported_grant_type', 'only client_credentials is supported');
  }
  const basic = basicCredentials(request.headers.authorization);
  if (basic !== undefined && body.client_secret) throw refuse('credentials are given twice');
  if (basic !== undefined && body.client_id && body.client_id !== basic.id) throw refuse('client_id is given twice');
  const scopes = body.scope?.split(' ').filter((scope) => scope !== '');
  return {
    clientId: basic?.id ?? body.client_id ?? '',
    clientSecret: basic?.secret ?? body.client_secret ?? '',
    audience: body.audience ?? undefined,
    scopes: scopes === undefined || scopes.length === 0 ? undefined : scopes,
    basic: basic !== undefined,
  };
}
