import { recordTransition } from '../db/settlement-events.ts';
import {
  readComplianceChecks,
  readStoredDecisions,
  type SettlementWork,
  storeDecisionDigest,
  storeDecisions,
  type StoredDecisions,
} from '../db/settlement-work.ts';
import { effectKey } from '../domain/effect-key.ts';
import { KeystoneError } from '../domain/errors.ts';
import { composeSettlementDecisions } from './decide.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { runStep, type StepContext } from './retry.ts';
import type { OpenProgress, SettlementActivities } from './settlement-activities.ts';
import { ENGINE, loadWork, pause, progressOf, withLockedSettlement } from './steps.ts';

const MILLISECONDS_PER_SECOND = 1_000;

/**
 * COMPLIANCE_CHECKING → COMPLIANCE_CLEARED → AWAITING_DEPOSITS: asks the gate, signs one decision per party, anchors the digest of all
 * of them in the transaction that opens the escrow. Nothing about the decisions can change after money may move.
 */
export function createOpen(dependencies: ActivityDependencies): SettlementActivities['open'] {
  const { database, chain } = dependencies;
  return runStep(dependencies, 'open', async ({ settlementId }, context): Promise<OpenProgress> => {
    const work = await loadWork(database, settlementId);
    if (work.state !== 'COMPLIANCE_CHECKING' && work.state !== 'COMPLIANCE_CLEARED') {
      return { ...progressOf(work), outcome: 'opened' };
    }
    const closed = await gateOutcome(dependencies, work);
    if (closed !== undefined) return { ...progressOf(work), outcome: closed };
    const decisions = await decisionsOf(dependencies, work);
    await (dependencies.untilLaterSecond ?? untilLaterSecond)(decisions.compose_ts_ms, context);
    const included = await chain.advance(decisions.digest, {
      effectKey: effectKey(settlementId, 'open', 1),
      settlementId,
      context,
    });
    return withLockedSettlement(database, settlementId, async (transaction, locked) => {
      let row = locked;
      const evidence = { chain_id: chain.chainId, transaction_hash: included.transactionHash };
      if (row.state === 'COMPLIANCE_CHECKING') {
        row = await recordTransition(transaction, row, 'COMPLIANCE_CLEARED', {
          triggeredBy: ENGINE,
          payload: evidence,
        });
      }
      if (row.state === 'COMPLIANCE_CLEARED') {
        await storeDecisionDigest(transaction, settlementId, decisions.digest);
        row = await recordTransition(transaction, row, 'AWAITING_DEPOSITS', {
          triggeredBy: ENGINE,
          payload: { ...evidence, decision_digest: decisions.digest },
        });
      }
      return { ...progressOf(row, included.transactionHash), outcome: 'opened' };
    });
  });
}

/**
 * The gate on chain may have been closed since by another attester of the set: a Fail ends the settlement, a flag waits for the one
 * who raised it. Undefined when it is open, or when the settlement is past it.
 */
async function gateOutcome(
  dependencies: ActivityDependencies,
  work: SettlementWork,
): Promise<'flagged' | 'failed' | undefined> {
  const { chain, database } = dependencies;
  const state = await chain.stateOf(work.id);
  if (state === undefined) throw new KeystoneError('terms_differ', 'The coordinator does not know the settlement.');
  if (state !== 'COMPLIANCE_CHECKING' || (await chain.gateIsOpen(work.id))) return undefined;
  const checks = await database.statement((transaction) => readComplianceChecks(transaction, work.id));
  const statuses = await chain.statusesOf(
    work.id,
    checks.map((check) => check.party_hash),
  );
  return statuses.includes('FAIL') ? 'failed' : 'flagged';
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

/** Block times are whole seconds: the decision is provably older than its block only once its own second has passed. */
export async function untilLaterSecond(decidedAtMs: number, context: StepContext): Promise<void> {
  const nextSecond = (Math.floor(decidedAtMs / MILLISECONDS_PER_SECOND) + 1) * MILLISECONDS_PER_SECOND;
  const wait = nextSecond - Date.now();
  if (wait > 0) await pause(wait, context.signal);
}
