import type { Database } from '../../db/pool.ts';
import type { WebhookSender } from './send.ts';

export interface DeliveryActivityDependencies {
  /** Of the worker's role. */
  readonly database: Database;
  readonly sender: WebhookSender;
}
