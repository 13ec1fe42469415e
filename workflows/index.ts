/** The workflow types that the worker serves. */
export { settlement } from './settlement.ts';
export { webhookDelivery } from './webhook-delivery.ts';
