import { recordAudit } from '../../db/audit.ts';
import { enqueueTemporal } from '../../db/outbox.ts';
import { confirmParty, everybodyConfirmed, legPaidToItsPayer } from '../../db/parties.ts';
import { recordTransition } from '../../db/settlement-events.ts';
import { KeystoneError } from '../../domain/errors.ts';
import { actorOf, type ApiDependencies, triggeredBy } from '../dependencies.ts';
import type { Handler, PlatformCaller } from '../route.ts';
import { checkChain } from '../trade-rules.ts';
import { checkStatedWallets, walletsForLegs, walletShared } from '../wallet-rules.ts';
import type { confirmSettlement as contract } from './contract.ts';
import { choosePartyToDecide, lockForParty, type PartyDecision, showLocked } from './party-decision.ts';

/**
 * `POST …/confirm`. The settlement's row lock orders confirmations and rejections; the caller's own party's status decides before the
 * settlement's state, so that a repeat is answered like the first time. Temporal is told by the outbox, and may be down.
 */
export function confirmSettlementHandler(dependencies: ApiDependencies): Handler<typeof contract> {
  const { database, chains } = dependencies;
  return async ({ caller, principal, params, body, requestId }) => {
    checkChain(body.chain_id, '/chain_id', chains);
    const stated = checkStatedWallets(body, '', chains);
    return database.transaction(principal, async (transaction) => {
      const locked = await lockForParty(transaction, params.settlement_id, caller);
      const decision = choosePartyToDecide(locked, body.role, dependencies.now());
      if (mustConfirm(decision)) {
        const { platform, settlement, legs } = locked;
        const { role } = decision.party;
        const wallets = walletsForLegs(stated, role, legs, chains);
        const shared = await legPaidToItsPayer(transaction, settlement.id, role, wallets);
        if (shared !== undefined) throw walletShared(stated, shared);
        await confirmParty(
          transaction,
          { settlementId: settlement.id, environmentId: platform.environmentId, partyId: decision.party.id },
          {
            externalReference: body.external_reference,
            name: body.name,
            walletAddress: stated.walletAddress,
            wallets,
            chainId: body.chain_id,
            country: body.country,
          },
        );
        await recordConfirmation(transaction, { locked, platform, role, requestId });
      }
      return showLocked(transaction, params.settlement_id);
    });
  };
}

function mustConfirm(decision: PartyDecision): decision is Extract<PartyDecision, { standing: 'pending' }> {
  if (decision.standing === 'rejected') {
    throw new KeystoneError('confirm_after_rejection', 'The settlement was rejected.');
  }
  return decision.standing === 'pending';
}

async function recordConfirmation(
  transaction: Parameters<typeof recordTransition>[0],
  input: {
    readonly locked: Awaited<ReturnType<typeof lockForParty>>;
    readonly platform: PlatformCaller;
    readonly role: string;
    readonly requestId: string;
  },
): Promise<void> {
  const { settlement } = input.locked;
  await recordAudit(transaction, {
    environmentId: input.platform.environmentId,
    settlementId: settlement.id,
    actor: actorOf(input.platform),
    action: 'settlement.confirm',
    resourceType: 'settlement',
    resourceId: settlement.id,
    requestId: input.requestId,
    detail: { role: input.role },
  });
  if (!(await everybodyConfirmed(transaction, settlement.id))) return;
  await recordTransition(transaction, settlement, 'INSTRUCTED', {
    triggeredBy: triggeredBy(input.platform),
    requestId: input.requestId,
    payload: { role: input.role },
  });
  await enqueueTemporal(transaction, settlement.id, 'confirmation', {}, { requestId: input.requestId });
}
