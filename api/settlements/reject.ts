import { recordAudit } from '../../db/audit.ts';
import { enqueueTemporal } from '../../db/outbox.ts';
import { rejectParty } from '../../db/parties.ts';
import { recordTransition } from '../../db/settlement-events.ts';
import { KeystoneError } from '../../domain/errors.ts';
import { actorOf, type ApiDependencies, triggeredBy } from '../dependencies.ts';
import type { Handler } from '../route.ts';
import type { rejectSettlement as contract } from './contract.ts';
import { choosePartyToDecide, lockForParty, type PartyDecision, showLocked } from './party-decision.ts';

/** `POST …/reject`: ends the settlement for everybody; the reason is public among them. Decided by the same lock as confirmations. */
export function rejectSettlementHandler(dependencies: ApiDependencies): Handler<typeof contract> {
  const { database } = dependencies;
  return ({ caller, principal, params, body, requestId }) =>
    database.transaction(principal, async (transaction) => {
      const locked = await lockForParty(transaction, params.settlement_id, caller);
      const decision = choosePartyToDecide(locked, body.role, dependencies.now());
      if (mustReject(decision)) {
        const { platform, settlement } = locked;
        const { role } = decision.party;
        await rejectParty(transaction, decision.party.id);
        await recordAudit(transaction, {
          environmentId: platform.environmentId,
          settlementId: settlement.id,
          actor: actorOf(platform),
          action: 'settlement.reject',
          resourceType: 'settlement',
          resourceId: settlement.id,
          requestId,
          detail: { role },
        });
        await recordTransition(transaction, settlement, 'ROLLED_BACK', {
          triggeredBy: triggeredBy(platform),
          requestId,
          endingCode: 'rejected',
          payload: { ending_code: 'rejected', role, reason: body.reason ?? null },
        });
        await enqueueTemporal(transaction, settlement.id, 'confirmation', {}, { requestId });
      }
      return showLocked(transaction, params.settlement_id);
    });
}

function mustReject(decision: PartyDecision): decision is Extract<PartyDecision, { standing: 'pending' }> {
  if (decision.standing === 'confirmed') {
    throw new KeystoneError('reject_after_confirmation', 'Your party has confirmed.');
  }
  return decision.standing === 'pending';
}
