import { createHmac } from 'node:crypto';
import { equalSecrets } from './constant-time.ts';
import type { ReceivedRequest } from './loopback-server.ts';

/**
 * The vendor's side of request signing, written from the rule and not from our adapter, so that a mistake in one of
 * them shows. Works on what was received: the Host header, the raw path and the raw body bytes.
 */
export interface SigningAccount {
  apiKey: string;
  apiSecret: string;
  /** Furthest that a `Date` may be off, ms. */
  dateToleranceMs: number;
}

const HEADER = /^Signature keyId="([^"]*)",algorithm="hmac-sha256",headers="([^"]*)",signature="([^"]*)"$/;
const WITHOUT_BODY = '(request-target) host date';
const WITH_BODY = '(request-target) host date content-type content-length';

/** True when the signature is right, over exactly the headers that the vendor wants, and fresh. */
export function isAuthorized(request: ReceivedRequest, account: SigningAccount, nowMs: number): boolean {
  const match = HEADER.exec(request.headers.authorization ?? '');
  if (match === null) return false;
  const [, keyId = '', headers = '', signature = ''] = match;
  const date = request.headers.date ?? '';
  const dateMs = Date.parse(date);
  if (!date.endsWith(' GMT') || Number.isNaN(dateMs) || Math.abs(nowMs - dateMs) > account.dateToleranceMs)
    return false;
  const hasBody = request.body.byteLength > 0;
  if (headers !== (hasBody ? WITH_BODY : WITHOUT_BODY)) return false;
  const mac = createHmac('sha256', account.apiSecret);
  mac.update(`(request-target): ${request.method.toLowerCase()} ${request.path}\n`);
  mac.update(`host: ${request.headers.host ?? ''}\ndate: ${date}`);
  if (hasBody) {
    mac.update(`\ncontent-type: ${request.headers['content-type'] ?? ''}`);
    mac.update(`\ncontent-length: ${request.headers['content-length'] ?? ''}\n`);
    mac.update(request.body);
  }
  // Both compared in any case: a wrong key must not answer sooner than a wrong signature.
  const rightKey = equalSecrets(keyId, account.apiKey);
  const rightSignature = equalSecrets(signature, mac.digest('base64'));
  return rightKey && rightSignature;
}

/** The vendor's 401: empty, with a header named Authorization whose quote never ends. */
export const UNAUTHORIZED_HEADERS = {
  authorization:
    'WWW-Authenticate: Signature realm="World-Check One API",algorithm="hmac-sha256",headers="(request-target) host date content-type content-length',
};
