import { termsFromJson } from '../chain/terms.ts';
import { readChainEvents } from '../db/chain-events.ts';
import type { Transaction } from '../db/pool.ts';
import { type LockedSettlement, recordTransition } from '../db/settlement-events.ts';
import {
  readComplianceChecks,
  readComplianceDecisions,
  readStoredDecisions,
  type SettlementWork,
  storeDecisionDigest,
  storeDecisions,
  type StoredDecisions,
} from '../db/settlement-work.ts';
import { chainEffectKey, effectKey } from '../domain/effect-key.ts';
import { KeystoneError } from '../domain/errors.ts';
import { isTerminal } from '../domain/settlement-state.ts';
import { announce } from './attest.ts';
import { composeSettlementDecisions } from './decide.ts';
import type { ActivityDependencies, IncludedEffect } from './dependencies.ts';
import { allOpened } from './facts.ts';
import { closedGate } from './gate.ts';
import { generationToSend, sentMessages, stillInTransit } from './messages.ts';
import { runStep, type StepContext } from './retry.ts';
import type { ChainEffect, OpenProgress, SettlementActivities } from './settlement-activities.ts';
import { limitsOf } from './step-limits.ts';
import {
  ENGINE,
  loadWork,
  pause,
  progressOf,
  remoteChainIds,
  requireChainsRunning,
  withLockedSettlement,
} from './steps.ts';

const MILLISECONDS_PER_SECOND = 1_000;

/** What `openRemotes` looks at: what was sent, and what has landed. */
const OPENING_FACTS = ['MessageSent', 'RemoteOpened'];

/**
 * COMPLIANCE_CHECKING → COMPLIANCE_CLEARED → AWAITING_DEPOSITS: asks the gate, signs one decision per party, anchors the digest of all
 * of them in the transaction that opens the home escrow, and opens every other chain by message. Nothing about the decisions can change
 * after money may move. Platforms hear of it when every chain takes deposits, not before.
 */
export function createOpen(dependencies: ActivityDependencies): SettlementActivities['open'] {
  const { database, chains } = dependencies;
  const { home } = chains;
  return runStep(dependencies, 'open', async ({ settlementId }, context): Promise<OpenProgress> => {
    const work = await loadWork(database, settlementId);
    if (work.state !== 'COMPLIANCE_CHECKING' && work.state !== 'COMPLIANCE_CLEARED') {
      return { ...progressOf(work), outcome: 'opened' };
    }
    await requireChainsRunning(dependencies, work);
    const status = await home.statusOf(settlementId);
    if (status === undefined) throw new KeystoneError('terms_differ', 'The coordinator does not know the settlement.');
    if (isTerminal(status.state)) return { ...progressOf(work), outcome: 'ended' };
    if (status.state === 'COMPLIANCE_CHECKING') {
      const closed = await closedGate(dependencies, work);
      if (closed !== undefined) return closedProgress(dependencies, work, closed);
    }
    const decisions = await decisionsOf(dependencies, work);
    if (dependencies.untilLaterSecond !== undefined) {
      await dependencies.untilLaterSecond(decisions.compose_ts_ms, context);
    } else {
      await untilLaterBlock(dependencies, decisions.compose_ts_ms, context);
    }
    const included = await home.advance(decisions.digest, {
      effectKey: effectKey(settlementId, 'open', 1),
      settlementId,
      context,
    });
    // Once the swap is decided every chain is open; the facts of it are all that may be missing.
    const sent = await openRemotes(dependencies, work, context, status.state !== 'EXECUTING_SWAP');
    const anchored = { what: 'open', chainId: home.chainId, transactionHash: included.transactionHash };
    return withLockedSettlement(database, settlementId, async (transaction, locked) => {
      const row = await followOpening(transaction, locked, home.chainId, decisions, included);
      return { ...progressOf(row, [anchored, ...sent]), outcome: 'opened' };
    });
  });
}

async function followOpening(
  transaction: Transaction,
  locked: LockedSettlement,
  chainId: number,
  decisions: StoredDecisions,
  included: IncludedEffect,
): Promise<LockedSettlement> {
  let row = locked;
  const evidence = { chain_id: chainId, transaction_hash: included.transactionHash };
  if (row.state === 'COMPLIANCE_CHECKING') {
    const round = (await readComplianceDecisions(transaction, row.id)).length + 1;
    const checks = await readComplianceChecks(transaction, row.id);
    row = await announce(transaction, row, 'cleared', { round, simulated: checks.some((check) => check.simulated) });
    row = await recordTransition(transaction, row, 'COMPLIANCE_CLEARED', { triggeredBy: ENGINE, payload: evidence });
  }
  if (row.state === 'COMPLIANCE_CLEARED') {
    await storeDecisionDigest(transaction, row.id, decisions.digest);
    row = await recordTransition(transaction, row, 'AWAITING_DEPOSITS', {
      triggeredBy: ENGINE,
      payload: { ...evidence, decision_digest: decisions.digest },
    });
  }
  return row;
}

