import type { Database } from '../../db/pool.ts';
import { createBell } from '../bell.ts';
import type { DeliveryInput } from './delivery-contract.ts';
import { type DepositInfoFor, expandDueEvents } from './expand.ts';
import { createFirstAttempts } from './first-attempts.ts';
import { WEBHOOK_LIMITS, type WebhookLimits } from './limits.ts';
import type { ActivityLog } from '../log.ts';
import { followOutbox } from '../outbox-notifications.ts';
import type { WebhookSender } from './send.ts';

export interface WebhookDispatcherDependencies {
  /** Of the worker's role. */
  readonly database: Database;
  readonly sender: WebhookSender;
  /** Starts the retry workflow. Resolves when it was started or exists already; rejects when Temporal cannot be reached. */
  readonly startDelivery: (input: DeliveryInput, signal: AbortSignal) => Promise<void>;
  readonly log: ActivityLog;
  /**
   * The deposit instructions of the environment's own paying legs, as `GET …/deposit-info` answers them; empty when it pays nothing.
   * Throws KeystoneError `not_awaiting_deposits` when the settlement takes no deposits any more.
   */
  readonly depositInfoFor: DepositInfoFor;
  readonly limits?: Partial<WebhookLimits>;
}

export interface WebhookDispatcher {
  /**
   * Sends until `signal` aborts, then waits (at most `drainMs`) for the attempts in flight. Never rejects for a failing database,
   * receiver or Temporal server: it logs and goes on.
   */
  run(signal: AbortSignal): Promise<void>;
}

/**
 * Tells platforms what happened: outbox rows become messages and deliveries, each delivery is attempted once at once, and what fails
 * goes to a workflow of its own. Several dispatchers may run at the same time.
 */
export function createWebhookDispatcher(dependencies: WebhookDispatcherDependencies): WebhookDispatcher {
  const { log } = dependencies;
  const limits: WebhookLimits = { ...WEBHOOK_LIMITS, ...dependencies.limits };

  return {
    async run(signal) {
      const events = createBell();
      const deliveries = createBell();
      const attempts = createFirstAttempts({ ...dependencies, limits, onRoom: () => deliveries.ring() });
      const expand = async () => {
        const expanded = await expandDueEvents(dependencies);
        if (expanded > 0) deliveries.ring();
        return expanded;
      };
      await Promise.all([
        followOutbox(dependencies, 'webhook', () => events.ring(), signal),
        repeat(expand, events, { log, limits, signal }),
        repeat(() => attempts.startDue(), deliveries, { log, limits, signal }),
      ]);
      await attempts.settled(limits.drainMs);
    },
  };
}

/** Repeats `work` at once while it finds something, else when the bell rings or after the poll interval. */
async function repeat(
  work: () => Promise<number>,
  bell: ReturnType<typeof createBell>,
  options: { log: ActivityLog; limits: WebhookLimits; signal: AbortSignal },
): Promise<void> {
  const { log, limits, signal } = options;
  let pauseMs = limits.databasePauseMs;
  while (!signal.aborted) {
    try {
      const found = await work();
      pauseMs = limits.databasePauseMs;
      if (found === 0) await bell.wait(limits.pollMs, signal);
    } catch (error) {
      log.warn({ err: error }, 'webhooks wait for the database');
      await bell.wait(pauseMs, signal);
      pauseMs = Math.min(pauseMs * 2, limits.databasePauseMaximumMs);
    }
  }
}
