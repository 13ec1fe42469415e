import type { Database } from '../db/pool.ts';
import { pause } from './pause.ts';

export interface Leadership {
  readonly database: Database;
  /** What is led; one process per key and database leads. */
  readonly key: string;
  /** Pause before asking again, ms. */
  readonly retryMs: number;
  readonly onError: (error: unknown) => void;
}

/**
 * Runs `work` in at most one process at a time until `signal` is aborted: the leader holds a session lock on a connection of its own, which Postgres
 * releases when the process dies. `work` ends when its own signal is aborted, which also happens when the connection is lost; since the process notices
 * that later than Postgres, what `work` writes must be guarded by itself.
 */
export async function lead(
  leadership: Leadership,
  signal: AbortSignal,
  work: (leading: AbortSignal) => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    await leadOnce(leadership, signal, work);
    await pause(leadership.retryMs, signal).catch(() => undefined); // An aborted pause ends the loop above.
  }
}

async function leadOnce(
  leadership: Leadership,
  signal: AbortSignal,
  work: (leading: AbortSignal) => Promise<void>,
): Promise<void> {
  const client = await leadership.database.connect().catch((error: unknown) => {
    leadership.onError(error);
    return undefined;
  });
  if (client === undefined) return;
  const lost = new AbortController();
  client.once('end', () => lost.abort());
  client.once('error', () => lost.abort());
  try {
    const answer = await client
      .query<{ leads: boolean }>('SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS leads', [leadership.key])
      .catch((error: unknown) => {
        leadership.onError(error);
        return undefined;
      });
    if (answer?.rows[0]?.leads === true) await work(AbortSignal.any([signal, lost.signal]));
  } finally {
    // Ends the session and with it the lock. A connection that is broken already has neither.
    await client.end().catch(leadership.onError);
  }
}
