import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { type Handled, jsonOf, type ReceivedRequest, type Reply, startServer } from '../sandboxes/loopback-server.ts';
import { type DeliveryStore, MAX_SLUGS, openDeliveryStore } from './store.ts';
import { isAcceptable, verify } from './verification.ts';

const MAX_DELAY_MS = 120_000;
const MAX_TIMES = 100_000;
const DEFAULT_LIST_LIMIT = 500;
const MAX_LIST_LIMIT = 5_000;

export interface WebhookSinkOptions {
  /** 0 takes a free port. */
  port: number;
  host?: string;
  /** Slug → the endpoint's secret, `whsec_…`. */
  secrets?: Readonly<Record<string, string>>;
  /** JSON lines; without it a restart forgets. */
  storeFile?: string;
  /** ms since epoch. */
  now?: () => number;
}

export interface WebhookSink {
  /** Origin; a platform's endpoint is `<url>/hooks/<slug>`. */
  url: string;
  close: () => Promise<void>;
}

const secretBody = z.strictObject({ secret: z.string().min(1).max(500) });
const behaviourBody = z.strictObject({
  /** Answered instead of the result of the verification. */
  status: z.number().int().min(200).max(599).optional(),
  delay_ms: z.number().int().min(0).max(MAX_DELAY_MS).optional(),
  /** Number of deliveries; without it until set anew, 0 back to normal. */
  times: z.number().int().min(0).max(MAX_TIMES).optional(),
});
const listQuery = z.object({
  settlement_id: z.string().max(100).optional(),
  after: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(MAX_LIST_LIMIT).default(DEFAULT_LIST_LIMIT),
});

interface Behaviour {
  status: number | undefined;
  delayMs: number;
  timesLeft: number;
}

interface Sink {
  secrets: Map<string, string>;
  behaviours: Map<string, Behaviour>;
  store: DeliveryStore;
  now: () => number;
}

const KEPT_HEADERS = [
  'content-type',
  'user-agent',
  'webhook-id',
  'webhook-timestamp',
  'webhook-signature',
  'x-keystone-signature',
];

function keptHeaders(request: ReceivedRequest): Record<string, string> {
  const entries = KEPT_HEADERS.map((name) => [name, request.headers[name]] as const);
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

function takeBehaviour(sink: Sink, slug: string): Behaviour | undefined {
  const behaviour = sink.behaviours.get(slug);
  if (behaviour === undefined || behaviour.timesLeft === 0) return undefined;
  behaviour.timesLeft -= 1;
  return behaviour;
}

async function receive(sink: Sink, slug: string, request: ReceivedRequest): Promise<Reply> {
  if (!sink.store.hasRoomFor(slug)) return { status: 429, json: { error: 'too many slugs' } };
  const receivedAtMs = sink.now();
  const behaviour = takeBehaviour(sink, slug);
  if (behaviour !== undefined && behaviour.delayMs > 0) await pause(behaviour.delayMs, undefined, { ref: false });
  const verified = verify(request.headers, request.body, sink.secrets.get(slug), receivedAtMs);
  const answered = behaviour?.status ?? (isAcceptable(request.headers, verified) ? 200 : 401);
  const raw = request.body.toString('utf8');
  // Kept also when it is refused: a wrong signature is what somebody who looks here wants to see.
  await sink.store.add({
    slug,
    received_at_ms: receivedAtMs,
    headers: keptHeaders(request),
    body: jsonOf(request.body) ?? raw,
    raw_body: raw,
    verified,
    answered,
  });
  return { status: answered, json: { received: true, verified } };
}

function list(sink: Sink, slug: string, request: ReceivedRequest): Reply {
  const parsed = listQuery.safeParse(Object.fromEntries(request.query));
  if (!parsed.success) return { status: 400, json: { error: 'invalid query' } };
  const { settlement_id: settlementId, after, limit } = parsed.data;
  const filter = settlementId === undefined ? { after, limit } : { settlementId, after, limit };
  const items = sink.store.list(slug, filter);
  return { status: 200, json: { items, last_id: items.at(-1)?.id ?? after } };
}

function setSecret(sink: Sink, slug: string, request: ReceivedRequest): Reply {
  const parsed = secretBody.safeParse(jsonOf(request.body));
  if (!parsed.success) return { status: 400, json: { error: 'expected {"secret": "whsec_…"}' } };
  if (!sink.secrets.has(slug) && sink.secrets.size >= MAX_SLUGS)
    return { status: 409, json: { error: 'too many slugs' } };
  sink.secrets.set(slug, parsed.data.secret);
  return { status: 204 };
}

function setBehaviour(sink: Sink, slug: string, request: ReceivedRequest): Reply {
  const parsed = behaviourBody.safeParse(jsonOf(request.body));
  if (!parsed.success) return { status: 400, json: { error: 'expected {"status", "delay_ms", "times"}' } };
  if (!sink.behaviours.has(slug) && sink.behaviours.size >= MAX_SLUGS) {
    return { status: 409, json: { error: 'too many slugs' } };
  }
  const { status, delay_ms: delayMs = 0, times = Number.POSITIVE_INFINITY } = parsed.data;
  sink.behaviours.set(slug, { status, delayMs, timesLeft: times });
  return { status: 204 };
}

const HOOK_PATH = /^\/hooks\/([a-z0-9][a-z0-9-]{0,63})(\/secret|\/behaviour)?$/;

function route(sink: Sink, request: ReceivedRequest): Promise<Handled> | Handled {
  const [matched, slug = '', what = ''] = HOOK_PATH.exec(request.path) ?? [];
  if (matched === undefined) return { status: 404, json: { error: 'not found' } };
  const operation = `${request.method} ${what}`;
  if (operation === 'POST ') return receive(sink, slug, request);
  // Everything but receiving is for the developer at this machine: it shows deliveries and takes secrets.
  if (!request.fromLoopback) return { status: 404, json: { error: 'not found' } };
  if (operation === 'GET ') return list(sink, slug, request);
  if (operation === 'PUT /secret') return setSecret(sink, slug, request);
  if (operation === 'PUT /behaviour') return setBehaviour(sink, slug, request);
  return { status: 405, json: { error: 'method not allowed' } };
}

/**
 * Starts the development webhook receiver: verifies both signature schemes, answers 200 or 401, keeps what came.
 * `GET /hooks/<slug>?settlement_id=&after=&limit=` answers `{items, last_id}`, oldest first.
 */
export async function startWebhookSink(options: WebhookSinkOptions): Promise<WebhookSink> {
  const sink: Sink = {
    secrets: new Map(Object.entries(options.secrets ?? {})),
    behaviours: new Map(),
    store: await openDeliveryStore(options.storeFile),
    now: options.now ?? Date.now,
  };
  const server = await startServer(options, (request) => route(sink, request));
  return { url: server.url, close: server.close };
}
