import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';

import { createTestDatabase } from '../../test/support/database.ts';
import { createDeliveryActivities } from './delivery-activities.ts';
import { WEBHOOK_LIMITS } from './limits.ts';
import type { SendResult } from './send.ts';
import { createWebhookWorld } from './webhook-fixtures.ts';
import { storeMessages } from '../../db/webhook-deliveries.ts';

let world: ReturnType<typeof createWebhookWorld>;
beforeAll(async () => {
  world = createWebhookWorld(await createTestDatabase());
});
afterAll(() => world.close());

/** A delivery whose sends wait until `answer` is called. */
async function hangingDelivery() {
  const { environmentId, platformId } = await world.addPlatform();
  const endpoint = await world.addEndpoint(environmentId, 'http://127.0.0.1:9/');
  const settlementId = await world.addSettlement([{ environmentId, platformId }]);
  const messageId = `evt_${settlementId}`;
  await world.worker.transaction({ kind: 'worker' }, (transaction) =>
    storeMessages(transaction, {
      id: messageId,
      settlementId,
      type: 'settlement.state.instructed',
      sequence: 1,
      copies: [{ environmentId, body: '{}' }],
      recipients: [{ endpointId: endpoint.id, environmentId }],
    }),
  );
  const answered = Promise.withResolvers<SendResult>();
  let sends = 0;
  const activities = createDeliveryActivities({
    database: world.worker,
    sender: {
      send: () => {
        sends += 1;
        return answered.promise;
      },
    },
  });
  const input = { messageId, endpointId: endpoint.id, environmentId, redelivery: false };
  return {
    endpoint,
    sends: () => sends,
    attempt: () => new MockActivityEnvironment().run(() => activities.attemptDelivery(input)),
    end: () => new MockActivityEnvironment().run(() => activities.endDelivery({ ...input, failureCode: 'exhausted' })),
    answer: answered.resolve,
  };
}

describe('the delivery activities', () => {
  it('send a bounded number of retries towards one silent endpoint at a time; the rest come back later', async () => {
    const delivery = await hangingDelivery();
    const running = Array.from({ length: WEBHOOK_LIMITS.retriesPerEndpoint }, () => delivery.attempt());
    const refused = await delivery.attempt().catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(ApplicationFailure);
    expect(refused).toMatchObject({ type: 'endpoint_busy', nonRetryable: false });
    delivery.answer({ ok: true, status: 200, durationMs: 1 });
    await expect(Promise.all(running)).resolves.toHaveLength(WEBHOOK_LIMITS.retriesPerEndpoint);
    await expect(delivery.attempt()).resolves.toMatchObject({ kind: 'delivered' });
  });

  it('do not send a message again that was delivered meanwhile', async () => {
    const delivery = await hangingDelivery();
    delivery.answer({ ok: true, status: 200, durationMs: 1 });
    await delivery.attempt();
    await expect(delivery.attempt()).resolves.toEqual({ kind: 'delivered', durationMs: 0 });
    expect(delivery.sends()).toBe(1);
  });

  it('never turn a delivered message into a failed one', async () => {
    const delivery = await hangingDelivery();
    delivery.answer({ ok: true, status: 200, durationMs: 1 });
    await delivery.attempt();
    await delivery.end();
    expect(await world.deliveries(delivery.endpoint.id)).toMatchObject([{ status: 'delivered', failure_code: null }]);
  });
});
