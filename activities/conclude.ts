import { termsFromJson } from '../chain/terms.ts';
import { effectIsImpossible } from '../db/chain-transactions.ts';
import { recordTransition } from '../db/settlement-events.ts';
import type { SettlementWork } from '../db/settlement-work.ts';
import { effectKey } from '../domain/effect-key.ts';
import { KeystoneError } from '../domain/errors.ts';
import { isTerminal, type SettlementState } from '../domain/settlement-state.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { takeOverFacts } from './finalise.ts';
import { runStep, type StepContext } from './retry.ts';
import type { ConclusionReason, FinaliseProgress, SettlementActivities } from './settlement-activities.ts';
import { ENGINE, loadWork, pause, progressOf, STEP_LIMITS, withLockedSettlement } from './steps.ts';

const ENDING: Readonly<Record<ConclusionReason, { state: SettlementState; code: string }>> = {
  deadline: { state: 'TIMED_OUT', code: 'deadline_passed' },
  aborted: { state: 'ROLLED_BACK', code: 'aborted' },
  compliance_failed: { state: 'ROLLED_BACK', code: 'compliance_failed' },
};

/** No evidence beyond the state itself: the contract leaves the hash of a rollback free. */
const NO_EVIDENCE = `0x${'0'.repeat(64)}`;

/**
 * Ends a settlement without a swap. Before its create transaction is journalled the row lock decides; afterwards only a final contract
 * event does, and the deadline or the abort merely asks the contract. The swap may win that race: then its facts are taken over.
 */
export function createConclude(dependencies: ActivityDependencies): SettlementActivities['conclude'] {
  return runStep(dependencies, 'conclude', async ({ settlementId, reason }, context): Promise<FinaliseProgress> => {
    const work = await loadWork(dependencies.database, settlementId);
    if (isTerminal(work.state)) return { ...progressOf(work), executionDue: false };
    const ended = await endInPostgres(dependencies, work, reason, await neverOnChain(dependencies, work));
    if (ended !== undefined) return ended;
    const progress = await endOnChain(dependencies, work, reason, context);
    if (progress.state === 'TIMED_OUT' || progress.state === 'ROLLED_BACK')
      await refundDeposits(dependencies, settlementId, context);
    return progress;
  });
}

/**
 * A create transaction that was signed before a crash and sent after the deadline is refused by the contract: then the chain will never
 * say how this settlement ended.
 */
async function neverOnChain(dependencies: ActivityDependencies, work: SettlementWork): Promise<boolean> {
  const { chain, database } = dependencies;
  if (!work.registered_on_chain || (await chain.stateOf(work.id)) !== undefined) return false;
  const effect = {
    chainId: chain.chainId,
    effectKey: effectKey(work.id, 'register', 1),
    finalBlock: await chain.finalBlock(),
  };
  return database.statement((transaction) => effectIsImpossible(transaction, effect));
}

/** Undefined when the settlement is or may come to be on chain: then Postgres alone may not end it. */
async function endInPostgres(
  dependencies: ActivityDependencies,
  work: SettlementWork,
  reason: ConclusionReason,
  neverRegistered: boolean,
): Promise<FinaliseProgress | undefined> {
  const ending = ENDING[reason];
  return withLockedSettlement(dependencies.database, work.id, async (transaction, locked) => {
    if (isTerminal(locked.state)) return { ...progressOf(locked), executionDue: false };
    if (locked.registered_on_chain && !neverRegistered) return undefined;
    const moved = await recordTransition(transaction, locked, ending.state, {
      triggeredBy: ENGINE,
      payload: { ending_code: ending.code },
      endingCode: ending.code,
    });
    return { ...progressOf(moved), executionDue: false };
  });
}

async function endOnChain(
  dependencies: ActivityDependencies,
  work: SettlementWork,
  reason: ConclusionReason,
  context: StepContext,
): Promise<FinaliseProgress> {
  const { chain } = dependencies;
  const onChain = await chain.stateOf(work.id);
  if (onChain === undefined) {
    // Journalled but not included yet: the journal's sweep keeps sending it, and until it is there nothing can be ended.
    throw new KeystoneError('transaction_not_included', 'The registration of the settlement is not included yet.');
  }
  if (!isTerminal(onChain) && onChain !== 'EXECUTING_SWAP') await askContract(dependencies, work, reason, context);
  return untilFinal(dependencies, work, reason, context);
}

async function askContract(
  dependencies: ActivityDependencies,
  work: SettlementWork,
  reason: ConclusionReason,
  context: StepContext,
): Promise<void> {
  const { chain } = dependencies;
  const settlementId = work.id;
  try {
    if (reason === 'deadline') {
      // The contract counts block time, which may be behind our clock by a block.
      while ((await chain.headTimeMs()) < work.timeout_at.getTime())
        await pause(STEP_LIMITS.factPollMs, context.signal);
      // Both sides have paid and only the automatic execution failed: the contract refuses a time-out for now, because anybody may
      // still execute. Everybody kept their word, so we do.
      if (await chain.allLegsIn(settlementId)) {
        await chain.execute(termsFromJson(work.terms), {
          effectKey: effectKey(settlementId, 'execute', 1),
          settlementId,
          context,
        });
      } else {
        await chain.timeOut({ effectKey: effectKey(settlementId, 'timeout', 1), settlementId, context });
      }
    } else {
      await chain.rollBack(NO_EVIDENCE, { effectKey: effectKey(settlementId, 'rollback', 1), settlementId, context });
    }
  } catch (error) {
    // Somebody was faster, or the last deposit executed: what the contract now says is what counts.
    const now = await chain.stateOf(settlementId);
    if (now === undefined || !(isTerminal(now) || now === 'EXECUTING_SWAP')) throw error;
  }
}

/** Waits for the indexer's final facts. Time runs out only when the chain stands still; the step is then repeated. */
async function untilFinal(
  dependencies: ActivityDependencies,
  work: SettlementWork,
  reason: ConclusionReason,
  context: StepContext,
): Promise<FinaliseProgress> {
  const giveUpAt = Date.now() + STEP_LIMITS.factWaitMs;
  while (Date.now() < giveUpAt) {
    const progress = await takeOverFacts(dependencies, work.id, ENDING[reason].code);
    if (isTerminal(progress.state)) return progress;
    await pause(STEP_LIMITS.factPollMs, context.signal);
  }
  throw new KeystoneError('chain_not_final', 'The end of the settlement is not final on chain yet.');
}

/** Deposits can always be fetched back by anybody; nobody should have to ask. */
async function refundDeposits(
  dependencies: ActivityDependencies,
  settlementId: string,
  context: StepContext,
): Promise<void> {
  const work = await loadWork(dependencies.database, settlementId);
  if (!work.legs.some((leg) => leg.status === 'locked')) return;
  await dependencies.chain.refund(termsFromJson(work.terms), {
    effectKey: effectKey(settlementId, 'refund', 1),
    settlementId,
    context,
  });
}
