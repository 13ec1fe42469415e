import {
  type ChainEventRow,
  type ChainCursor,
  forgetBlocksBelow,
  insertChainEvents,
  knownSettlements,
  type LegChange,
  moveCursor,
  moveLegs,
  orphanedTransactions,
  rememberBlocks,
  rolledBackOnChain,
  transactionsOfSteps,
} from '../db/chain-events.ts';
import { enqueueTemporal } from '../db/outbox.ts';
import type { Transaction } from '../db/pool.ts';
import { type LockedSettlement, lockSettlement, recordNotice } from '../db/settlement-events.ts';
import type { ChainEffectStep, EffectStep } from '../domain/effect-key.ts';
import type { Uuid } from '../domain/ids.ts';
import { wakesWorkflow } from '../domain/chain-facts.ts';
import { isTerminal } from '../domain/settlement-state.ts';
import type { IndexerContext } from './indexer-types.ts';

/**
 * The engine waits for these itself, so their facts are no news to a workflow: each wake-up that tells it nothing costs a
 * signal and a workflow task of its history.
 */
const STEPS_THAT_WAIT: readonly (EffectStep | ChainEffectStep)[] = [
  'register',
  'attest',
  'open',
  'timeout',
  'rollback',
  'carry_vote_prepared',
  'carry_vote_executed',
  'carry_decision',
  'carry_execute',
  'carry_refund',
];

/** A settlement's events in one on-chain transaction: what its workflow is woken for. */
interface TransactionFacts {
  readonly settlementId: Uuid;
  readonly transactionHash: string;
  readonly blockNumber: number;
  readonly events: ChainEventRow[];
}

/**
 * Stores one range: events, leg states, notices, messages to the workflows and the cursor, in one transaction or not at all. Answers the number of
 * messages, or undefined when another indexer has moved the cursor.
 */
export async function storeRange(
  context: IndexerContext,
  cursor: ChainCursor,
  range: {
    to: { number: number; hash: string };
    blocks: readonly { number: number; hash: string }[];
    events: readonly ChainEventRow[];
  },
): Promise<number | undefined> {
  const { chainId } = context.chain;
  return context.database.transaction({ kind: 'worker' }, async (transaction) => {
    if (!(await moveCursor(transaction, cursor, range.to))) return undefined;
    await rememberBlocks(transaction, chainId, [...range.blocks, range.to]);
    await forgetBlocksBelow(transaction, chainId, range.to.number - context.limits.keptBlocks);
    if (range.events.length === 0) return 0;

    const ours = await knownSettlements(transaction, claimedSettlements(range.events));
    const events = range.events.map((event) => ({
      ...event,
      settlement_id: event.settlement_id !== null && ours.has(event.settlement_id) ? event.settlement_id : null,
    }));
    const facts = groupByTransaction(events);
    const hashes = [...new Set(facts.map((fact) => fact.transactionHash))];
    const wokenBefore = await orphanedTransactions(transaction, chainId, hashes);
    await insertChainEvents(transaction, events);
    await applyToLegs(transaction, chainId, facts);
    const awaited = await transactionsOfSteps(transaction, chainId, hashes, STEPS_THAT_WAIT);
    const news = facts.filter(
      (fact) => !awaited.has(fact.transactionHash) && wakesWorkflow(fact.events.map((event) => event.name)),
    );
    for (const fact of news) await wakeWorkflow(transaction, chainId, fact, wokenBefore);
    return news.length;
  });
}

function claimedSettlements(events: readonly ChainEventRow[]): Uuid[] {
  return [...new Set(events.flatMap((event) => event.settlement_id ?? []))];
}

function groupByTransaction(events: readonly ChainEventRow[]): TransactionFacts[] {
  const groups = new Map<string, TransactionFacts>();
  for (const event of events) {
    if (event.settlement_id === null) continue;
    const key = `${event.transaction_hash}:${event.settlement_id}`;
    const group = groups.get(key) ?? {
      settlementId: event.settlement_id,
      transactionHash: event.transaction_hash,
      blockNumber: event.block_number,
      events: [],
    };
    group.events.push(event);
    groups.set(key, group);
  }
  return [...groups.values()];
}

