import type { Uuid } from '../domain/ids.ts';
import { LIMITS } from '../domain/limits.ts';
import type { Transaction } from './pool.ts';
import type { Listed, Page } from './settlements.ts';

/** An endpoint as its owner sees it: never with a secret. */
export interface EndpointRecord {
  readonly id: Uuid;
  readonly url: string;
  readonly description: string | null;
  readonly events: readonly string[];
  readonly is_active: boolean;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly created_key: string;
}

const COLUMNS = `id, url, description, events, is_active, created_at, updated_at,
  to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_key`;

export interface NewEndpoint {
  readonly id: Uuid;
  readonly environmentId: Uuid;
  readonly url: string;
  readonly description: string | null;
  readonly events: readonly string[];
  readonly secret: string;
}

/** Answers undefined when the environment has as many endpoints as it may have. */
export async function insertEndpoint(
  transaction: Transaction,
  endpoint: NewEndpoint,
): Promise<EndpointRecord | undefined> {
  // Serialises creations of one environment: two at once would both count one less than the limit.
  await transaction.query(`SELECT pg_advisory_xact_lock(hashtextextended('keystone.webhooks:' || $1::text, 0))`, [
    endpoint.environmentId,
  ]);
  const rows = await transaction.query<EndpointRecord>(
    `INSERT INTO keystone.webhook_endpoints (id, environment_id, url, description, events, secret)
     SELECT $1, $2, $3, $4, $5, $6 WHERE (SELECT count(*) FROM keystone.webhook_endpoints WHERE deleted_at IS NULL) < $7
     RETURNING ${COLUMNS}`,
    [
      endpoint.id,
      endpoint.environmentId,
      endpoint.url,
      endpoint.description,
      endpoint.events,
      endpoint.secret,
      LIMITS.maximumWebhookEndpointsPerEnvironment,
    ],
  );
  return rows[0];
}

export async function readEndpoint(transaction: Transaction, id: Uuid): Promise<EndpointRecord | undefined> {
  const rows = await transaction.query<EndpointRecord>(
    `SELECT ${COLUMNS} FROM keystone.webhook_endpoints WHERE id = $1 AND deleted_at IS NULL`,
    [id],
  );
  return rows[0];
}

/** Newest first; `after` goes before `offset`. */
export async function listEndpoints(transaction: Transaction, page: Page): Promise<Listed<EndpointRecord>> {
  const counted = await transaction.query<{ total: number }>(
    'SELECT count(*)::int AS total FROM keystone.webhook_endpoints WHERE deleted_at IS NULL',
  );
  const rows = await transaction.query<EndpointRecord>(
    `SELECT ${COLUMNS} FROM keystone.webhook_endpoints
     WHERE deleted_at IS NULL AND ($1::timestamptz IS NULL OR (created_at, id) < ($1::timestamptz, $2::uuid))
     ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $4`,
    [
      page.after?.createdKey ?? null,
      page.after?.id ?? null,
      page.limit + 1,
      page.after === undefined ? page.offset : 0,
    ],
  );
  return { items: rows.slice(0, page.limit), total: counted[0]?.total ?? 0, hasMore: rows.length > page.limit };
}

export interface EndpointChanges {
  readonly url?: string | undefined;
  readonly description?: string | undefined;
  readonly events?: readonly string[] | undefined;
  readonly isActive?: boolean | undefined;
}

/** Changes what is given; an empty description removes it. */
export async function updateEndpoint(
  transaction: Transaction,
  id: Uuid,
  changes: EndpointChanges,
): Promise<EndpointRecord | undefined> {
  const rows = await transaction.query<EndpointRecord>(
    `UPDATE keystone.webhook_endpoints SET url = coalesce($2, url), description = nullif(coalesce($3, description), ''),
       events = coalesce($4, events), is_active = coalesce($5, is_active), updated_at = clock_timestamp()
     WHERE id = $1 AND deleted_at IS NULL RETURNING ${COLUMNS}`,
    [id, changes.url ?? null, changes.description ?? null, changes.events ?? null, changes.isActive ?? null],
  );
  return rows[0];
}

