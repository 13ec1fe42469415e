import type { Uuid } from '../domain/ids.ts';
import type { Transaction } from './pool.ts';

/** Queries of the transaction journal (`chain/journal.ts` says when each is run). */

export type ChainTransactionStatus = 'signed' | 'included' | 'final' | 'reverted' | 'replaced' | 'cancelled';

export interface ChainTransactionRow {
  readonly id: number;
  readonly chain_id: number;
  /** Lower-case address. */
  readonly signer: string;
  readonly nonce: number;
  readonly effect_key: string;
  readonly settlement_id: Uuid | null;
  readonly to_address: string;
  readonly data: string;
  /** The signed bytes. */
  readonly raw: string;
  readonly hash: string;
  /** Wei, decimal. */
  readonly value: string;
  readonly gas_limit: number;
  /** Wei per gas, decimal. */
  readonly max_fee_per_gas: string;
  readonly max_priority_fee_per_gas: string;
  readonly replaces: number | null;
  /** Counts against the settlement's budget for message fees. */
  readonly is_message: boolean;
  /** Takes the nonce back without the effect. */
  readonly is_cancel: boolean;
  readonly status: ChainTransactionStatus;
  readonly block_number: number | null;
  readonly block_hash: string | null;
  readonly broadcasts: number;
  readonly last_broadcast_at: Date | null;
  readonly created_at: Date;
}

export interface NewChainTransaction {
  readonly chainId: number;
  readonly signer: string;
  readonly nonce: number;
  readonly effectKey: string;
  readonly settlementId: Uuid | null;
  readonly to: string;
  readonly data: string;
  readonly raw: string;
  readonly hash: string;
  readonly value: bigint;
  readonly gasLimit: bigint;
  readonly maxFeeWei: bigint;
  readonly tipWei: bigint;
  readonly replaces: number | null;
  readonly isMessage: boolean;
  readonly isCancel: boolean;
}

/** One nonce of one signer on one chain. */
export interface NonceKey {
  readonly chain_id: number;
  readonly signer: string;
  readonly nonce: number;
}

const COLUMNS = `id, chain_id, signer, nonce, effect_key, settlement_id, to_address, data, raw, hash, value, gas_limit, max_fee_per_gas,
  max_priority_fee_per_gas, replaces, is_message, is_cancel, status, block_number, block_hash, broadcasts, last_broadcast_at, created_at`;

/** The effect's live transaction: signed, included or final. There is at most one. */
export async function findLiveTransaction(
  transaction: Transaction,
  chainId: number,
  effectKey: string,
): Promise<ChainTransactionRow | undefined> {
  const rows = await transaction.query<ChainTransactionRow>(
    `SELECT ${COLUMNS} FROM keystone.chain_transactions
     WHERE chain_id = $1 AND effect_key = $2 AND status IN ('signed', 'included', 'final')`,
    [chainId, effectKey],
  );
  return rows[0];
}

export async function findTransactionByHash(
  transaction: Transaction,
  hash: string,
): Promise<ChainTransactionRow | undefined> {
  const rows = await transaction.query<ChainTransactionRow>(
    `SELECT ${COLUMNS} FROM keystone.chain_transactions WHERE hash = $1`,
    [hash],
  );
  return rows[0];
}

/** Every version that was ever signed for a nonce, newest first: any of them may be the one that is included. */
export async function listNonceVersions(transaction: Transaction, key: NonceKey): Promise<ChainTransactionRow[]> {
  return transaction.query<ChainTransactionRow>(
    `SELECT ${COLUMNS} FROM keystone.chain_transactions WHERE chain_id = $1 AND signer = $2 AND nonce = $3 ORDER BY id DESC`,
    [key.chain_id, key.signer, key.nonce],
  );
}

/** What a signer has not got into a block yet, up to and including `nonce`, oldest nonce first. */
export async function listUnincludedUpTo(
  transaction: Transaction,
  key: NonceKey,
  limit: number,
): Promise<ChainTransactionRow[]> {
  return transaction.query<ChainTransactionRow>(
    `SELECT ${COLUMNS} FROM keystone.chain_transactions
     WHERE chain_id = $1 AND signer = $2 AND nonce <= $3 AND status = 'signed' ORDER BY nonce LIMIT $4`,
    [key.chain_id, key.signer, key.nonce, limit],
  );
}

