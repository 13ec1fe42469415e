import { allHandlersFinished, condition } from '@temporalio/workflow';

import { Interruption, SettlementRun } from './settlement-run.ts';
import type { SettlementInput, SettlementOutcome } from './messages.ts';

/**
 * One settlement from confirmation to proof. Signals wake it; every step asks Postgres and the chain what is true, so that a signal
 * that nobody should have sent moves nothing.
 */
export async function settlement(input: SettlementInput): Promise<SettlementOutcome> {
  const run = new SettlementRun(input);
  try {
    await run.awaitConfirmationsAndRegister();
    await run.screen();
    await run.attestUntilCleared();
    await run.decideAndOpen();
    await run.awaitDepositsAndExecution();
  } catch (error) {
    if (!(error instanceof Interruption)) throw error;
    await run.conclude(error);
  }
  run.closeDeadline();
  await condition(allHandlersFinished);
  return run.outcome();
}
