import { createHash } from 'node:crypto';

import { KeystoneError } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import { canonicalBytes } from '../keystone/canonical.ts';
import { isJsonObject, type JsonValue } from '../keystone/json.ts';
import { BODY_JSON_LIMITS } from './limits.ts';

/** The header's key: bare, or quoted as a structured field string (draft-ietf-httpapi-idempotency-key-header). */
export function readIdempotencyHeader(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const value = header.trim();
  const quoted = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/.exec(value);
  const key = quoted === null ? value : (quoted[1] ?? '').replaceAll(/\\(["\\])/g, '$1');
  if (key.length < 1 || key.length > LIMITS.maximumIdempotencyKeyLength || !/^[\x20-\x7e]+$/.test(key)) {
    throw new KeystoneError(
      'validation_failed',
      'The Idempotency-Key header must be 1 to 255 printable ASCII characters.',
    );
  }
  return key;
}

/** Header and body field are two spellings of one thing. */
export function chooseIdempotencyKey(header: string | undefined, body: string | undefined): string | undefined {
  if (header !== undefined && body !== undefined && header !== body) {
    throw new KeystoneError('idempotency_key_conflict', 'The Idempotency-Key header and idempotency_key differ.', {
      fields: [{ pointer: '/idempotency_key', detail: 'Differs from the header Idempotency-Key.' }],
    });
  }
  return header ?? body;
}

/** SHA-256 over the canonical JSON of method, route and body; the key itself is no part of the request's meaning. */
export function requestFingerprint(method: string, path: string, body: JsonValue | undefined): string {
  const meaning = isJsonObject(body)
    ? Object.fromEntries(Object.entries(body).filter(([name]) => name !== 'idempotency_key'))
    : (body ?? null);
  const bytes = canonicalBytes(
    { method, route: path, body: meaning },
    { ...BODY_JSON_LIMITS, maxBytes: 2 * BODY_JSON_LIMITS.maxBytes, maxDepth: BODY_JSON_LIMITS.maxDepth + 1 },
  );
  return createHash('sha256').update(bytes).digest('hex');
}
