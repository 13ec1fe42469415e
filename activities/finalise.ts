import { type ChainEventRow, readChainEvents } from '../db/chain-events.ts';
import type { Transaction } from '../db/pool.ts';
import { type LockedSettlement, recordTransition } from '../db/settlement-events.ts';
import { readSettlementWork, readStoredDecisions, storeProof } from '../db/settlement-work.ts';
import { KeystoneError } from '../domain/errors.ts';
import type { Uuid } from '../domain/ids.ts';
import { canTransition, isTerminal, type OnChainState, stateFromOnChainIndex } from '../domain/settlement-state.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { composeSettlementPack } from './prove.ts';
import { runStep } from './retry.ts';
import type { FinaliseProgress, SettlementActivities } from './settlement-activities.ts';
import { progressOf, withLockedSettlement } from './steps.ts';

/** Takes over what the contracts decided. The proof is stored in the transaction that says FINALIZED: one never exists without the other. */
export function createFinalise(dependencies: ActivityDependencies): SettlementActivities['finalise'] {
  return runStep(dependencies, 'finalise', ({ settlementId }) => takeOverFacts(dependencies, settlementId));
}

/** Walks the settlement along the final state transitions that it has not followed yet. Without new facts it changes nothing. */
export async function takeOverFacts(
  dependencies: ActivityDependencies,
  settlementId: Uuid,
  endingCode?: string,
): Promise<FinaliseProgress> {
  return withLockedSettlement(dependencies.database, settlementId, async (transaction, locked) => {
    const facts = await readChainEvents(transaction, settlementId);
    let row = locked;
    for (const fact of facts.filter((candidate) => candidate.name === 'StateTransition')) {
      const to = stateFromOnChainIndex(Number(fact.arguments['toState']));
      if (!canTransition(row.state, to)) continue;
      if (to === 'FINALIZED') await storePack(dependencies, transaction, settlementId, facts);
      row = await follow(transaction, row, to, fact, endingCode);
    }
    const executionDue = !isTerminal(row.state) && facts.some((fact) => fact.name === 'ExecutionFailed');
    return { ...progressOf(row, facts.at(-1)?.transaction_hash), executionDue };
  });
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
): Promise<void> {
  const work = await readSettlementWork(transaction, settlementId);
  const decisions = await readStoredDecisions(transaction, settlementId);
  if (work === undefined || decisions === undefined) {
    throw new KeystoneError('internal', 'A settlement was executed whose decisions are not stored.');
  }
  await storeProof(transaction, settlementId, composeSettlementPack(dependencies, work, decisions, facts));
}
