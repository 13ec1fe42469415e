import type { SignerRole } from '../domain/configuration.ts';
import type { Transaction } from './pool.ts';

/** What signers have on the chains that they pay on (`chain/balances.ts` looks). */

export interface SignerBalance {
  readonly chain_id: number;
  /** Lower-case address. */
  readonly signer: string;
  readonly role: SignerRole;
  /** Wei, decimal. */
  readonly balance_wei: string;
  readonly low: boolean;
  readonly checked_at: Date;
}

/**
 * Stores what was seen and answers whether the account was low before; undefined when nobody had looked yet. Two processes that look at once
 * answer one after the other, so that only one of them sees the change.
 */
export async function recordBalance(
  transaction: Transaction,
  seen: { chainId: number; signer: string; role: SignerRole; balanceWei: bigint; low: boolean },
): Promise<boolean | undefined> {
  await transaction.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [
    `signer-balance:${seen.chainId}:${seen.signer}`,
  ]);
  const before = await transaction.query<{ low: boolean }>(
    'SELECT low FROM keystone.signer_balances WHERE chain_id = $1 AND signer = $2',
    [seen.chainId, seen.signer],
  );
  await transaction.query(
    `INSERT INTO keystone.signer_balances (chain_id, signer, role, balance_wei, low) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (chain_id, signer) DO UPDATE
       SET role = EXCLUDED.role, balance_wei = EXCLUDED.balance_wei, low = EXCLUDED.low, checked_at = clock_timestamp()`,
    [seen.chainId, seen.signer, seen.role, seen.balanceWei.toString(), seen.low],
  );
  return before[0]?.low;
}

/** Every balance that was ever seen, by chain and role. */
export async function listBalances(transaction: Transaction): Promise<SignerBalance[]> {
  return transaction.query<SignerBalance>(
    'SELECT chain_id, signer, role, balance_wei, low, checked_at FROM keystone.signer_balances ORDER BY chain_id, role',
  );
}
