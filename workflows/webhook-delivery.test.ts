import { fileURLToPath } from 'node:url';

import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import { bundleWorkflowCode, NativeConnection, Worker, type WorkflowBundle } from '@temporalio/worker';
import { Webhook } from 'standardwebhooks';

import { createDeliveryActivities } from '../activities/webhooks/delivery-activities.ts';
import {
  type AttemptEntry,
  type DeliveryActivities,
  type DeliveryInput,
  type DeliveryOutcome,
  webhookTaskQueue,
} from '../activities/webhooks/delivery-contract.ts';
import { createWebhookDispatcher } from '../activities/webhooks/dispatch.ts';
import { createWebhookSender, parseAllowedPrivateRanges } from '../activities/webhooks/send.ts';
import { generateWebhookSecret } from '../activities/webhooks/signature.ts';
import { createDeliveryStarter } from '../activities/webhooks/start-delivery.ts';
import {
  createWebhookWorld,
  eventually,
  type Receiver,
  startReceiver,
} from '../activities/webhooks/webhook-fixtures.ts';
import { deliveryWorkflowId } from '../domain/ids.ts';
import { createTestDatabase } from '../test/support/database.ts';
import { getTestServers } from '../test/support/servers.ts';
import { RETRY_SCHEDULE_MS, waitBefore } from './delivery-schedule.ts';

const TASK_QUEUE = `webhook-test-${process.pid}`;
const sender = createWebhookSender({ allowedPrivateRanges: parseAllowedPrivateRanges('127.0.0.0/8') });
const silentLog = { info: () => undefined, warn: () => undefined };

let world: ReturnType<typeof createWebhookWorld>;
let connection: Connection;
let client: Client;
let bundle: WorkflowBundle;
let stopWorker: () => Promise<void>;
const cleanups: (() => Promise<void>)[] = [];

beforeAll(async () => {
  const { temporalAddress } = getTestServers();
  world = createWebhookWorld(await createTestDatabase());
  connection = await Connection.connect({ address: temporalAddress });
  client = new Client({ connection });
  bundle = await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('./webhook-delivery.ts', import.meta.url)),
    logger: { ...console, log: silentLog.info, trace: silentLog.info, debug: silentLog.info, info: silentLog.info },
  });
  const native = await NativeConnection.connect({ address: temporalAddress });
  const activities: DeliveryActivities = createDeliveryActivities({ database: world.worker, sender });
  const worker = await Worker.create({
    connection: native,
    taskQueue: webhookTaskQueue(TASK_QUEUE),
    workflowBundle: bundle,
    activities: { ...activities },
    shutdownForceTime: '10s',
  });
  const running = worker.run();
  stopWorker = async () => {
    worker.shutdown();
    await running;
    await native.close();
  };
}, 60_000);
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  await world.owner.query('UPDATE keystone.outbox SET done_at = now() WHERE done_at IS NULL');
  await world.owner.query(`UPDATE keystone.webhook_deliveries SET status = 'retrying' WHERE status = 'pending'`);
});
afterAll(async () => {
  await stopWorker();
  await connection.close();
  await world.close();
}, 30_000);

/** A settlement's first event on its way to one receiver, with a schedule of milliseconds where production waits for days. */
async function deliver(answer: Parameters<typeof startReceiver>[0], scheduleMs: readonly number[]) {
  const receiver = await startReceiver(answer);
  cleanups.push(() => receiver.close());
  const platform = await world.addPlatform();
  const endpoint = await world.addEndpoint(platform.environmentId, receiver.url);
  const starter = createDeliveryStarter({ client, taskQueue: TASK_QUEUE });
  const stopping = new AbortController();
  let input: DeliveryInput | undefined;
  const running = createWebhookDispatcher({
    database: world.worker,
    sender,
    log: silentLog,
    depositInfoFor: async () => [],
    startDelivery: async (reference, signal) => {
      input = { ...reference, scheduleMs };
      await starter.startDelivery(input, signal);
    },
  }).run(stopping.signal);
  cleanups.push(async () => {
    stopping.abort();
    await running;
  });
  await world.addSettlement([platform]);
  await eventually(async () => !['pending', undefined].includes((await world.deliveries(endpoint.id))[0]?.status));
  if (input === undefined) throw new Error('no retry workflow was started');
  return { receiver, endpoint, starter, input, handle: handleOf(input) };
}

