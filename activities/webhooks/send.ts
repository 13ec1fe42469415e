import { request as requestHttp, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';

import {
  judgeAddress,
  literalHost,
  mayConnect,
  parseWebhookUrl,
  resolveBySystem,
  type AddressRange,
  type Resolve,
  type ResolvedAddress,
  type WebhookAddressPolicy,
} from './address-policy.ts';
import { WEBHOOK_LIMITS } from './limits.ts';
import { signatureHeaders } from './signature.ts';

export {
  checkWebhookUrl,
  parseAllowedPrivateRanges,
  type UrlVerdict,
  type WebhookAddressPolicy,
} from './address-policy.ts';

/** Why an attempt failed. Codes, never texts of libraries: those quote addresses, and an address may carry the receiver's secret. */
export type SendError =
  | 'timeout'
  | 'cancelled'
  | 'address_refused'
  | 'name_not_resolved'
  | 'connection_refused'
  | 'connection_failed'
  | 'tls_failed'
  | 'redirect_refused'
  | 'unsuccessful_status'
  | 'url_malformed'
  | 'secret_malformed';

export interface SendRequest {
  readonly url: string;
  /** Current secret first, then the previous one while its overlap lasts. */
  readonly secrets: readonly string[];
  readonly messageId: string;
  /** The JSON text, sent as these bytes. */
  readonly body: string;
  readonly signal: AbortSignal;
  /** ms; the first attempt's limit when absent. */
  readonly timeLimitMs?: number;
}

export interface SendResult {
  /** True for a 2xx answer only. */
  readonly ok: boolean;
  readonly status?: number;
  readonly durationMs: number;
  readonly error?: SendError;
  /** What `Retry-After` asked for, at most a day. */
  readonly retryAfterMs?: number;
}

export interface WebhookSender {
  /** One attempt. Never throws: every failure is a result. */
  send(request: SendRequest): Promise<SendResult>;
}

export interface WebhookSenderOptions {
  readonly allowedPrivateRanges: readonly AddressRange[];
  readonly resolve?: Resolve;
  /** ms since epoch. */
  readonly now?: () => number;
}

export function createWebhookSender(options: WebhookSenderOptions): WebhookSender {
  const policy: WebhookAddressPolicy = { allowedPrivateRanges: options.allowedPrivateRanges };
  const resolve = options.resolve ?? resolveBySystem;
  const now = options.now ?? Date.now;

  async function attempt(request: SendRequest): Promise<Omit<SendResult, 'durationMs'>> {
    const url = parseWebhookUrl(request.url);
    if (url === undefined) return { ok: false, error: 'url_malformed' };
    const timeLimit = AbortSignal.timeout(request.timeLimitMs ?? WEBHOOK_LIMITS.firstAttemptMs);
    const signal = AbortSignal.any([request.signal, timeLimit]);
    const addresses = await untilAborted(findAddresses(url, resolve, policy), signal);
    if (addresses === undefined) return { ok: false, error: interruption(request.signal) };
    if (typeof addresses === 'string') return { ok: false, error: addresses };
    let signed: Record<string, string>;
    try {
      signed = signatureHeaders({ ...request, timestampSeconds: Math.floor(now() / 1_000) });
    } catch {
      // Only a malformed secret throws, and its text adds nothing.
      return { ok: false, error: 'secret_malformed' };
    }
    const answer = await untilAborted(exchange(url, request.body, signed, pinnedLookup(addresses), signal), signal);
    return answer === undefined ? { ok: false, error: interruption(request.signal) } : judgeAnswer(answer, now());
  }

  return {
    async send(request) {
      const started = performance.now();
      const result = await attempt(request);
      return { ...result, durationMs: Math.round(performance.now() - started) };
    },
  };
}

type Addresses = readonly [ResolvedAddress, ...ResolvedAddress[]];

/**
 * The addresses of a host that the policy allows, or why there are none. Node then connects to exactly these, so a name that answers
 * differently the second time (DNS rebinding) gains nothing, and a literal address, about which Node asks no lookup function, is
 * judged like any other.
 */
async function findAddresses(url: URL, resolve: Resolve, policy: WebhookAddressPolicy): Promise<Addresses | SendError> {
  const literal = literalHost(url);
  let found: ResolvedAddress[];
  try {
    found = literal === undefined ? await resolve(url.hostname) : [{ address: literal, family: isIP(literal) }];
  } catch {
    // The resolver's text quotes the name; the code says enough.
    return 'name_not_resolved';
  }
  const allowed = found.filter(({ address }) => mayConnect(judgeAddress(address, policy), url.protocol));
  const [first, ...others] = allowed;
  if (first !== undefined) return [first, ...others];
  return found.length === 0 ? 'name_not_resolved' : 'address_refused';
}

/** A lookup function that knows only addresses that were judged. */
function pinnedLookup(addresses: Addresses): LookupFunction {
  return (_hostname, options, callback) => {
    process.nextTick(() => {
      if (options.all === true) callback(null, [...addresses]);
      else callback(null, addresses[0].address, addresses[0].family);
    });
  };
}

/** The outcome of `work`, or undefined when `signal` aborts first: an attempt ends in time whatever resolver and socket are doing. */
async function untilAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result | undefined> {
  const aborted = Promise.withResolvers<undefined>();
  const stop = () => aborted.resolve(undefined);
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

type Answer = { status: number; retryAfter: string | undefined } | { error: SendError };

/** One POST. Answers with the status line; what follows it is discarded. */
function exchange(
  url: URL,
  body: string,
  signed: Record<string, string>,
  lookup: LookupFunction,
  signal: AbortSignal,
): Promise<Answer> {
  const payload = Buffer.from(body, 'utf8');
  const options: RequestOptions = {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'content-length': payload.length,
      'user-agent': 'Keystone-Webhooks/1',
      ...signed,
    },
    lookup,
    // A connection of its own: a kept one would carry a later message past the check of its address.
    agent: false,
    signal,
  };
  return new Promise((settle) => {
    const outgoing = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, options);
    // Not `once`: a second error without a listener would end the process.
    outgoing.on('error', (error) => settle({ error: nameFailure(error) }));
    outgoing.once('response', (incoming) => {
      settle({ status: incoming.statusCode ?? 0, retryAfter: incoming.headers['retry-after'] });
      discard(incoming);
    });
    outgoing.end(payload);
  });
}