/** Rows that a sweep has to look at, after `afterId`: not final yet, or reverted so lately that a reorganisation could undo it. */
export async function listUnsettled(
  transaction: Transaction,
  chainId: number,
  options: { afterId: number; revertedWithinSeconds: number; limit: number },
): Promise<ChainTransactionRow[]> {
  return transaction.query<ChainTransactionRow>(
    `SELECT ${COLUMNS} FROM keystone.chain_transactions
     WHERE chain_id = $1 AND id > $2
       AND (status IN ('signed', 'included')
            OR (status = 'reverted' AND updated_at > clock_timestamp() - make_interval(secs => $3)))
     ORDER BY id LIMIT $4`,
    [chainId, options.afterId, options.revertedWithinSeconds, options.limit],
  );
}

/**
 * Takes the signer's lock for the rest of the transaction and answers the next nonce to use: ours, or the chain's when somebody used
 * the key outside the journal.
 */
export async function lockNextNonce(
  transaction: Transaction,
  chainId: number,
  signer: string,
  onChainNonce: number,
): Promise<number> {
  await transaction.query(
    'INSERT INTO keystone.chain_signers (chain_id, signer) VALUES ($1, $2) ON CONFLICT DO NOTHING',
    [chainId, signer],
  );
  const rows = await transaction.query<{ next_nonce: number }>(
    'SELECT next_nonce FROM keystone.chain_signers WHERE chain_id = $1 AND signer = $2 FOR UPDATE',
    [chainId, signer],
  );
  return Math.max(rows[0]?.next_nonce ?? 0, onChainNonce);
}

export async function storeNextNonce(
  transaction: Transaction,
  chainId: number,
  signer: string,
  nextNonce: number,
): Promise<void> {
  await transaction.query('UPDATE keystone.chain_signers SET next_nonce = $3 WHERE chain_id = $1 AND signer = $2', [
    chainId,
    signer,
    nextNonce,
  ]);
}

export async function insertTransaction(
  transaction: Transaction,
  row: NewChainTransaction,
): Promise<ChainTransactionRow> {
  const rows = await transaction.query<ChainTransactionRow>(
    `INSERT INTO keystone.chain_transactions
       (chain_id, signer, nonce, effect_key, settlement_id, to_address, data, raw, hash, value, gas_limit, max_fee_per_gas,
        max_priority_fee_per_gas, replaces, is_message, is_cancel)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) RETURNING ${COLUMNS}`,
    [
      row.chainId,
      row.signer,
      row.nonce,
      row.effectKey,
      row.settlementId,
      row.to,
      row.data,
      row.raw,
      row.hash,
      row.value.toString(),
      row.gasLimit.toString(),
      row.maxFeeWei.toString(),
      row.tipWei.toString(),
      row.replaces,
      row.isMessage,
      row.isCancel,
    ],
  );
  const stored = rows[0];
  if (stored === undefined) throw new Error('an INSERT with RETURNING answers its row');
  return stored;
}

export async function markBroadcast(transaction: Transaction, ids: readonly number[]): Promise<void> {
  await transaction.query(
    `UPDATE keystone.chain_transactions SET broadcasts = broadcasts + 1, last_broadcast_at = clock_timestamp() WHERE id = ANY($1)`,
    [ids],
  );
}

/** Changes a status if it is still `from`; answers whether it was. */
export async function changeStatus(
  transaction: Transaction,
  id: number,
  from: ChainTransactionStatus,
  to: ChainTransactionStatus,
): Promise<boolean> {
  const rows = await transaction.query(
    'UPDATE keystone.chain_transactions SET status = $3, updated_at = clock_timestamp() WHERE id = $1 AND status = $2 RETURNING id',
    [id, from, to],
  );
  return rows.length === 1;
}

