import type { Interface } from 'ethers';

import { decodeRevert, isRevert, revertError } from './contract-errors.ts';
import type { BlockTag, Chain } from './provider.ts';
import { rpcErrorToKeystone } from './rpc.ts';

/** A transaction that somebody is to sign: where to and with what. */
export interface ContractCall {
  /** Lower-case address. */
  readonly to: string;
  readonly data: string;
}

/**
 * Reads one value of a view function. A refusal by the contract becomes the error of the catalogue that it means
 * (`contract-errors.ts`); a node that cannot answer is `chain_unavailable`.
 */
export async function readContract(
  chain: Chain,
  target: { contract: Interface; address: string },
  name: string,
  values: readonly unknown[],
  block: BlockTag = 'latest',
): Promise<unknown> {
  const data = target.contract.encodeFunctionData(name, values);
  const answer = await chain.call({ to: target.address, data }, block).catch((error: unknown) => {
    if (isRevert(error)) throw revertError(decodeRevert(error.data));
    throw rpcErrorToKeystone(chain.chainId, 'eth_call', error);
  });
  return target.contract.decodeFunctionResult(name, answer)[0] as unknown;
}
