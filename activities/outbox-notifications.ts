import type { Client } from 'pg';

import type { Database } from '../db/pool.ts';
import { createBell } from './bell.ts';
import type { ActivityLog } from './log.ts';

const CHANNEL = 'keystone_outbox';

/** Pause after a broken connection: doubles from the first to the second. Milliseconds. */
const LIMITS = { pauseMs: 250, pauseMaximumMs: 5_000 } as const;

/**
 * Calls `onWork` when an outbox row for the destination was committed, until `signal` aborts. A broken connection is opened again; what was
 * announced meanwhile is found by polling, and `onWork` is called once after each connect.
 */
export async function followOutbox(
  dependencies: { database: Database; log: ActivityLog },
  destination: 'temporal' | 'webhook',
  onWork: () => void,
  signal: AbortSignal,
): Promise<void> {
  const { database, log } = dependencies;
  let pauseMs: number = LIMITS.pauseMs;
  while (!signal.aborted) {
    try {
      const client = await database.connect();
      pauseMs = LIMITS.pauseMs;
      await listenUntilClosed(client, destination, onWork, signal);
    } catch (error) {
      log.warn({ err: error }, 'no outbox notifications; polling goes on');
    }
    await createBell().wait(pauseMs, signal);
    pauseMs = Math.min(pauseMs * 2, LIMITS.pauseMaximumMs);
  }
}

async function listenUntilClosed(
  client: Client,
  destination: string,
  onWork: () => void,
  signal: AbortSignal,
): Promise<void> {
  const closed = Promise.withResolvers<void>();
  const close = () => closed.resolve();
  client.on('end', close);
  client.on('error', close);
  client.on('notification', ({ payload }) => {
    if (payload === destination) onWork();
  });
  signal.addEventListener('abort', close, { once: true });
  try {
    await client.query(`LISTEN ${CHANNEL}`);
    onWork();
    if (!signal.aborted) await closed.promise;
  } finally {
    signal.removeEventListener('abort', close);
    await client.end().catch(() => {
      // The connection is gone already, which is what ends the listening.
    });
  }
}
