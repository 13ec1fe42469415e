import { raiseAttentionOnce } from '../db/attention.ts';
import { type ChainEventRow, readChainEvents } from '../db/chain-events.ts';
import type { Transaction } from '../db/pool.ts';
import { type LockedSettlement, recordTransition } from '../db/settlement-events.ts';
import {
  readSettlementWork,
  readStoredDecisions,
  type SettlementWork,
  storeDecisionDigest,
  storeProof,
} from '../db/settlement-work.ts';
import { KeystoneError } from '../domain/errors.ts';
import type { Uuid } from '../domain/ids.ts';
import {
  canTransition,
  isTerminal,
  type OnChainState,
  type SettlementState,
  stateFromOnChainIndex,
} from '../domain/settlement-state.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { allOpened, carryIsDue, failedAfterOpening } from './facts.ts';
import { composeSettlementPack } from './prove.ts';
import { runStep, type StepContext } from './retry.ts';
import type { FinaliseProgress, SettlementActivities } from './settlement-activities.ts';
import { limitsOf } from './step-limits.ts';
import {
  loadWork,
  pause,
  progressOf,
  remoteChainIds,
  requireChainsRunning,
  templateOf,
  withLockedSettlement,
} from './steps.ts';
import { pauseFor, StillWaiting } from './waiting.ts';

/** Takes over what the contracts decided. The proof is stored in the transaction that says FINALIZED: one never exists without the other. */
export function createFinalise(dependencies: ActivityDependencies): SettlementActivities['finalise'] {
  return runStep(dependencies, 'finalise', async ({ settlementId }) => {
    const work = await loadWork(dependencies.database, settlementId);
    await requireChainsRunning(dependencies, work);
    return takeOverFacts(dependencies, work);
  });
}

/** What the pack needs beside rows and facts. Read before the settlement's row is locked: no call to the outside inside a transaction. */
type AttesterMembers = Awaited<ReturnType<ActivityDependencies['chains']['home']['membersOf']>>;

/** Walks the settlement along the final state transitions that it has not followed yet. Without new facts it changes nothing. */
export async function takeOverFacts(
  dependencies: ActivityDependencies,
  work: SettlementWork,
  endingCode?: string,
): Promise<FinaliseProgress> {
  const { home } = dependencies.chains;
  const members = await home.membersOf(home.attesterSet(templateOf(work).attesterSet));
  return withLockedSettlement(dependencies.database, work.id, async (transaction, locked) => {
    const facts = await readChainEvents(transaction, work.id);
    const remotes = remoteChainIds(dependencies.chains, work);
    let row = locked;
    for (const fact of facts) {
      if (fact.name !== 'StateTransition' || fact.chain_id !== home.chainId) continue;
      const to = stateFromOnChainIndex(Number(fact.arguments['toState']));
      if (!canTransition(row.state, to)) continue;
      // Open to platforms means open on every chain.
      if (to === 'AWAITING_DEPOSITS' && !allOpened(facts, remotes)) continue;
      if (to === 'AWAITING_DEPOSITS')
        await storeDecisionDigest(transaction, work.id, String(fact.arguments['evidenceHash']));
      if (to === 'FINALIZED') await storePack(dependencies, transaction, work.id, facts, members);
      row = await follow(transaction, row, to, fact, endingCode);
    }
    const attention = isTerminal(row.state) ? undefined : failedAfterOpening(facts, home.chainId);
    if (attention !== undefined) {
      await raiseAttentionOnce(transaction, work.id, 'compliance_failed_after_opening', attention);
    }
    const carryDue = carryIsDue(row.state, facts, { homeChainId: home.chainId, remotes });
    return { ...progressOf(row), carryDue, ...(attention !== undefined && { attention }) };
  });
}

/**
 * Takes over final facts until the row is where the contract is. An attempt waits for seconds only; the step is repeated until finality
 * has come.
 */
export async function awaitFacts(
  dependencies: ActivityDependencies,
  work: SettlementWork,
  contract: OnChainState,
  context: StepContext,
  endingCode?: string,
): Promise<FinaliseProgress> {
  const limits = limitsOf(dependencies);
  const giveUpAt = Date.now() + limits.factWaitMs;
  for (;;) {
    const progress = await takeOverFacts(dependencies, work, endingCode);
    if (hasFollowed(progress.state, contract)) return progress;
    if (Date.now() >= giveUpAt) break;
    await pause(limits.factPollMs, context.signal);
  }
  const ageMs = Date.now() - context.dueSinceMs;
  throw new StillWaiting('chain_not_final', `The contract is in ${contract}, which is not final yet.`, {
    retryAfterMs: pauseFor(ageMs, limits),
    overdue: ageMs > limits.finalityOverdueMs,
  });
}

function hasFollowed(row: SettlementState, contract: OnChainState): boolean {
  if (isTerminal(row) || row === contract) return true;
  return contract !== 'EXECUTING_SWAP' && !isTerminal(contract);
}

async function follow(
  transaction: Transaction,
  row: LockedSettlement,
  to: OnChainState,
  fact: ChainEventRow,
  endingCode: string | undefined,
): Promise<LockedSettlement> {
  const code = endingCodeOf(to, endingCode);
  return recordTransition(transaction, row, to, {
    triggeredBy: `chain:${fact.chain_id}`,
    payload: {
      chain_id: fact.chain_id,
      transaction_hash: fact.transaction_hash,
      block_number: fact.block_number,
      ...(code !== undefined && { ending_code: code }),
    },
    ...(code !== undefined && { endingCode: code }),
  });
}

function endingCodeOf(to: OnChainState, given: string | undefined): string | undefined {
  if (to === 'TIMED_OUT') return 'deadline_passed';
  return to === 'ROLLED_BACK' ? (given ?? 'rolled_back_on_chain') : undefined;
}

async function storePack(
  dependencies: ActivityDependencies,
  transaction: Transaction,
  settlementId: Uuid,
  facts: readonly ChainEventRow[],
  members: AttesterMembers,
): Promise<void> {
  const work = await readSettlementWork(transaction, settlementId);
  const decisions = await readStoredDecisions(transaction, settlementId);
  if (work === undefined || decisions === undefined) {
    throw new KeystoneError('internal', 'A settlement was executed whose decisions are not stored.');
  }
  await storeProof(transaction, settlementId, composeSettlementPack(dependencies, work, decisions, facts, members));
}
