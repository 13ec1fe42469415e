import { buildTerms, type SettlementTerms } from '../chain/terms.ts';
import { recordTransition } from '../db/settlement-events.ts';
import { markRegistered, type SettlementWork, storeTerms } from '../db/settlement-work.ts';
import { effectKey } from '../domain/effect-key.ts';
import { KeystoneError } from '../domain/errors.ts';
import { templateBySlug } from '../domain/templates.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { runStep } from './retry.ts';
import type { SettlementActivities } from './settlement-activities.ts';
import { confirmedParties, ENGINE, loadWork, partyOfRole, progressOf, withLockedSettlement } from './steps.ts';

/**
 * INSTRUCTED → COMPLIANCE_CHECKING: creates the settlement on the coordinator chain. The row is asked before and, under its lock,
 * once more in the transaction that stores the signed bytes: a settlement that was rejected meanwhile is never sent.
 */
export function createRegister(dependencies: ActivityDependencies): SettlementActivities['register'] {
  const { database, chain } = dependencies;
  return runStep(dependencies, 'register', async ({ settlementId }, context) => {
    const work = await loadWork(database, settlementId);
    if (work.state !== 'INSTRUCTED') return progressOf(work);
    const terms = termsOf(dependencies, work);
    const hash = chain.termsHash(terms);
    if (work.terms_hash === null) {
      await database.statement((transaction) =>
        storeTerms(transaction, settlementId, { coordinatorChainId: chain.chainId, hash, json: terms.json }),
      );
    } else if (work.terms_hash !== hash) {
      throw new KeystoneError('terms_differ', 'The stored terms are not those of the parties and legs.');
    }
    const included = await chain.create(terms, {
      effectKey: effectKey(settlementId, 'register', 1),
      settlementId,
      context,
      inTransaction: async (transaction) => {
        const rows = await transaction.query<{ state: string }>(
          'SELECT state FROM keystone.settlements WHERE id = $1 FOR UPDATE',
          [settlementId],
        );
        if (rows[0]?.state !== 'INSTRUCTED') throw new KeystoneError('settlement_closed', 'The settlement has ended.');
        await markRegistered(transaction, settlementId);
      },
    });
    return withLockedSettlement(database, settlementId, async (transaction, locked) => {
      if (locked.state !== 'INSTRUCTED') return progressOf(locked, included.transactionHash);
      const moved = await recordTransition(transaction, locked, 'COMPLIANCE_CHECKING', {
        triggeredBy: ENGINE,
        payload: { chain_id: chain.chainId, transaction_hash: included.transactionHash, terms_hash: hash },
      });
      return progressOf(moved, included.transactionHash);
    });
  });
}

/** The terms follow from the rows alone, so that a repeated step builds the same ones. */
function termsOf(dependencies: ActivityDependencies, work: SettlementWork): SettlementTerms {
  const template = templateBySlug(work.template_slug);
  if (template === undefined)
    throw new KeystoneError('configuration_invalid', `There is no template ${work.template_slug}.`);
  const parties = confirmedParties(work);
  return buildTerms({
    settlementId: work.id,
    deadlineMs: work.timeout_at.getTime(),
    attesterSet: dependencies.chain.attesterSet(template.attesterSet),
    parties: parties.map((party) => ({ participantId: party.participant_id, wallet: party.wallet_address })),
    legs: work.legs.map((leg) => ({
      chainId: leg.chain_id,
      escrow: dependencies.chain.escrow,
      token: leg.token_address,
      tokenStandard: leg.token_standard,
      amount: BigInt(leg.amount),
      payerPosition: partyOfRole(parties, leg.payer_role).position,
      payeePosition: partyOfRole(parties, leg.payee_role).position,
    })),
  });
}