/** Lets a polite receiver finish a short answer and hangs up on a long one; the status has counted already. */
function discard(incoming: IncomingMessage): void {
  let length = 0;
  incoming.on('error', () => {
    // The receiver broke off its body, which nobody wanted.
  });
  incoming.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length > WEBHOOK_LIMITS.answerBytes) incoming.destroy();
  });
}

function interruption(outer: AbortSignal): SendError {
  return outer.aborted ? 'cancelled' : 'timeout';
}

function nameFailure(error: Error): SendError {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (code === 'ECONNREFUSED') return 'connection_refused';
  return /CERT|TLS|SSL|EPROTO|SELF_SIGNED|UNABLE_TO_/.test(code) ? 'tls_failed' : 'connection_failed';
}

function judgeAnswer(answer: Answer, nowMs: number): Omit<SendResult, 'durationMs'> {
  if ('error' in answer) return { ok: false, error: answer.error };
  const { status } = answer;
  if (status >= 200 && status < 300) return { ok: true, status };
  const retryAfterMs = parseRetryAfter(answer.retryAfter, nowMs);
  return {
    ok: false,
    status,
    // A redirect is a failure: following it would carry the message past the check of its address.
    error: status >= 300 && status < 400 ? 'redirect_refused' : 'unsuccessful_status',
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  };
}

/** `Retry-After` (RFC 9110 §10.2.3) in ms: delta seconds or a date; undefined when absent or nonsense. */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  const text = value.trim();
  const waitMs = /^\d{1,9}$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - nowMs;
  return Number.isNaN(waitMs) ? undefined : Math.min(Math.max(waitMs, 0), WEBHOOK_LIMITS.retryAfterMs);
}
