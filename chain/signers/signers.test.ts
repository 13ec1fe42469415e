import { randomBytes } from 'node:crypto';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Transaction as EthereumTransaction, verifyTypedData, Wallet } from 'ethers';

import { createAwsKmsClient } from './aws-kms.ts';
import { CURVE_ORDER } from './der.ts';
import { createKmsSigner, createLocalSigner, createSigners, type Signer } from './index.ts';
import { type FakeKms, type Fault, startFakeKms } from './testing/fake-kms.ts';

const newKey = (): string => `0x${randomBytes(32).toString('hex')}`;
const KEY = newKey();
const OTHER_KEY = newKey();
const SHORT_LIMIT_MS = 300;

const TRANSFER = {
  type: 2,
  chainId: 11_155_111,
  nonce: 7,
  to: `0x${'22'.repeat(20)}`,
  data: '0x1234',
  value: 5n,
  gasLimit: 21_000n,
  maxFeePerGas: 10n ** 9n,
  maxPriorityFeePerGas: 10n ** 9n,
} as const;
const DOMAIN = { name: 'KeystoneEscrow', version: '1', chainId: 1, verifyingContract: `0x${'33'.repeat(20)}` };
const TYPES = { Release: [{ name: 'outcome', type: 'uint8' }] };

let kms: FakeKms;
let shortInts: FakeKms;
beforeAll(async () => {
  const keys = { engine: KEY, oracle: OTHER_KEY };
  [kms, shortInts] = await Promise.all([startFakeKms(keys), startFakeKms(keys, { leadingZeros: true })]);
});
afterAll(async () => {
  await Promise.all([kms?.stop(), shortInts?.stop()]);
});

async function clientOf(service: FakeKms) {
  return createAwsKmsClient({
    endpoint: service.url,
    region: 'eu-west-1',
    credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'not-a-secret' },
  });
}

async function signerOf(service: FakeKms, timeoutMs?: number): Promise<Signer> {
  return createKmsSigner({
    keyId: 'engine',
    client: await clientOf(service),
    ...(timeoutMs !== undefined && { timeoutMs }),
  });
}

describe('a signer of the key management service', () => {
  it('has the address of its key and asks for the public key once', async () => {
    const before = kms.publicKeyRequests();
    const signer = await signerOf(kms);
    await signer.signTransaction(TRANSFER);
    await signer.signTransaction(TRANSFER);
    expect(signer.address).toBe(new Wallet(KEY).address);
    expect(kms.publicKeyRequests() - before).toBe(1);
  });

  it('signs what it was asked to, with a low s, although the service answers a high one half of the time', async () => {
    for (const service of [kms, shortInts]) {
      const signer = await signerOf(service);
      for (let round = 0; round < 8; round += 1) {
        const parsed = EthereumTransaction.from(await signer.signTransaction({ ...TRANSFER, from: signer.address }));
        expect(parsed.unsignedSerialized).toBe(EthereumTransaction.from(TRANSFER).unsignedSerialized);
        expect(parsed.from).toBe(signer.address);
        expect(BigInt(parsed.signature?.s ?? CURVE_ORDER)).toBeLessThanOrEqual(CURVE_ORDER / 2n);
      }
    }
  });

  it('signs the same transaction with other bytes each time, so that stored bytes are the ones to send again', async () => {
    const signer = await signerOf(kms);
    expect(await signer.signTransaction(TRANSFER)).not.toBe(await signer.signTransaction(TRANSFER));
  });

  it('signs typed data', async () => {
    const signer = await signerOf(kms);
    const signature = await signer.signTypedData(DOMAIN, TYPES, { outcome: 1 });
    expect(verifyTypedData(DOMAIN, TYPES, { outcome: 1 }, signature)).toBe(signer.address);
  });

  it.each([
    ['another_key', 'configuration_invalid'],
    ['another_digest', 'configuration_invalid'],
    ['garbage', 'configuration_invalid'],
    ['empty', 'configuration_invalid'],
    ['trailing', 'configuration_invalid'],
    ['padded', 'configuration_invalid'],
    ['refuse', 'signer_unavailable'],
    ['silence', 'signer_unavailable'],
  ] as const satisfies readonly (readonly [Fault, string])[])(
    'never hands on an answer of the kind "%s"',
    async (fault, code) => {
      const signer = await signerOf(kms, fault === 'silence' ? SHORT_LIMIT_MS : undefined);
      kms.misbehave(fault);
      try {
        const error: unknown = await signer.signTransaction(TRANSFER).catch((reason: unknown) => reason);
        expect(error).toMatchObject({ code });
        // The name of the key, which the service repeats in its texts, stays out of ours.
        expect(`${String(error)} ${String((error as Error).cause)}`).not.toContain('engine');
      } finally {
        kms.misbehave(undefined);
      }
      await expect(signer.signTransaction(TRANSFER)).resolves.toMatch(/^0x02/);
    },
  );

  it('refuses to sign for another account than its own', async () => {
    const signer = await signerOf(kms);
    const foreign = { ...TRANSFER, from: new Wallet(OTHER_KEY).address };
    await expect(signer.signTransaction(foreign)).rejects.toMatchObject({ code: 'configuration_invalid' });
  });

  it('does not exist for a key that the service does not know, or that is of another curve', async () => {
    const client = await clientOf(kms);
    await expect(createKmsSigner({ keyId: 'nobody', client })).rejects.toMatchObject({ code: 'signer_unavailable' });
    const p256 = { ...client, getPublicKey: () => Promise.resolve(new Uint8Array(91)) };
    await expect(createKmsSigner({ keyId: 'engine', client: p256 })).rejects.toMatchObject({
      code: 'configuration_invalid',
    });
  });
});

describe('a local signer', () => {
  it('signs as a wallet with the same key does', async () => {
    const signer = createLocalSigner(KEY);
    expect(await signer.signTransaction(TRANSFER)).toBe(await new Wallet(KEY).signTransaction(TRANSFER));
    const signature = await signer.signTypedData(DOMAIN, TYPES, { outcome: 2 });
    expect(verifyTypedData(DOMAIN, TYPES, { outcome: 2 }, signature)).toBe(signer.address);
  });
});

describe('the signers of a worker', () => {
  it('may be of both kinds, and the service is opened only for those that name it', async () => {
    const local = { ENGINE_PRIVATE_KEY: newKey(), ORACLE_PRIVATE_KEY: newKey(), RELAYER_PRIVATE_KEY: newKey() };
    await expect(createSigners(local, () => Promise.reject(new Error('opened')))).resolves.toBeDefined();
    const signers = await createSigners(
      { ENGINE_KMS_KEY_ID: 'engine', ORACLE_KMS_KEY_ID: 'oracle', RELAYER_PRIVATE_KEY: newKey() },
      () => clientOf(kms),
    );
    expect(signers.engine.address).toBe(new Wallet(KEY).address);
    expect(signers.oracle.address).toBe(new Wallet(OTHER_KEY).address);
  });

  it('are different accounts, wherever their keys are, and the refusal names the roles', async () => {
    const twins = { ENGINE_KMS_KEY_ID: 'engine', ORACLE_PRIVATE_KEY: newKey(), RELAYER_PRIVATE_KEY: KEY };
    const error: unknown = await createSigners(twins, () => clientOf(kms)).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'configuration_invalid' });
    expect(String(error)).toContain('"engine" and "relayer" are the same account');
  });
});
