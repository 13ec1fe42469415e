import { randomUUID } from 'node:crypto';

import {
  type AttemptRecord,
  insertAttempt,
  listAttempts,
  readEndpoint,
  readSigningEndpoint,
} from '../../db/webhook-endpoints.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { API_LIMITS } from '../limits.ts';
import { envelope, pageOf, positionCursor } from '../paging.ts';
import { notFound } from '../problems.ts';
import type { Handler } from '../route.ts';
import type * as contract from './contract.ts';

const TEST_EVENT = 'test.ping';

/** `POST …/test`: one attempt, outside of any transaction, whatever the endpoint is subscribed to. */
export function testEndpointHandler({
  database,
  webhookSender,
  now,
}: ApiDependencies): Handler<typeof contract.testEndpoint> {
  return async ({ caller, principal, params }) => {
    const endpoint = await database.transaction(principal, (transaction) =>
      readSigningEndpoint(transaction, params.endpoint_id),
    );
    if (endpoint === undefined) throw notFound();
    const messageId = `evt_${randomUUID()}`;
    const timestamp = new Date(now()).toISOString();
    const result = await webhookSender.send({
      url: endpoint.url,
      secrets: endpoint.secrets,
      messageId,
      body: JSON.stringify({
        event: TEST_EVENT,
        id: messageId,
        data: { endpoint_id: endpoint.id, timestamp },
        timestamp,
      }),
      signal: AbortSignal.timeout(API_LIMITS.webhookTestMs),
      timeLimitMs: API_LIMITS.webhookTestMs,
    });
    const outcome = {
      status: result.status ?? null,
      durationMs: Math.round(result.durationMs),
      error: result.error ?? null,
    };
    await database.transaction(principal, (transaction) =>
      insertAttempt(transaction, caller.environmentId, {
        id: randomUUID(),
        message_id: messageId,
        endpoint_id: endpoint.id,
        event: TEST_EVENT,
        response_status: outcome.status,
        duration_ms: outcome.durationMs,
        success: result.ok,
        error: outcome.error,
      }),
    );
    return {
      status: 200,
      body: { success: result.ok, status_code: outcome.status, duration_ms: outcome.durationMs, error: outcome.error },
    };
  };
}

export function listDeliveriesHandler({ database }: ApiDependencies): Handler<typeof contract.listDeliveries> {
  return ({ principal, params, query }) =>
    database.transaction(principal, async (transaction) => {
      const page = pageOf(query);
      if ((await readEndpoint(transaction, params.endpoint_id)) === undefined) throw notFound();
      const listed = await listAttempts(transaction, params.endpoint_id, page);
      return { status: 200, body: envelope(query, listed, showDelivery, positionCursor) };
    });
}

function showDelivery(attempt: AttemptRecord) {
  const { created_key: _position, ...shown } = attempt;
  return { ...shown, created_at: attempt.created_at.toISOString() };
}
