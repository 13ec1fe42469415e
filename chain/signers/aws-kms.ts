import type { KmsClient } from './kms.ts';

const CONNECT_LIMIT_MS = 2_000;
/** The first one and one more, within the time limit of the caller. */
const ATTEMPTS = 2;

export interface AwsKmsOptions {
  /** For tests and private endpoints; by default the client's own rules (region, AWS_ENDPOINT_URL_KMS) choose. */
  readonly endpoint?: string;
  readonly region?: string;
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/**
 * AWS's own client; region and credentials come from where it always looks (environment, instance role). Its package is loaded here and nowhere
 * else, so that processes with local keys never pay for it.
 */
export async function createAwsKmsClient(options: AwsKmsOptions = {}): Promise<KmsClient> {
  const { GetPublicKeyCommand, KMSClient, SignCommand } = await import('@aws-sdk/client-kms');
  const client = new KMSClient({
    ...options,
    maxAttempts: ATTEMPTS,
    requestHandler: { connectionTimeout: CONNECT_LIMIT_MS },
  });
  return {
    async getPublicKey(keyId, signal) {
      const answer = await client.send(new GetPublicKeyCommand({ KeyId: keyId }), { abortSignal: signal });
      if (answer.KeyUsage !== 'SIGN_VERIFY' || answer.KeySpec !== 'ECC_SECG_P256K1') {
        throw new UnusableKeyError('the key is not an ECC_SECG_P256K1 key for signing');
      }
      return present(answer.PublicKey);
    },
    async signDigest(keyId, digest, signal) {
      const command = new SignCommand({
        KeyId: keyId,
        Message: digest,
        // The digest is Keccak-256, which KMS cannot make: RAW would hash it again with SHA-256.
        MessageType: 'DIGEST',
        SigningAlgorithm: 'ECDSA_SHA_256',
      });
      return present((await client.send(command, { abortSignal: signal })).Signature);
    },
  };
}

class UnusableKeyError extends Error {
  override readonly name = 'UnusableKeyError';
}

/** An empty answer reads as no bytes, which the DER rules refuse. */
function present(bytes: Uint8Array | undefined): Uint8Array {
  return bytes ?? new Uint8Array();
}
