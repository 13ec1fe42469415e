import type { EndpointRoom } from '../../db/webhook-deliveries.ts';
import type { Uuid } from '../../domain/ids.ts';
import type { WebhookLimits } from './limits.ts';

/** Who may be attempted now, so that attempts in flight are bounded in all, per endpoint, and for endpoints that hold them long. */
export interface EndpointGate {
  /** Shares the free places among endpoints with due work; those without a place are left out. */
  allot(waiting: readonly Uuid[]): EndpointRoom[];
  enter(endpointId: Uuid): void;
  leave(endpointId: Uuid, attempt: { durationMs: number; answered: boolean }): void;
}

/** `unproven` has not answered yet, or took long over it; `silent` took long and gave no answer. */
type Conduct = 'quick' | 'unproven' | 'silent';

interface Endpoint {
  inFlight: number;
  conduct: Conduct;
}

/**
 * Endpoints whose last attempt ended quickly use all places. The others share a part of the places with those of the same conduct, and
 * take turns: otherwise thirty receivers that accept and never answer would hold every place, and so delay everybody else. Those that
 * answer late do not stand in one line with those that never do.
 */
export function createEndpointGate(limits: WebhookLimits): EndpointGate {
  const placesOf: Readonly<Record<Conduct, { all: number; each: number }>> = {
    quick: { all: limits.attemptsInFlight, each: limits.attemptsPerEndpoint },
    unproven: { all: limits.unprovenAttemptsInFlight, each: limits.hesitantAttemptsPerEndpoint },
    silent: { all: limits.silentAttemptsInFlight, each: limits.hesitantAttemptsPerEndpoint },
  };
  /** The endpoint that was served longest ago stands first. */
  const served = new Map<Uuid, Endpoint>();
  const inFlight: Record<Conduct, number> = { quick: 0, unproven: 0, silent: 0 };

  function touch(endpointId: Uuid, endpoint: Endpoint): void {
    served.delete(endpointId);
    served.set(endpointId, endpoint);
    const oldest = served.entries().next();
    // One with attempts in flight is never forgotten: its count would be lost.
    if (served.size > limits.rememberedEndpoints && oldest.done !== true && oldest.value[1].inFlight === 0) {
      served.delete(oldest.value[0]);
    }
  }

  function conductOf(attempt: { durationMs: number; answered: boolean }): Conduct {
    if (attempt.durationMs < limits.quickAnswerMs) return 'quick';
    return attempt.answered ? 'unproven' : 'silent';
  }

  return {
    allot(waiting) {
      const free: Record<Conduct, number> = {
        quick: placesOf.quick.all - inFlight.quick,
        unproven: placesOf.unproven.all - inFlight.unproven,
        silent: placesOf.silent.all - inFlight.silent,
      };
      let freeInAll = limits.attemptsInFlight - inFlight.quick - inFlight.unproven - inFlight.silent;
      const wanted = new Set(waiting);
      const known = [...served.keys()].filter((endpointId) => wanted.has(endpointId));
      const unknown = waiting.filter((endpointId) => !served.has(endpointId));
      const rooms: EndpointRoom[] = [];
      for (const endpointId of [...unknown, ...known]) {
        const { conduct, inFlight: held } = served.get(endpointId) ?? newcomer();
        const room = Math.min(placesOf[conduct].each - held, free[conduct], freeInAll);
        if (room <= 0) continue;
        rooms.push({ endpointId, room });
        free[conduct] -= room;
        freeInAll -= room;
      }
      return rooms;
    },
    enter(endpointId) {
      const endpoint = served.get(endpointId) ?? newcomer();
      endpoint.inFlight += 1;
      inFlight[endpoint.conduct] += 1;
      touch(endpointId, endpoint);
    },
    leave(endpointId, attempt) {
      const endpoint = served.get(endpointId);
      if (endpoint === undefined) return;
      inFlight[endpoint.conduct] -= endpoint.inFlight;
      endpoint.inFlight -= 1;
      endpoint.conduct = conductOf(attempt);
      inFlight[endpoint.conduct] += endpoint.inFlight;
    },
  };
}

function newcomer(): Endpoint {
  return { inFlight: 0, conduct: 'unproven' };
}
