import { ERROR_CATALOGUE, type ErrorCode, type FieldProblem, KeystoneError } from '../domain/errors.ts';
import { LOCK_NOT_AVAILABLE, sqlState } from '../db/pool.ts';
import { API_LIMITS } from './limits.ts';

/** RFC 9457, with a stable `code`, the places that are wrong and the request's id. */
export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly errors: readonly FieldProblem[];
  readonly instance?: string;
  readonly request_id?: string;
}

export const PROBLEM_MEDIA_TYPE = 'application/problem+json; charset=utf-8';

/**
 * A missing object and a foreign one are answered with the same bytes, so that nobody learns by asking which settlements exist: no path,
 * no request id, one sentence.
 */
const NOT_FOUND: ProblemDocument = {
  type: '/errors/not_found',
  title: ERROR_CATALOGUE.not_found.title,
  status: 404,
  detail: 'There is no such resource.',
  code: 'not_found',
  errors: [],
};

export function notFound(): KeystoneError {
  return new KeystoneError('not_found', NOT_FOUND.detail);
}

/** `instance` is the path that was asked for, without its query. */
export function problemDocument(error: KeystoneError, instance: string, requestId: string): ProblemDocument {
  if (error.code === 'not_found') return NOT_FOUND;
  return {
    type: `/errors/${error.code}`,
    title: ERROR_CATALOGUE[error.code].title,
    status: error.status,
    detail: error.detail,
    code: error.code,
    errors: error.fields,
    instance,
    request_id: requestId,
  };
}

/** Headers that belong to an error by its code. */
export function problemHeaders(error: KeystoneError): Record<string, string> {
  if (error.code === 'unauthenticated') {
    const invalid = error.cause === undefined ? '' : ', error="invalid_token"';
    return { 'WWW-Authenticate': `Bearer realm="keystone"${invalid}` };
  }
  if (error.code === 'insufficient_scope') {
    return { 'WWW-Authenticate': 'Bearer realm="keystone", error="insufficient_scope"' };
  }
  return error.retry === 'later' ? { 'Retry-After': String(API_LIMITS.retryAfterSeconds) } : {};
}

/** SQLSTATE classes and codes that mean "the database, not the request": connection, resources, operator intervention, deadlock, locks. */
const OUTAGE_STATES = /^(?:08|53|57|58)|^40001$|^40P01$/;

/** Any error as one of the catalogue's. What is unknown becomes `internal`, and its own words stay in the log. */
export function asKeystoneError(error: unknown): KeystoneError {
  if (error instanceof KeystoneError) return error;
  const state = sqlState(error);
  if (state !== undefined && (state === LOCK_NOT_AVAILABLE || OUTAGE_STATES.test(state))) {
    return new KeystoneError('database_unavailable', 'The database cannot be used just now.', { cause: error });
  }
  if (isBrokenConnection(error)) {
    return new KeystoneError('database_unavailable', 'The database cannot be reached.', { cause: error });
  }
  if (isClientError(error)) {
    return new KeystoneError('malformed_request', 'The request is malformed.', { cause: error });
  }
  return new KeystoneError('internal', 'Something unexpected happened; it was logged under the request id.', {
    cause: error,
  });
}

/** The driver reports a lost connection as a plain error, without an SQLSTATE. */
function isBrokenConnection(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? error.code : undefined;
  if (code === 'ECONNREFUSED' || code === 'ECONNRESET' || code === 'EPIPE' || code === 'ETIMEDOUT') return true;
  return /^(?:Connection terminated|timeout exceeded when trying to connect|Query read timeout)/.test(error.message);
}

/** Express marks what it could not read of a request (a bad percent escape, an aborted body) with a 4xx status. */
function isClientError(error: unknown): boolean {
  if (error instanceof URIError) return true;
  if (!(error instanceof Error)) return false;
  const status = 'status' in error ? error.status : undefined;
  const aborted = 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE';
  return aborted || error.message === 'aborted' || (typeof status === 'number' && status >= 400 && status < 500);
}
