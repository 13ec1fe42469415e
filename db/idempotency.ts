import { KeystoneError } from '../domain/errors.ts';
import type { Uuid } from '../domain/ids.ts';
import { LOCK_NOT_AVAILABLE, sqlState, type Transaction } from './pool.ts';

export interface IdempotencyClaim {
  readonly environmentId: Uuid;
  readonly key: string;
  /** SHA-256 over the canonical JSON of {method, route, body}. */
  readonly fingerprint: string;
}

/** The resource that an earlier request with this key made, or undefined. Throws `idempotency_key_reused` for another request. */
export async function findByIdempotencyKey(
  transaction: Transaction,
  claim: IdempotencyClaim,
): Promise<Uuid | undefined> {
  const rows = await transaction.query<{ fingerprint: string; resource_id: Uuid }>(
    'SELECT fingerprint, resource_id FROM keystone.idempotency_keys WHERE environment_id = $1 AND key = $2',
    [claim.environmentId, claim.key],
  );
  const row = rows[0];
  if (row === undefined) return undefined;
  if (row.fingerprint !== claim.fingerprint) {
    throw new KeystoneError('idempotency_key_reused', 'This idempotency key was used with another request.');
  }
  return row.resource_id;
}

/**
 * Takes the key for `resourceId`; the first statement of the transaction that makes the resource. A twin of this request waits here
 * until that transaction ends. Answers undefined when the key is ours now, otherwise the resource that the twin has made.
 * Throws `idempotency_in_progress` when the twin takes longer than the database's lock limit.
 */
export async function claimIdempotencyKey(
  transaction: Transaction,
  claim: IdempotencyClaim,
  resourceId: Uuid,
): Promise<Uuid | undefined> {
  const inserted = await transaction
    .query(
      `INSERT INTO keystone.idempotency_keys (environment_id, key, fingerprint, resource_id) VALUES ($1, $2, $3, $4)
       ON CONFLICT (environment_id, key) DO NOTHING RETURNING key`,
      [claim.environmentId, claim.key, claim.fingerprint, resourceId],
    )
    .catch((error: unknown) => {
      if (sqlState(error) !== LOCK_NOT_AVAILABLE) throw error;
      throw new KeystoneError(
        'idempotency_in_progress',
        'A request with this idempotency key is still running; repeat it in a moment.',
        { cause: error },
      );
    });
  return inserted.length > 0 ? undefined : findByIdempotencyKey(transaction, claim);
}
