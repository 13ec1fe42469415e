/**
 * Compact JWS (RFC 7515) with EdDSA over Ed25519 (RFC 8037). One algorithm, one header shape, one encoding of every
 * byte: whatever a lenient library would shrug at is refused by name.
 */

import { sha256 } from '@noble/hashes/sha256';
import nacl from 'tweetnacl';
import { base64urlToBytes, bytesEqual, bytesToBase64url } from './bytes.ts';
import { canonicalBytes, canonicalText } from './canonical.ts';
import { GUARD_RECEIPT_V1, type JsonLimits, type JsonObject, isJsonObject, parseJson } from './json.ts';
import type { SigningKey } from './keys.ts';

/** The only accepted value of `alg`. A list, so that a later algorithm is an addition here and nowhere else. */
export const ALLOWED_ALGORITHMS: readonly string[] = ['EdDSA'];

const HEADER_MEMBERS: readonly string[] = ['alg', 'kid', 'typ'];
const MAX_JWS_LENGTH = 98_304;
const SIGNATURE_BYTES = 64;

/** Order of the Ed25519 base point, little-endian bytes compared from the top (RFC 8032 §5.1.7: S must be below it). */
const GROUP_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

export type JwsRejection =
  | 'INVALID_JWS_FORMAT'
  | 'UNSUPPORTED_ALG'
  | 'UNSUPPORTED_HEADER'
  | 'UNEXPECTED_TYP'
  | 'UNKNOWN_KID'
  | 'NON_CANONICAL_PAYLOAD'
  | 'TAMPERED_SIGNATURE';

export interface JwsHeader {
  readonly alg: string;
  readonly kid?: string;
  readonly typ?: string;
}

/** A compact JWS taken apart, before anything about it is believed. */
export interface ParsedJws {
  readonly header: JwsHeader;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
  /** the ASCII bytes that are signed: `header.payload` as received */
  readonly signingInput: Uint8Array;
}

export type JwsVerdict =
  | { readonly ok: true; readonly header: JwsHeader; readonly payload: Uint8Array }
  | { readonly ok: false; readonly code: JwsRejection; readonly detail: string };

export interface JwsVerification {
  /** finds the pinned 32-byte key for a header; undefined refuses. Never take it from the document that is verified. */
  readonly keyFor: (header: JwsHeader) => Uint8Array | undefined;
  /** when given, the header's `typ` must be exactly this */
  readonly typ?: string;
  /** `jcs` (default) demands that the payload is the RFC 8785 form of itself */
  readonly payload?: 'jcs' | 'any';
  readonly limits?: JsonLimits;
  /** default {@link verifyEd25519} */
  readonly check?: SignatureCheck;
}

export type SignatureCheck = (message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array) => boolean;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Signs the RFC 8785 bytes of `payload`.
 * @param typ names what is signed, so that a signature over one kind of document cannot be shown as another
 * @throws {import('./json.ts').JsonRejected} when the payload is not plain I-JSON
 */
export function signJws(payload: unknown, typ: string, key: SigningKey, limits: JsonLimits = GUARD_RECEIPT_V1): string {
  const header = bytesToBase64url(canonicalBytes({ alg: 'EdDSA', kid: key.kid, typ }));
  const signingInput = `${header}.${bytesToBase64url(canonicalBytes(payload, limits))}`;
  return `${signingInput}.${bytesToBase64url(key.sign(encoder.encode(signingInput)))}`;
}

/** Takes a compact JWS apart; reads no key and verifies nothing. */
export function parseJws(jws: string): ParsedJws | { readonly code: JwsRejection; readonly detail: string } {
  if (jws.length > MAX_JWS_LENGTH) {
    return { code: 'INVALID_JWS_FORMAT', detail: `longer than ${MAX_JWS_LENGTH}` };
  }
  const parts = jws.split('.');
  const [header, payload, signature] = parts.map((part) => base64urlToBytes(part));
  if (parts.length !== 3 || header === undefined || payload === undefined || signature === undefined) {
    return { code: 'INVALID_JWS_FORMAT', detail: 'three parts of canonical base64url were expected' };
  }
  const members = headerMembers(header);
  if (members === undefined) {
    return { code: 'INVALID_JWS_FORMAT', detail: 'the header is not a strict JSON object with alg' };
  }
  // `crit` and every other extension changes what a signature means; a verifier that skips one verifies something else.
  const unknown = Object.keys(members).find((name) => !HEADER_MEMBERS.includes(name));
  if (unknown !== undefined) {
    return { code: 'UNSUPPORTED_HEADER', detail: `the header has ${unknown}` };
  }
  return {
    header: members as unknown as JwsHeader,
    payload,
    signature,
    signingInput: encoder.encode(`${parts[0] ?? ''}.${parts[1] ?? ''}`),
  };
}

