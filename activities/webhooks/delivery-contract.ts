import type { Uuid } from '../../domain/ids.ts';
import type { SendError } from './send.ts';

/** Type of the workflow that retries one message towards one endpoint (workflows/webhook-delivery.ts). */
export const DELIVERY_WORKFLOW_TYPE = 'webhookDelivery';

/** Signal of that workflow: attempt now, whatever the schedule says. */
export const REDELIVER_SIGNAL = 'redeliver';
/** Query of that workflow; answers `AttemptEntry[]`. */
export const ATTEMPTS_QUERY = 'attempts';

/**
 * Deliveries have a task queue, and with it activity slots, of their own: a thousand retries that wait for dead receivers must not
 * keep a settlement's activity from starting.
 */
export function webhookTaskQueue(taskQueue: string): string {
  return `${taskQueue}-webhooks`;
}

/** Names one delivery: a message of an environment, and the endpoint that is to get it. */
export interface DeliveryReference {
  /** `evt_<uuid>`; the receiver's deduplication key. */
  readonly messageId: string;
  readonly endpointId: Uuid;
  readonly environmentId: Uuid;
}

export interface DeliveryInput extends DeliveryReference {
  /** ms before each retry; the workflow's own schedule when absent. */
  readonly scheduleMs?: readonly number[];
}

export interface DeliveryOutcome {
  readonly status: 'delivered' | 'failed';
  readonly attempts: number;
  /** Why it ended without success. */
  readonly failureCode?: DeliveryFailureCode;
}

/** `exhausted`: the schedule is over. `gone`: the receiver answered 410. The others: there is nobody left to tell. */
export type DeliveryFailureCode = 'exhausted' | 'gone' | 'endpoint_inactive' | 'endpoint_deleted' | 'message_missing';

export interface AttemptInput extends DeliveryReference {
  /** A redelivery is sent although the message was delivered before. */
  readonly redelivery: boolean;
}

export type AttemptOutcome =
  | { readonly kind: 'delivered'; readonly status?: number; readonly durationMs: number }
  | {
      readonly kind: 'failed';
      readonly error: SendError;
      readonly status?: number;
      readonly durationMs: number;
      readonly retryAfterMs?: number;
    }
  /** No further attempt makes sense. */
  | { readonly kind: 'stopped'; readonly failureCode: DeliveryFailureCode; readonly durationMs: number };

/** One line of the `attempts` query. */
export interface AttemptEntry {
  /** ms since epoch, as the workflow's clock had it. */
  readonly at_ms: number;
  readonly redelivery: boolean;
  readonly outcome: AttemptOutcome;
}

/** The activities of the delivery workflow. Both are safe to repeat; the receiver may see a message twice, with the same id. */
export interface DeliveryActivities {
  /** Sends once with the endpoint's current address and secrets, logs the attempt, and records a success. */
  attemptDelivery(input: AttemptInput): Promise<AttemptOutcome>;
  /** Records that the message was given up; a delivered one stays delivered. */
  endDelivery(input: DeliveryReference & { failureCode: DeliveryFailureCode }): Promise<void>;
}
