import { SIGNER_ROLES, type SignerKeys, type SignerRole, signerKeysOf } from '../../domain/configuration.ts';
import { KeystoneError } from '../../domain/errors.ts';
import { createKmsSigner, type KmsClient } from './kms.ts';
import { createLocalSigner } from './local.ts';
import type { Signer } from './signer.ts';

export { createKmsSigner, type KmsClient, type KmsSignerOptions } from './kms.ts';
export { createLocalSigner } from './local.ts';
export type { Signer } from './signer.ts';

export type Signers = Readonly<Record<SignerRole, Signer>>;

/**
 * The signer of each role, by configuration. Throws `configuration_invalid` when two roles have the same account: what one key may do must not come
 * with another, and two journals over one account would wait for each other's nonces. `openKms` is asked at most once, and only for a role that
 * names a key of the service.
 */
export async function createSigners(
  configuration: SignerKeys,
  openKms: () => Promise<KmsClient> = openAwsKms,
): Promise<Signers> {
  let opened: Promise<KmsClient> | undefined;
  const create = async (role: SignerRole): Promise<Signer> => {
    const key = signerKeysOf(configuration)[role];
    if (key.kind === 'local') return createLocalSigner(key.privateKey);
    opened ??= openKms();
    return createKmsSigner({ keyId: key.keyId, client: await opened });
  };
  const [engine, oracle, relayer] = await Promise.all([create('engine'), create('oracle'), create('relayer')]);
  const signers: Signers = { engine, oracle, relayer };
  for (const [index, role] of SIGNER_ROLES.entries()) {
    const twin = SIGNER_ROLES.slice(0, index).find((other) => signers[other].address === signers[role].address);
    if (twin === undefined) continue;
    throw new KeystoneError('configuration_invalid', `The signers "${twin}" and "${role}" are the same account.`);
  }
  return signers;
}

async function openAwsKms(): Promise<KmsClient> {
  const { createAwsKmsClient } = await import('./aws-kms.ts');
  return createAwsKmsClient();
}
