import { randomBytes } from 'node:crypto';
import { link, readFile, stat, unlink, writeFile } from 'node:fs/promises';
import { calculateJwkThumbprint, type CryptoKey, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose';

export const SIGNING_ALGORITHM = 'RS256';
const MODULUS_BITS = 2048;
/** Bits that would let somebody else on the machine read the key. */
const OTHERS = 0o077;

export interface SigningKey {
  kid: string;
  privateKey: CryptoKey;
  /** As it stands in the key set. */
  publicJwk: JWK;
}

/** Creates the file with a fresh key, unless there is one: two issuers that start at once end up with the same key. */
async function createKeyFile(file: string): Promise<void> {
  const { privateKey } = await generateKeyPair(SIGNING_ALGORITHM, { modulusLength: MODULUS_BITS, extractable: true });
  const temporary = `${file}.${randomBytes(6).toString('hex')}`;
  await writeFile(temporary, JSON.stringify(await exportJWK(privateKey)), { mode: 0o600, flag: 'wx' });
  try {
    // A link, not a rename: it fails when the file exists, and the file never exists half-written.
    await link(temporary, file);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  } finally {
    await unlink(temporary);
  }
}

/** By shape and not by class: errors of the system come from another realm under a test runner. */
function hasCode(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}

/**
 * The issuer's RSA key, kept in a file that only its owner can read, so that tokens stay valid over a restart.
 * @throws Error when the file is open to others or holds no RSA private key.
 */
export async function loadSigningKey(file: string): Promise<SigningKey> {
  if (!(await exists(file))) await createKeyFile(file);
  if (((await stat(file)).mode & OTHERS) !== 0) throw new Error('the signing key file is open to others: chmod 600');
  const jwk = parseJwk(await readFile(file, 'utf8'));
  const { kty, n, e } = jwk;
  if (kty !== 'RSA' || n === undefined || e === undefined || jwk.d === undefined) {
    throw new Error('the signing key file holds no RSA private key');
  }
  const privateKey = await importJWK(jwk, SIGNING_ALGORITHM);
  if (privateKey instanceof Uint8Array) throw new Error('the signing key file holds no RSA private key');
  const kid = await calculateJwkThumbprint({ kty, n, e });
  return { kid, privateKey, publicJwk: { kty, n, e, kid, use: 'sig', alg: SIGNING_ALGORITHM } };
}

function parseJwk(text: string): JWK {
  try {
    return JSON.parse(text) as JWK;
  } catch {
    // The parser's message would quote the key.
    throw new Error('the signing key file is not JSON');
  }
}
