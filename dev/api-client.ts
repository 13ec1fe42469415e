import { setTimeout as pause } from 'node:timers/promises';

import type { StackFile, StackPlatform } from './stack-file.ts';

/** The API as an outside client uses it: a token by client credentials, then HTTP. */

/** Milliseconds. */
const LIMITS = { requestMs: 15_000, tokenEarlyMs: 60_000, reconnectMs: 10_000, reconnectPauseMs: 300 } as const;

const MAX_DETAIL_LENGTH = 500;

export interface ApiClient {
  get<Answer>(path: string): Promise<Answer>;
  /** The body byte for byte, for documents that are signed. */
  getText(path: string): Promise<string>;
  post<Answer>(path: string, body: unknown): Promise<Answer>;
  patch<Answer>(path: string, body: unknown): Promise<Answer>;
}

/** An answer that is not 2xx. `detail` is the API's own sentence. */
export class ApiRefused extends Error {
  override readonly name = 'ApiRefused';
  readonly status: number;

  constructor(request: string, status: number, detail: string) {
    super(`${request} answered ${status}: ${detail}`);
    this.status = status;
  }
}

type Credentials = Pick<StackPlatform, 'client_id' | 'client_secret'>;
type Target = Pick<StackFile, 'api_url' | 'token_url' | 'audience'>;

export function createApiClient(target: Target, credentials: Credentials): ApiClient {
  let token: { value: string; validUntilMs: number } | undefined;

  async function bearer(): Promise<string> {
    if (token === undefined || token.validUntilMs < Date.now()) token = await requestToken(target, credentials);
    return token.value;
  }

  async function call(method: string, path: string, body?: unknown): Promise<string> {
    const headers: Record<string, string> = { authorization: `Bearer ${await bearer()}` };
    if (body !== undefined) headers['content-type'] = 'application/json';
    const response = await fetch(`${target.api_url}${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(LIMITS.requestMs),
    });
    const text = await response.text();
    if (!response.ok) throw new ApiRefused(`${method} ${path}`, response.status, detailOf(text));
    return text;
  }

  /** Reads are asked again while nobody listens: an API that is being restarted is back in a moment. */
  async function read(path: string): Promise<string> {
    const giveUpAt = Date.now() + LIMITS.reconnectMs;
    for (;;) {
      try {
        return await call('GET', path);
      } catch (error) {
        // fetch reports a broken connection as a TypeError; an answer of any status is an ApiRefused.
        if (!(error instanceof TypeError) || Date.now() > giveUpAt) throw error;
        await pause(LIMITS.reconnectPauseMs);
      }
    }
  }

  return {
    get: async <Answer>(path: string) => JSON.parse(await read(path)) as Answer,
    getText: read,
    post: async <Answer>(path: string, body: unknown) => JSON.parse(await call('POST', path, body)) as Answer,
    patch: async <Answer>(path: string, body: unknown) => JSON.parse(await call('PATCH', path, body)) as Answer,
  };
}

async function requestToken(
  target: Target,
  credentials: Credentials,
): Promise<{ value: string; validUntilMs: number }> {
  const response = await fetch(target.token_url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      grant_type: 'client_credentials',
      audience: target.audience,
      client_id: credentials.client_id,
      client_secret: credentials.client_secret,
    }),
    signal: AbortSignal.timeout(LIMITS.requestMs),
  });
  if (!response.ok) throw new ApiRefused('POST of the client credentials', response.status, 'no token');
  const answer = (await response.json()) as { access_token: string; expires_in: number };
  return { value: answer.access_token, validUntilMs: Date.now() + answer.expires_in * 1000 - LIMITS.tokenEarlyMs };
}

function detailOf(text: string): string {
  try {
    const problem = JSON.parse(text) as { detail?: string; code?: string; errors?: unknown };
    const where = problem.errors === undefined ? '' : ` ${JSON.stringify(problem.errors)}`;
    return `${problem.detail ?? text} (${problem.code ?? 'no code'})${where}`;
  } catch {
    // Not a problem document; the text itself is the best description.
    return text.slice(0, MAX_DETAIL_LENGTH);
  }
}
