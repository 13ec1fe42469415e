import { Wallet } from 'ethers';

import type { Signer } from './signer.ts';

/** A signer whose key is in this process. `privateKey` is 32 bytes, 0x-prefixed; ethers' error for a bad one does not repeat it. */
export function createLocalSigner(privateKey: string): Signer {
  const wallet = new Wallet(privateKey);
  return {
    address: wallet.address,
    signTransaction: (transaction) => wallet.signTransaction(transaction),
    signTypedData: (domain, types, value) => wallet.signTypedData(domain, types, value),
  };
}
