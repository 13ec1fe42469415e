import type { Database } from '../../db/pool.ts';
import {
  claimFirstAttempts,
  type DeliveryToAttempt,
  failDelivery,
  handOverDelivery,
  postponeDelivery,
  readWaitingEndpoints,
  recordAttempt,
} from '../../db/webhook-deliveries.ts';
import type { DeliveryFailureCode, DeliveryInput } from './delivery-contract.ts';
import type { ActivityLog } from '../log.ts';
import { createEndpointGate } from './endpoint-gate.ts';
import type { WebhookLimits } from './limits.ts';
import type { SendResult, WebhookSender } from './send.ts';

export interface FirstAttemptDependencies {
  readonly database: Database;
  readonly sender: WebhookSender;
  readonly startDelivery: (input: DeliveryInput, signal: AbortSignal) => Promise<void>;
  readonly log: ActivityLog;
  readonly limits: WebhookLimits;
  /** Called when an attempt has ended that kept others from starting. */
  readonly onRoom: () => void;
}

export interface FirstAttempts {
  /** Claims what may be attempted now and starts it. Answers how many; rejects when the database cannot be asked. */
  startDue(): Promise<number>;
  /** Resolves when nothing is in flight any more, or after `limitMs`. */
  settled(limitMs: number): Promise<void>;
}

/** The first attempt of each delivery, at once and outside any transaction; what fails is handed to a retry workflow. */
export function createFirstAttempts(dependencies: FirstAttemptDependencies): FirstAttempts {
  const { database, limits, log } = dependencies;
  const gate = createEndpointGate(limits);
  const running = new Set<Promise<void>>();
  /** The last look found work, so there may be more that waits for room. */
  let crowded = false;

  function launch(delivery: DeliveryToAttempt): void {
    gate.enter(delivery.endpoint_id);
    const started = performance.now();
    const leave = (answered: boolean) =>
      gate.leave(delivery.endpoint_id, { durationMs: performance.now() - started, answered });
    const work = attempt(dependencies, delivery, leave)
      // Not recorded, so its lease ends and it is attempted again: the receiver may see it twice, never not at all.
      .catch((error: unknown) => log.warn({ ...namesOf(delivery), err: error }, 'a webhook attempt was not recorded'))
      .finally(() => {
        running.delete(work);
        if (crowded) dependencies.onRoom();
      });
    running.add(work);
  }

  return {
    async startDue() {
      const claimed = await database.transaction({ kind: 'worker' }, async (transaction) => {
        const waiting = await readWaitingEndpoints(transaction, limits.waitingEndpoints);
        const rooms = gate.allot(waiting);
        crowded = waiting.length > 0;
        return rooms.length === 0 ? [] : claimFirstAttempts(transaction, rooms, limits.attemptLeaseSeconds);
      });
      for (const delivery of claimed) launch(delivery);
      return claimed.length;
    },
    async settled(limitMs) {
      const late = Promise.withResolvers<void>();
      const timer = setTimeout(late.resolve, limitMs);
      await Promise.race([Promise.all(running), late.promise]);
      clearTimeout(timer);
    },
  };
}

async function attempt(
  dependencies: FirstAttemptDependencies,
  delivery: DeliveryToAttempt,
  leaveGate: (answered: boolean) => void,
): Promise<void> {
  const { database, sender, limits } = dependencies;
  const key = { messageId: delivery.message_id, endpointId: delivery.endpoint_id };
  const give = (failureCode: DeliveryFailureCode) =>
    database.transaction({ kind: 'worker' }, (transaction) => failDelivery(transaction, key, failureCode));
  if (delivery.is_deleted || !delivery.is_active) {
    leaveGate(true);
    return give(delivery.is_deleted ? 'endpoint_deleted' : 'endpoint_inactive');
  }
  // Not aborted by the dispatcher's stop: an attempt cut off in the middle would only be repeated.
  const signal = new AbortController().signal;
  let answered = false;
  let result: SendResult;
  try {
    result = await sender.send({
      url: delivery.url,
      secrets: secretsOf(delivery),
      messageId: delivery.message_id,
      body: delivery.body,
      signal,
      timeLimitMs: limits.firstAttemptMs,
    });
    answered = result.status !== undefined;
  } finally {
    // Before anything is recorded: the place is about the receiver, and a slow database of ours must not count against it.
    leaveGate(answered);
  }
  await database.transaction({ kind: 'worker' }, (transaction) =>
    recordAttempt(transaction, { delivery, ...recordOf(result), byWorkflow: false }),
  );
  if (result.ok) return;
  if (result.status === GONE) return give('gone');
  await handOver(dependencies, delivery);
}

/** Hands a failed delivery to its workflow, and only then calls it retrying: in the other order a crash in between would lose it. */
async function handOver(dependencies: FirstAttemptDependencies, delivery: DeliveryToAttempt): Promise<void> {
  const { database, startDelivery, limits, log } = dependencies;
  const key = { messageId: delivery.message_id, endpointId: delivery.endpoint_id };
  try {
    await startDelivery(
      { ...key, environmentId: delivery.environment_id },
      AbortSignal.timeout(limits.startDeliveryMs),
    );
  } catch (error) {
    log.warn({ ...namesOf(delivery), err: error }, 'a retry workflow was not started');
    await database.transaction({ kind: 'worker' }, (transaction) =>
      postponeDelivery(transaction, key, limits.handOverRetrySeconds),
    );
    return;
  }
  await database.transaction({ kind: 'worker' }, (transaction) => handOverDelivery(transaction, key));
}

/** 410: the receiver says that nobody will ever listen there again. */
export const GONE = 410;

/** Current secret first; the previous one as long as it is valid. */
export function secretsOf(delivery: DeliveryToAttempt): string[] {
  return delivery.previous_secret === null ? [delivery.secret] : [delivery.secret, delivery.previous_secret];
}

/** The line of the delivery log that a result makes. */
export function recordOf(result: SendResult) {
  return {
    success: result.ok,
    responseStatus: result.status,
    durationMs: result.durationMs,
    error: result.error,
  };
}

function namesOf(delivery: DeliveryToAttempt) {
  return { message_id: delivery.message_id, endpoint_id: delivery.endpoint_id };
}
