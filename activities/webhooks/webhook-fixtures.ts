import { randomUUID } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

import pg from 'pg';

import { createDatabase, type Database, type Transaction } from '../../db/pool.ts';
import {
  type EventInput,
  type LockedSettlement,
  lockSettlement,
  recordCreation,
  recordNotice,
  recordTransition,
} from '../../db/settlement-events.ts';
import type { Uuid } from '../../domain/ids.ts';
import type { SettlementState } from '../../domain/settlement-state.ts';
import type { WebhookEventType } from '../../domain/webhook-events.ts';
import { generateWebhookSecret } from './signature.ts';

/** A request that a test receiver got. */
export interface ReceivedWebhook {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly atMs: number;
}

export interface Receiver {
  readonly url: string;
  readonly received: ReceivedWebhook[];
  close(): Promise<void>;
}

/** A real HTTP server on loopback; `answer` gets the number of the request, from 1. */
export async function startReceiver(answer: (response: ServerResponse, number: number) => void): Promise<Receiver> {
  const received: ReceivedWebhook[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8');
      received.push({ path: request.url ?? '', headers: request.headers, body, atMs: Date.now() });
      answer(response, received.length);
    });
  });
  server.on('connection', (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received,
    async close() {
      const closed = new Promise((resolve) => {
        server.close(resolve);
      });
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

export interface DeliveryRow {
  readonly message_id: string;
  readonly endpoint_id: Uuid;
  readonly status: string;
  readonly attempts: number;
  readonly failure_code: string | null;
}

export interface AttemptRow {
  readonly success: boolean;
  readonly response_status: number | null;
  readonly error: string | null;
  readonly event: string;
}

/** A database with platforms, and the few writes that webhook tests need, made as the application makes them. */
export function createWebhookWorld(test: { ownerUrl: string; workerUrl: string; drop(): Promise<void> }) {
  const owner = new pg.Pool({ connectionString: test.ownerUrl, max: 2 });
  // The server ends connections when the database is dropped.
  owner.on('error', () => undefined);
  const worker = createDatabase({
    url: test.workerUrl,
    poolSize: 10,
    applicationName: 'webhook-test',
    onError: () => undefined,
  });
  return {
    worker,
    owner,
    ...platformWrites(owner),
    ...settlementWrites(worker),
    ...deliveryReads(owner),
    async close(): Promise<void> {
      await Promise.all([worker.close(), owner.end()]);
      await test.drop();
    },
  };
}

function platformWrites(owner: pg.Pool) {
  return {
    async addPlatform(): Promise<{ platformId: Uuid; environmentId: Uuid }> {
      const [platformId, environmentId] = [randomUUID(), randomUUID()];
      await owner.query('INSERT INTO keystone.platforms (id, slug, name) VALUES ($1, $2, $2)', [
        platformId,
        `p-${platformId.slice(0, 8)}`,
      ]);
      await owner.query(
        `INSERT INTO keystone.environments (id, platform_id, slug, name) VALUES ($1, $2, 'development', 'Development')`,
        [environmentId, platformId],
      );
      return { platformId, environmentId };
    },
    async addEndpoint(environmentId: Uuid, url: string, events: string[] = ['*']) {
      const endpoint = { id: randomUUID(), secret: generateWebhookSecret() };
      await owner.query(
        'INSERT INTO keystone.webhook_endpoints (id, environment_id, url, events, secret) VALUES ($1, $2, $3, $4, $5)',
        [endpoint.id, environmentId, url, events, endpoint.secret],
      );
      return endpoint;
    },
  };
}

function settlementWrites(worker: Database) {
  const change = (
    settlementId: Uuid,
    work: (transaction: Transaction, locked: LockedSettlement) => Promise<LockedSettlement>,
  ) =>
    worker.transaction({ kind: 'worker' }, async (transaction) => {
      const locked = await lockSettlement(transaction, settlementId);
      if (locked === undefined) throw new Error('no such settlement');
      await work(transaction, locked);
    });

  return {
    /** A settlement between platforms; the first one initiates it. Its first event is recorded. */
    async addSettlement(platforms: readonly { platformId: Uuid; environmentId: Uuid }[]): Promise<Uuid> {
      const id = randomUUID();
      const [first] = platforms;
      await worker.transaction({ kind: 'worker' }, async (transaction) => {
        await transaction.query(
          `INSERT INTO keystone.settlements (id, environment_id, platform_id, settlement_type, origin, template_slug, template_id,
             template_version, state, timeout_at)
           VALUES ($1, $2, $3, 'cross_platform', 'direct', 'dvp-standard', $4, 1, 'AWAITING_CONFIRMATION', now() + interval '1 hour')`,
          [id, first?.environmentId, first?.platformId, randomUUID()],
        );
        await transaction.query(
          'INSERT INTO keystone.settlement_access (settlement_id, environment_id) SELECT $1, unnest($2::uuid[])',
          [id, platforms.map(({ environmentId }) => environmentId)],
        );
        const locked = await lockSettlement(transaction, id);
        if (locked === undefined) throw new Error('the settlement was not inserted');
        await recordCreation(transaction, locked, { triggeredBy: 'platform:test' });
      });
      return id;
    },
    move: (settlementId: Uuid, to: SettlementState, payload: EventInput['payload'] = {}) =>
      change(settlementId, (transaction, locked) =>
        recordTransition(transaction, locked, to, { triggeredBy: 'system:engine', payload }),
      ),
    notice: (settlementId: Uuid, type: WebhookEventType, onlyEnvironments?: Uuid[]) =>
      change(settlementId, (transaction, locked) =>
        recordNotice(transaction, locked, type, {
          triggeredBy: 'system:engine',
          ...(onlyEnvironments && { onlyEnvironments }),
        }),
      ),
  };
}

function deliveryReads(owner: pg.Pool) {
  return {
    async deliveries(endpointId: Uuid): Promise<DeliveryRow[]> {
      const { rows } = await owner.query<DeliveryRow>(
        `SELECT message_id, endpoint_id, status, attempts, failure_code FROM keystone.webhook_deliveries
         WHERE endpoint_id = $1 ORDER BY created_at`,
        [endpointId],
      );
      return rows;
    },
    async attempts(endpointId: Uuid): Promise<AttemptRow[]> {
      const { rows } = await owner.query<AttemptRow>(
        `SELECT success, response_status, error, event FROM keystone.webhook_attempts WHERE endpoint_id = $1 ORDER BY created_at`,
        [endpointId],
      );
      return rows;
    },
  };
}

/** Polls until `holds` answers true. @throws Error after `limitMs`. */
export async function eventually(holds: () => boolean | Promise<boolean>, limitMs = 10_000): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('it did not happen in time');
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
  }
}
