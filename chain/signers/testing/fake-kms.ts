import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

import { SigningKey } from 'ethers';

import { CURVE_ORDER } from '../der.ts';

/**
 * AWS KMS as far as a signer needs it: AWS JSON 1.1 over loopback HTTP, `TrentService.GetPublicKey` and `TrentService.Sign`, DER answers.
 * Signatures are randomised as the real ones are, and every second one has a high s.
 */
export interface FakeKms {
  readonly url: string;
  /** How the next answers of `Sign` are wrong; undefined mends it. */
  misbehave(fault: Fault | undefined): void;
  /** Answers to `Sign` so far, whatever they were. */
  signatures(): number;
  publicKeyRequests(): number;
  stop(): Promise<void>;
}

export type Fault =
  /** A good signature by a key that nobody asked for. */
  | 'another_key'
  /** A good signature over something else. */
  | 'another_digest'
  | 'garbage'
  | 'empty'
  /** DER with something behind its end. */
  | 'trailing'
  /** Integers with a superfluous zero in front. */
  | 'padded'
  | 'refuse'
  | 'silence';

interface SignRequest {
  readonly KeyId: string;
  readonly Message: string;
  readonly MessageType: string;
  readonly SigningAlgorithm: string;
}

const SPKI_PREFIX = Buffer.from('3056301006072a8648ce3d020106052b8104000a034200', 'hex');
const LEADING_ZERO_ATTEMPTS = 4_096;

/** `keys`: private keys by key id, 0x-prefixed. `leadingZeros`: only answers signatures with an integer of 31 bytes or fewer. */
export async function startFakeKms(
  keys: Readonly<Record<string, string>>,
  options: { leadingZeros?: boolean } = {},
): Promise<FakeKms> {
  let fault: Fault | undefined;
  const counts = { signatures: 0, publicKeys: 0 };
  const server = createServer((request, response) => {
    const answered = answer(request, response, (operation, body) => {
      const { KeyId } = body as { KeyId: string };
      const key = keys[KeyId];
      if (key === undefined) return { status: 400, body: { __type: 'NotFoundException', message: KeyId } };
      if (operation === 'TrentService.GetPublicKey') {
        counts.publicKeys += 1;
        return { status: 200, body: publicKeyAnswer(KeyId, key) };
      }
      counts.signatures += 1;
      if (fault === 'silence') return undefined;
      if (fault === 'refuse') return { status: 400, body: { __type: 'AccessDeniedException', message: KeyId } };
      const highS = counts.signatures % 2 === 0;
      const der = signature(body as SignRequest, key, { fault, highS, leadingZeros: options.leadingZeros ?? false });
      return { status: 200, body: { KeyId, Signature: der.toString('base64'), SigningAlgorithm: 'ECDSA_SHA_256' } };
    });
    answered.catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    misbehave: (next) => {
      fault = next;
    },
    signatures: () => counts.signatures,
    publicKeyRequests: () => counts.publicKeys,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  decide: (operation: string, body: unknown) => { status: number; body: object } | undefined,
): Promise<void> {
  const body = JSON.parse((await buffer(request)).toString('utf8')) as unknown;
  const operation = request.headers['x-amz-target'];
  const isJson = request.headers['content-type'] === 'application/x-amz-json-1.1';
  const isSigned = request.headers.authorization?.startsWith('AWS4-HMAC-SHA256 ') === true;
  const decided =
    typeof operation === 'string' && isJson && isSigned
      ? decide(operation, body)
      : { status: 400, body: { __type: 'IncompleteSignatureException' } };
  if (decided === undefined) return;
  response.writeHead(decided.status, { 'content-type': 'application/x-amz-json-1.1' });
  response.end(JSON.stringify(decided.body));
}

function publicKeyAnswer(keyId: string, key: string): object {
  const spki = Buffer.concat([SPKI_PREFIX, bytesOf(new SigningKey(key).publicKey)]);
  return {
    KeyId: keyId,
    PublicKey: spki.toString('base64'),
    KeySpec: 'ECC_SECG_P256K1',
    KeyUsage: 'SIGN_VERIFY',
    SigningAlgorithms: ['ECDSA_SHA_256'],
  };
}

function signature(
  request: SignRequest,
  key: string,
  shape: { fault: Fault | undefined; highS: boolean; leadingZeros: boolean },
): Buffer {
  if (request.MessageType !== 'DIGEST' || request.SigningAlgorithm !== 'ECDSA_SHA_256') return Buffer.alloc(0);
  if (shape.fault === 'garbage') return Buffer.from('not a signature');
  if (shape.fault === 'empty') return Buffer.alloc(0);
  const digest = Buffer.from(request.Message, 'base64');
  if (shape.fault === 'another_digest') digest.reverse();
  const signer = shape.fault === 'another_key' ? `0x${randomBytes(32).toString('hex')}` : key;
  for (let attempt = 0; attempt < LEADING_ZERO_ATTEMPTS; attempt += 1) {
    const { r, s: anyS } = ecdsa(BigInt(`0x${digest.toString('hex')}`), BigInt(signer));
    const s = anyS > CURVE_ORDER / 2n === shape.highS ? anyS : CURVE_ORDER - anyS;
    if (shape.leadingZeros && minimal(r).length > 31 && minimal(s).length > 31) continue;
    const der = encode(r, s, shape.fault === 'padded');
    return shape.fault === 'trailing' ? Buffer.concat([der, Buffer.from([0])]) : der;
  }
  throw new Error('no signature with a leading zero came up');
}

/** One ECDSA signature with a random nonce (SEC 1, §4.1.3); wallets choose it from the digest (RFC 6979) and so repeat themselves. */
function ecdsa(digest: bigint, key: bigint): { r: bigint; s: bigint } {
  const nonce = BigInt(`0x${randomBytes(32).toString('hex')}`) % CURVE_ORDER;
  const point = SigningKey.computePublicKey(`0x${nonce.toString(16).padStart(64, '0')}`);
  const r = BigInt(`0x${point.slice(4, 68)}`) % CURVE_ORDER;
  return { r, s: (inverse(nonce) * ((digest + r * key) % CURVE_ORDER)) % CURVE_ORDER };
}

/** By Fermat: the order is prime. */
function inverse(value: bigint): bigint {
  let result = 1n;
  let base = value;
  for (let exponent = CURVE_ORDER - 2n; exponent > 0n; exponent >>= 1n) {
    if ((exponent & 1n) === 1n) result = (result * base) % CURVE_ORDER;
    base = (base * base) % CURVE_ORDER;
  }
  return result;
}

function bytesOf(hex: string): Buffer {
  return Buffer.from(hex.slice(2), 'hex');
}

function minimal(value: bigint): Buffer {
  const hex = value.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
}

/** `ECDSA-Sig-Value` in DER. */
function encode(r: bigint, s: bigint, padded: boolean): Buffer {
  const integer = (value: bigint): Buffer => {
    const bytes = minimal(value);
    const positive = (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes;
    const content = padded ? Buffer.concat([Buffer.from([0]), positive]) : positive;
    return Buffer.concat([Buffer.from([0x02, content.length]), content]);
  };
  const content = Buffer.concat([integer(r), integer(s)]);
  return Buffer.concat([Buffer.from([0x30, content.length]), content]);
}
