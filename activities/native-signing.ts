import { createPrivateKey, sign } from 'node:crypto';

import type { SigningKey } from '../keystone/keys.ts';

/** DER of a PKCS #8 Ed25519 private key up to its 32 secret bytes (RFC 8410 §7). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const PROBE = Buffer.from('keystone');

/**
 * The same key with Node's own Ed25519. `keystone/` signs in plain JavaScript, because it also runs in browsers; in the worker its three
 * signatures were the largest single piece of processor time of a settlement (about 5 ms each, here 0.1). Ed25519 is deterministic
 * (RFC 8032), so the bytes are the same. @throws Error when they are not, which would be a defect of one of the two.
 */
export function withNativeSigning(key: SigningKey): SigningKey {
  const privateKey = createPrivateKey({
    key: Buffer.concat([PKCS8_PREFIX, Buffer.from(key.exportSeed(), 'hex')]),
    format: 'der',
    type: 'pkcs8',
  });
  const native = (message: Uint8Array) => new Uint8Array(sign(null, message, privateKey));
  if (!Buffer.from(native(PROBE)).equals(key.sign(PROBE))) {
    throw new Error('Node signs with another key than the one that was given');
  }
  return { ...key, sign: native };
}
