import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Largest request body that a development server reads. */
export const MAX_BODY_BYTES = 1024 * 1024;
/** A request that is not complete by then is given up. */
const REQUEST_TIME_LIMIT_MS = 30_000;

export interface ReceivedRequest {
  method: string;
  /** Path as received, still encoded, without the query string. */
  path: string;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
  /** The raw bytes: signatures are over these, never over parsed and re-serialised JSON. */
  body: Buffer;
  /** True when the peer is on this machine. */
  fromLoopback: boolean;
}

export interface Reply {
  status: number;
  headers?: Record<string, string>;
  /** Sent as JSON; with neither `json` nor `text` the body is empty. */
  json?: unknown;
  text?: string;
}

/** `drop` closes the connection without an answer, as a network that fails after the work was done. */
export type Handled = Reply | 'drop';
export type Handler = (request: ReceivedRequest) => Promise<Handled> | Handled;

export interface RunningServer {
  /** Origin, for example `http://127.0.0.1:4801`. */
  url: string;
  port: number;
  close: () => Promise<void>;
}

export interface ServerOptions {
  /** 0 takes a free port. */
  port: number;
  /** Loopback unless somebody asks for another address. */
  host?: string | undefined;
}

class BodyTooLarge extends Error {}

async function readBody(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    length += chunk.byteLength;
    if (length > MAX_BODY_BYTES) throw new BodyTooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function isLoopback(address: string | undefined): boolean {
  return address === '::1' || /^(?:::ffff:)?127\./.test(address ?? '');
}

async function receive(message: IncomingMessage): Promise<ReceivedRequest> {
  const target = message.url ?? '/';
  const queryAt = target.indexOf('?');
  return {
    method: message.method ?? 'GET',
    path: queryAt === -1 ? target : target.slice(0, queryAt),
    query: new URLSearchParams(queryAt === -1 ? '' : target.slice(queryAt + 1)),
    headers: message.headers,
    body: await readBody(message),
    fromLoopback: isLoopback(message.socket.remoteAddress),
  };
}

function send(response: ServerResponse, handled: Handled): void {
  if (handled === 'drop') {
    response.destroy();
    return;
  }
  const body = handled.json === undefined ? (handled.text ?? '') : JSON.stringify(handled.json);
  const type = handled.json === undefined ? 'text/plain; charset=utf-8' : 'application/json';
  const headers: Record<string, string> = { 'content-length': String(Buffer.byteLength(body)), ...handled.headers };
  if (body !== '') headers['content-type'] ??= type;
  response.writeHead(handled.status, headers);
  response.end(body);
}

async function serve(handler: Handler, message: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    send(response, await handler(await receive(message)));
  } catch (error) {
    if (error instanceof BodyTooLarge) {
      send(response, { status: 413, headers: { connection: 'close' }, text: 'body too large' });
      return;
    }
    // The text of an error may quote a request; the name is enough to find it in a development server.
    process.stderr.write(`request failed: ${error instanceof Error ? error.name : 'unknown error'}\n`);
    if (!response.headersSent) send(response, { status: 500, text: 'internal error' });
  }
}

/** Starts an HTTP server for development. @throws the system's error when the port is taken. */
export async function startServer(options: ServerOptions, handler: Handler): Promise<RunningServer> {
  const host = options.host ?? '127.0.0.1';
  const server = createServer({ requestTimeout: REQUEST_TIME_LIMIT_MS }, (message, response) => {
    void serve(handler, message, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, host, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
  const { port } = server.address() as AddressInfo;
  const shownHost = host.includes(':') ? `[${host}]` : host;
  return {
    url: `http://${shownHost}:${port}`,
    port,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error === undefined ? resolve() : reject(error)));
        // Kept-alive connections would hold the process for their idle time.
        server.closeAllConnections();
      }),
  };
}

/** Parses a JSON body; undefined when it is not JSON. */
export function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    // What is not JSON is answered as a bad request by the caller.
    return undefined;
  }
}
