import { partyHashesOf, type WorkPartyHash } from '../chain/terms-of-work.ts';
import type { ScreeningOutcome } from '../compliance/provider.ts';
import { insertComplianceCheck, readComplianceChecks, type SettlementWork } from '../db/settlement-work.ts';
import { KeystoneError } from '../domain/errors.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { attestersOf } from './gate.ts';
import { runStep, type StepContext } from './retry.ts';
import type { SettlementActivities } from './settlement-activities.ts';
import { type ConfirmedParty, confirmedParties, loadWork, progressOf } from './steps.ts';

const FIRST_ROUND = 1;

/** One question to a provider, and every party hash for which its answer counts. */
interface ScreeningCase {
  readonly party: ConfirmedParty;
  readonly hashes: readonly [WorkPartyHash, ...WorkPartyHash[]];
}

/**
 * Each party once, whatever its number of participant ids, and each of its wallets on its own chain, all at once. Every outcome is stored as
 * it arrives, so that a repeated step asks only what is missing. An outage is an error and is retried; it never becomes an answer. Where
 * our attester has no say nobody is asked: then others screen, by means of their own.
 */
export function createScreen(dependencies: ActivityDependencies): SettlementActivities['screen'] {
  return runStep(dependencies, 'screen', async ({ settlementId }, context) => {
    const work = await loadWork(dependencies.database, settlementId);
    if (work.state !== 'COMPLIANCE_CHECKING') return progressOf(work);
    if (!(await attestersOf(dependencies, work)).ours) return progressOf(work);
    const done = await dependencies.database.statement((transaction) =>
      readComplianceChecks(transaction, settlementId),
    );
    const known = new Set(done.map((check) => check.party_hash));
    const missing = casesOf(work).filter(({ hashes }) => hashes.some((hash) => !known.has(hash.party_hash)));
    const results = await Promise.allSettled(missing.map((one) => screenOne(dependencies, work, one, context)));
    // All outcomes that came are stored before the first failure is reported.
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return progressOf(work);
  });
}

function casesOf(work: SettlementWork): ScreeningCase[] {
  const hashes = partyHashesOf(work);
  return confirmedParties(work).flatMap((party) => {
    const own = hashes.filter((hash) => hash.party_id === party.id);
    const [entity, ...entities] = own.filter((hash) => hash.kind === 'entity');
    if (entity === undefined) throw new KeystoneError('internal', 'A party has no entity to screen.');
    const wallets = own.filter((hash) => hash.kind === 'wallet');
    return [
      { party, hashes: [entity, ...entities] },
      ...wallets.map((wallet): ScreeningCase => ({ party, hashes: [wallet] })),
    ];
  });
}

async function screenOne(
  dependencies: ActivityDependencies,
  work: SettlementWork,
  { party, hashes }: ScreeningCase,
  context: StepContext,
): Promise<void> {
  const outcome = await ask(dependencies, work, party, hashes[0], context);
  await dependencies.database.transaction({ kind: 'worker' }, async (transaction) => {
    for (const hash of hashes) {
      await insertComplianceCheck(transaction, work.id, party.environment_id, {
        party_id: party.id,
        chain_id: hash.chain_id,
        kind: hash.kind,
        round: FIRST_ROUND,
        party_hash: hash.party_hash,
        provider: outcome.provider,
        status: outcome.status,
        reference_id: outcome.referenceId,
        reason_code: outcome.reasonCode,
        policy_version: outcome.policyVersion,
        simulated: outcome.simulated,
        screenedAtMs: outcome.screenedAtMs,
      });
    }
  });
}

/** The case id stays the same however often the question is asked, so that a provider which keeps cases keeps one. */
async function ask(
  dependencies: ActivityDependencies,
  work: SettlementWork,
  party: ConfirmedParty,
  hash: WorkPartyHash,
  context: StepContext,
): Promise<ScreeningOutcome> {
  const { signal } = context;
  if (hash.wallet !== null) {
    const caseId = `${work.id}:${party.id}:wallet:${hash.chain_id}:${hash.wallet}:${FIRST_ROUND}`;
    const wallet = { address: hash.wallet, chainId: hash.chain_id };
    return dependencies.providers.wallet.screen({ kind: 'wallet', caseId, wallet, signal });
  }
  const caseId = `${work.id}:${party.id}:entity:${FIRST_ROUND}`;
  // A party that gave no name comes back flagged: a person has to look.
  const name = party.name === null ? {} : { name: party.name };
  const country = party.country === null ? {} : { country: party.country };
  return dependencies.providers.entity.screen({ kind: 'entity', caseId, ...name, ...country, signal });
}
