import type { z } from 'zod';
import {
  type CallDependencies,
  CallFailed,
  callOnce,
  callRepeatedly,
  parseJson,
  type ProviderAnswer,
  reasonOfStatus,
  retryAfterMs,
} from './provider-call.ts';
import { readOnce } from './read-once.ts';
import { type Echo, riskBreakdownAnswer, riskScoreAnswer, screenAnswer, tokenAnswer } from './cipherowl-wire.ts';

export interface CipherOwlCredentials {
  /** Origin, for example `https://svc.cipherowl.ai`. */
  baseUrl: string;
  clientId: string;
  clientSecret: string;
  /** Audience of the token; the vendor's constant is `svc.cipherowl.ai`. */
  audience: string;
}

/** One wallet as CipherOwl names it. */
export interface WalletQuestion {
  /** Family key, `evm` for every EVM chain. */
  chain: string;
  /** Lower-case address. */
  address: string;
  config: string;
}

interface Token {
  value: string;
  /** ms since epoch. */
  refreshAtMs: number;
}

function judgeAnswer<T>(answer: ProviderAnswer, schema: z.ZodType<T>, nowMs: number): T {
  const reason = reasonOfStatus(answer.status);
  if (reason !== undefined) {
    throw new CallFailed(reason, { status: answer.status, retryAfterMs: retryAfterMs(answer.headers, nowMs) });
  }
  const parsed = schema.safeParse(parseJson(answer));
  if (!parsed.success) throw new CallFailed('MALFORMED_ANSWER', { status: answer.status });
  return parsed.data;
}

/** Token by client credentials, kept until shortly before it expires. There is no refresh token: another one is asked for. */
function createTokenSource(credentials: CipherOwlCredentials, dependencies: CallDependencies) {
  const { limits, now } = dependencies;

  async function request(signal: AbortSignal): Promise<Token> {
    const body = JSON.stringify({
      client_id: credentials.clientId,
      client_secret: credentials.clientSecret,
      audience: credentials.audience,
      grant_type: 'client_credentials',
    });
    const headers = { 'content-type': 'application/json', accept: 'application/json' };
    const init = () => ({ method: 'POST', headers, body });
    const url = `${credentials.baseUrl}/oauth/token`;
    const call = { url, init, timeLimitMs: limits.cipherOwlTokenMs, signal };
    const answer = await callOnce(dependencies, call, (raw) => judgeAnswer(raw, tokenAnswer, now()));
    const lifetimeMs = answer.expires_in * 1_000;
    // A token that lives shorter than the early refresh is still used for half of its life.
    const usableMs = Math.max(lifetimeMs - limits.tokenRefreshEarlyMs, lifetimeMs / 2);
    return { value: answer.access_token, refreshAtMs: now() + usableMs };
  }

  return readOnce(request, (token) => now() < token.refreshAtMs);
}

/** Screening calls go under `screening`, reasons under `reasons`: the two services fail independently. */
export function createCipherOwlClient(
  credentials: CipherOwlCredentials,
  screening: CallDependencies,
  reasons: CallDependencies,
) {
  const tokens = createTokenSource(credentials, screening);

  async function authorised<T>(
    dependencies: CallDependencies,
    path: string,
    schema: z.ZodType<T>,
    options: { timeLimitMs: number; signal: AbortSignal },
  ): Promise<T> {
    const url = credentials.baseUrl + path;
    const once = async (token: Token) => {
      const headers = { authorization: `Bearer ${token.value}`, accept: 'application/json' };
      const call = { url, init: () => ({ method: 'GET', headers }), ...options };
      return callOnce(dependencies, call, (answer) => judgeAnswer(answer, schema, dependencies.now()));
    };
    const first = await tokens.get(options.signal);
    try {
      return await once(first);
    } catch (error) {
      if (!(error instanceof CallFailed) || error.reason !== 'UNAUTHORIZED') throw error;
      // Revoked or rotated before its time: one new token and one more try, no more, or two wrong sides would spin.
      tokens.forget(first);
      return once(await tokens.get(options.signal));
    }
  }

  async function ask<T extends Echo>(
    dependencies: CallDependencies,
    question: WalletQuestion,
    service: { prefix: string; suffix: string; timeLimitMs: number },
    schema: z.ZodType<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const { chain, address, config } = question;
    const place = `${service.prefix}/chains/${encodeURIComponent(chain)}/addresses/${encodeURIComponent(address)}`;
    const path = `${place}${service.suffix}?config=${encodeURIComponent(config)}`;
    const options = { timeLimitMs: service.timeLimitMs, signal };
    const answer = await callRepeatedly(
      () => authorised(dependencies, path, schema, options),
      dependencies.limits,
      signal,
    );
    // An omitted or unknown config falls back to an account default silently: its answer is to another question.
    const same =
      answer.config === config && answer.chain.toLowerCase() === chain && answer.address.toLowerCase() === address;
    if (!same) throw new CallFailed('MALFORMED_ANSWER');
    return answer;
  }

  const { limits } = screening;
  const screen = { prefix: '/api/screen/v1', suffix: '', timeLimitMs: limits.cipherOwlScreenMs };
  const score = { prefix: '/api/reason/v2', suffix: '/risk-score', timeLimitMs: limits.cipherOwlReasonMs };
  const breakdown = { prefix: '/api/reason/v2', suffix: '/risk-breakdown', timeLimitMs: limits.cipherOwlReasonMs };
  return {
    screen: (question: WalletQuestion, signal: AbortSignal) => ask(screening, question, screen, screenAnswer, signal),
    riskScore: (question: WalletQuestion, signal: AbortSignal) =>
      ask(reasons, question, score, riskScoreAnswer, signal),
    riskBreakdown: (question: WalletQuestion, signal: AbortSignal) =>
      ask(reasons, question, breakdown, riskBreakdownAnswer, signal),
  };
}
export type CipherOwlClient = ReturnType<typeof createCipherOwlClient>;
