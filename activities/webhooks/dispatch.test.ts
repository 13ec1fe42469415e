import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Webhook } from 'standardwebhooks';

import { KeystoneError } from '../../domain/errors.ts';
import { createTestDatabase } from '../../test/support/database.ts';
import type { DeliveryInput } from './delivery-contract.ts';
import { createWebhookDispatcher, type WebhookDispatcherDependencies } from './dispatch.ts';
import { createWebhookSender, parseAllowedPrivateRanges, type WebhookSender } from './send.ts';
import { createWebhookWorld, eventually, type Receiver, startReceiver } from './webhook-fixtures.ts';

const sender = createWebhookSender({ allowedPrivateRanges: parseAllowedPrivateRanges('127.0.0.0/8') });
const ok = (response: Parameters<Parameters<typeof startReceiver>[0]>[0]) => void response.writeHead(200).end();
const silent = () => undefined;

let world: ReturnType<typeof createWebhookWorld>;
let started: DeliveryInput[] = [];
const cleanups: (() => Promise<void>)[] = [];

beforeAll(async () => {
  world = createWebhookWorld(await createTestDatabase());
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  started = [];
  // What one test left open must not be sent during the next.
  await world.owner.query(`UPDATE keystone.outbox SET done_at = now() WHERE done_at IS NULL`);
  await world.owner.query(`UPDATE keystone.webhook_deliveries SET status = 'delivered' WHERE status = 'pending'`);
});
afterAll(() => world.close());

async function receive(answer: Parameters<typeof startReceiver>[0] = ok): Promise<Receiver> {
  const receiver = await startReceiver(answer);
  cleanups.push(() => receiver.close());
  return receiver;
}

/** Runs a dispatcher until the test ends or `stop` is called. */
function dispatch(overrides: Partial<WebhookDispatcherDependencies> = {}): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const dispatcher = createWebhookDispatcher({
    database: world.worker,
    sender,
    startDelivery: async (input) => void started.push(input),
    log: { info: () => undefined, warn: () => undefined },
    depositInfoFor: async () => [],
    ...overrides,
  });
  const running = dispatcher.run(stopping.signal);
  const stop = async () => {
    stopping.abort();
    await running;
  };
  cleanups.push(stop);
  return { stop };
}

/** Two platforms, each with an endpoint at its own receiver. */
async function twoPlatforms() {
  const [a, b] = [await world.addPlatform(), await world.addPlatform()];
  const [atA, atB] = [await receive(), await receive()];
  const endpointA = await world.addEndpoint(a.environmentId, atA.url);
  const endpointB = await world.addEndpoint(b.environmentId, atB.url);
  return { a, b, atA, atB, endpointA, endpointB };
}

const bodiesOf = (receiver: Receiver) =>
  receiver.received.map(({ body }) => JSON.parse(body) as { event: string; id: string; data: Record<string, unknown> });

