import { randomUUID } from 'node:crypto';

import type { Uuid } from '../domain/ids.ts';
import type { SettlementState } from '../domain/settlement-state.ts';
import type { JsonValue } from '../keystone/json.ts';
import type { Transaction } from './pool.ts';

/** An event as its message is made from it, with everybody who is to be told. */
export interface EventToTell {
  readonly event_id: Uuid;
  readonly settlement_id: Uuid;
  readonly settlement_type: string;
  readonly sequence: number;
  readonly type: string;
  readonly from_state: SettlementState | null;
  readonly to_state: SettlementState;
  readonly payload: Record<string, JsonValue>;
  readonly created_at: Date;
  readonly environment_ids: Uuid[];
  /** Live endpoints of those environments, subscribed or not. */
  readonly endpoints: { id: Uuid; environment_id: Uuid; events: string[] }[];
}

/** Reads one event with the involved environments and their live endpoints; undefined when there is no such event. */
export async function readEventToTell(transaction: Transaction, eventId: Uuid): Promise<EventToTell | undefined> {
  const rows = await transaction.query<EventToTell>(
    `SELECT e.id AS event_id, e.settlement_id, s.settlement_type, e.sequence, e.type, e.from_state, e.to_state, e.payload, e.created_at,
            coalesce((SELECT json_agg(a.environment_id ORDER BY a.environment_id)
                      FROM keystone.settlement_access a WHERE a.settlement_id = s.id), '[]') AS environment_ids,
            coalesce((SELECT json_agg(json_build_object('id', p.id, 'environment_id', p.environment_id, 'events', p.events) ORDER BY p.id)
                      FROM keystone.settlement_access a JOIN keystone.webhook_endpoints p ON p.environment_id = a.environment_id
                      WHERE a.settlement_id = s.id AND p.is_active AND p.deleted_at IS NULL), '[]') AS endpoints
     FROM keystone.settlement_events e JOIN keystone.settlements s ON s.id = e.settlement_id
     WHERE e.id = $1`,
    [eventId],
  );
  return rows[0];
}

export interface NewMessages {
  /** `evt_<uuid>`. */
  readonly id: string;
  readonly settlementId: Uuid;
  readonly type: string;
  readonly sequence: number;
  /** One body per environment: a platform's own copy may say more to it than to the others. */
  readonly copies: readonly { environmentId: Uuid; body: string }[];
  readonly recipients: readonly { endpointId: Uuid; environmentId: Uuid }[];
}

/** Stores an event's messages and who has to be told. A second call with the same event changes nothing, body included. */
export async function storeMessages(transaction: Transaction, messages: NewMessages): Promise<void> {
  await transaction.query(
    `WITH message AS (
       INSERT INTO keystone.webhook_messages (id, environment_id, settlement_id, type, sequence, body)
       SELECT $1, m.environment_id, $2, $3, $4, m.body FROM unnest($5::uuid[], $6::text[]) AS m (environment_id, body)
       ON CONFLICT DO NOTHING
     )
     INSERT INTO keystone.webhook_deliveries (message_id, endpoint_id, environment_id, settlement_id)
     SELECT $1, r.endpoint_id, r.environment_id, $2 FROM unnest($7::uuid[], $8::uuid[]) AS r (endpoint_id, environment_id)
     ON CONFLICT DO NOTHING`,
    [
      messages.id,
      messages.settlementId,
      messages.type,
      messages.sequence,
      messages.copies.map((copy) => copy.environmentId),
      messages.copies.map((copy) => copy.body),
      messages.recipients.map((recipient) => recipient.endpointId),
      messages.recipients.map((recipient) => recipient.environmentId),
    ],
  );
}

/** Everything that one attempt needs, as it is now: an endpoint may have been moved, rotated or deleted since the event. */
export interface DeliveryToAttempt {
  readonly message_id: string;
  readonly endpoint_id: Uuid;
  readonly environment_id: Uuid;
  readonly status: 'pending' | 'retrying' | 'delivered' | 'failed';
  readonly type: string;
  readonly body: string;
  readonly url: string;
  readonly secret: string;
  /** Null unless a rotation's overlap lasts. */
  readonly previous_secret: string | null;
  readonly is_active: boolean;
  readonly is_deleted: boolean;
}

const DELIVERY_COLUMNS = `d.message_id, d.endpoint_id, d.environment_id, d.status, m.type, m.body, p.url, p.secret,
  CASE WHEN p.previous_secret_valid_until > clock_timestamp() THEN p.previous_secret END AS previous_secret,
  p.is_active, p.deleted_at IS NOT NULL AS is_deleted`;

/**
 * Endpoints that have a first attempt due, at most `limit`. Stepped through by index, so that a million messages that wait for a dead
 * receiver cost the living ones nothing.
 */
export async function readWaitingEndpoints(transaction: Transaction, limit: number): Promise<Uuid[]> {
  const rows = await transaction.query<{ endpoint_id: Uuid }>(
    `WITH RECURSIVE waiting AS (
       (SELECT d.endpoint_id FROM keystone.webhook_deliveries d WHERE d.status = 'pending' ORDER BY d.endpoint_id LIMIT 1)
       UNION ALL
       SELECT (SELECT d.endpoint_id FROM keystone.webhook_deliveries d
               WHERE d.status = 'pending' AND d.endpoint_id > w.endpoint_id ORDER BY d.endpoint_id LIMIT 1)
       FROM waiting w WHERE w.endpoint_id IS NOT NULL
     )
     SELECT w.endpoint_id FROM waiting w
     WHERE EXISTS (SELECT 1 FROM keystone.webhook_deliveries d
                   WHERE d.endpoint_id = w.endpoint_id AND d.status = 'pending' AND d.due_at <= clock_timestamp())
     LIMIT $1`,
    [limit],
  );
  return rows.map((row) => row.endpoint_id);
}

