import { effectIsImpossible } from '../db/chain-transactions.ts';
import { recordTransition } from '../db/settlement-events.ts';
import type { SettlementWork } from '../db/settlement-work.ts';
import { effectKey } from '../domain/effect-key.ts';
import { KeystoneError } from '../domain/errors.ts';
import { isTerminal, type SettlementState } from '../domain/settlement-state.ts';
import { carryAll } from './carry.ts';
import type { ActivityDependencies, HomeStatus } from './dependencies.ts';
import { homeIsComplete } from './due.ts';
import { awaitFacts, takeOverFacts } from './finalise.ts';
import { runStep, type StepContext } from './retry.ts';
import type { ChainEffect, ConclusionReason, FinaliseProgress, SettlementActivities } from './settlement-activities.ts';
import { limitsOf } from './step-limits.ts';
import { ENGINE, loadWork, pause, progressOf, requireChainsRunning, withLockedSettlement } from './steps.ts';
import { pauseFor, StillWaiting } from './waiting.ts';

const ENDING: Readonly<Record<ConclusionReason, { state: SettlementState; code: string }>> = {
  deadline: { state: 'TIMED_OUT', code: 'deadline_passed' },
  aborted: { state: 'ROLLED_BACK', code: 'aborted' },
  compliance_failed: { state: 'ROLLED_BACK', code: 'compliance_failed' },
};

/** No evidence beyond the state itself: the contract leaves the hash of a rollback free. */
const NO_EVIDENCE = `0x${'0'.repeat(64)}`;

/**
 * Ends a settlement without a swap. Before its create transaction is journalled the row lock decides; afterwards only a final contract
 * event does, and the deadline or the abort merely asks the contract. The swap may win that race: then its facts are taken over. What has to
 * be handed back or told to other chains is `carry`'s, after the end: platforms hear of the end first.
 */
export function createConclude(dependencies: ActivityDependencies): SettlementActivities['conclude'] {
  return runStep(dependencies, 'conclude', async ({ settlementId, reason }, context): Promise<FinaliseProgress> => {
    const work = await loadWork(dependencies.database, settlementId);
    if (isTerminal(work.state)) return takeOverFacts(dependencies, work);
    const ended = await endInPostgres(dependencies, work, reason);
    if (ended !== undefined) return ended;
    await requireChainsRunning(dependencies, work);
    return endOnChain(dependencies, work, reason, context);
  });
}

/**
 * A create transaction that was signed before a crash and sent after the deadline is refused by the contract: then the chain will never
 * say how this settlement ended.
 */
async function neverOnChain({ chains, database }: ActivityDependencies, work: SettlementWork): Promise<boolean> {
  const { home } = chains;
  if (!work.registered_on_chain || (await home.statusOf(work.id)) !== undefined) return false;
  const effect = {
    chainId: home.chainId,
    effectKey: effectKey(work.id, 'register', 1),
    finalBlock: await home.finalBlock(),
  };
  return database.statement((transaction) => effectIsImpossible(transaction, effect));
}

/** Undefined when the settlement is or may come to be on chain: then Postgres alone may not end it. */
async function endInPostgres(
  dependencies: ActivityDependencies,
  work: SettlementWork,
  reason: ConclusionReason,
): Promise<FinaliseProgress | undefined> {
  const ending = ENDING[reason];
  const neverRegistered = await neverOnChain(dependencies, work);
  return withLockedSettlement(dependencies.database, work.id, async (transaction, locked) => {
    if (locked.registered_on_chain && !neverRegistered) return undefined;
    if (isTerminal(locked.state)) return { ...progressOf(locked), carryDue: false };
    const moved = await recordTransition(transaction, locked, ending.state, {
      triggeredBy: ENGINE,
      payload: { ending_code: ending.code },
      endingCode: ending.code,
    });
    return { ...progressOf(moved), carryDue: false };
  });
}

async function endOnChain(
  dependencies: ActivityDependencies,
  work: SettlementWork,
  reason: ConclusionReason,
  context: StepContext,
): Promise<FinaliseProgress> {
  const effects: ChainEffect[] = [];
  if (isUndecided(await homeStatus(dependencies, work))) {
    effects.push(...(await askContract(dependencies, work, reason, context)));
  }
  const { state } = await homeStatus(dependencies, work);
  // A rollback that somebody else brought about keeps its own reason.
  const code = state === ENDING[reason].state ? ENDING[reason].code : undefined;
  return { ...(await awaitFacts(dependencies, work, state, context, code)), effects };
}

