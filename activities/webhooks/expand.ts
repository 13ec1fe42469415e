import { completeOutboxRow, deferOutboxRow, leaseOutboxHeads, type OutboxRow } from '../../db/outbox.ts';
import type { Database } from '../../db/pool.ts';
import { type EventToTell, readEventToTell, storeMessages } from '../../db/webhook-deliveries.ts';
import { KeystoneError } from '../../domain/errors.ts';
import { isUuid, type Uuid } from '../../domain/ids.ts';
import { eventMatches, stateEventType } from '../../domain/webhook-events.ts';
import type { ActivityLog } from '../log.ts';
import { WEBHOOK_LIMITS } from './limits.ts';
import { messageBody, messageIdOf } from './message.ts';

export type DepositInfoFor = (settlementId: Uuid, environmentId: Uuid) => Promise<readonly object[]>;

interface ExpansionDependencies {
  readonly database: Database;
  readonly log: ActivityLog;
  readonly depositInfoFor: DepositInfoFor;
}

const DEPOSITS_OPENED = stateEventType('AWAITING_DEPOSITS');

/**
 * Turns the due `webhook` outbox rows, of each settlement the oldest, into a message per involved environment and a pending delivery
 * per subscribed endpoint. Answers how many rows were taken up. A row is done in the transaction that stores its messages, so a crash
 * neither loses nor doubles one. Rejects when the database cannot be asked for rows.
 */
export async function expandDueEvents(dependencies: ExpansionDependencies): Promise<number> {
  const rows = await dependencies.database.transaction({ kind: 'worker' }, (transaction) =>
    leaseOutboxHeads(transaction, 'webhook', {
      limit: WEBHOOK_LIMITS.expandBatch,
      leaseSeconds: WEBHOOK_LIMITS.expandLeaseSeconds,
    }),
  );
  const open = [...rows];
  const lanes = Array.from({ length: WEBHOOK_LIMITS.expandConcurrency }, async () => {
    for (let row = open.shift(); row !== undefined; row = open.shift()) await expandOrDefer(dependencies, row);
  });
  await Promise.all(lanes);
  return rows.length;
}

async function expandOrDefer(dependencies: ExpansionDependencies, row: OutboxRow): Promise<void> {
  const { database, log } = dependencies;
  try {
    await expand(dependencies, row);
  } catch (error) {
    log.warn(
      { outbox_id: row.id, settlement_id: row.settlement_id, attempts: row.attempts, err: error },
      'an event was not expanded',
    );
    const { expandRetrySeconds, expandRetryMaximumSeconds } = WEBHOOK_LIMITS;
    const delay = Math.min(expandRetrySeconds * 2 ** Math.min(row.attempts - 1, 16), expandRetryMaximumSeconds);
    const text = error instanceof Error ? error.message : 'unknown error';
    await database
      .transaction({ kind: 'worker' }, (transaction) => deferOutboxRow(transaction, row.id, text, delay))
      // Most likely the database is what failed; the row comes back when its lease ends.
      .catch((cause: unknown) => log.warn({ outbox_id: row.id, err: cause }, 'an outbox row could not be deferred'));
  }
}

async function expand(dependencies: ExpansionDependencies, row: OutboxRow): Promise<void> {
  const { database } = dependencies;
  const { eventId, only } = readPayload(row);
  const event = await database.transaction({ kind: 'worker' }, (transaction) => readEventToTell(transaction, eventId));
  if (event === undefined) throw new Error('the event of an outbox row does not exist');
  const told = event.environment_ids.filter((environmentId) => only === undefined || only.includes(environmentId));
  const copies = await Promise.all(
    told.map(async (environmentId) => {
      const deposits = await depositsOf(dependencies, row, event, environmentId);
      return { environmentId, body: messageBody(event, deposits) };
    }),
  );
  const recipients = event.endpoints
    .filter((endpoint) => told.includes(endpoint.environment_id) && eventMatches(endpoint.events, event.type))
    .map((endpoint) => ({ endpointId: endpoint.id, environmentId: endpoint.environment_id }));
  await database.transaction({ kind: 'worker' }, async (transaction) => {
    await storeMessages(transaction, {
      id: messageIdOf(eventId),
      settlementId: event.settlement_id,
      type: event.type,
      sequence: event.sequence,
      copies,
      recipients,
    });
    await completeOutboxRow(transaction, row.id);
  });
}

function readPayload(row: OutboxRow): { eventId: Uuid; only: readonly string[] | undefined } {
  const { event_id: id, only_environments: only } = row.payload;
  const eventId = typeof id === 'string' && id.startsWith('evt_') ? id.slice('evt_'.length) : '';
  if (!isUuid(eventId)) throw new Error('an outbox row names no event');
  if (only === undefined) return { eventId, only };
  // Told to nobody rather than to everybody: the list exists to keep an event from somebody.
  if (!Array.isArray(only)) throw new Error('only_environments of an outbox row is no list');
  return { eventId, only: only.map(String) };
}

/** The environment's own deposit instructions for the event that asks for deposits; undefined for any other, or when they cannot be had. */
async function depositsOf(
  { depositInfoFor, log }: ExpansionDependencies,
  row: OutboxRow,
  event: EventToTell,
  environmentId: Uuid,
): Promise<readonly object[] | undefined> {
  if (event.type !== DEPOSITS_OPENED) return undefined;
  try {
    return await inTime(depositInfoFor(event.settlement_id, environmentId));
  } catch (error) {
    // The settlement has moved on: nobody deposits any more, and the event still has to be told.
    if (error instanceof KeystoneError && error.code === 'not_awaiting_deposits') return undefined;
    if (row.attempts < WEBHOOK_LIMITS.depositInfoTries) throw error;
    log.warn(
      { settlement_id: event.settlement_id, environment_id: environmentId, err: error },
      'a message goes out without deposit instructions',
    );
    return undefined;
  }
}

async function inTime<Result>(work: Promise<Result>): Promise<Result> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error('deposit instructions took too long')),
    WEBHOOK_LIMITS.depositInfoMs,
  );
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
