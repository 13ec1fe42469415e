import { randomUUID } from 'node:crypto';

import { KeystoneError } from '../domain/errors.ts';
import type { Uuid } from '../domain/ids.ts';
import { canTransition, type SettlementState } from '../domain/settlement-state.ts';
import { stateEventType, type WebhookEventType } from '../domain/webhook-events.ts';
import type { JsonValue } from '../keystone/json.ts';
import { ref } from '../keystone/ref.ts';
import type { Transaction } from './pool.ts';

/** The part of a settlement's row that deciding about its next event needs; the row stays locked until the transaction ends. */
export interface LockedSettlement {
  readonly id: Uuid;
  readonly state: SettlementState;
  readonly event_sequence: number;
  readonly event_hash: string | null;
  readonly environment_id: Uuid;
  readonly timeout_at: Date;
  readonly ending_code: string | null;
  readonly registered_on_chain: boolean;
  readonly needs_attention: boolean;
}

/** Locks the settlement's row, or answers undefined when the principal may not see it or it does not exist. */
export async function lockSettlement(
  transaction: Transaction,
  settlementId: Uuid,
): Promise<LockedSettlement | undefined> {
  const rows = await transaction.query<LockedSettlement>(
    `SELECT id, state, event_sequence, event_hash, environment_id, timeout_at, ending_code, registered_on_chain, needs_attention
     FROM keystone.settlements WHERE id = $1 FOR UPDATE`,
    [settlementId],
  );
  return rows[0];
}

export interface EventInput {
  /** `system:engine`, `platform:<slug>`, `operator`, `chain:<chain id>`: shown to every involved platform, so no client id. */
  readonly triggeredBy: string;
  /** Public to every involved platform. */
  readonly payload?: Record<string, JsonValue>;
  readonly requestId?: string | undefined;
}

/**
 * Moves a locked settlement to `to`: state, event, outbox and audit rows in the caller's transaction, or none of them.
 * Throws `illegal_transition` when the table of transitions has no such edge; the caller checks for "already there" first.
 */
export async function recordTransition(
  transaction: Transaction,
  locked: LockedSettlement,
  to: SettlementState,
  input: EventInput & { endingCode?: string },
): Promise<LockedSettlement> {
  if (!canTransition(locked.state, to)) {
    throw new KeystoneError('illegal_transition', `A settlement does not go from ${locked.state} to ${to}.`);
  }
  return appendEvent(transaction, locked, stateEventType(to), { ...input, from: locked.state, to });
}

/** Adds an event that is not a state change (a flag, a deposit seen, a confirmation asked for). */
export async function recordNotice(
  transaction: Transaction,
  locked: LockedSettlement,
  type: WebhookEventType,
  input: EventInput & { onlyEnvironments?: readonly Uuid[] },
): Promise<LockedSettlement> {
  return appendEvent(transaction, locked, type, { ...input, from: locked.state, to: locked.state });
}

/** The first event of a settlement that was inserted in this transaction. */
export async function recordCreation(
  transaction: Transaction,
  locked: LockedSettlement,
  input: EventInput,
): Promise<LockedSettlement> {
  return appendEvent(transaction, locked, stateEventType(locked.state), { ...input, from: null, to: locked.state });
}

interface AppendInput extends EventInput {
  readonly from: SettlementState | null;
  readonly to: SettlementState;
  readonly endingCode?: string | undefined;
  readonly onlyEnvironments?: readonly Uuid[];
}

async function appendEvent(
  transaction: Transaction,
  locked: LockedSettlement,
  type: WebhookEventType,
  input: AppendInput,
): Promise<LockedSettlement> {
  const sequence = locked.event_sequence + 1;
  const id = randomUUID();
  const createdAt = new Date();
  const payload = input.payload ?? {};
  const contentHash = eventContentHash({
    settlement_id: locked.id,
    sequence,
    type,
    from_state: input.from,
    to_state: input.to,
    triggered_by: input.triggeredBy,
    payload,
    created_at_ms: createdAt.getTime(),
    previous_hash: locked.event_hash,
  });
  const webhook = {
    event_id: `evt_${id}`,
    ...(input.onlyEnvironments && { only_environments: [...input.onlyEnvironments] }),
  };
  // One statement: the settlement's row, its event, outbox and audit rows are written together in one round trip.
  const updated = await transaction.query<LockedSettlement>(
    `WITH event AS (
       INSERT INTO keystone.settlement_events
         (id, settlement_id, sequence, type, from_state, to_state, triggered_by, payload, content_hash, previous_hash, created_at)
       VALUES ($2, $1, $3, $4, $5, $6, $7, $8, $9, $10, $11)
     ), message AS (
       INSERT INTO keystone.outbox (settlement_id, destination, kind, payload, dedupe_key, request_id)
       VALUES ($1, 'webhook', 'event', $12, 'event:' || $2, $13)
     ), audit AS (
       INSERT INTO keystone.audit_log (environment_id, settlement_id, actor, action, resource_type, resource_id, request_id, detail)
       VALUES (nullif(current_setting('app.environment_id', true), '')::uuid, $1, $7, $4, 'settlement', $1::text, $13,
               jsonb_build_object('sequence', $3::int, 'content_hash', $9::text))
     )
     UPDATE keystone.settlements
     SET state = $6, event_sequence = $3, event_hash = $9, ending_code = coalesce($14, ending_code)
     WHERE id = $1 AND event_sequence = $3 - 1
     RETURNING id, state, event_sequence, event_hash, environment_id, timeout_at, ending_code, registered_on_chain, needs_attention`,
    [
      locked.id,
      id,
      sequence,
      type,
      input.from,
      input.to,
      input.triggeredBy,
      JSON.stringify(payload),
      contentHash,
      locked.event_hash,
      createdAt,
      JSON.stringify({ ...webhook, sequence }),
      input.requestId ?? null,
      input.endingCode ?? null,
    ],
  );
  const row = updated[0];
  // The row was locked by us, so a missing row means that the caller passed a stale or foreign one.
  if (row === undefined) throw new KeystoneError('internal', 'The settlement changed under its lock.');
  return row;
}

/** The preimage of `content_hash`; each event carries the hash of the one before it, so that none can be removed or changed. */
export function eventContentHash(event: {
  settlement_id: Uuid;
  sequence: number;
  type: string;
  from_state: string | null;
  to_state: string;
  triggered_by: string;
  payload: Record<string, JsonValue>;
  created_at_ms: number;
  previous_hash: string | null;
}): string {
  return ref(event);
}