describe('the webhook dispatcher', () => {
  it('tells every involved platform every state change, signed, with an event id and the sequence', async () => {
    const { a, b, atA, atB, endpointA } = await twoPlatforms();
    const settlementId = await world.addSettlement([a, b]);
    dispatch();
    await world.move(settlementId, 'INSTRUCTED', { note: 'public' });
    await eventually(() => atA.received.length === 2 && atB.received.length === 2);
    const byEvent = bodiesOf(atA).toSorted((x, y) => Number(x.data['sequence']) - Number(y.data['sequence']));
    expect(byEvent).toEqual([
      {
        event: 'settlement.state.awaiting_confirmation',
        id: expect.stringMatching(/^evt_[0-9a-f-]{36}$/),
        data: {
          settlement_id: settlementId,
          state: 'AWAITING_CONFIRMATION',
          settlement_type: 'cross_platform',
          timestamp: expect.any(String),
          sequence: 1,
        },
        timestamp: expect.any(String),
      },
      expect.objectContaining({
        event: 'settlement.state.instructed',
        data: expect.objectContaining({
          state: 'INSTRUCTED',
          previous_state: 'AWAITING_CONFIRMATION',
          sequence: 2,
          note: 'public',
        }),
      }),
    ]);
    for (const { headers, body } of atA.received) {
      expect(() => new Webhook(endpointA.secret).verify(body, headers as Record<string, string>)).not.toThrow();
      expect(headers['webhook-id']).toBe((JSON.parse(body) as { id: string }).id);
    }
    await eventually(async () => (await world.deliveries(endpointA.id)).every(({ status }) => status === 'delivered'));
    expect(await world.attempts(endpointA.id)).toHaveLength(2);
  });

  it('delivers within a moment of the commit, woken by the database', async () => {
    const { a, atA } = await twoPlatforms();
    dispatch({ limits: { pollMs: 60_000 } });
    await eventually(async () => {
      const { rows } = await world.owner.query(`SELECT 1 FROM pg_stat_activity WHERE query = 'LISTEN keystone_outbox'`);
      return rows.length === 1;
    });
    await world.addSettlement([a]);
    await eventually(() => atA.received.length === 1, 4_000);
  });

  it('sends only what an endpoint subscribed to, and only to the environments that an event names', async () => {
    const { a, b, atA, atB } = await twoPlatforms();
    const choosy = await receive();
    await world.addEndpoint(a.environmentId, choosy.url, ['settlement.compliance.*']);
    const settlementId = await world.addSettlement([a, b]);
    await world.notice(settlementId, 'settlement.confirmation_required', [b.environmentId]);
    await world.notice(settlementId, 'settlement.compliance.flagged');
    dispatch();
    await eventually(() => atB.received.length === 3 && atA.received.length === 2 && choosy.received.length === 1);
    expect(bodiesOf(choosy)[0]?.event).toBe('settlement.compliance.flagged');
    expect(bodiesOf(atA).map(({ event }) => event)).not.toContain('settlement.confirmation_required');
    expect(bodiesOf(choosy)[0]?.data).not.toHaveProperty('previous_state');
  });

  it('gives each platform its own deposit instructions and nobody else those of the other', async () => {
    const { a, b, atA, atB } = await twoPlatforms();
    const settlementId = await world.addSettlement([a, b]);
    for (const state of ['INSTRUCTED', 'COMPLIANCE_CHECKING', 'COMPLIANCE_CLEARED', 'AWAITING_DEPOSITS'] as const) {
      await world.move(settlementId, state);
    }
    let refusals = 0;
    dispatch({
      depositInfoFor: async (_settlement, environmentId) => {
        // A provider that is away for a moment holds the message, it does not strip it.
        refusals += 1;
        if (refusals === 1) throw new Error('away');
        return [{ payer: environmentId === a.environmentId ? 'a' : 'b' }];
      },
    });
    await eventually(() => atA.received.length === 5 && atB.received.length === 5);
    const depositsOf = (receiver: Receiver) =>
      bodiesOf(receiver).flatMap(({ event, data }) =>
        'deposits' in data ? [{ event, deposits: data['deposits'] }] : [],
      );
    expect(depositsOf(atA)).toEqual([{ event: 'settlement.state.awaiting_deposits', deposits: [{ payer: 'a' }] }]);
    expect(depositsOf(atB)).toEqual([{ event: 'settlement.state.awaiting_deposits', deposits: [{ payer: 'b' }] }]);
  });

  it('tells of opened deposits even when the settlement has ended meanwhile', async () => {
    const { a, atA } = await twoPlatforms();
    const settlementId = await world.addSettlement([a]);
    for (const state of [
      'INSTRUCTED',
      'COMPLIANCE_CHECKING',
      'COMPLIANCE_CLEARED',
      'AWAITING_DEPOSITS',
      'TIMED_OUT',
    ] as const) {
      await world.move(settlementId, state);
    }
    dispatch({ depositInfoFor: () => Promise.reject(new KeystoneError('not_awaiting_deposits', 'ended')) });
    await eventually(() => atA.received.length === 6);
    expect(bodiesOf(atA).every(({ data }) => !('deposits' in data))).toBe(true);
  });

  it('hands a failed first attempt to the retry workflow, and only then calls it retrying', async () => {
    const platform = await world.addPlatform();
    const failing = await receive((response) => response.writeHead(500).end());
    const endpoint = await world.addEndpoint(platform.environmentId, failing.url);
    const seen: (string | undefined)[] = [];
    dispatch({
      startDelivery: async (input) => {
        seen.push((await world.deliveries(endpoint.id))[0]?.status);
        started.push(input);
      },
    });
    await world.addSettlement([platform]);
    await eventually(async () => (await world.deliveries(endpoint.id))[0]?.status === 'retrying');
    expect(seen).toEqual(['pending']);
    const [delivery] = await world.deliveries(endpoint.id);
    expect(started).toEqual([
      { messageId: delivery?.message_id, endpointId: endpoint.id, environmentId: platform.environmentId },
    ]);
    expect(await world.attempts(endpoint.id)).toEqual([
      expect.objectContaining({ success: false, response_status: 500, error: 'unsuccessful_status' }),
    ]);
  });

  it('keeps trying by itself while Temporal is down', async () => {
    const platform = await world.addPlatform();
    const recovering = await receive((response, number) => response.writeHead(number < 3 ? 503 : 200).end());
    const endpoint = await world.addEndpoint(platform.environmentId, recovering.url);
    dispatch({
      startDelivery: () => Promise.reject(new Error('unreachable')),
      limits: { handOverRetrySeconds: 0.05, pollMs: 50 },
    });
    await world.addSettlement([platform]);
    await eventually(async () => (await world.deliveries(endpoint.id))[0]?.status === 'delivered');
    expect(new Set(recovering.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(new Set(recovering.received.map(({ body }) => body)).size).toBe(1);
  });

  it('gives up at once when the receiver is gone or the endpoint was switched off or deleted', async () => {
    const platform = await world.addPlatform();
    const gone = await receive((response) => response.writeHead(410).end());
    const endpoints = [
      await world.addEndpoint(platform.environmentId, gone.url),
      await world.addEndpoint(platform.environmentId, `${gone.url}/off`),
      await world.addEndpoint(platform.environmentId, `${gone.url}/deleted`),
    ] as const;
    await world.addSettlement([platform]);
    // Switched off and deleted between expansion and attempt: the claim does not wait for either.
    const held = dispatch({ limits: { attemptsInFlight: 0 } });
    await eventually(async () => (await world.deliveries(endpoints[0].id)).length === 1);
    await held.stop();
    await world.owner.query('UPDATE keystone.webhook_endpoints SET is_active = false WHERE id = $1', [endpoints[1].id]);
    await world.owner.query('UPDATE keystone.webhook_endpoints SET deleted_at = now() WHERE id = $1', [
      endpoints[2].id,
    ]);
    dispatch();
    const codes = async () =>
      Promise.all(endpoints.map(async ({ id }) => (await world.deliveries(id))[0]?.failure_code));
    await eventually(async () => (await codes()).every((code) => typeof code === 'string'));
    expect(await codes()).toEqual(['gone', 'endpoint_inactive', 'endpoint_deleted']);
    expect(started).toEqual([]);
    expect(gone.received.map(({ path }) => path)).toEqual(['/hook']);
  });

  it('loses nothing when it dies between the attempt and its record: the same message id comes again', async () => {
    const platform = await world.addPlatform();
    const receiver = await receive();
    const endpoint = await world.addEndpoint(platform.environmentId, receiver.url);
    const crashing: WebhookSender = {
      async send(request) {
        await sender.send(request);
        throw new Error('killed');
      },
    };
    const limits = { attemptLeaseSeconds: 0.2, pollMs: 50 };
    const first = dispatch({ sender: crashing, limits });
    await world.addSettlement([platform]);
    await eventually(() => receiver.received.length >= 1);
    await first.stop();
    const before = receiver.received.length;
    expect((await world.deliveries(endpoint.id))[0]?.status).toBe('pending');
    dispatch({ limits });
    await eventually(async () => (await world.deliveries(endpoint.id))[0]?.status === 'delivered');
    expect(receiver.received).toHaveLength(before + 1);
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
  });

  it('sends each message once although several dispatchers run', async () => {
    const { a, atA, endpointA } = await twoPlatforms();
    for (let count = 0; count < 30; count += 1) await world.addSettlement([a]);
    dispatch();
    dispatch();
    dispatch();
    await eventually(
      async () => (await world.deliveries(endpointA.id)).filter(({ status }) => status === 'delivered').length === 30,
    );
    expect(atA.received).toHaveLength(30);
  });

  it('goes on after the database ended all its connections', async () => {
    const { a, atA, endpointA } = await twoPlatforms();
    // No polling: what is sent afterwards is found by the connection for notifications that was opened anew.
    dispatch({ limits: { pollMs: 60_000 } });
    await world.addSettlement([a]);
    await eventually(async () => (await world.deliveries(endpointA.id))[0]?.status === 'delivered');
    await world.owner.query(
      `SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE usename = 'keystone_worker' AND datname = current_database()`,
    );
    await world.addSettlement([a]);
    await eventually(() => atA.received.length === 2, 4_000);
  });
});

describe('a dead endpoint', () => {
  it('delays no other endpoint, and neither do many of them together', async () => {
    const [living, dead] = [await world.addPlatform(), await world.addPlatform()];
    const receiver = await receive();
    const endpoint = await world.addEndpoint(living.environmentId, receiver.url);
    const blackHole = await receive(silent);
    for (let count = 0; count < 20; count += 1)
      await world.addEndpoint(dead.environmentId, `${blackHole.url}/${count}`);
    // Without the gate the dead receivers would hold all places four times over, each time for three seconds.
    dispatch({
      limits: { attemptsInFlight: 40, attemptsPerEndpoint: 8, unprovenAttemptsInFlight: 30, firstAttemptMs: 3_000 },
    });
    const sentAt = new Map<string, number>();
    for (let count = 0; count < 30; count += 1) {
      sentAt.set(await world.addSettlement([living, dead]), Date.now());
      await new Promise((resolve) => {
        setTimeout(resolve, 30);
      });
    }
    await eventually(() => receiver.received.length === 30);
    const delays = receiver.received.map(({ body, atMs }) => {
      const { data } = JSON.parse(body) as { data: { settlement_id: string } };
      return atMs - (sentAt.get(data.settlement_id) ?? 0);
    });
    expect((await world.deliveries(endpoint.id)).length).toBe(30);
    expect(Math.max(...delays)).toBeLessThan(1_500);
  }, 20_000);
});
