/**
 * The two DER structures that a key management service answers for a secp256k1 key. Strict: one encoding each, as X.690 §10 wants it, since whatever
 * else parses is not what the service is documented to send. Both throw `SyntaxError`; the texts hold no bytes of the answer.
 */

/** Order of secp256k1 (SEC 2, §2.4.1). */
export const CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

/**
 * `SubjectPublicKeyInfo` (RFC 5480) of an uncompressed secp256k1 point, up to the point: SEQUENCE (86 bytes), SEQUENCE, OID id-ecPublicKey,
 * OID secp256k1, BIT STRING (66 bytes, none unused).
 */
const SPKI_PREFIX = Buffer.from('3056301006072a8648ce3d020106052b8104000a034200', 'hex');
const POINT_LENGTH = 65;
const UNCOMPRESSED = 0x04;

const SEQUENCE = 0x30;
const INTEGER = 0x02;
/** Lengths from here on take more than one byte; a signature of this curve never has one (two integers of at most 33 bytes). */
const LONG_LENGTH = 0x80;
const SCALAR_LENGTH = 33;

/** Answers the uncompressed point, 65 bytes as 0x-prefixed hex. That it lies on the curve is for the caller to check. */
export function parsePublicKey(spki: Uint8Array): string {
  const bytes = Buffer.from(spki);
  const point = bytes.subarray(SPKI_PREFIX.length);
  if (!bytes.subarray(0, SPKI_PREFIX.length).equals(SPKI_PREFIX)) throw new SyntaxError('not a key of secp256k1');
  if (point.length !== POINT_LENGTH || point[0] !== UNCOMPRESSED) throw new SyntaxError('not an uncompressed point');
  return `0x${point.toString('hex')}`;
}

export interface RawSignature {
  readonly r: bigint;
  /** May lie in the upper half; Ethereum takes only the lower one (EIP-2). */
  readonly s: bigint;
}

/** `ECDSA-Sig-Value` (RFC 3279 §2.2.3): SEQUENCE { r INTEGER, s INTEGER }, both in 1 … order − 1. */
export function parseSignature(der: Uint8Array): RawSignature {
  const length = der[1];
  if (der[0] !== SEQUENCE || length === undefined || length >= LONG_LENGTH || der.length !== length + 2) {
    throw new SyntaxError('not one sequence');
  }
  const first = readInteger(der, 2);
  const second = readInteger(der, first.end);
  if (second.end !== der.length) throw new SyntaxError('something follows the second integer');
  return { r: first.value, s: second.value };
}

function readInteger(der: Uint8Array, start: number): { value: bigint; end: number } {
  const length = der[start + 1];
  if (der[start] !== INTEGER || length === undefined || length === 0 || length > SCALAR_LENGTH) {
    throw new SyntaxError('not an integer of at most 33 bytes');
  }
  const end = start + 2 + length;
  const content = der.subarray(start + 2, end);
  const [first, second] = content;
  if (content.length !== length || first === undefined) throw new SyntaxError('an integer ends early');
  if (first >= 0x80) throw new SyntaxError('a negative integer');
  // A leading zero is there only to keep the next byte from looking negative.
  if (first === 0 && (second === undefined || second < 0x80)) throw new SyntaxError('a padded integer');
  const value = BigInt(`0x${Buffer.from(content).toString('hex')}`);
  if (value >= CURVE_ORDER) throw new SyntaxError('an integer beyond the order of the curve');
  return { value, end };
}
