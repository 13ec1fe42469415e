import type { EndpointRoom } from '../../db/webhook-deliveries.ts';
import type { Uuid } from '../../domain/ids.ts';
import type { WebhookLimits } from './limits.ts';

/** Who may be attempted now, so that attempts in flight are bounded in all, per endpoint, and for endpoints that hold them long. */
export interface EndpointGate {
  /** Shares the free places among endpoints with due work; those without a place are left out. */
  allot(waiting: readonly Uuid[]): EndpointRoom[];
  enter(endpointId: Uuid): void;
  leave(endpointId: Uuid, durationMs: number): void;
}

interface Endpoint {
  inFlight: number;
  quick: boolean;
}

/**
 * Endpoints whose last answer was quick use all places. The others, those that never answered among them, share a part of the places
 * and take turns: otherwise thirty receivers that accept and never answer would hold every place, and so delay everybody else.
 */
export function createEndpointGate(limits: WebhookLimits): EndpointGate {
  /** The endpoint that was served longest ago stands first. */
  const served = new Map<Uuid, Endpoint>();
  const inFlight = { all: 0, unproven: 0 };

  function touch(endpointId: Uuid, endpoint: Endpoint): void {
    served.delete(endpointId);
    served.set(endpointId, endpoint);
    const oldest = served.entries().next();
    // One with attempts in flight is never forgotten: its count would be lost.
    if (served.size > limits.rememberedEndpoints && oldest.done !== true && oldest.value[1].inFlight === 0) {
      served.delete(oldest.value[0]);
    }
  }

  function setQuick(endpoint: Endpoint, quick: boolean): void {
    if (endpoint.quick !== quick) inFlight.unproven += quick ? -endpoint.inFlight : endpoint.inFlight;
    endpoint.quick = quick;
  }

  return {
    allot(waiting) {
      let free = limits.attemptsInFlight - inFlight.all;
      let shared = limits.unprovenAttemptsInFlight - inFlight.unproven;
      const wanted = new Set(waiting);
      const known = [...served.keys()].filter((endpointId) => wanted.has(endpointId));
      const unknown = waiting.filter((endpointId) => !served.has(endpointId));
      const rooms: EndpointRoom[] = [];
      for (const endpointId of [...unknown, ...known]) {
        const endpoint = served.get(endpointId) ?? { inFlight: 0, quick: false };
        const most = endpoint.quick ? limits.attemptsPerEndpoint : limits.unprovenAttemptsPerEndpoint;
        const room = Math.min(most - endpoint.inFlight, free, endpoint.quick ? free : shared);
        if (room <= 0) continue;
        rooms.push({ endpointId, room });
        free -= room;
        if (!endpoint.quick) shared -= room;
      }
      return rooms;
    },
    enter(endpointId) {
      const endpoint = served.get(endpointId) ?? { inFlight: 0, quick: false };
      endpoint.inFlight += 1;
      inFlight.all += 1;
      if (!endpoint.quick) inFlight.unproven += 1;
      touch(endpointId, endpoint);
    },
    leave(endpointId, durationMs) {
      const endpoint = served.get(endpointId);
      if (endpoint === undefined) return;
      setQuick(endpoint, durationMs < limits.quickAnswerMs);
      endpoint.inFlight -= 1;
      inFlight.all -= 1;
      if (!endpoint.quick) inFlight.unproven -= 1;
    },
  };
}
