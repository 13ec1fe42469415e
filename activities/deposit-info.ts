import { composeDepositInfo, type DepositInfo } from '../chain/deposit-info.ts';
import type { TermsDomain } from '../chain/terms.ts';
import type { Database } from '../db/pool.ts';
import { KeystoneError } from '../domain/errors.ts';
import type { Uuid } from '../domain/ids.ts';
import { confirmedParties, loadWork, partyOfRole } from './steps.ts';

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
    const parties = confirmedParties(work);
    return work.legs
      .map((leg) => ({ leg, payer: partyOfRole(parties, leg.payer_role), payee: partyOfRole(parties, leg.payee_role) }))
      .filter(({ payer }) => payer.environment_id === environmentId)
      .map(({ leg, payer, payee }) =>
        composeDepositInfo({
          coordinator: dependencies.coordinator,
          storedTerms: terms,
          termsHash,
          deadline,
          legIndex: leg.leg_index,
          payer: { participantId: payer.participant_id, wallet: payer.wallet_address },
          payee: { participantId: payee.participant_id, wallet: payee.wallet_address },
        }),
      );
  };
}
