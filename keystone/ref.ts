/**
 * The one primitive of the trust chain: `ref(x) = "sha256:" + hex(SHA-256(RFC 8785(x)))`.
 */

import { sha256 } from '@noble/hashes/sha256';
import { bytesToHex } from './bytes.ts';
import { canonicalBytes } from './canonical.ts';
import { GUARD_RECEIPT_V1, type JsonLimits } from './json.ts';

declare const refBrand: unique symbol;

/** `sha256:` and 64 lower-case hexadecimal digits. Made only by {@link ref}, {@link refOfBytes} and {@link asRef}. */
export type Ref = string & { readonly [refBrand]: true };

const REF = /^sha256:[0-9a-f]{64}$/;

/**
 * The content address of a value.
 * @throws {import('./json.ts').JsonRejected} when the value is not plain I-JSON within the limits
 */
export function ref(value: unknown, limits: JsonLimits = GUARD_RECEIPT_V1): Ref {
  return refOfBytes(canonicalBytes(value, limits));
}

/** The address of bytes as they are: for a token as issued (a compact JWS), which must not be re-serialised. */
export function refOfBytes(bytes: Uint8Array): Ref {
  return `sha256:${bytesToHex(sha256(bytes))}` as Ref;
}

export function isRef(value: unknown): value is Ref {
  return typeof value === 'string' && REF.test(value);
}

/** @throws {TypeError} when the text is not `sha256:` and 64 lower-case hexadecimal digits */
export function asRef(text: string, what: string): Ref {
  if (!isRef(text)) {
    throw new TypeError(`${what} is not a sha256 reference`);
  }
  return text;
}
