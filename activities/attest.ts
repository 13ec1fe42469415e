import { recordNotice, type LockedSettlement } from '../db/settlement-events.ts';
import type { Transaction } from '../db/pool.ts';
import {
  type ComplianceCheck,
  type ComplianceDecision,
  readComplianceChecks,
  readComplianceDecisions,
} from '../db/settlement-work.ts';
import { effectKey } from '../domain/effect-key.ts';
import type { WebhookEventType } from '../domain/webhook-events.ts';
import type { ActivityDependencies, AttestationInput } from './dependencies.ts';
import { runStep } from './retry.ts';
import type { AttestProgress, SettlementActivities } from './settlement-activities.ts';
import { ENGINE, loadWork, progressOf, withLockedSettlement } from './steps.ts';

export type ClearingOutcome = AttestProgress['outcome'];

const NOTICES: Readonly<Record<ClearingOutcome, WebhookEventType>> = {
  cleared: 'settlement.compliance.cleared',
  flagged: 'settlement.compliance.flagged',
  failed: 'settlement.compliance.failed',
};

/**
 * Puts what the checks said on chain, in one batch. Every status goes there, flags and failures too: they stay on record. After an
 * approval the flagged parties get a new Pass that carries the decision's id; the round counts the decisions, so that each round of
 * attestations is one effect however often the step runs.
 */
export function createAttest(dependencies: ActivityDependencies): SettlementActivities['attest'] {
  const { database, chain } = dependencies;
  return runStep(dependencies, 'attest', async ({ settlementId }, context): Promise<AttestProgress> => {
    const work = await loadWork(database, settlementId);
    const { checks, decisions } = await database.transaction({ kind: 'worker' }, async (transaction) => ({
      checks: await readComplianceChecks(transaction, settlementId),
      decisions: await readComplianceDecisions(transaction, settlementId),
    }));
    const outcome = clearingOutcome(checks, decisions);
    if (work.state !== 'COMPLIANCE_CHECKING') return { ...progressOf(work), outcome };
    const round = decisions.length + 1;
    const attestations = attestationsOfRound(checks, decisions);
    const intent = { effectKey: effectKey(settlementId, 'attest', round), settlementId, context };
    // A rejection adds no attestation: the flags stand, and the settlement is rolled back.
    const included = attestations.length === 0 ? undefined : await chain.attest(attestations, intent);
    return withLockedSettlement(database, settlementId, async (transaction, locked) => {
      const simulated = checks.some((check) => check.simulated);
      const row = await announce(transaction, locked, outcome, { round, simulated });
      return { ...progressOf(row, included?.transactionHash), outcome };
    });
  });
}

/** Worst of all checks, flags lifted by an approval of their round. */
export function clearingOutcome(
  checks: readonly ComplianceCheck[],
  decisions: readonly ComplianceDecision[],
): ClearingOutcome {
  if (checks.some((check) => check.status === 'FAIL')) return 'failed';
  if (decisions.some((decision) => decision.decision === 'reject')) return 'failed';
  const flagged = checks.some((check) => check.status === 'FLAGGED');
  return flagged && decisions.length === 0 ? 'flagged' : 'cleared';
}

export function attestationsOfRound(
  checks: readonly ComplianceCheck[],
  decisions: readonly ComplianceDecision[],
): AttestationInput[] {
  const latest = decisions.at(-1);
  if (latest === undefined) {
    return checks.map((check) => ({
      partyHash: check.party_hash,
      status: check.status,
      reference: check.reference_id,
    }));
  }
  if (latest.decision === 'reject') return [];
  return checks
    .filter((check) => check.status === 'FLAGGED')
    .map((check) => ({ partyHash: check.party_hash, status: 'PASS', reference: latest.id }));
}

/** One notice per round; it says whether a sandbox answered in a provider's place. Who was flagged and why is not in it: others see the flag only, and the party itself asks the API. */
async function announce(
  transaction: Transaction,
  locked: LockedSettlement,
  outcome: ClearingOutcome,
  payload: { round: number; simulated: boolean },
): Promise<LockedSettlement> {
  if (locked.state !== 'COMPLIANCE_CHECKING') return locked;
  const type = NOTICES[outcome];
  const told = await transaction.query(
    `SELECT 1 FROM keystone.settlement_events WHERE settlement_id = $1 AND type = $2 AND (payload ->> 'round')::int = $3`,
    [locked.id, type, payload.round],
  );
  return told.length > 0 ? locked : recordNotice(transaction, locked, type, { triggeredBy: ENGINE, payload });
}