function headerMembers(bytes: Uint8Array): JsonObject | undefined {
  try {
    const value = parseJson(decoder.decode(bytes), { limits: GUARD_RECEIPT_V1 });
    const usable =
      isJsonObject(value) &&
      typeof value['alg'] === 'string' &&
      ['string', 'undefined'].includes(typeof value['kid']) &&
      ['string', 'undefined'].includes(typeof value['typ']);
    return usable ? value : undefined;
  } catch {
    // Not UTF-8 or not strict JSON: both mean the same to the caller, a header that nobody may act on.
    return undefined;
  }
}

/** Verifies a compact JWS against a pinned key. Order: form, algorithm, type, key, signature, payload form. */
export function verifyJws(jws: string, verification: JwsVerification): JwsVerdict {
  const parsed = parseJws(jws);
  if ('code' in parsed) {
    return { ok: false, ...parsed };
  }
  const { header } = parsed;
  if (!ALLOWED_ALGORITHMS.includes(header.alg)) {
    return { ok: false, code: 'UNSUPPORTED_ALG', detail: `alg ${header.alg}` };
  }
  if (verification.typ !== undefined && header.typ !== verification.typ) {
    return { ok: false, code: 'UNEXPECTED_TYP', detail: `typ ${header.typ ?? '(none)'}` };
  }
  const key = verification.keyFor(header);
  if (key === undefined) {
    return { ok: false, code: 'UNKNOWN_KID', detail: `kid ${header.kid ?? '(none)'} is not pinned` };
  }
  const check = verification.check ?? verifyEd25519;
  if (!check(parsed.signingInput, parsed.signature, key)) {
    return { ok: false, code: 'TAMPERED_SIGNATURE', detail: 'the signature does not cover these bytes' };
  }
  if (verification.payload !== 'any' && !isCanonicalPayload(parsed.payload, verification.limits ?? GUARD_RECEIPT_V1)) {
    return { ok: false, code: 'NON_CANONICAL_PAYLOAD', detail: 'the payload is not its own RFC 8785 form' };
  }
  return { ok: true, header, payload: parsed.payload };
}

/** Ed25519 (RFC 8032). tweetnacl does not bound S, so S + L would pass as a second signature: refused here. */
export function verifyEd25519(message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_BYTES || publicKey.length !== nacl.sign.publicKeyLength) {
    return false;
  }
  let s = 0n;
  for (let index = SIGNATURE_BYTES - 1; index >= SIGNATURE_BYTES / 2; index -= 1) {
    s = (s << 8n) | BigInt(signature[index] ?? 0);
  }
  return s < GROUP_ORDER && nacl.sign.detached.verify(message, signature, publicKey);
}

/** {@link verifyEd25519} that computes each answer once: the same signature is asked about by two groups of checks. */
export function createSignatureCheck(): SignatureCheck {
  const answers = new Map<string, boolean>();
  return (message, signature, publicKey) => {
    const question = [sha256(message), signature, publicKey].map((bytes) => bytesToBase64url(bytes)).join('.');
    const answer = answers.get(question) ?? verifyEd25519(message, signature, publicKey);
    answers.set(question, answer);
    return answer;
  };
}

function isCanonicalPayload(payload: Uint8Array, limits: JsonLimits): boolean {
  try {
    const text = decoder.decode(payload);
    return bytesEqual(encoder.encode(canonicalText(parseJson(text, { limits }), limits)), payload);
  } catch {
    // Payload that is not strict JSON has no canonical form, so it cannot be in it.
    return false;
  }
}
