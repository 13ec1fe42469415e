import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** A node's answer as a lie may change it. */
export interface Answer {
  result?: unknown;
  error?: { code: number; message: string };
}

/** Changes an answer of the node, or leaves it (undefined). */
export type Lie = (method: string, params: readonly unknown[], answer: Answer) => Answer | undefined;

/** A node between a client and a real one: counts calls, lies, goes down. */
export interface NodeProxy {
  readonly url: string;
  /** Calls so far by method. */
  readonly calls: ReadonlyMap<string, number>;
  total(): number;
  lie(lie: Lie | undefined): void;
  /** `refuse`: connections break at once. `silence`: requests are taken and never answered. */
  down(mode: 'refuse' | 'silence' | undefined): void;
  stop(): Promise<void>;
}

const BROADCAST = 'eth_sendRawTransaction';
const FORWARD_LIMIT_MS = 10_000;

interface Request {
  readonly id: number;
  readonly method: string;
  readonly params: readonly unknown[];
}

export async function startNodeProxy(target: string): Promise<NodeProxy> {
  const calls = new Map<string, number>();
  let lie: Lie | undefined;
  let mode: 'refuse' | 'silence' | undefined;
  const serve = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const request = JSON.parse((await buffer(incoming)).toString('utf8')) as Request;
    calls.set(request.method, (calls.get(request.method) ?? 0) + 1);
    if (mode === 'silence') return;
    if (mode === 'refuse') {
      response.destroy();
      return;
    }
    // A node that refuses bytes has not passed them on.
    const refusal = request.method === BROADCAST ? lie?.(request.method, request.params, {}) : undefined;
    if (refusal !== undefined) {
      reply(response, request.id, refusal);
      return;
    }
    const forwarded = await fetch(target, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(request),
      signal: AbortSignal.timeout(FORWARD_LIMIT_MS),
    });
    const answer = (await forwarded.json()) as Answer;
    reply(response, request.id, lie?.(request.method, request.params, answer) ?? answer);
  };
  const server = createServer((incoming, response) => {
    serve(incoming, response).catch(() => response.destroy()); // The client sees a broken connection, as with a node that died.
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    total: () => [...calls.values()].reduce((sum, count) => sum + count, 0),
    lie: (next) => {
      lie = next;
    },
    down: (next) => {
      mode = next;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function reply(response: ServerResponse, id: number, answer: Answer): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ jsonrpc: '2.0', id, ...answer }));
}
