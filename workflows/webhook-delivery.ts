import {
  condition,
  defineQuery,
  defineSignal,
  proxyActivities,
  setCurrentDetails,
  setHandler,
} from '@temporalio/workflow';

import type {
  AttemptEntry,
  DeliveryActivities,
  DeliveryFailureCode,
  DeliveryInput,
  DeliveryOutcome,
} from '../activities/webhooks/delivery-contract.ts';
import { DELIVERY_LIMITS, RETRY_SCHEDULE_MS, waitBefore } from './delivery-schedule.ts';
import { POLICIES } from './policies.ts';

const redeliverSignal = defineSignal('redeliver');
const attemptsQuery = defineQuery<AttemptEntry[]>('attempts');

const { attemptDelivery, endDelivery } = proxyActivities<DeliveryActivities>(POLICIES.delivery);

/**
 * Retries one message towards one endpoint for days, until it is delivered, given up, or there is nobody left to tell. A `redeliver`
 * signal attempts at once; it takes nothing from the schedule. What counts stands in Postgres; this only keeps the time.
 */
export async function webhookDelivery(input: DeliveryInput): Promise<DeliveryOutcome> {
  const run = deliveryRun(input);
  for (const delayMs of input.scheduleMs ?? RETRY_SCHEDULE_MS) {
    let redelivered = await run.waitForTurn(delayMs);
    while (redelivered) {
      if (await run.attempt(true)) return run.outcome();
      redelivered = await run.waitForTurn(delayMs);
    }
    if (await run.attempt(false)) return run.outcome();
  }
  await run.giveUp('exhausted');
  return run.outcome();
}

function deliveryRun(input: DeliveryInput) {
  const { messageId, endpointId, environmentId } = input;
  const reference = { messageId, endpointId, environmentId };
  const attempts: AttemptEntry[] = [];
  let wanted = 0;
  let served = 0;
  let failureCode: DeliveryFailureCode | undefined;
  let delivered = false;

  setHandler(
    redeliverSignal,
    () => {
      // More than this is somebody's loop, and would grow the history without end.
      if (wanted < DELIVERY_LIMITS.redeliveries) wanted += 1;
    },
    { description: 'attempt now' },
  );
  setHandler(attemptsQuery, () => attempts, { description: 'the attempts of this workflow, oldest first' });

  async function giveUp(code: DeliveryFailureCode): Promise<void> {
    failureCode = code;
    await endDelivery.executeWithOptions({ ...POLICIES.delivery, summary: `give up: ${code}` }, [
      { ...reference, failureCode: code },
    ]);
    setCurrentDetails(`**failed**: ${code} after ${attempts.length} attempts`);
  }

  return {
    /** Waits for the next turn of the schedule; true when a redelivery was asked for before it. */
    async waitForTurn(delayMs: number): Promise<boolean> {
      const last = attempts.at(-1)?.outcome;
      const retryAfterMs = last?.kind === 'failed' ? last.retryAfterMs : undefined;
      const waitMs = waitBefore(delayMs, Math.random(), retryAfterMs);
      const next = new Date(Date.now() + waitMs).toISOString();
      setCurrentDetails(
        `**retrying**: ${attempts.length} attempts here; the next one at ${next}, or by signal \`redeliver\``,
      );
      const signalled = await condition(() => wanted > served, waitMs, {
        summary: `until attempt ${attempts.length + 1}`,
      });
      // Several signals that came during one attempt are answered by one.
      if (signalled) served = wanted;
      return signalled;
    },
    /** One attempt; true when it was the last. */
    async attempt(redelivery: boolean): Promise<boolean> {
      const outcome = await attemptDelivery.executeWithOptions(
        { ...POLICIES.delivery, summary: `${redelivery ? 'redelivery' : 'attempt'} ${attempts.length + 1}` },
        [{ ...reference, redelivery }],
      );
      attempts.push({ at_ms: Date.now(), redelivery, outcome });
      if (outcome.kind === 'stopped') await giveUp(outcome.failureCode);
      delivered = outcome.kind === 'delivered';
      if (delivered) setCurrentDetails(`**delivered** at attempt ${attempts.length}`);
      return outcome.kind !== 'failed';
    },
    giveUp,
    outcome(): DeliveryOutcome {
      if (delivered) return { status: 'delivered', attempts: attempts.length };
      return { status: 'failed', attempts: attempts.length, ...(failureCode !== undefined && { failureCode }) };
    },
  };
}
