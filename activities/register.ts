import type { SettlementTerms } from '../chain/terms.ts';
import { termsOfWork } from '../chain/terms-of-work.ts';
import { recordTransition } from '../db/settlement-events.ts';
import { markRegistered, type SettlementWork, storeTerms } from '../db/settlement-work.ts';
import { effectKey } from '../domain/effect-key.ts';
import { KeystoneError } from '../domain/errors.ts';
import { isTerminal } from '../domain/settlement-state.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { takeOverFacts } from './finalise.ts';
import { runStep } from './retry.ts';
import type { SettlementActivities } from './settlement-activities.ts';
import { ENGINE, loadWork, progressOf, requireChainsRunning, templateOf, withLockedSettlement } from './steps.ts';

/**
 * INSTRUCTED → COMPLIANCE_CHECKING: creates the settlement on the coordinator chain. The row is asked before and, under its lock,
 * once more in the transaction that stores the signed bytes: a settlement that was rejected meanwhile is never sent.
 */
export function createRegister(dependencies: ActivityDependencies): SettlementActivities['register'] {
  const { database, chains } = dependencies;
  const { home } = chains;
  return runStep(dependencies, 'register', async ({ settlementId }, context) => {
    const work = await loadWork(database, settlementId);
    // A workflow that was lost and started again may find the settlement ended, and money still out.
    if (isTerminal(work.state) && work.registered_on_chain) return takeOverFacts(dependencies, work);
    if (work.state !== 'INSTRUCTED') return progressOf(work);
    await requireChainsRunning(dependencies, work);
    const terms = termsOf(dependencies, work);
    const hash = home.termsHash(terms);
    if (work.terms_hash === null) {
      await database.statement((transaction) =>
        storeTerms(transaction, settlementId, { coordinatorChainId: home.chainId, hash, json: terms.json }),
      );
    } else if (work.terms_hash !== hash) {
      throw new KeystoneError('terms_differ', 'The stored terms are not those of the parties and legs.');
    }
    const included = await home.create(terms, {
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
    const effect = { what: 'register', chainId: home.chainId, transactionHash: included.transactionHash };
    return withLockedSettlement(database, settlementId, async (transaction, locked) => {
      if (locked.state !== 'INSTRUCTED') return progressOf(locked, [effect]);
      const moved = await recordTransition(transaction, locked, 'COMPLIANCE_CHECKING', {
        triggeredBy: ENGINE,
        payload: { chain_id: home.chainId, transaction_hash: included.transactionHash, terms_hash: hash },
      });
      return progressOf(moved, [effect]);
    });
  });
}

/** The terms follow from the rows and the configuration alone, so that a repeated step builds the same ones. */
function termsOf({ chains }: ActivityDependencies, work: SettlementWork): SettlementTerms {
  const escrows = new Map([chains.home, ...chains.remotes.values()].map(({ chainId, escrow }) => [chainId, escrow]));
  return termsOfWork(work, { escrows, attesterSet: chains.home.attesterSet(templateOf(work).attesterSet) });
}