async function homeStatus({ chains }: ActivityDependencies, work: SettlementWork): Promise<HomeStatus> {
  const status = await chains.home.statusOf(work.id);
  if (status !== undefined) return status;
  // Journalled but not included yet: the journal's sweep keeps sending it, and until it is there nothing can be ended.
  throw new KeystoneError('transaction_not_included', 'The registration of the settlement is not included yet.');
}

function isUndecided({ state }: HomeStatus): boolean {
  return !isTerminal(state) && state !== 'EXECUTING_SWAP';
}

async function askContract(
  dependencies: ActivityDependencies,
  work: SettlementWork,
  reason: ConclusionReason,
  context: StepContext,
): Promise<ChainEffect[]> {
  const { home } = dependencies.chains;
  const intent = (step: 'timeout' | 'rollback') => ({
    effectKey: effectKey(work.id, step, 1),
    settlementId: work.id,
    context,
  });
  try {
    if (reason !== 'deadline') {
      const { transactionHash } = await home.rollBack(NO_EVIDENCE, intent('rollback'));
      return [{ what: 'rollback', chainId: home.chainId, transactionHash }];
    }
    const carried = await untilTimeoutIsDue(dependencies, work, context);
    if (carried !== undefined) return carried;
    const { transactionHash } = await home.timeOut(intent('timeout'));
    return [{ what: 'timeout', chainId: home.chainId, transactionHash }];
  } catch (error) {
    // Somebody was faster, or the last deposit or vote executed: what the contract now says is what counts.
    if (isUndecided(await homeStatus(dependencies, work))) throw error;
    return [];
  }
}

/**
 * Resolves once the contract takes a timeout: at the deadline while home legs are missing, else a grace period later, since then votes of other
 * chains may be on their way and everybody here has kept their word. That time is used: what is due meanwhile is carried, and when it decides
 * the swap its effects are answered in place of undefined.
 */
async function untilTimeoutIsDue(
  dependencies: ActivityDependencies,
  work: SettlementWork,
  context: StepContext,
): Promise<ChainEffect[] | undefined> {
  const { home } = dependencies.chains;
  const status = await homeStatus(dependencies, work);
  if (!homeIsComplete(status) || status.state !== 'AWAITING_DEPOSITS') {
    await untilHeadTime(dependencies, status.deadlineMs, context);
    return undefined;
  }
  const dueAtMs = status.deadlineMs + (await home.messageGraceMs());
  try {
    const { state, effects } = await carryAll(dependencies, work, context);
    if (state !== 'AWAITING_DEPOSITS') return effects;
  } catch (error) {
    context.signal.throwIfAborted();
    if ((await home.headTimeMs()) >= dueAtMs) return undefined;
    if (error instanceof StillWaiting) throw error;
    // A refused execution, a chain that is down: the grace period is there to mend it, so nobody has to answer before it ends.
    throw waitingForGrace(dependencies, dueAtMs, error);
  }
  if ((await home.headTimeMs()) >= dueAtMs) return undefined;
  throw waitingForGrace(dependencies, dueAtMs, undefined);
}

function waitingForGrace(dependencies: ActivityDependencies, dueAtMs: number, error: unknown): StillWaiting {
  const until = `The settlement may time out from ${new Date(dueAtMs).toISOString()} on.`;
  const limits = limitsOf(dependencies);
  if (error === undefined) {
    const retryAfterMs = pauseFor(Math.max(0, dueAtMs - Date.now()), limits);
    return new StillWaiting('message_in_transit', `Votes of other chains may still come. ${until}`, {
      retryAfterMs,
      overdue: false,
    });
  }
  const [code, detail] =
    error instanceof KeystoneError ? [error.code, error.detail] : (['internal', 'The execution failed.'] as const);
  return new StillWaiting(code, `${detail} ${until}`, {
    retryAfterMs: limits.refusedExecutionPauseMs,
    overdue: true,
    cause: error,
  });
}

/** The contract counts block time, which may be behind our clock by a block. */
async function untilHeadTime(dependencies: ActivityDependencies, dueAtMs: number, context: StepContext): Promise<void> {
  const { home } = dependencies.chains;
  const limits = limitsOf(dependencies);
  const giveUpAt = Date.now() + limits.factWaitMs;
  while ((await home.headTimeMs()) < dueAtMs) {
    if (Date.now() >= giveUpAt) {
      throw new StillWaiting('chain_unavailable', 'The newest block is older than the deadline of the settlement.', {
        retryAfterMs: limits.messagePauseMaximumMs,
        overdue: Date.now() - context.dueSinceMs > limits.messageOverdueMs,
      });
    }
    await pause(limits.factPollMs, context.signal);
  }
}
