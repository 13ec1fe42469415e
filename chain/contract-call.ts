import type { Interface } from 'ethers';

import { decodeRevert, isRevert, revertError } from './contract-errors.ts';
import type { BlockTag, Chain } from './provider.ts';
import { rpcErrorToKeystone } from './rpc.ts';

/** A transaction that somebody is to sign: where to and with what. */
export interface ContractCall {
  /** Lower-case address. */
  readonly to: string;
  readonly data: string;
  /** Wei; 0 unless given. Only messages to other chains cost something, and what is too much comes back. */
  readonly value?: bigint;
}

/**
 * Reads one value of a view function. A refusal by the contract becomes the error of the catalogue that it means
 * (`contract-errors.ts`); a node that cannot answer is `chain_unavailable`.
 */
export async function readContract(
  chain: Pick<Chain, 'chainId' | 'call'>,
  target: { contract: Interface; address: string },
  name: string,
  values: readonly unknown[],
  block: BlockTag = 'latest',
): Promise<unknown> {
  const data = target.contract.encodeFunctionData(name, values);
  const answer = await chain.call({ to: target.address, data }, block).catch((error: unknown) => {
    throw callError(chain.chainId, error);
  });
  return target.contract.decodeFunctionResult(name, answer)[0] as unknown;
}

/** The error of the catalogue that a failed `eth_call` means: a refusal by the contract, or a node that cannot answer. */
export function callError(chainId: number, error: unknown): unknown {
  return isRevert(error) ? revertError(decodeRevert(error.data)) : rpcErrorToKeystone(chainId, 'eth_call', error);
}
