/** Ed25519 keys: how they are made, named (RFC 7638) and pinned. */

import { sha256 } from '@noble/hashes/sha256';
import nacl from 'tweetnacl';
import { base64ToBytes, bytesToBase64, bytesToBase64url, bytesToHex, hexToBytes } from './bytes.ts';
import { canonicalBytes } from './canonical.ts';
import { type JsonLimits, type JsonObject, isJsonObject, parseJson } from './json.ts';

/**
 * A private key behind functions. There is no property that holds secret bytes, so printing or serialising the object
 * shows the key id and the public key and nothing else.
 */
export interface SigningKey {
  /** RFC 7638 thumbprint of the public key, base64url */
  readonly kid: string;
  /** standard base64 of the 32 public bytes */
  readonly public_key_b64: string;
  /** 64 bytes, Ed25519 (RFC 8032) */
  readonly sign: (message: Uint8Array) => Uint8Array;
  /** 64 hexadecimal digits; for the one place that stores the key */
  readonly exportSeed: () => string;
}

export interface PublicKey {
  readonly kid: string;
  readonly public_key_b64: string;
}

export interface TrustedKey extends PublicKey {
  readonly name: string;
  /** ms since epoch, inclusive; absent = no bound */
  readonly not_before_ms?: number;
  /** ms since epoch, inclusive; absent = no bound */
  readonly not_after_ms?: number;
}

/**
 * Addresses that a verifier pins beside the keys, so that a pack cannot bring contracts of its own. One entry per chain
 * and deployment: coordinator, registry and escrow on the coordinator's chain, gateway and escrow on any other.
 */
export interface TrustedDeployment {
  /** CAIP-2, for example `eip155:11155111` */
  readonly chain_id: string;
  readonly coordinator?: string;
  readonly registry?: string;
  readonly gateway?: string;
  readonly escrow?: string;
}

const CONTRACT_ROLES = ['coordinator', 'registry', 'gateway', 'escrow'] as const;

/** Format of `.keystone/trusted-keys.json`. `contracts` is optional. */
export interface TrustedKeysFile {
  readonly version: 1;
  readonly keys: readonly TrustedKey[];
  readonly contracts?: readonly TrustedDeployment[];
}

const TRUSTED_KEYS_LIMITS: JsonLimits = {
  maxBytes: 262_144,
  maxDepth: 4,
  maxObjectMembers: 16,
  maxArrayItems: 1024,
  maxStringLength: 512,
  maxNodes: 16_384,
  numbers: 'safe-integers',
};

/** RFC 7638 thumbprint of an Ed25519 public key (members of RFC 8037 §2), base64url of SHA-256. */
export function thumbprint(publicKey: Uint8Array): string {
  const members = { crv: 'Ed25519', kty: 'OKP', x: bytesToBase64url(publicKey) };
  return bytesToBase64url(sha256(canonicalBytes(members)));
}

export function generateSigningKey(): SigningKey {
  return fromSeed(nacl.randomBytes(nacl.sign.seedLength));
}

/**
 * @param seedHex 64 hexadecimal digits (32 bytes), upper or lower case
 * @throws {TypeError} without repeating the text: it may be almost a secret
 */
export function signingKeyFromSeed(seedHex: string): SigningKey {
  if (!/^[0-9a-fA-F]{64}$/.test(seedHex)) {
    throw new TypeError('a signing seed is 64 hexadecimal digits');
  }
  return fromSeed(hexToBytes(seedHex.toLowerCase()));
}

function fromSeed(seed: Uint8Array): SigningKey {
  const pair = nacl.sign.keyPair.fromSeed(seed);
  return {
    kid: thumbprint(pair.publicKey),
    public_key_b64: bytesToBase64(pair.publicKey),
    sign: (message) => nacl.sign.detached(message, pair.secretKey),
    exportSeed: () => bytesToHex(seed),
  };
}

export function publicKeyOf(key: SigningKey): PublicKey {
  return { kid: key.kid, public_key_b64: key.public_key_b64 };
}

/**
 * Builds the content of `.keystone/trusted-keys.json`.
 * @throws {TypeError} when a key is malformed or its kid is not its thumbprint
 */