/** How many first attempts an endpoint may get. */
export interface EndpointRoom {
  readonly endpointId: Uuid;
  readonly room: number;
}

/** Claims the longest due first attempts of each endpoint, as many as it has room. They are free again when the lease ends. */
export async function claimFirstAttempts(
  transaction: Transaction,
  rooms: readonly EndpointRoom[],
  leaseSeconds: number,
): Promise<DeliveryToAttempt[]> {
  return transaction.query<DeliveryToAttempt>(
    `WITH due AS MATERIALIZED (
       SELECT first.place FROM unnest($1::uuid[], $2::int[]) AS r (endpoint_id, room) CROSS JOIN LATERAL (
         SELECT d.ctid AS place FROM keystone.webhook_deliveries d
         WHERE d.endpoint_id = r.endpoint_id AND d.status = 'pending' AND d.due_at <= clock_timestamp()
         ORDER BY d.due_at LIMIT r.room FOR UPDATE SKIP LOCKED
       ) first
     )
     UPDATE keystone.webhook_deliveries d SET due_at = clock_timestamp() + make_interval(secs => $3)
     FROM keystone.webhook_messages m, keystone.webhook_endpoints p
     -- By place, which a locked row keeps: the planner cannot guess how few rows come out of the limit, and would scan the table.
     WHERE d.ctid = ANY (ARRAY(SELECT place FROM due))
       AND m.environment_id = d.environment_id AND m.id = d.message_id AND p.id = d.endpoint_id
     RETURNING ${DELIVERY_COLUMNS}`,
    [rooms.map(({ endpointId }) => endpointId), rooms.map(({ room }) => room), leaseSeconds],
  );
}

/** Names a delivery in the database. */
export interface DeliveryKey {
  readonly messageId: string;
  readonly endpointId: Uuid;
}

/** Undefined when the delivery or its message does not exist. */
export async function readDelivery(transaction: Transaction, key: DeliveryKey): Promise<DeliveryToAttempt | undefined> {
  const rows = await transaction.query<DeliveryToAttempt>(
    `SELECT ${DELIVERY_COLUMNS} FROM keystone.webhook_deliveries d
     JOIN keystone.webhook_messages m ON m.environment_id = d.environment_id AND m.id = d.message_id
     JOIN keystone.webhook_endpoints p ON p.id = d.endpoint_id
     WHERE d.message_id = $1 AND d.endpoint_id = $2`,
    [key.messageId, key.endpointId],
  );
  return rows[0];
}

export interface AttemptRecord {
  readonly delivery: DeliveryToAttempt;
  readonly success: boolean;
  readonly responseStatus: number | undefined;
  readonly durationMs: number;
  /** A code; never a text of a library. */
  readonly error: string | undefined;
  /** Whether the retry workflow made the attempt: a delivery that failed under it is its own from then on. */
  readonly byWorkflow: boolean;
}

/** Adds one line to the delivery log and counts it; a success ends the delivery, whoever else is attempting it. */
export async function recordAttempt(transaction: Transaction, record: AttemptRecord): Promise<void> {
  await transaction.query(
    `WITH log AS (
       INSERT INTO keystone.webhook_attempts
         (id, message_id, endpoint_id, environment_id, event, response_status, duration_ms, success, error)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     )
     UPDATE keystone.webhook_deliveries d SET
       attempts = d.attempts + 1,
       status = CASE WHEN $8 OR d.status = 'delivered' THEN 'delivered' WHEN $10 THEN 'retrying' ELSE d.status END,
       failure_code = CASE WHEN $8 OR $10 THEN NULL ELSE d.failure_code END,
       delivered_at = CASE WHEN $8 THEN coalesce(d.delivered_at, clock_timestamp()) ELSE d.delivered_at END
     WHERE d.message_id = $2 AND d.endpoint_id = $3`,
    [
      randomUUID(),
      record.delivery.message_id,
      record.delivery.endpoint_id,
      record.delivery.environment_id,
      record.delivery.type,
      record.responseStatus ?? null,
      record.durationMs,
      record.success,
      record.error ?? null,
      record.byWorkflow,
    ],
  );
}

/** Says that a workflow retries from now on. Only a pending delivery changes: the workflow may have been faster. */
export async function handOverDelivery(transaction: Transaction, key: DeliveryKey): Promise<void> {
  await transaction.query(
    `UPDATE keystone.webhook_deliveries SET status = 'retrying' WHERE message_id = $1 AND endpoint_id = $2 AND status = 'pending'`,
    [key.messageId, key.endpointId],
  );
}

/** Lets a pending delivery be attempted again after `delaySeconds`. */
export async function postponeDelivery(
  transaction: Transaction,
  key: DeliveryKey,
  delaySeconds: number,
): Promise<void> {
  await transaction.query(
    `UPDATE keystone.webhook_deliveries SET due_at = clock_timestamp() + make_interval(secs => $3)
     WHERE message_id = $1 AND endpoint_id = $2 AND status = 'pending'`,
    [key.messageId, key.endpointId, delaySeconds],
  );
}

/** Gives a delivery up. One that was delivered stays delivered. */
export async function failDelivery(transaction: Transaction, key: DeliveryKey, failureCode: string): Promise<void> {
  await transaction.query(
    `UPDATE keystone.webhook_deliveries SET status = 'failed', failure_code = $3
     WHERE message_id = $1 AND endpoint_id = $2 AND status <> 'delivered'`,
    [key.messageId, key.endpointId, failureCode],
  );
}
