import { createHmac, randomBytes } from 'node:crypto';

import { WEBHOOK_LIMITS } from './limits.ts';

const SECRET_PREFIX = 'whsec_';

/** A new endpoint secret: `whsec_` and the base64 of 32 random bytes. Shown to the platform once. */
export function generateWebhookSecret(): string {
  return `${SECRET_PREFIX}${randomBytes(WEBHOOK_LIMITS.generatedSecretBytes).toString('base64')}`;
}

/** Whether a secret that a platform supplies has the Standard Webhooks form: `whsec_` and base64 of 24 to 64 bytes. */
export function isWebhookSecret(secret: string): boolean {
  return secretKey(secret) !== undefined;
}

export interface SignedMessage {
  /** Current secret first, then the previous one while its overlap lasts. */
  readonly secrets: readonly string[];
  /** The event id; the same over all attempts. */
  readonly messageId: string;
  /** Seconds since epoch of this attempt. */
  readonly timestampSeconds: number;
  /** The exact text that is sent. */
  readonly body: string;
}

/**
 * The signature headers of one attempt, by two rules over the same bytes:
 * `X-Keystone-Signature` for the stock KeyStone clients, which know one value and so get the current secret's, and the three headers
 * of Standard Webhooks 1.0.0, whose `webhook-signature` lists one signature per secret, so that a rotation interrupts nobody.
 * @throws TypeError when there is no secret or one is malformed: an empty HMAC key would let anybody sign. The text names no secret.
 */
export function signatureHeaders(message: SignedMessage): Record<string, string> {
  const current = message.secrets[0];
  if (current === undefined) throw new TypeError('a webhook needs a secret');
  return {
    'X-Keystone-Signature': keystoneSignature(current, message.body),
    'webhook-id': message.messageId,
    'webhook-timestamp': String(message.timestampSeconds),
    'webhook-signature': message.secrets.map((secret) => standardSignature(secret, message)).join(' '),
  };
}

/** Lower-case hex HMAC-SHA256 of the raw body, keyed with the whole secret string as UTF-8, prefix included. No timestamp. */
export function keystoneSignature(secret: string, body: string): string {
  return createHmac('sha256', Buffer.from(secret, 'utf8')).update(body, 'utf8').digest('hex');
}

function standardSignature(secret: string, message: SignedMessage): string {
  const key = secretKey(secret);
  if (key === undefined) throw new TypeError('a webhook secret is malformed');
  const signed = `${message.messageId}.${message.timestampSeconds}.${message.body}`;
  return `v1,${createHmac('sha256', key).update(signed, 'utf8').digest('base64')}`;
}

function secretKey(secret: string): Buffer | undefined {
  if (!secret.startsWith(SECRET_PREFIX)) return undefined;
  const encoded = secret.slice(SECRET_PREFIX.length);
  const key = Buffer.from(encoded, 'base64');
  // Node skips what is not base64; a receiver's library would refuse it or decode it to another key.
  if (key.toString('base64') !== encoded) return undefined;
  const { secretMinimumBytes, secretMaximumBytes } = WEBHOOK_LIMITS;
  return key.length >= secretMinimumBytes && key.length <= secretMaximumBytes ? key : undefined;
}
