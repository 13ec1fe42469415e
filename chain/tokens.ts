import { AbiCoder, Interface } from 'ethers';

import type { Database } from '../db/pool.ts';
import { findTokenDecimals, saveTokenDecimals } from '../db/tokens.ts';
import { KeystoneError } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import { CHAIN_LIMITS } from './limits.ts';
import type { Chain } from './provider.ts';
import { RpcError } from './rpc.ts';

const DECIMALS_CALL = new Interface(['function decimals() view returns (uint8)']).encodeFunctionData('decimals');
const WORD = /^0x[0-9a-fA-F]{64}$/;

/**
 * Decimals of a token, from the chain. Throws `instrument_unknown` for an address without code, without `decimals()`, or with an answer beyond
 * what amounts here can hold; `chain_unavailable` when the node does not answer.
 */
export async function readDecimals(chain: Chain, address: string): Promise<number> {
  const token = address.toLowerCase();
  const [code, answer] = await Promise.all([
    chain.code(token),
    chain.call({ to: token, data: DECIMALS_CALL }).catch((error: unknown) => {
      // The contract refused: it has no such function, so it is not a token of ours.
      if (error instanceof RpcError) return '0x';
      throw error;
    }),
  ]);
  if (code === '0x' || !WORD.test(answer)) throw unknown(chain.chainId, token);
  const decimals: unknown = AbiCoder.defaultAbiCoder().decode(['uint256'], answer)[0];
  if (typeof decimals !== 'bigint' || decimals > BigInt(LIMITS.maximumTokenDecimals))
    throw unknown(chain.chainId, token);
  return Number(decimals);
}

function unknown(chainId: number, token: string): KeystoneError {
  return new KeystoneError('instrument_unknown', `${token} is not a token with decimals on chain ${chainId}.`);
}

/** Decimals by chain id and token address; see `readDecimals` for errors, and `chain_unknown` for a chain that is not configured. */
export type TokenDecimals = (chainId: number, address: string) => Promise<number>;

/** Reads each token once: memory, then `keystone.tokens`, then the chain. Refusals are not kept, since a token may be deployed a moment later. */
export function createTokenDecimals(dependencies: { database: Database; chains: readonly Chain[] }): TokenDecimals {
  const { database } = dependencies;
  const chains = new Map(dependencies.chains.map((chain) => [chain.chainId, chain]));
  const known = new Map<string, number>();
  return async (chainId, address) => {
    const chain = chains.get(chainId);
    if (chain === undefined) throw new KeystoneError('chain_unknown', `Chain ${chainId} is not configured.`);
    const key = `${chainId}:${address.toLowerCase()}`;
    const remembered = known.get(key);
    if (remembered !== undefined) return remembered;
    const stored = await database.transaction({ kind: 'worker' }, (transaction) =>
      findTokenDecimals(transaction, chainId, address),
    );
    const decimals = stored ?? (await readDecimals(chain, address));
    if (stored === undefined) {
      await database.transaction({ kind: 'worker' }, (transaction) =>
        saveTokenDecimals(transaction, chainId, address, decimals),
      );
    }
    if (known.size < CHAIN_LIMITS.cachedTokens) known.set(key, decimals);
    return decimals;
  };
}
