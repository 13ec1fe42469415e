import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { isRecord } from '../rpc.ts';

/** What a lie makes of an answer. */
export type Lie = (result: unknown, params: readonly unknown[]) => unknown;

/** A node that passes questions on to a real one, and answers some of them with lies. */
export interface LyingNode {
  readonly url: string;
  /** From now on; one lie for each method. */
  lie(method: string, lie: Lie): void;
  /** Answers this method with an error, as a node that lacks it does. */
  lack(method: string): void;
  tellTheTruth(): void;
  /** Questions asked so far, by method. */
  asked(method: string): number;
  stop(): Promise<void>;
}

const METHOD_NOT_FOUND = -32_601;

export async function startLyingNode(target: string): Promise<LyingNode> {
  const lies = new Map<string, Lie>();
  const lacking = new Set<string>();
  const counts = new Map<string, number>();
  const answer = async (body: string): Promise<object> => {
    const question = JSON.parse(body) as { id: unknown; method: string; params: readonly unknown[] };
    counts.set(question.method, (counts.get(question.method) ?? 0) + 1);
    if (lacking.has(question.method)) {
      return { jsonrpc: '2.0', id: question.id, error: { code: METHOD_NOT_FOUND, message: 'Method not found' } };
    }
    const response = await fetch(target, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    const truth = (await response.json()) as Record<string, unknown>;
    const lie = lies.get(question.method);
    return lie === undefined || !('result' in truth)
      ? truth
      : { ...truth, result: lie(structuredClone(truth['result']), question.params) };
  };
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      answer(body).then(
        (value) => response.setHeader('content-type', 'application/json').end(JSON.stringify(value)),
        () => response.writeHead(502).end(),
      );
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    lie: (method, lie) => void lies.set(method, lie),
    lack: (method) => void lacking.add(method),
    tellTheTruth() {
      lies.clear();
      lacking.clear();
    },
    asked: (method) => counts.get(method) ?? 0,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

/** A lie about one object of a list, found by what it says. */
export function alter(
  isMeant: (item: Record<string, unknown>) => boolean,
  change: (item: Record<string, unknown>) => Record<string, unknown> | undefined,
): Lie {
  return (result) =>
    Array.isArray(result)
      ? result.flatMap((item: unknown) => (isRecord(item) && isMeant(item) ? (change(item) ?? []) : [item]))
      : result;
}
