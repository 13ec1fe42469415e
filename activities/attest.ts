import { partyHashesOf } from '../chain/terms-of-work.ts';
import type { Transaction } from '../db/pool.ts';
import { recordNotice, type LockedSettlement } from '../db/settlement-events.ts';
import {
  type ComplianceCheck,
  type ComplianceDecision,
  readComplianceChecks,
  readComplianceDecisions,
} from '../db/settlement-work.ts';
import { effectKey } from '../domain/effect-key.ts';
import type { WebhookEventType } from '../domain/webhook-events.ts';
import type { ActivityDependencies, AttestationInput } from './dependencies.ts';
import { attestersOf } from './gate.ts';
import { runStep } from './retry.ts';
import type { AttestProgress, ChainEffect, SettlementActivities } from './settlement-activities.ts';
import { ENGINE, loadWork, progressOf, requireChainsRunning, withLockedSettlement } from './steps.ts';

export type ClearingOutcome = AttestProgress['outcome'];

const NOTICES: Readonly<Record<ClearingOutcome, WebhookEventType>> = {
  cleared: 'settlement.compliance.cleared',
  flagged: 'settlement.compliance.flagged',
  failed: 'settlement.compliance.failed',
};

/**
 * Puts what the checks said on chain, in one batch. Every status goes there, flags and failures too: they stay on record. After an
 * approval the flagged parties get a new Pass that carries the decision's id; the round counts the decisions, so that each round of
 * attestations is one effect however often the step runs. Where our attester has no say it says nothing: the contract would refuse it.
 */
export function createAttest(dependencies: ActivityDependencies): SettlementActivities['attest'] {
  const { database, chains } = dependencies;
  return runStep(dependencies, 'attest', async ({ settlementId }, context): Promise<AttestProgress> => {
    const work = await loadWork(database, settlementId);
    const attesters = await attestersOf(dependencies, work);
    if (!attesters.ours) return { ...progressOf(work), outcome: 'cleared' };
    const { checks, decisions } = await database.transaction({ kind: 'worker' }, async (transaction) => ({
      checks: await readComplianceChecks(transaction, settlementId),
      decisions: await readComplianceDecisions(transaction, settlementId),
    }));
    const outcome = clearingOutcome(checks, decisions);
    if (work.state !== 'COMPLIANCE_CHECKING') return { ...progressOf(work), outcome };
    await requireChainsRunning(dependencies, work);
    const round = decisions.length + 1;
    const attestations = attestationsOfRound(inTermsOrder(checks, partyHashesOf(work)), decisions);
    const effects: ChainEffect[] = [];
    // A rejection adds no attestation: the flags stand, and the settlement is rolled back.
    if (attestations.length > 0) {
      const intent = { effectKey: effectKey(settlementId, 'attest', round), settlementId, context };
      const { transactionHash } = await chains.home.attest(attestations, intent);
      effects.push({ what: 'attest', chainId: chains.home.chainId, transactionHash });
    }
    return withLockedSettlement(database, settlementId, async (transaction, locked) => {
      const simulated = checks.some((check) => check.simulated);
      // With others in the set our Pass is not yet the answer; `open` tells of it when the gate is open.
      const alone = attesters.attesters.length === 1;
      const row =
        outcome === 'cleared' && !alone ? locked : await announce(transaction, locked, outcome, { round, simulated });
      return { ...progressOf(row, effects), outcome };
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

/** The batch in the order of the terms, which is how a person compares it with them. */
function inTermsOrder(
  checks: readonly ComplianceCheck[],
  order: readonly { readonly party_hash: string }[],
): ComplianceCheck[] {
  const position = new Map(order.map(({ party_hash }, index) => [party_hash, index]));
  return checks.toSorted((a, b) => (position.get(a.party_hash) ?? 0) - (position.get(b.party_hash) ?? 0));
}

/** One notice per round; it says whether a sandbox answered in a provider's place. Who was flagged and why is not in it: others see the flag only, and the party itself asks the API. */
export async function announce(
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
