import { AbiCoder, Interface } from 'ethers';

import type { Database } from '../db/pool.ts';
import { findTokenDecimals, saveTokenDecimals } from '../db/tokens.ts';
import { KeystoneError } from '../domain/errors.ts';
import type { TokenStandard } from '../domain/legs.ts';
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

const ERC_165 = new Interface(['function supportsInterface(bytes4 interfaceId) view returns (bool)']);
const ERC_721_ID = '0x80ac58cd';
const IS_ERC_721_CALL = ERC_165.encodeFunctionData('supportsInterface', [ERC_721_ID]);
const TRUE_WORD = `0x${'0'.repeat(63)}1`;

/** Whether the token says of itself that it is an ERC-721, asked as the escrow asks: what does not answer is none. */
async function isErc721(chain: Chain, token: string): Promise<boolean> {
  const answer = await chain.call({ to: token, data: IS_ERC_721_CALL }).catch((error: unknown) => {
    if (error instanceof RpcError) return '0x';
    throw error;
  });
  return answer.toLowerCase() === TRUE_WORD;
}

/** Refuses a token that is an ERC-721 and not called one, or the other way round: the escrow would refuse its deposit. */
async function checkKind(chain: Chain, token: string, standard: TokenStandard): Promise<void> {
  const nft = await isErc721(chain, token);
  if (nft === (standard === 'ERC-721')) return;
  if (nft || (await chain.code(token)) !== '0x') {
    throw new KeystoneError(
      'token_standard_differs',
      `${token} on chain ${chain.chainId} is ${nft ? 'an ERC-721' : 'no ERC-721'} token.`,
    );
  }
  throw new KeystoneError('instrument_unknown', `${token} is not a token contract on chain ${chain.chainId}.`);
}

/**
 * Decimals by chain id, token address and standard, read on the token's own chain; an ERC-721 has none, so 0. See `readDecimals` for errors,
 * and `chain_unknown` for a chain that is not configured, `token_standard_differs` for a token of another kind than stated.
 */
export type TokenDecimals = (chainId: number, address: string, standard: TokenStandard) => Promise<number>;

/**
 * Reads each token once: memory, then `keystone.tokens` (fungible ones), then the chain. Refusals are not kept, since a token may be deployed a
 * moment later.
 */
export function createTokenDecimals(dependencies: { database: Database; chains: readonly Chain[] }): TokenDecimals {
  const { database } = dependencies;
  const chains = new Map(dependencies.chains.map((chain) => [chain.chainId, chain]));
  const known = new Map<string, number>();
  return async (chainId, address, standard) => {
    const chain = chains.get(chainId);
    if (chain === undefined) throw new KeystoneError('chain_unknown', `Chain ${chainId} is not configured.`);
    const token = address.toLowerCase();
    const nft = standard === 'ERC-721';
    const key = `${chainId}:${token}:${nft ? 'nft' : 'fungible'}`;
    const remembered = known.get(key);
    if (remembered !== undefined) return remembered;
    const decimals = nft ? await readNft(chain, token) : await readFungible(database, chain, token, standard);
    if (known.size < CHAIN_LIMITS.cachedTokens) known.set(key, decimals);
    return decimals;
  };
}

async function readNft(chain: Chain, token: string): Promise<number> {
  await checkKind(chain, token, 'ERC-721');
  return 0;
}

async function readFungible(database: Database, chain: Chain, token: string, standard: TokenStandard): Promise<number> {
  const { chainId } = chain;
  const stored = await database.transaction({ kind: 'worker' }, (transaction) =>
    findTokenDecimals(transaction, chainId, token),
  );
  if (stored !== undefined) return stored;
  const [decimals] = await Promise.all([readDecimals(chain, token), checkKind(chain, token, standard)]);
  await database.transaction({ kind: 'worker' }, (transaction) =>
    saveTokenDecimals(transaction, chainId, token, decimals),
  );
  return decimals;
}