/** A Fail or a flag by another attester of the set is told to the platforms like one of ours; who has not spoken yet is nobody's news. */
async function closedProgress(
  { database }: ActivityDependencies,
  work: SettlementWork,
  closed: 'waiting' | 'flagged' | 'failed',
): Promise<OpenProgress> {
  if (closed === 'waiting') return { ...progressOf(work), outcome: closed };
  return withLockedSettlement(database, work.id, async (transaction, locked) => {
    const round = (await readComplianceDecisions(transaction, work.id)).length + 1;
    const row = await announce(transaction, locked, closed, { round, simulated: false });
    return { ...progressOf(row), outcome: closed };
  });
}

/**
 * Sends OPEN to every remote chain of the terms and waits until the indexers have seen all of them land. Throws StillWaiting meanwhile; the
 * digest is anchored by then, so that a repetition only looks.
 */
async function openRemotes(
  dependencies: ActivityDependencies,
  work: SettlementWork,
  context: StepContext,
  maySend: boolean,
): Promise<ChainEffect[]> {
  const { chains, database } = dependencies;
  const remotes = remoteChainIds(chains, work);
  if (remotes.length === 0) return [];
  const limits = limitsOf(dependencies);
  const facts = await database.statement((transaction) => readChainEvents(transaction, work.id, OPENING_FACTS));
  const closed = remotes.filter((chainId) => !allOpened(facts, [chainId]));
  if (closed.length === 0) return openings(dependencies, facts);
  const terms = termsFromJson(work.terms);
  const waiting = [];
  for (const chainId of closed) {
    const route = { kind: 'OPEN', from: chains.home.chainId, to: chainId } as const;
    const sent = sentMessages(facts, route);
    const generation = generationToSend(sent, Date.now(), limits, false);
    if (maySend && generation !== undefined) {
      await chains.home.sendOpen(terms, chainId, {
        effectKey: chainEffectKey(work.id, 'open', chainId, generation),
        settlementId: work.id,
        context,
        feeWei: await chains.home.quoteOpen(terms, chainId),
      });
    }
    waiting.push({ ...route, sinceMs: sent.lastSentMs ?? context.dueSinceMs });
  }
  throw stillInTransit(waiting, Date.now(), limits);
}

/** What the timeline shows of the remote chains: where and by which transaction each of them opened. */
function openings(
  dependencies: ActivityDependencies,
  facts: Awaited<ReturnType<typeof readChainEvents>>,
): ChainEffect[] {
  return facts
    .filter((fact) => fact.name === 'RemoteOpened' && dependencies.chains.remotes.has(fact.chain_id))
    .map((fact) => ({ what: 'opened', chainId: fact.chain_id, transactionHash: fact.transaction_hash }));
}

/** Signed once: a retry, whoever runs it, anchors the digest of the same signatures. */
async function decisionsOf(dependencies: ActivityDependencies, work: SettlementWork): Promise<StoredDecisions> {
  const { database } = dependencies;
  const stored = await database.statement((transaction) => readStoredDecisions(transaction, work.id));
  if (stored !== undefined) return stored;
  const checks = await database.statement((transaction) => readComplianceChecks(transaction, work.id));
  const composed = composeSettlementDecisions(dependencies, work, checks, Date.now());
  return database.transaction({ kind: 'worker' }, async (transaction) => {
    await storeDecisions(transaction, work.id, composed);
    return (await readStoredDecisions(transaction, work.id)) ?? composed;
  });
}

/**
 * The chain's clock is what the proof is checked by, and it may be behind ours: a block carries the time of its slot, which can lie before
 * the moment of the broadcast. Only after a block that is younger than the decision is every further one younger too.
 */
async function untilLaterBlock(
  dependencies: ActivityDependencies,
  decidedAtMs: number,
  context: StepContext,
): Promise<void> {
  await untilLaterSecond(decidedAtMs, context);
  const limits = limitsOf(dependencies);
  const decidedSecond = Math.floor(decidedAtMs / MILLISECONDS_PER_SECOND);
  const giveUpAt = Date.now() + limits.laterBlockWaitMs;
  while (Math.floor((await dependencies.chains.home.headTimeMs()) / MILLISECONDS_PER_SECOND) <= decidedSecond) {
    if (Date.now() >= giveUpAt) {
      throw new KeystoneError('chain_unavailable', 'The newest block is older than the decision about the settlement.');
    }
    context.heartbeat();
    await pause(limits.laterBlockPollMs, context.signal);
  }
}

/** Block times are whole seconds: the decision is provably older than its block only once its own second has passed. */
export async function untilLaterSecond(decidedAtMs: number, context: StepContext): Promise<void> {
  const nextSecond = (Math.floor(decidedAtMs / MILLISECONDS_PER_SECOND) + 1) * MILLISECONDS_PER_SECOND;
  const wait = nextSecond - Date.now();
  if (wait > 0) await pause(wait, context.signal);
}