export function trustedKeysFile(
  keys: readonly TrustedKey[],
  contracts?: readonly TrustedDeployment[],
): TrustedKeysFile {
  const seen = new Set<string>();
  for (const key of keys) {
    publicKeyBytes(key);
    if (seen.has(key.kid)) {
      throw new TypeError(`the key ${key.kid} is listed twice`);
    }
    seen.add(key.kid);
  }
  return { version: 1, keys, ...(contracts === undefined ? {} : { contracts }) };
}

/**
 * Reads the text of a trusted keys file strictly.
 * @throws {TypeError | import('./json.ts').JsonRejected}
 */
export function parseTrustedKeys(text: string): TrustedKeysFile {
  const file = parseJson(text, { limits: TRUSTED_KEYS_LIMITS });
  if (!isJsonObject(file) || file['version'] !== 1 || !Array.isArray(file['keys'])) {
    throw new TypeError('a trusted keys file is {"version": 1, "keys": [...]}');
  }
  const contracts = file['contracts'];
  if (contracts !== undefined && !Array.isArray(contracts)) {
    throw new TypeError('contracts in a trusted keys file is a list');
  }
  return trustedKeysFile(file['keys'].map(readTrustedKey), contracts?.map(readDeployment));
}

/** @throws {TypeError} when the bytes are not 32 or the kid is not their thumbprint */
export function publicKeyBytes(key: PublicKey): Uint8Array {
  const bytes = base64ToBytes(key.public_key_b64);
  if (bytes === undefined || bytes.length !== nacl.sign.publicKeyLength) {
    throw new TypeError(`the key ${key.kid} is not base64 of 32 bytes`);
  }
  if (thumbprint(bytes) !== key.kid) {
    throw new TypeError(`the key id ${key.kid} is not the RFC 7638 thumbprint of its key`);
  }
  return bytes;
}

function readTrustedKey(value: unknown): TrustedKey {
  const entry = closedEntry(value, ['kid', 'public_key_b64', 'name', 'not_before_ms', 'not_after_ms']);
  const notBefore = entry['not_before_ms'];
  const notAfter = entry['not_after_ms'];
  if (
    (notBefore !== undefined && typeof notBefore !== 'number') ||
    (notAfter !== undefined && typeof notAfter !== 'number')
  ) {
    throw new TypeError('not_before_ms and not_after_ms are ms since epoch');
  }
  return {
    kid: textOf(entry, 'kid'),
    public_key_b64: textOf(entry, 'public_key_b64'),
    name: textOf(entry, 'name'),
    ...(notBefore === undefined ? {} : { not_before_ms: notBefore }),
    ...(notAfter === undefined ? {} : { not_after_ms: notAfter }),
  };
}

function readDeployment(value: unknown): TrustedDeployment {
  const entry = closedEntry(value, ['chain_id', ...CONTRACT_ROLES]);
  const deployment: Record<string, string> = { chain_id: textOf(entry, 'chain_id') };
  for (const role of CONTRACT_ROLES) {
    if (entry[role] !== undefined) {
      const address = textOf(entry, role).toLowerCase();
      if (!/^0x[0-9a-f]{40}$/.test(address)) {
        throw new TypeError(`${role} in a trusted keys file is a 20-byte address`);
      }
      deployment[role] = address;
    }
  }
  return deployment as unknown as TrustedDeployment;
}

/** Unknown members are refused: a misspelt `not_after_ms` would otherwise trust a key for ever. */
function closedEntry(value: unknown, allowed: readonly string[]): JsonObject {
  if (!isJsonObject(value)) {
    throw new TypeError('an entry of a trusted keys file is an object');
  }
  const unknown = Object.keys(value).find((name) => !allowed.includes(name));
  if (unknown !== undefined) {
    throw new TypeError(`unknown member ${unknown} in a trusted keys file`);
  }
  return value;
}

function textOf(entry: JsonObject, name: string): string {
  const value = entry[name];
  if (typeof value !== 'string' || value === '') {
    throw new TypeError(`${name} in a trusted keys file is a non-empty string`);
  }
  return value;
}
