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
import { authorizationOf, JSON_CONTENT_TYPE, type SignableRequest } from './lseg-signature.ts';
import {
  caseAnswer,
  caseReferenceAnswer,
  caseTemplateAnswer,
  errorAnswer,
  groupAnswer,
  resolutionToolkitAnswer,
  resultsAnswer,
  screeningAnswer,
  screeningStatusAnswer,
  type WireResult,
} from './lseg-wire.ts';

export interface WorldCheckCredentials {
  /** With the version path, for example `https://api-worldcheck.refinitiv.com/v2`. No slash at the end. */
  baseUrl: string;
  apiKey: string;
  apiSecret: string;
}

/** Body of `POST /cases/screeningRequest` as far as it is used here. */
export interface NewCase {
  groupId: string;
  entityType: 'ORGANISATION';
  name: string;
  caseId: string;
  providerTypes: readonly string[];
  caseScreeningState: { WATCHLIST: 'INITIAL' };
  nameTransposition: false;
  customFields: readonly never[];
  secondaryFields: ReadonlyArray<{ typeId: string; value: string }>;
}

export const CASE_ID_EXISTS = 'CASE_ID_EXISTS';
/** Any screening since then counts when asking whether a case was screened at all. */
const SCREENED_SINCE = '1970-01-01T00:00:00.000Z';

interface CallOptions {
  signal: AbortSignal;
  method?: 'GET' | 'POST';
  body?: unknown;
  timeLimitMs?: number;
}

function signedInit(
  credentials: WorldCheckCredentials,
  url: URL,
  method: 'GET' | 'POST',
  body: string | undefined,
  nowMs: number,
): RequestInit {
  const date = new Date(nowMs).toUTCString();
  const request: SignableRequest = { method, path: url.pathname, host: url.host, date };
  if (body !== undefined) request.body = body;
  const headers: Record<string, string> = {
    accept: JSON_CONTENT_TYPE,
    date,
    authorization: authorizationOf(request, credentials.apiKey, credentials.apiSecret),
  };
  if (body === undefined) return { method, headers };
  headers['content-type'] = JSON_CONTENT_TYPE;
  return { method, headers, body };
}

/** `once` makes one signed attempt, `read` repeats it while that may help; both answer what the schema keeps. */
function createSignedCalls(credentials: WorldCheckCredentials, dependencies: CallDependencies) {
  const { limits, now } = dependencies;

  function once<T>(path: string, schema: z.ZodType<T>, options: CallOptions): Promise<T> {
    const url = new URL(credentials.baseUrl + path);
    const method = options.method ?? 'GET';
    const body = options.body === undefined ? undefined : JSON.stringify(options.body);
    const timeLimitMs = options.timeLimitMs ?? limits.worldCheckReadMs;
    // Dated and signed at each attempt: the vendor refuses a date that is a minute old.
    const init = () => signedInit(credentials, url, method, body, now());
    return callOnce(dependencies, { url: url.href, init, timeLimitMs, signal: options.signal }, (answer) =>
      judgeAnswer(answer, schema, now()),
    );
  }

  return {
    once,
    read: <T>(path: string, schema: z.ZodType<T>, options: CallOptions): Promise<T> =>
      callRepeatedly(() => once(path, schema, options), limits, options.signal),
  };
}

/**
 * Signed World-Check v2 calls, one function for each endpoint. Reads are repeated; `screen` and `rescreen` are not, since
 * only the caller knows how to recover.
 */
export type WorldCheckClient = ReturnType<typeof createWorldCheckClient>;

