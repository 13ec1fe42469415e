import { type Client, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { WorkflowIdConflictPolicy, WorkflowIdReusePolicy } from '@temporalio/common';

import { deliveryWorkflowId } from '../../domain/ids.ts';
import { DELIVERY_WORKFLOW_TYPE, type DeliveryInput, REDELIVER_SIGNAL, webhookTaskQueue } from './delivery-contract.ts';
import { WEBHOOK_LIMITS } from './limits.ts';

export interface DeliveryStarter {
  /** Starts the retry workflow, once per delivery: a second start is no error and changes nothing. Rejects when Temporal cannot be reached. */
  startDelivery(input: DeliveryInput, signal?: AbortSignal): Promise<void>;
  /** Sends the message once more at once, to an endpoint that has it already as well, whether or not its workflow still runs. */
  redeliver(input: DeliveryInput): Promise<void>;
}

/** `taskQueue` is the settlements' queue; deliveries run on `webhookTaskQueue(taskQueue)`. */
export function createDeliveryStarter(dependencies: { client: Client; taskQueue: string }): DeliveryStarter {
  const { client } = dependencies;
  const optionsOf = (input: DeliveryInput) => ({
    workflowId: deliveryWorkflowId(input.messageId, input.endpointId),
    taskQueue: webhookTaskQueue(dependencies.taskQueue),
    args: [input] as [DeliveryInput],
    workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
    // Identifiers only: an endpoint's address may carry a token of the receiver.
    staticSummary: `webhook ${input.messageId} to endpoint ${input.endpointId}`,
  });

  return {
    async startDelivery(input, signal) {
      const start = async () => {
        try {
          await client.workflow.start(DELIVERY_WORKFLOW_TYPE, {
            ...optionsOf(input),
            // One that an operator terminated is begun again; one that came to its end has said so in Postgres.
            workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
          });
        } catch (error) {
          if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
        }
      };
      const inTime = () => client.withDeadline(Date.now() + WEBHOOK_LIMITS.startDeliveryMs, start);
      await (signal === undefined ? inTime() : client.withAbortSignal(signal, inTime));
    },
    async redeliver(input) {
      await client.withDeadline(Date.now() + WEBHOOK_LIMITS.startDeliveryMs, () =>
        client.workflow.signalWithStart(DELIVERY_WORKFLOW_TYPE, {
          ...optionsOf(input),
          workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
          signal: REDELIVER_SIGNAL,
          signalArgs: [],
        }),
      );
    },
  };
}
