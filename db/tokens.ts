import type { Transaction } from './pool.ts';

/** What a token says of itself, read once from the chain: decimals of a token contract do not change. */

export async function findTokenDecimals(
  transaction: Transaction,
  chainId: number,
  address: string,
): Promise<number | undefined> {
  const rows = await transaction.query<{ decimals: number }>(
    'SELECT decimals FROM keystone.tokens WHERE chain_id = $1 AND address = $2',
    [chainId, address.toLowerCase()],
  );
  return rows[0]?.decimals;
}

/** Keeps the first answer when two processes ask the chain at once. */
export async function saveTokenDecimals(
  transaction: Transaction,
  chainId: number,
  address: string,
  decimals: number,
): Promise<void> {
  await transaction.query(
    'INSERT INTO keystone.tokens (chain_id, address, decimals) VALUES ($1, $2, $3) ON CONFLICT (chain_id, address) DO NOTHING',
    [chainId, address.toLowerCase(), decimals],
  );
}
