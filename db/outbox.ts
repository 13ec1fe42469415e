import type { Uuid } from '../domain/ids.ts';
import type { Transaction } from './pool.ts';

export type TemporalMessageKind = 'start' | 'confirmation' | 'decision' | 'chain_facts';

export interface OutboxRow {
  readonly id: number;
  readonly settlement_id: Uuid;
  readonly kind: string;
  readonly payload: Record<string, unknown>;
  readonly request_id: string | null;
  readonly attempts: number;
  readonly created_at: Date;
}

/** Queues a message for the settlement's workflow, in the transaction of the change that it tells of. */
export async function enqueueTemporal(
  transaction: Transaction,
  settlementId: Uuid,
  kind: TemporalMessageKind,
  payload: Record<string, unknown>,
  options: { dedupeKey?: string; requestId?: string | undefined } = {},
): Promise<void> {
  // No ON CONFLICT for rows without a key: that clause would need the right to read the table, which the API does not have.
  const conflict = options.dedupeKey === undefined ? '' : 'ON CONFLICT (dedupe_key) DO NOTHING';
  await transaction.query(
    `INSERT INTO keystone.outbox (settlement_id, destination, kind, payload, dedupe_key, request_id)
     VALUES ($1, 'temporal', $2, $3, $4, $5) ${conflict}`,
    [settlementId, kind, JSON.stringify(payload), options.dedupeKey ?? null, options.requestId ?? null],
  );
}

/**
 * Leases the oldest open row of each settlement, so that rows of one settlement leave in order while settlements do not wait for
 * each other. A relay that dies gives its rows back when the lease ends.
 */
export async function leaseOutboxHeads(
  transaction: Transaction,
  destination: 'temporal' | 'webhook',
  options: { limit: number; leaseSeconds: number },
): Promise<OutboxRow[]> {
  return transaction.query<OutboxRow>(
    `WITH heads AS (
       SELECT DISTINCT ON (settlement_id) id, leased_until FROM keystone.outbox
       WHERE destination = $1 AND done_at IS NULL
       ORDER BY settlement_id, id
     ), claimed AS (
       SELECT o.id FROM keystone.outbox o JOIN heads h ON h.id = o.id
       WHERE h.leased_until IS NULL OR h.leased_until < clock_timestamp()
       ORDER BY o.id LIMIT $2 FOR UPDATE OF o SKIP LOCKED
     )
     UPDATE keystone.outbox o SET leased_until = clock_timestamp() + make_interval(secs => $3), attempts = attempts + 1
     FROM claimed WHERE o.id = claimed.id AND o.done_at IS NULL AND (o.leased_until IS NULL OR o.leased_until < clock_timestamp())
     RETURNING o.id, o.settlement_id, o.kind, o.payload, o.request_id, o.attempts, o.created_at`,
    [destination, options.limit, options.leaseSeconds],
  );
}

export async function completeOutboxRow(transaction: Transaction, id: number): Promise<void> {
  await transaction.query('UPDATE keystone.outbox SET done_at = clock_timestamp(), last_error = NULL WHERE id = $1', [
    id,
  ]);
}

/** Keeps the row for another try after `delaySeconds`. `error` is for engineers and holds no secret. */
export async function deferOutboxRow(
  transaction: Transaction,
  id: number,
  error: string,
  delaySeconds: number,
): Promise<void> {
  await transaction.query(
    `UPDATE keystone.outbox SET leased_until = clock_timestamp() + make_interval(secs => $2), last_error = left($3, 500)
     WHERE id = $1 AND done_at IS NULL`,
    [id, delaySeconds, error],
  );
}
