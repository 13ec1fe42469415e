import { failDelivery } from '../../db/webhook-deliveries.ts';
import type { DeliveryActivityDependencies } from './delivery-dependencies.ts';
import type { DeliveryActivities } from './delivery-contract.ts';

/** Writes down that a delivery was given up and why. Safe to repeat; rejects when the database cannot be reached. */
export function createEndDelivery({ database }: DeliveryActivityDependencies): DeliveryActivities['endDelivery'] {
  return (input) =>
    database.transaction({ kind: 'worker' }, (transaction) => failDelivery(transaction, input, input.failureCode));
}
