import { createHmac } from 'node:crypto';
import { equalSecrets } from '../sandboxes/constant-time.ts';

/** Standard Webhooks: a delivery whose timestamp is further off is a replay. */
export const TIMESTAMP_TOLERANCE_S = 300;
const SECRET_PREFIX = 'whsec_';
/** A sender in rotation signs with two secrets; more than this many signatures is nonsense. */
const MAX_SIGNATURES = 10;

export type Headers = Readonly<Record<string, string | string[] | undefined>>;

export interface Verification {
  /** `X-Keystone-Signature` is right. */
  keystone: boolean;
  /** The three Standard Webhooks headers are right and fresh. */
  standard: boolean;
}

function single(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/**
 * `X-Keystone-Signature`: lower-case hex HMAC-SHA256 over the raw body, keyed with the whole secret as UTF-8 text,
 * the `whsec_` included. No timestamp is in it, so it does not protect from replay.
 */
function isKeystoneSigned(headers: Headers, body: Buffer, secret: string): boolean {
  const signature = single(headers, 'x-keystone-signature');
  if (signature === undefined) return false;
  return equalSecrets(signature, createHmac('sha256', secret).update(body).digest('hex'));
}

/**
 * Standard Webhooks 1.0.0: `v1,<base64>` over `id.timestamp.body`, keyed with the base64-decoded part after `whsec_`.
 * The header may hold several, separated by spaces; one right `v1` is enough.
 */
function isStandardSigned(headers: Headers, body: Buffer, secret: string, nowMs: number): boolean {
  const id = single(headers, 'webhook-id');
  const timestamp = single(headers, 'webhook-timestamp');
  const signatures = single(headers, 'webhook-signature');
  if (id === undefined || timestamp === undefined || signatures === undefined) return false;
  if (!/^\d{1,12}$/.test(timestamp)) return false;
  if (Math.abs(nowMs / 1_000 - Number(timestamp)) > TIMESTAMP_TOLERANCE_S) return false;
  const encoded = secret.startsWith(SECRET_PREFIX) ? secret.slice(SECRET_PREFIX.length) : secret;
  const mac = createHmac('sha256', Buffer.from(encoded, 'base64')).update(`${id}.${timestamp}.`).update(body);
  const expected = `v1,${mac.digest('base64')}`;
  const candidates = signatures.split(' ').slice(0, MAX_SIGNATURES);
  return candidates.some((candidate) => equalSecrets(candidate, expected));
}

/** Checks both schemes over the raw bytes. Without a secret nothing is right. */
export function verify(headers: Headers, body: Buffer, secret: string | undefined, nowMs: number): Verification {
  if (secret === undefined) return { keystone: false, standard: false };
  return {
    keystone: isKeystoneSigned(headers, body, secret),
    standard: isStandardSigned(headers, body, secret, nowMs),
  };
}

/** A delivery is accepted when it is signed at all and every signature that it carries is right. */
export function isAcceptable(headers: Headers, verification: Verification): boolean {
  const carriesKeystone = single(headers, 'x-keystone-signature') !== undefined;
  const carriesStandard = single(headers, 'webhook-signature') !== undefined;
  return (
    (carriesKeystone || carriesStandard) &&
    (!carriesKeystone || verification.keystone) &&
    (!carriesStandard || verification.standard)
  );
}
