import type { Database } from '../../db/pool.ts';
import type { Uuid } from '../../domain/ids.ts';
import type { JsonValue } from '../../keystone/json.ts';
import type { DeliveryInput } from './delivery-contract.ts';
import type { WebhookSender } from './send.ts';

/** The part of a logger that the dispatcher needs; pino has it. */
export interface DispatchLog {
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
}

export interface WebhookDispatcherDependencies {
  /** Of the worker's role. */
  readonly database: Database;
  readonly sender: WebhookSender;
  /** Starts the retry workflow. Resolves when it was started or exists already; rejects when Temporal cannot be reached. */
  readonly startDelivery: (input: DeliveryInput, signal: AbortSignal) => Promise<void>;
  readonly log: DispatchLog;
  /**
   * The deposit instructions of the environment's own paying legs, as `GET …/deposit-info` answers them; empty when it pays nothing.
   * Throws KeystoneError `not_awaiting_deposits` when the settlement takes no deposits any more.
   */
  readonly depositInfoFor: (settlementId: Uuid, environmentId: Uuid) => Promise<readonly JsonValue[]>;
}

export interface WebhookDispatcher {
  /**
   * Sends until `signal` aborts, then waits (bounded) for the attempts in flight. Never rejects for a failing database, receiver or
   * Temporal server: it logs and goes on.
   */
  run(signal: AbortSignal): Promise<void>;
}
