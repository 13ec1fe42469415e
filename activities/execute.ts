import { termsFromJson } from '../chain/terms.ts';
import { effectKey } from '../domain/effect-key.ts';
import { isTerminal } from '../domain/settlement-state.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { runStep } from './retry.ts';
import type { SettlementActivities } from './settlement-activities.ts';
import { loadWork, progressOf } from './steps.ts';

/** Calls the contract's own `execute`, which anybody may do, when the last deposit did not execute the swap by itself. */
export function createExecute(dependencies: ActivityDependencies): SettlementActivities['execute'] {
  return runStep(dependencies, 'execute', async ({ settlementId }, context) => {
    const work = await loadWork(dependencies.database, settlementId);
    const onChain = await dependencies.chain.stateOf(settlementId);
    // Executed, timed out or rolled back by somebody meanwhile: the facts will say so.
    if (isTerminal(work.state) || onChain !== 'AWAITING_DEPOSITS') return progressOf(work);
    const included = await dependencies.chain.execute(termsFromJson(work.terms), {
      effectKey: effectKey(settlementId, 'execute', 1),
      settlementId,
      context,
    });
    return progressOf(work, included.transactionHash);
  });
}
