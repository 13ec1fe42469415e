import { Context, heartbeat } from '@temporalio/activity';
import { ApplicationFailure, ApplicationFailureCategory, CancelledFailure } from '@temporalio/common';

import { createAttemptDelivery } from './attempt-delivery.ts';
import type { DeliveryActivities } from './delivery-contract.ts';
import type { DeliveryActivityDependencies } from './delivery-dependencies.ts';
import { createEndDelivery } from './end-delivery.ts';
import { WEBHOOK_LIMITS } from './limits.ts';

/** What the worker registers for the delivery workflow. */
export function createDeliveryActivities(dependencies: DeliveryActivityDependencies): DeliveryActivities {
  const attemptDelivery = createAttemptDelivery(dependencies);
  const endDelivery = createEndDelivery(dependencies);
  /** Retries under way per endpoint. */
  const running = new Map<string, number>();

  return {
    async attemptDelivery(input) {
      const count = running.get(input.endpointId) ?? 0;
      // A receiver that is silent for long collects many retries at once; without a bound they would take every slot from the others.
      if (count >= WEBHOOK_LIMITS.retriesPerEndpoint) throw busy();
      running.set(input.endpointId, count + 1);
      const { cancellationSignal } = Context.current();
      const beating = setInterval(() => heartbeat(), WEBHOOK_LIMITS.heartbeatMs);
      try {
        const outcome = await attemptDelivery(input, cancellationSignal);
        // Not an answer about the receiver: the worker is stopping or somebody cancelled the workflow.
        if (outcome.kind === 'failed' && outcome.error === 'cancelled')
          throw new CancelledFailure('the attempt was cancelled');
        return outcome;
      } finally {
        clearInterval(beating);
        const left = (running.get(input.endpointId) ?? 1) - 1;
        if (left === 0) running.delete(input.endpointId);
        else running.set(input.endpointId, left);
      }
    },
    endDelivery,
  };
}

function busy(): ApplicationFailure {
  const { attempt } = Context.current().info;
  const { retryBusyPauseMs, retryBusyPauseMaximumMs } = WEBHOOK_LIMITS;
  return ApplicationFailure.create({
    type: 'endpoint_busy',
    message: 'other retries towards this endpoint are under way',
    // Expected, so neither an error in the log nor a failure in the metrics.
    category: ApplicationFailureCategory.BENIGN,
    nextRetryDelay: Math.min(retryBusyPauseMs * attempt, retryBusyPauseMaximumMs) * (0.5 + Math.random()),
  });
}