/** Locks all versions of a nonce, so that two processes do not settle it differently. Answers them newest first. */
export async function lockNonceVersions(transaction: Transaction, key: NonceKey): Promise<ChainTransactionRow[]> {
  return transaction.query<ChainTransactionRow>(
    `SELECT ${COLUMNS} FROM keystone.chain_transactions WHERE chain_id = $1 AND signer = $2 AND nonce = $3
     ORDER BY id DESC FOR UPDATE`,
    [key.chain_id, key.signer, key.nonce],
  );
}

/** The version that took the nonce; every other one is `replaced`, before, so that the indexes of live rows hold throughout. */
export async function settleNonce(
  transaction: Transaction,
  winner: ChainTransactionRow,
  outcome: { status: 'included' | 'reverted' | 'final' | 'cancelled'; blockNumber: number; blockHash: string },
): Promise<void> {
  await transaction.query(
    `UPDATE keystone.chain_transactions SET status = 'replaced', updated_at = clock_timestamp()
     WHERE chain_id = $1 AND signer = $2 AND nonce = $3 AND id <> $4 AND status <> 'replaced'`,
    [winner.chain_id, winner.signer, winner.nonce, winner.id],
  );
  await transaction.query(
    `UPDATE keystone.chain_transactions SET status = $2, block_number = $3, block_hash = $4, updated_at = clock_timestamp() WHERE id = $1`,
    [winner.id, outcome.status, outcome.blockNumber, outcome.blockHash],
  );
}

/**
 * A reorganisation took the block away: the transaction waits again. Not when another transaction of the same effect lives meanwhile
 * (it was reverted, and the effect was tried again); then only its bytes matter, so that its nonce does not stay open.
 */
export async function reopenTransaction(transaction: Transaction, row: ChainTransactionRow): Promise<boolean> {
  const rows = await transaction.query(
    `UPDATE keystone.chain_transactions t
     SET status = 'signed', block_number = NULL, block_hash = NULL, updated_at = clock_timestamp()
     WHERE t.id = $1 AND t.status = $2 AND NOT EXISTS (
       SELECT 1 FROM keystone.chain_transactions o WHERE o.chain_id = t.chain_id AND o.effect_key = t.effect_key AND o.id <> t.id
         AND o.status IN ('signed', 'included', 'final'))
     RETURNING t.id`,
    [row.id, row.status],
  );
  return rows.length === 1;
}

/**
 * Whether an effect that was signed can never happen: every transaction that was signed for it was reverted or taken back in a final block, so its
 * nonce is spent and no reorganisation brings it back. False when none was ever signed.
 */
export async function effectIsImpossible(
  transaction: Transaction,
  effect: { chainId: number; effectKey: string; finalBlock: number },
): Promise<boolean> {
  const rows = await transaction.query<{ impossible: boolean | null }>(
    `SELECT bool_and(status IN ('reverted', 'cancelled', 'replaced') AND (status = 'replaced' OR block_number <= $3))
            AND bool_or(status IN ('reverted', 'cancelled')) AS impossible
     FROM keystone.chain_transactions WHERE chain_id = $1 AND effect_key = $2`,
    [effect.chainId, effect.effectKey, effect.finalBlock],
  );
  return rows[0]?.impossible === true;
}

/**
 * What the messages of a settlement cost on a chain at most, wei: what went along with each of them, and its gas at the highest price that was agreed
 * to. Of the versions of a nonce only the one that counts is taken; `exceptNonce` leaves out all of them, to see what another version may cost.
 */
export async function spentOnMessages(
  transaction: Transaction,
  settlementId: Uuid,
  chainId: number,
  exceptNonce?: NonceKey,
): Promise<bigint> {
  const rows = await transaction.query<{ wei: string }>(
    `SELECT coalesce(sum(value + gas_limit * max_fee_per_gas), 0)::text AS wei FROM keystone.chain_transactions
     WHERE settlement_id = $1 AND chain_id = $2 AND is_message AND status <> 'replaced'
       AND ($3::text IS NULL OR signer <> $3 OR nonce <> $4)`,
    [settlementId, chainId, exceptNonce?.signer ?? null, exceptNonce?.nonce ?? null],
  );
  return BigInt(rows[0]?.wei ?? '0');
}
