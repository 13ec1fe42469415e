import { composeDepositInfo, type DepositInfo } from '../chain/deposit-info.ts';
import type { TermsDomain } from '../chain/terms.ts';
import type { Database } from '../db/pool.ts';
import { KeystoneError } from '../domain/errors.ts';
import type { Uuid } from '../domain/ids.ts';
import { loadWork, openingOf, partyOfRole } from './steps.ts';

/** The deposits that one environment has to make, for its own copy of the AWAITING_DEPOSITS webhook; empty when it pays nothing. */
export function createDepositInfoReader(dependencies: {
  readonly database: Database;
  readonly coordinator: TermsDomain;
}): (settlementId: Uuid, environmentId: Uuid) => Promise<DepositInfo[]> {
  return async (settlementId, environmentId) => {
    const work = await loadWork(dependencies.database, settlementId);
    if (work.state !== 'AWAITING_DEPOSITS' || work.terms_hash === null) {
      throw new KeystoneError('not_awaiting_deposits', `A settlement in ${work.state} takes no deposits.`);
    }
    const { terms, terms_hash: termsHash, timeout_at: deadline } = work;
    return work.legs
      .filter((leg) => partyOfRole(work.parties, leg.payer_role).environment_id === environmentId)
      .map((leg) =>
        composeDepositInfo({
          coordinator: dependencies.coordinator,
          storedTerms: terms,
          termsHash,
          deadline,
          legIndex: leg.leg_index,
          payer: openingOf(work, leg, 'payer'),
          payee: openingOf(work, leg, 'payee'),
        }),
      );
  };
}
