import { partyHash } from '../chain/terms.ts';
import type { CheckKind, ScreeningOutcome } from '../compliance/provider.ts';
import { insertComplianceCheck, readComplianceChecks, type SettlementWork } from '../db/settlement-work.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { runStep, type StepContext } from './retry.ts';
import type { SettlementActivities } from './settlement-activities.ts';
import { type ConfirmedParty, confirmedParties, loadWork, progressOf } from './steps.ts';

const FIRST_ROUND = 1;
const KINDS: readonly CheckKind[] = ['entity', 'wallet'];

/**
 * Two checks per party, all at once; each outcome is stored as it arrives, so that a repeated step asks only what is missing. An
 * outage is an error and is retried; it never becomes an answer.
 */
export function createScreen(dependencies: ActivityDependencies): SettlementActivities['screen'] {
  return runStep(dependencies, 'screen', async ({ settlementId }, context) => {
    const work = await loadWork(dependencies.database, settlementId);
    if (work.state !== 'COMPLIANCE_CHECKING') return progressOf(work);
    const done = await dependencies.database.statement((transaction) =>
      readComplianceChecks(transaction, settlementId),
    );
    const missing = confirmedParties(work).flatMap((party) =>
      KINDS.filter((kind) => !done.some((check) => check.party_id === party.id && check.kind === kind)).map((kind) => ({
        party,
        kind,
      })),
    );
    const results = await Promise.allSettled(
      missing.map(({ party, kind }) => screenOne(dependencies, work, party, kind, context)),
    );
    // All outcomes that came are stored before the first failure is reported.
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return progressOf(work);
  });
}

async function screenOne(
  dependencies: ActivityDependencies,
  work: SettlementWork,
  party: ConfirmedParty,
  kind: CheckKind,
  context: StepContext,
): Promise<void> {
  const outcome = await ask(dependencies, work, party, kind, context);
  await dependencies.database.statement((transaction) =>
    insertComplianceCheck(transaction, work.id, party.environment_id, {
      party_id: party.id,
      kind,
      round: FIRST_ROUND,
      party_hash: partyHash(party.participant_id, kind === 'entity' ? null : party.wallet_address),
      provider: outcome.provider,
      status: outcome.status,
      reference_id: outcome.referenceId,
      reason_code: outcome.reasonCode,
      policy_version: outcome.policyVersion,
      simulated: outcome.simulated,
      screenedAtMs: outcome.screenedAtMs,
    }),
  );
}

async function ask(
  dependencies: ActivityDependencies,
  work: SettlementWork,
  party: ConfirmedParty,
  kind: CheckKind,
  context: StepContext,
): Promise<ScreeningOutcome> {
  const caseId = `${work.id}:${party.id}:${kind}:${FIRST_ROUND}`;
  if (kind === 'wallet') {
    const wallet = { address: party.wallet_address, chainId: dependencies.chain.chainId };
    return dependencies.providers.wallet.screen({ kind, caseId, wallet, signal: context.signal });
  }
  // A party that gave no name comes back flagged: a person has to look.
  const name = party.name === null ? {} : { name: party.name };
  const country = party.country === null ? {} : { country: party.country };
  return dependencies.providers.entity.screen({ kind, caseId, ...name, ...country, signal: context.signal });
}
