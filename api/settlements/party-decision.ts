import { type PartyToDecide, readPartiesOf } from '../../db/parties.ts';
import type { Transaction } from '../../db/pool.ts';
import { type LockedSettlement, lockSettlement } from '../../db/settlement-events.ts';
import { readSettlement } from '../../db/settlements.ts';
import { KeystoneError } from '../../domain/errors.ts';
import type { Uuid } from '../../domain/ids.ts';
import { isTerminal } from '../../domain/settlement-state.ts';
import { notFound } from '../problems.ts';
import type { Answer, Caller, PlatformCaller } from '../route.ts';
import { refusal } from '../trade-rules.ts';
import type { LegPlace } from '../wallet-rules.ts';
import { showSettlement } from './views.ts';

/** The settlement's locked row, the caller's parties in it, and its legs with their tokens in lower case. */
export interface LockedForParty {
  readonly settlement: LockedSettlement;
  readonly platform: PlatformCaller;
  readonly parties: readonly PartyToDecide[];
  readonly legs: readonly LegPlace[];
}

/**
 * Locks a settlement for a party's decision. Who may not see it gets what a missing one gets; the initiator, whose own parties need no
 * confirmation, and an operator, who has none, get 403.
 */
export async function lockForParty(
  transaction: Transaction,
  settlementId: Uuid,
  caller: Caller,
): Promise<LockedForParty> {
  const settlement = await lockSettlement(transaction, settlementId);
  if (settlement === undefined) throw notFound();
  if (caller.kind === 'operator') throw notACounterparty();
  const details = await readSettlement(transaction, settlementId, 'tenant');
  if (details === undefined) throw notFound();
  if (details.settlement_type === 'single_platform') {
    throw new KeystoneError('not_cross_platform', 'Settlement is not cross-platform');
  }
  const initiated = details.origin === 'direct' && settlement.environment_id === caller.environmentId;
  const parties = initiated ? [] : await readPartiesOf(transaction, settlementId, caller.environmentId);
  if (parties.length === 0) throw notACounterparty();
  const legs = details.legs.map((leg) => ({
    chainId: leg.chain_id,
    payerRole: leg.payer_role,
    payeeRole: leg.payee_role,
    token: leg.token_address,
  }));
  return { settlement, platform: caller, parties, legs };
}

function notACounterparty(): KeystoneError {
  return new KeystoneError('not_a_counterparty', 'You have no party in this settlement that is to be confirmed.');
}

export type PartyDecision =
  | { readonly standing: 'pending'; readonly party: PartyToDecide }
  | { readonly standing: 'confirmed' | 'rejected' };

/**
 * Which party the caller speaks for and how it stands. Throws `role_ambiguous` when several wait and no role is named, and
 * `settlement_closed` when one waits but the settlement has ended or its deadline has passed.
 */
export function choosePartyToDecide(locked: LockedForParty, role: string | undefined, nowMs: number): PartyDecision {
  const { settlement } = locked;
  const named = role === undefined ? locked.parties : locked.parties.filter((party) => party.role === role);
  if (named.length === 0)
    throw refusal('not_a_counterparty', '/role', 'You have no party of this role in this settlement.');
  // Another party's rejection has ended the settlement for everybody.
  if (settlement.ending_code === 'rejected') return { standing: named.every(isConfirmed) ? 'confirmed' : 'rejected' };
  const waiting = named.filter((party) => party.status === 'pending_confirmation');
  const [party] = waiting;
  if (party === undefined) return { standing: 'confirmed' };
  if (waiting.length > 1) {
    throw refusal(
      'role_ambiguous',
      '/role',
      `Several of your parties wait: name one of ${waiting.map((one) => one.role).join(', ')}.`,
    );
  }
  if (isTerminal(settlement.state) || settlement.timeout_at.getTime() <= nowMs) {
    throw new KeystoneError('settlement_closed', 'The settlement has ended or its deadline has passed.');
  }
  if (settlement.state !== 'AWAITING_CONFIRMATION') {
    throw new KeystoneError('not_awaiting_confirmation', 'The settlement is not awaiting confirmation.');
  }
  return { standing: 'pending', party };
}

function isConfirmed(party: PartyToDecide): boolean {
  return party.status === 'confirmed';
}

/** The settlement as it is now, in the transaction that may have changed it. */
export async function showLocked(
  transaction: Transaction,
  settlementId: Uuid,
  reader: 'tenant' | 'operator' = 'tenant',
): Promise<Answer> {
  const settlement = await readSettlement(transaction, settlementId, reader);
  if (settlement === undefined) throw notFound();
  return { status: 200, body: showSettlement(settlement) };
}