/** Keeps the row, because the delivery log points to it. Answers whether there was one. */
export async function deleteEndpoint(transaction: Transaction, id: Uuid): Promise<boolean> {
  const rows = await transaction.query(
    `UPDATE keystone.webhook_endpoints SET deleted_at = clock_timestamp(), is_active = false, updated_at = clock_timestamp()
     WHERE id = $1 AND deleted_at IS NULL RETURNING id`,
    [id],
  );
  return rows.length > 0;
}

/** The old secret stays valid until `previousValidUntil`, so that receivers change over without losing an event. */
export async function rotateSecret(
  transaction: Transaction,
  id: Uuid,
  rotation: { readonly secret: string; readonly previousValidUntil: Date },
): Promise<boolean> {
  const rows = await transaction.query(
    `UPDATE keystone.webhook_endpoints SET previous_secret = secret, previous_secret_valid_until = $3, secret = $2,
       updated_at = clock_timestamp() WHERE id = $1 AND deleted_at IS NULL RETURNING id`,
    [id, rotation.secret, rotation.previousValidUntil],
  );
  return rows.length > 0;
}

/** Where to send and the secrets to sign with, current one first. For a sender only: never part of an answer. */
export interface SigningEndpoint {
  readonly id: Uuid;
  readonly url: string;
  readonly secrets: readonly string[];
}

export async function readSigningEndpoint(transaction: Transaction, id: Uuid): Promise<SigningEndpoint | undefined> {
  const rows = await transaction.query<SigningEndpoint>(
    `SELECT id, url, CASE WHEN previous_secret_valid_until > clock_timestamp() THEN ARRAY[secret, previous_secret] ELSE ARRAY[secret] END AS secrets
     FROM keystone.webhook_endpoints WHERE id = $1 AND deleted_at IS NULL`,
    [id],
  );
  return rows[0];
}

/** One attempt of a delivery, as the log shows it. */
export interface AttemptRecord {
  readonly id: Uuid;
  readonly endpoint_id: Uuid;
  readonly message_id: string;
  readonly event: string;
  readonly response_status: number | null;
  readonly duration_ms: number | null;
  readonly success: boolean;
  readonly error: string | null;
  readonly created_at: Date;
  readonly created_key: string;
}

export async function insertAttempt(
  transaction: Transaction,
  environmentId: Uuid,
  attempt: Omit<AttemptRecord, 'created_at' | 'created_key'>,
): Promise<void> {
  await transaction.query(
    `INSERT INTO keystone.webhook_attempts (id, message_id, endpoint_id, environment_id, event, response_status, duration_ms, success, error)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [
      attempt.id,
      attempt.message_id,
      attempt.endpoint_id,
      environmentId,
      attempt.event,
      attempt.response_status,
      attempt.duration_ms,
      attempt.success,
      attempt.error,
    ],
  );
}

/** Newest first; `after` goes before `offset`. */
export async function listAttempts(
  transaction: Transaction,
  endpointId: Uuid,
  page: Page,
): Promise<Listed<AttemptRecord>> {
  const counted = await transaction.query<{ total: number }>(
    'SELECT count(*)::int AS total FROM keystone.webhook_attempts WHERE endpoint_id = $1',
    [endpointId],
  );
  const rows = await transaction.query<AttemptRecord>(
    `SELECT id, endpoint_id, message_id, event, response_status, duration_ms, success, error, created_at,
       to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_key
     FROM keystone.webhook_attempts WHERE endpoint_id = $1 AND ($2::timestamptz IS NULL OR (created_at, id) < ($2::timestamptz, $3::uuid))
     ORDER BY created_at DESC, id DESC LIMIT $4 OFFSET $5`,
    [
      endpointId,
      page.after?.createdKey ?? null,
      page.after?.id ?? null,
      page.limit + 1,
      page.after === undefined ? page.offset : 0,
    ],
  );
  return { items: rows.slice(0, page.limit), total: counted[0]?.total ?? 0, hasMore: rows.length > page.limit };
}