export function createWorldCheckClient(credentials: WorldCheckCredentials, dependencies: CallDependencies) {
  const { limits } = dependencies;
  const { once, read } = createSignedCalls(credentials, dependencies);

  return {
    group: (groupId: string, signal: AbortSignal) =>
      read(`/groups/${encodeURIComponent(groupId)}`, groupAnswer, { signal }),
    caseTemplate: (groupId: string, signal: AbortSignal) =>
      read(`/groups/${encodeURIComponent(groupId)}/caseTemplate`, caseTemplateAnswer, { signal }),
    resolutionToolkit: (groupId: string, signal: AbortSignal) =>
      read(`/groups/${encodeURIComponent(groupId)}/resolutionToolkit`, resolutionToolkitAnswer, { signal }),

    /** Creates a case, screens it and answers its results. One attempt: after a lost answer the case may exist. */
    screen: (newCase: NewCase, signal: AbortSignal) =>
      once('/cases/screeningRequest', screeningAnswer, {
        method: 'POST',
        signal,
        body: newCase,
        timeLimitMs: limits.worldCheckScreenMs,
      }),

    /** The system id of a case, undefined when there is none. */
    async findCase(caseId: string, signal: AbortSignal): Promise<string | undefined> {
      try {
        const path = `/caseReferences?caseId=${encodeURIComponent(caseId)}`;
        const reference = await read(path, caseReferenceAnswer, { signal });
        // The query string is not under the signature: whatever changed it on the way shows here.
        if (reference.caseId !== caseId) throw new CallFailed('MALFORMED_ANSWER');
        return reference.caseSystemId;
      } catch (error) {
        if (error instanceof CallFailed && error.status === 404) return undefined;
        throw error;
      }
    },

    readCase: (caseSystemId: string, signal: AbortSignal) =>
      read(`/cases/${encodeURIComponent(caseSystemId)}`, caseAnswer, { signal }),

    async isScreened(caseSystemId: string, signal: AbortSignal): Promise<boolean> {
      const body = { screeningStatusRequests: [{ caseSystemId, dateFrom: SCREENED_SINCE }] };
      const statuses = await read('/cases/screeningStatus', screeningStatusAnswer, { method: 'POST', body, signal });
      const status = statuses.find((entry) => entry.caseSystemId === caseSystemId);
      if (status === undefined) throw new CallFailed('MALFORMED_ANSWER');
      return status.screeningStatus === 'SCREENED';
    },

    /** Screens an existing case again. The answer is not used: results are read when the status says that there are some. */
    rescreen: (caseSystemId: string, signal: AbortSignal) =>
      once(`/cases/${encodeURIComponent(caseSystemId)}/screeningRequest`, ANY_ANSWER, {
        method: 'POST',
        signal,
        body: { screeningMode: 'FULL_SYNC', caseInfo: false },
        timeLimitMs: limits.worldCheckScreenMs,
      }),

    results: (caseSystemId: string, signal: AbortSignal): Promise<WireResult[]> =>
      read(`/cases/${encodeURIComponent(caseSystemId)}/results`, resultsAnswer, { signal }),
  };
}

const ANY_ANSWER = errorAnswer.nullable().catch(null);

function errorCodes(answer: ProviderAnswer): string[] {
  // 401 has an empty body, and a gateway's own refusal is not in this shape: no codes then, the status remains.
  if (answer.text === '') return [];
  try {
    const parsed = errorAnswer.safeParse(JSON.parse(answer.text));
    return parsed.success ? parsed.data.map((entry) => entry.error) : [];
  } catch {
    // Not JSON: an HTML page of some proxy.
    return [];
  }
}

function judgeAnswer<T>(answer: ProviderAnswer, schema: z.ZodType<T>, nowMs: number): T {
  const reason = reasonOfStatus(answer.status);
  if (reason !== undefined) {
    throw new CallFailed(reason, {
      status: answer.status,
      retryAfterMs: retryAfterMs(answer.headers, nowMs),
      codes: errorCodes(answer),
    });
  }
  const parsed = schema.safeParse(answer.text === '' ? null : parseJson(answer));
  if (!parsed.success) throw new CallFailed('MALFORMED_ANSWER', { status: answer.status });
  return parsed.data;
}
