import { afterAll, beforeAll } from '@jest/globals';
import type { Wallet } from 'ethers';

import { createAwsKmsClient } from './signers/aws-kms.ts';
import { createKmsSigner, type Signer } from './signers/index.ts';
import { type FakeKms, startFakeKms } from './signers/testing/fake-kms.ts';
import { describeJournal } from './testing/journal-suite.ts';

/** Signatures of a key management service differ each time, so whatever is sent again has to be the bytes that were stored. */

const keys: Record<string, string> = {};
let kms: FakeKms;
beforeAll(async () => {
  kms = await startFakeKms(keys);
});
afterAll(async () => {
  await kms?.stop();
});

async function kmsSignerOf(wallet: Wallet): Promise<Signer> {
  keys[wallet.address] = wallet.privateKey;
  const client = await createAwsKmsClient({
    endpoint: kms.url,
    region: 'eu-west-1',
    credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'not-a-secret' },
  });
  return createKmsSigner({ keyId: wallet.address, client });
}

describeJournal('a journal over a key management service', kmsSignerOf);