const handleOf = ({ messageId, endpointId }: DeliveryInput) =>
  client.workflow.getHandle<(input: DeliveryInput) => Promise<DeliveryOutcome>>(
    deliveryWorkflowId(messageId, endpointId),
  );
const idsAt = (receiver: Receiver) => new Set(receiver.received.map(({ headers }) => headers['webhook-id']));

describe('the delivery workflow', () => {
  it('retries until the receiver takes the message, always under the same id, and logs each attempt', async () => {
    const { receiver, endpoint, handle } = await deliver(
      (response, number) => response.writeHead(number < 4 ? 500 : 200).end(),
      [10, 10, 10, 10],
    );
    await expect(handle.result()).resolves.toEqual({ status: 'delivered', attempts: 3 });
    expect(receiver.received).toHaveLength(4);
    expect(idsAt(receiver).size).toBe(1);
    expect(new Set(receiver.received.map(({ body }) => body)).size).toBe(1);
    expect(await world.deliveries(endpoint.id)).toMatchObject([
      { status: 'delivered', attempts: 4, failure_code: null },
    ]);
    expect((await world.attempts(endpoint.id)).map((attempt) => attempt.response_status)).toEqual([500, 500, 500, 200]);
  });

  it('repeats an attempt whose outcome is unknown', async () => {
    const { receiver, handle } = await deliver(
      (response, number) => void (number < 3 ? response.destroy() : response.writeHead(200).end()),
      [10, 10],
    );
    await expect(handle.result()).resolves.toMatchObject({ status: 'delivered' });
    expect(receiver.received).toHaveLength(3);
    expect(idsAt(receiver).size).toBe(1);
  });

  it('ends as failed when the schedule is over, and shows its attempts', async () => {
    const { receiver, endpoint, handle } = await deliver((response) => response.writeHead(500).end(), [10, 10]);
    await expect(handle.result()).resolves.toEqual({ status: 'failed', attempts: 2, failureCode: 'exhausted' });
    expect(receiver.received).toHaveLength(3);
    expect(await world.deliveries(endpoint.id)).toMatchObject([{ status: 'failed', failure_code: 'exhausted' }]);
    const attempts = await handle.query<AttemptEntry[]>('attempts');
    expect(attempts).toHaveLength(2);
    expect(attempts[0]).toMatchObject({ redelivery: false, outcome: { kind: 'failed', status: 500 } });
  });

  it('stops when the receiver says that it is gone', async () => {
    const { receiver, endpoint, handle } = await deliver(
      (response, number) => response.writeHead(number === 1 ? 500 : 410).end(),
      [10, 10, 10],
    );
    await expect(handle.result()).resolves.toEqual({ status: 'failed', attempts: 1, failureCode: 'gone' });
    expect(receiver.received).toHaveLength(2);
    expect(await world.deliveries(endpoint.id)).toMatchObject([{ status: 'failed', failure_code: 'gone' }]);
  });

  it.each([
    ['endpoint_inactive', 'is_active = false'],
    ['endpoint_deleted', 'deleted_at = now()'],
  ])('stops without another request when the endpoint is %s', async (failureCode, change) => {
    const { receiver, endpoint, handle } = await deliver((response) => response.writeHead(500).end(), [500]);
    await world.owner.query(`UPDATE keystone.webhook_endpoints SET ${change} WHERE id = $1`, [endpoint.id]);
    await expect(handle.result()).resolves.toMatchObject({ status: 'failed', failureCode });
    expect(receiver.received).toHaveLength(1);
  });

  it('signs with the secrets of the moment, so a rotation does not strand what waits', async () => {
    const { receiver, endpoint, handle } = await deliver(
      (response, number) => response.writeHead(number === 1 ? 401 : 200).end(),
      [500],
    );
    const rotated = generateWebhookSecret();
    await world.owner.query(
      `UPDATE keystone.webhook_endpoints SET secret = $2, previous_secret = $3, previous_secret_valid_until = now() + interval '1 day'
       WHERE id = $1`,
      [endpoint.id, rotated, endpoint.secret],
    );
    await handle.result();
    const last = receiver.received.at(-1);
    for (const secret of [rotated, endpoint.secret]) {
      expect(() => new Webhook(secret).verify(last?.body ?? '', last?.headers as Record<string, string>)).not.toThrow();
    }
  });

  it('waits as long as Retry-After asks', async () => {
    const { receiver, handle } = await deliver(
      (response, number) =>
        void (number === 3 ? response.writeHead(200).end() : response.writeHead(429, { 'retry-after': '3' }).end()),
      [10, 10],
    );
    await handle.result();
    const [, second, third] = receiver.received;
    expect((third?.atMs ?? 0) - (second?.atMs ?? 0)).toBeGreaterThanOrEqual(2_950);
  });

  it('attempts at once when told to redeliver, before its time and after its end', async () => {
    const { receiver, endpoint, handle, starter, input } = await deliver(
      (response, number) => response.writeHead(number === 1 ? 500 : 200).end(),
      [3_600_000],
    );
    await starter.redeliver(input);
    await expect(handle.result()).resolves.toEqual({ status: 'delivered', attempts: 1 });
    await starter.redeliver(input);
    await expect(handleOf(input).result()).resolves.toEqual({ status: 'delivered', attempts: 1 });
    expect(receiver.received).toHaveLength(3);
    expect(idsAt(receiver).size).toBe(1);
    expect(await world.deliveries(endpoint.id)).toMatchObject([{ status: 'delivered', attempts: 3 }]);
  });

  it('is one per delivery, however often it is started', async () => {
    const { handle, starter, input, receiver } = await deliver(
      (response, number) => response.writeHead(number === 1 ? 500 : 200).end(),
      [300],
    );
    await Promise.all([starter.startDelivery(input), starter.startDelivery(input)]);
    await handle.result();
    const { runId } = await handle.describe();
    await starter.startDelivery(input);
    expect((await handle.describe()).runId).toBe(runId);
    expect(receiver.received).toHaveLength(2);
  });

  it('leaves a history that replays', async () => {
    const { handle } = await deliver((response, number) => response.writeHead(number < 3 ? 500 : 200).end(), [10, 10]);
    await handle.result();
    const history = await handle.fetchHistory();
    await Worker.runReplayHistory({ workflowBundle: bundle }, history, handle.workflowId);
  });
});

describe('the retry schedule', () => {
  it('lasts about three days and never shrinks', () => {
    const total = RETRY_SCHEDULE_MS.reduce((sum, delay) => sum + delay, 0);
    expect(total).toBe(75 * 3_600_000 + 35 * 60_000 + 5_000);
    expect(RETRY_SCHEDULE_MS).toEqual(RETRY_SCHEDULE_MS.toSorted((x, y) => x - y));
  });

  it('spreads waits by a tenth, and lets Retry-After only lengthen them, up to a day', () => {
    expect(waitBefore(1_000, 0)).toBe(1_000);
    expect(waitBefore(1_000, 0.999)).toBe(1_100);
    expect(waitBefore(1_000, 0, 60_000)).toBe(60_000);
    expect(waitBefore(60_000, 0, 1_000)).toBe(60_000);
    expect(waitBefore(1_000, 0, 10 * 86_400_000)).toBe(86_400_000);
  });
});
