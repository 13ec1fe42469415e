import type { TransactionLike, TypedDataDomain, TypedDataField } from 'ethers';

/**
 * One account that signs. Whoever holds it cannot read its key: a local one keeps it to itself, one of a key management service never had it.
 * Every method throws `signer_unavailable` when the service does not answer in time, and `configuration_invalid` when what it answers is not
 * this account's signature; nothing that was not verified is ever returned.
 */
export interface Signer {
  /** Checksummed. */
  readonly address: string;
  /** Answers the signed bytes, 0x-prefixed. Two calls may answer different bytes: store what is to be sent again. */
  signTransaction(transaction: TransactionLike): Promise<string>;
  /** EIP-712. `types` without `EIP712Domain`. Answers 65 bytes, 0x-prefixed. */
  signTypedData(
    domain: TypedDataDomain,
    types: Record<string, TypedDataField[]>,
    value: Record<string, unknown>,
  ): Promise<string>;
}
