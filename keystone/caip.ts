/** Names of chains, assets and accounts (CAIP-2, CAIP-19, CAIP-10), in the one spelling that gets hashed. */

const CHAIN_ID = /^[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}$/;
const EVM_CHAIN_ID = /^eip155:([1-9][0-9]{0,18})$/;
const ADDRESS = /^0x[0-9a-f]{40}$/;
const BYTES32 = /^0x[0-9a-f]{64}$/;

/** Token standards, in the order of the contracts' `tokenStandard` 0 to 3. */
export const TOKEN_STANDARDS = ['ERC-20', 'ERC-721', 'ERC-1400', 'ERC-3643'] as const;
export type TokenStandard = (typeof TOKEN_STANDARDS)[number];

/** CAIP-2 name of an EVM chain, for example `eip155:11155111`. */
export function evmChainId(chainId: number | bigint): string {
  const name = `eip155:${chainId}`;
  if (!EVM_CHAIN_ID.test(name)) {
    throw new TypeError('an EVM chain id is a positive integer');
  }
  return name;
}

/** @returns the number of an EVM chain, or undefined for another namespace */
export function evmChainNumber(chain: string): bigint | undefined {
  const digits = EVM_CHAIN_ID.exec(chain)?.[1];
  return digits === undefined ? undefined : BigInt(digits);
}

export function isChainId(value: unknown): value is string {
  return typeof value === 'string' && CHAIN_ID.test(value);
}

/** A 20-byte address in lower case: an EIP-55 spelling of it would hash differently, so only this one is allowed. */
export function isAddress(value: unknown): value is string {
  return typeof value === 'string' && ADDRESS.test(value);
}

export function isBytes32(value: unknown): value is string {
  return typeof value === 'string' && BYTES32.test(value);
}

/**
 * The spelling of an account or token that is hashed: lower case on EVM chains, untouched elsewhere (base58 and base32
 * addresses are case sensitive).
 * @throws {TypeError} for an EVM chain when it is not a 20-byte address
 */
export function hashedSpelling(chain: string, account: string): string {
  if (evmChainNumber(chain) === undefined) {
    return account;
  }
  const lower = account.toLowerCase();
  if (!isAddress(lower)) {
    throw new TypeError(`not a 20-byte address on ${chain}`);
  }
  return lower;
}

/** CAIP-10 account, for example `eip155:1/0x…` written `eip155:1:0x…`. */
export function accountId(chain: string, address: string): string {
  return `${chain}:${hashedSpelling(chain, address)}`;
}

export interface AssetOfLeg {
  /** CAIP-2 */
  readonly chain_id: string;
  readonly token: string;
  readonly token_standard: TokenStandard;
  /** decimal */
  readonly token_id: string;
  /** bytes32 */
  readonly partition: string;
}

/**
 * CAIP-19 name of a leg's asset: `eip155:1/erc20:0x…`, `eip155:1/erc721:0x…/7`, `eip155:1/erc1400:0x…/0x<partition>`.
 * ERC-3643 is `erc3643:` (a security token with the ERC-20 interface).
 */
export function assetId(asset: AssetOfLeg): string {
  const token = hashedSpelling(asset.chain_id, asset.token);
  const suffix = asset.token_standard === 'ERC-721' ? `/${asset.token_id}` : '';
  const partition = asset.token_standard === 'ERC-1400' ? `/${asset.partition}` : '';
  return `${asset.chain_id}/${ASSET_NAMESPACES[asset.token_standard]}:${token}${suffix}${partition}`;
}

const ASSET_NAMESPACES: Readonly<Record<TokenStandard, string>> = {
  'ERC-20': 'erc20',
  'ERC-721': 'erc721',
  'ERC-1400': 'erc1400',
  'ERC-3643': 'erc3643',
};
