import { readDelivery, recordAttempt } from '../../db/webhook-deliveries.ts';
import type { DeliveryActivityDependencies } from './delivery-dependencies.ts';
import type { AttemptInput, AttemptOutcome } from './delivery-contract.ts';
import { GONE, recordOf, secretsOf } from './first-attempts.ts';
import { WEBHOOK_LIMITS } from './limits.ts';

/**
 * One retry, or one redelivery: with the endpoint's address and secrets as they are now, so a rotated or corrected endpoint gets what
 * it can verify. The attempt is logged whatever came of it. An attempt whose outcome is unknown has failed: it is repeated, and the
 * receiver deduplicates by the message id. Rejects when the database cannot be reached.
 */
export function createAttemptDelivery({ database, sender }: DeliveryActivityDependencies) {
  return async (input: AttemptInput, signal: AbortSignal): Promise<AttemptOutcome> => {
    const delivery = await database.transaction({ kind: 'worker' }, (transaction) => readDelivery(transaction, input));
    if (delivery === undefined) return { kind: 'stopped', failureCode: 'message_missing', durationMs: 0 };
    // A first attempt that was thought lost may have succeeded after all.
    if (delivery.status === 'delivered' && !input.redelivery) return { kind: 'delivered', durationMs: 0 };
    if (delivery.is_deleted) return { kind: 'stopped', failureCode: 'endpoint_deleted', durationMs: 0 };
    if (!delivery.is_active) return { kind: 'stopped', failureCode: 'endpoint_inactive', durationMs: 0 };
    const result = await sender.send({
      url: delivery.url,
      secrets: secretsOf(delivery),
      messageId: delivery.message_id,
      body: delivery.body,
      signal,
      timeLimitMs: WEBHOOK_LIMITS.retryAttemptMs,
    });
    await database.transaction({ kind: 'worker' }, (transaction) =>
      recordAttempt(transaction, { delivery, ...recordOf(result), byWorkflow: true }),
    );
    const { status, durationMs, retryAfterMs } = result;
    const known = status === undefined ? { durationMs } : { status, durationMs };
    if (result.ok) return { kind: 'delivered', ...known };
    if (status === GONE) return { kind: 'stopped', failureCode: 'gone', ...known };
    return {
      kind: 'failed',
      error: result.error ?? 'unsuccessful_status',
      ...known,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    };
  };
}