/** One message per settlement and on-chain transaction. One that was orphaned and came back wakes again, since its first message may be spent. */
async function wakeWorkflow(
  transaction: Transaction,
  chainId: number,
  fact: TransactionFacts,
  wokenBefore: ReadonlySet<string>,
): Promise<void> {
  const key = `facts:${chainId}:${fact.transactionHash}:${fact.settlementId}`;
  const blockHash = fact.events[0]?.block_hash ?? '';
  await enqueueTemporal(
    transaction,
    fact.settlementId,
    'chain_facts',
    {
      chain_id: chainId,
      transaction_hash: fact.transactionHash,
      block_number: fact.blockNumber,
      names: [...new Set(fact.events.map((event) => event.name))],
    },
    { dedupeKey: wokenBefore.has(fact.transactionHash) ? `${key}:${blockHash}` : key },
  );
}

interface Movements {
  readonly locked: (LegChange & { transactionHash: string })[];
  readonly released: LegChange[];
  readonly rolledBack: LegChange[];
}

/** Legs go pending → locked → released or rolled back. The settlements are locked first, in the order that everybody uses: row, then its parts. */
async function applyToLegs(
  transaction: Transaction,
  chainId: number,
  facts: readonly TransactionFacts[],
): Promise<void> {
  const credited = facts.filter((fact) => fact.events.some((event) => event.name === 'PayoutCredited'));
  const failed = await rolledBackOnChain(
    transaction,
    chainId,
    credited.map((fact) => fact.settlementId),
  );
  const movements = legMovements(facts, failed);
  const touched = [...movements.locked, ...movements.released, ...movements.rolledBack];
  if (touched.length === 0) return;
  const locked = new Map<Uuid, LockedSettlement>();
  for (const id of [...new Set(touched.map((leg) => leg.settlement_id))].toSorted()) {
    const settlement = await lockSettlement(transaction, id);
    if (settlement !== undefined) locked.set(id, settlement);
  }
  const arrived = await moveLegs(transaction, chainId, 'pending', 'locked', movements.locked);
  await moveLegs(transaction, chainId, 'locked', 'released', movements.released);
  await moveLegs(transaction, chainId, 'locked', 'rolled_back', movements.rolledBack);
  const moved = new Set(arrived.map((leg) => `${leg.settlement_id}:${leg.leg_index}`));
  for (const leg of movements.locked) {
    const settlement = locked.get(leg.settlement_id);
    if (settlement === undefined || !moved.has(`${leg.settlement_id}:${leg.leg_index}`)) continue;
    if (isTerminal(settlement.state)) continue;
    const updated = await recordNotice(transaction, settlement, 'settlement.deposit.received', {
      triggeredBy: `chain:${chainId}`,
      payload: { leg_index: leg.leg_index, transaction_hash: leg.transactionHash, chain_id: chainId },
    });
    locked.set(leg.settlement_id, updated);
  }
}

/** A payout that the token refused becomes a credit, of an execution or of a refund: `failed` tells which settlements only refund. */
function legMovements(facts: readonly TransactionFacts[], failed: ReadonlySet<Uuid>): Movements {
  const movements: Movements = { locked: [], released: [], rolledBack: [] };
  for (const { events, settlementId, transactionHash } of facts) {
    for (const event of events) {
      const leg = { settlement_id: settlementId, leg_index: Number(event.arguments['legIndex']) };
      if (event.name === 'LegDeposited') movements.locked.push({ ...leg, transactionHash });
      else if (event.name === 'LegReleased') movements.released.push(leg);
      else if (event.name === 'LegRefunded') movements.rolledBack.push(leg);
      else if (event.name === 'PayoutCredited') {
        (failed.has(settlementId) ? movements.rolledBack : movements.released).push(leg);
      }
    }
  }
  return movements;
}
