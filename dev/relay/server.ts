import { equalSecrets } from '../sandboxes/constant-time.ts';
import {
  jsonOf,
  type ReceivedRequest,
  type Reply,
  type RunningServer,
  startServer,
} from '../sandboxes/loopback-server.ts';
import { faultsSchema } from './faults.ts';
import type { Relay } from './relay.ts';

/**
 * The relay's control endpoint, on loopback:
 *
 *   GET  /healthz            200, without a token
 *   GET  /packets            {seed, packets: PacketView[]}; `?settlement_id=`, `?state=` narrow it
 *   GET  /faults             {faults: Fault[]}
 *   POST /faults             {faults: [...]} replaces all rules; an empty list lifts them
 *
 * Everything but /healthz wants `Authorization: Bearer <token>`: whoever may set faults may hold up every settlement of the stack.
 */
export function startRelayServer(options: { port: number; token: string; relay: Relay }): Promise<RunningServer> {
  const { relay, token } = options;

  function route(request: ReceivedRequest): Reply {
    if (request.path === '/packets' && request.method === 'GET') return showPackets(relay, request.query);
    if (request.path !== '/faults') return { status: 404, json: { error: 'there is /packets and /faults' } };
    if (request.method === 'GET') return { status: 200, json: { faults: relay.faults() } };
    if (request.method !== 'POST') return { status: 405, headers: { allow: 'GET, POST' } };
    const parsed = faultsSchema.safeParse((jsonOf(request.body) as { faults?: unknown } | undefined)?.faults);
    if (!parsed.success) return { status: 400, json: { error: 'invalid faults', issues: parsed.error.issues } };
    return { status: 200, json: { faults: relay.setFaults(parsed.data) } };
  }

  return startServer({ port: options.port }, (request) => {
    if (request.path === '/healthz') return { status: 200, json: { ok: true } };
    const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
    if (!request.fromLoopback || !equalSecrets(given, token)) {
      return {
        status: 401,
        headers: { 'www-authenticate': 'Bearer' },
        json: { error: 'the token of the relay is missing' },
      };
    }
    return route(request);
  });
}

function showPackets(relay: Relay, query: URLSearchParams): Reply {
  const settlement = query.get('settlement_id');
  const state = query.get('state');
  const packets = relay
    .packets()
    .filter((packet) => settlement === null || packet.settlement_id === settlement)
    .filter((packet) => state === null || packet.state === state);
  return { status: 200, json: { seed: relay.seed, packets } };
}
