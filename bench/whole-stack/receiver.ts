import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

import type { DepositInfoAnswer } from '../../dev/demo-types.ts';
import { BENCH_LIMITS } from '../limits.ts';

/** A webhook as one platform got it. */
export interface Announcement {
  /** ms, of `performance.now()` in this process. */
  readonly receivedAt: number;
  /** The platform's own deposit instructions, in the announcement that the escrow is open. */
  readonly deposits: readonly DepositInfoAnswer[];
}

/** Where both platforms are told: an outside client that is pushed to instead of asking, so that waiting costs the stack nothing. */
export interface WebhookReceiver {
  readonly url: string;
  /** Resolves with the first webhook of that event to that platform, also when it has come already. @throws when none comes in time. */
  announcement(slug: string, settlementId: string, event: string): Promise<Announcement>;
  close(): Promise<void>;
}

interface Body {
  readonly event: string;
  readonly data: { readonly settlement_id: string; readonly deposits?: readonly DepositInfoAnswer[] };
}

/** Waiting ends when `signal` aborts. */
export async function startReceiver(signal: AbortSignal): Promise<WebhookReceiver> {
  const received = new Map<string, Announcement>();
  const waiting = new Map<string, (announcement: Announcement) => void>();
  const server = createServer((request, response) => {
    readBody(request).then(
      (body) => {
        const slug = request.url?.slice(1) ?? '';
        take(`${slug} ${body.data.settlement_id} ${body.event}`, body);
        return response.writeHead(204).end();
      },
      () => response.writeHead(400).end(),
    );
  });

  function take(key: string, body: Body): void {
    if (received.has(key) || received.size >= BENCH_LIMITS.announcements) return;
    const announcement = { receivedAt: performance.now(), deposits: body.data.deposits ?? [] };
    received.set(key, announcement);
    waiting.get(key)?.(announcement);
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    announcement(slug, settlementId, event) {
      const key = `${slug} ${settlementId} ${event}`;
      const known = received.get(key);
      if (known !== undefined) return Promise.resolve(known);
      const arrival = Promise.withResolvers<Announcement>();
      const giveUp = () =>
        arrival.reject(
          signal.aborted ? signal.reason : new Error(`${slug} was not told ${event} of settlement ${settlementId}`),
        );
      const timer = setTimeout(giveUp, BENCH_LIMITS.settlementMs);
      signal.addEventListener('abort', giveUp, { once: true });
      waiting.set(key, arrival.resolve);
      return arrival.promise.finally(() => {
        clearTimeout(timer);
        signal.removeEventListener('abort', giveUp);
        waiting.delete(key);
      });
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function readBody(request: IncomingMessage): Promise<Body> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > BENCH_LIMITS.webhookBytes) throw new Error('a webhook is too large');
    parts.push(part);
  }
  return JSON.parse(Buffer.concat(parts).toString('utf8')) as Body;
}
