import {
  CancellationScope,
  condition,
  defineSignal,
  isCancellation,
  proxyActivities,
  proxySinks,
  setHandler,
  sleep,
  upsertSearchAttributes,
} from '@temporalio/workflow';

import type { SettlementState } from '../../domain/settlement-state.ts';
import { settlementStateKey } from '../../workflows/search-attributes.ts';
import { BARE_SIGNALS, type BareActivities, type BareInput, type BareSinks, type BareStep } from './bare-contract.ts';

const { driver } = proxySinks<BareSinks>();
const { bareStep } = proxyActivities<BareActivities>({ startToCloseTimeout: '1m' });

/** Two of them end the waiting: the first party's deposit, and the second one's with the execution. */
const DEPOSITS = 2;

/**
 * What the engine itself costs: as many activities, signals, timers and search-attribute updates as a happy settlement has, in the same
 * order, by hand and without anything in them. It writes no row, checks nothing, and cannot be interrupted, parked or asked.
 */
export async function bareSettlement({ id, deadlineMs }: BareInput): Promise<SettlementState> {
  let confirmed = false;
  let deposits = 0;
  setHandler(defineSignal(BARE_SIGNALS.confirmation), () => {
    confirmed = true;
  });
  setHandler(defineSignal(BARE_SIGNALS.facts), () => {
    deposits += 1;
  });
  const deadline = new CancellationScope();
  deadline
    .run(() => sleep(deadlineMs - Date.now()))
    .catch((error: unknown) => {
      if (!isCancellation(error)) throw error;
    });
  const run = (step: BareStep) => bareStep({ id, step });
  const show = (value: SettlementState) => upsertSearchAttributes([{ key: settlementStateKey, value }]);

  driver.reached(id, 'started');
  await condition(() => confirmed);
  show((await run('register')).state);
  await run('screen');
  await run('attest');
  show((await run('open')).state);
  driver.reached(id, 'opened');
  await condition(() => deposits >= DEPOSITS);
  const { state } = await run('finalise');
  show(state);
  deadline.cancel();
  return state;
}
