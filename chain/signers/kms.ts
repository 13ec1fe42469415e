import {
  computeAddress,
  getBytes,
  recoverAddress,
  Signature,
  toBeHex,
  Transaction as EthereumTransaction,
  TypedDataEncoder,
} from 'ethers';

import { KeystoneError } from '../../domain/errors.ts';
import { CHAIN_LIMITS } from '../limits.ts';
import { CURVE_ORDER, parsePublicKey, parseSignature } from './der.ts';
import type { Signer } from './signer.ts';

/** What the signer needs of a key management service. The shape is that of AWS KMS; `aws-kms.ts` has the client. */
export interface KmsClient {
  /** DER `SubjectPublicKeyInfo` of a secp256k1 signing key. */
  getPublicKey(keyId: string, signal: AbortSignal): Promise<Uint8Array>;
  /** ECDSA over `digest` (32 bytes, taken as it is). DER `ECDSA-Sig-Value`; s may be high, and the same digest gives another one each time. */
  signDigest(keyId: string, digest: Uint8Array, signal: AbortSignal): Promise<Uint8Array>;
}

export interface KmsSignerOptions {
  readonly keyId: string;
  readonly client: KmsClient;
  /** Time limit of one call, ms. */
  readonly timeoutMs?: number;
}

const SIGNATURE_BYTES = 32;

/** A signer whose key stays in a key management service. Asks for the public key once; the address follows from it. */
export async function createKmsSigner(options: KmsSignerOptions): Promise<Signer> {
  const { keyId, client, timeoutMs = CHAIN_LIMITS.signatureTimeoutMs } = options;
  const spki = await inTime(timeoutMs, (signal) => client.getPublicKey(keyId, signal));
  const address = understood(() => computeAddress(parsePublicKey(spki)));
  const signDigest = async (digest: string): Promise<Signature> => {
    const der = await inTime(timeoutMs, (signal) => client.signDigest(keyId, getBytes(digest), signal));
    return understood(() => recoverable(digest, der, address));
  };
  return {
    address,
    async signTransaction(transaction) {
      const { from, ...unsigned } = transaction;
      if (typeof from === 'string' && from.toLowerCase() !== address.toLowerCase()) {
        throw new KeystoneError('configuration_invalid', 'A transaction names another sender than its signer.');
      }
      const prepared = EthereumTransaction.from(unsigned);
      prepared.signature = await signDigest(prepared.unsignedHash);
      return prepared.serialized;
    },
    signTypedData: async (domain, types, value) =>
      (await signDigest(TypedDataEncoder.hash(domain, types, value))).serialized,
  };
}

/** The signature in Ethereum's form: s in the lower half, and the parity with which it recovers to the account. Throws when neither does. */
function recoverable(digest: string, der: Uint8Array, address: string): Signature {
  const { r, s: anyS } = parseSignature(der);
  const s = anyS > CURVE_ORDER / 2n ? CURVE_ORDER - anyS : anyS;
  for (const v of [27, 28] as const) {
    const signature = Signature.from({ r: toBeHex(r, SIGNATURE_BYTES), s: toBeHex(s, SIGNATURE_BYTES), v });
    if (recovers(digest, signature) === address) return signature;
  }
  throw new SyntaxError('the signature is not of this key');
}

function recovers(digest: string, signature: Signature): string | undefined {
  try {
    return recoverAddress(digest, signature);
  } catch {
    // No point of the curve has this r with this parity: then it is the other parity, or nobody's signature.
    return undefined;
  }
}

/** Reads an answer of the service; whatever is wrong with it, an operator has to look. */
function understood<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    throw new KeystoneError('configuration_invalid', 'A signing service answered what is not its signature or key.', {
      cause: error instanceof SyntaxError ? error : new Error('the bytes are no point of the curve'),
    });
  }
}

/** The client is told to stop, and is not waited for should it not: a caller may hold the lock of an account's nonces. */
async function inTime<Result>(limitMs: number, work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const signal = AbortSignal.timeout(limitMs);
  const late = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error(`no answer within ${limitMs} ms`)), { once: true });
  });
  try {
    return await Promise.race([work(signal), late]);
  } catch (error) {
    // Messages of the service name accounts and key policies; the name of the failure is enough to find it there.
    const cause = signal.aborted ? `no answer within ${limitMs} ms` : error instanceof Error ? error.name : 'unknown';
    throw new KeystoneError('signer_unavailable', 'A signing service did not answer.', { cause: new Error(cause) });
  }
}
