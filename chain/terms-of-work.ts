import type { SettlementWork, WorkParty } from '../db/settlement-work.ts';
import { KeystoneError } from '../domain/errors.ts';
import type { Uuid } from '../domain/ids.ts';
import { walletFor, type WalletPurpose } from '../domain/wallets.ts';
import type { Opening } from './escrow.ts';
import { buildTerms, partyHash, partyPreimages, type SettlementTerms, type TermsParty } from './terms.ts';

/** What follows from a settlement's rows alone, so that a repeated step, another worker and the API all come to the same. */

/**
 * The terms of a settlement whose parties have all confirmed. `escrows`: the escrow of each configured chain; `attesterSet`: bytes32. Throws
 * `configuration_invalid` for a leg on a chain without an escrow.
 */
export function termsOfWork(
  work: SettlementWork,
  places: { readonly escrows: ReadonlyMap<number, string>; readonly attesterSet: string },
): SettlementTerms {
  return buildTerms({
    settlementId: work.id,
    deadlineMs: work.timeout_at.getTime(),
    attesterSet: places.attesterSet,
    parties: termsParties(work),
    legs: work.legs.map((leg) => {
      const escrow = places.escrows.get(leg.chain_id);
      if (escrow === undefined) {
        throw new KeystoneError('configuration_invalid', `Chain ${leg.chain_id} of this settlement is not configured.`);
      }
      return {
        chainId: leg.chain_id,
        escrow,
        token: leg.token_address,
        tokenStandard: leg.token_standard,
        amount: BigInt(leg.amount),
        payerPosition: positionOf(work, leg.payer_role),
        payeePosition: positionOf(work, leg.payee_role),
        ...(leg.token_id !== null && { tokenId: BigInt(leg.token_id) }),
        ...(leg.partition !== null && { partition: leg.partition }),
        fees: leg.fees.map((fee) => ({ recipient: fee.recipient, amount: BigInt(fee.amount) })),
      };
    }),
  });
}

/** The preimage of the hash of a party's wallet for a purpose on a chain; the receive wallet stands in for a deposit wallet that is not there. */
export function walletOf(party: WorkParty, chainId: number, purpose: WalletPurpose): Opening {
  const wallet = walletFor(party.wallets, chainId, purpose);
  if (wallet === undefined) throw new KeystoneError('internal', 'A party has no wallet on a chain of its legs.');
  return { participantId: wallet.participant_id, wallet: wallet.wallet_address };
}

/** A party hash with what it stands for; the zero wallet of an entity check is `null`. */
export interface WorkPartyHash {
  readonly party_id: Uuid;
  readonly chain_id: number;
  readonly kind: 'entity' | 'wallet';
  readonly wallet: string | null;
  readonly participant_id: Uuid;
  readonly party_hash: string;
}

/** All party hashes in the order of the terms: what is screened and attested. The entity of a party is one case, whatever its participant ids. */
export function partyHashesOf(work: SettlementWork): WorkPartyHash[] {
  const parties = inOrder(work);
  return partyPreimages(termsParties(work)).map(({ position, chainId, participantId, wallet }) => {
    const party = parties[position];
    if (party === undefined) throw new KeystoneError('internal', 'A party hash belongs to nobody.');
    return {
      party_id: party.id,
      chain_id: chainId,
      kind: wallet === null ? ('entity' as const) : ('wallet' as const),
      wallet,
      participant_id: participantId,
      party_hash: partyHash(participantId, wallet),
    };
  });
}

function termsParties(work: SettlementWork): TermsParty[] {
  return inOrder(work).map((party) => {
    const chains = [...new Set(party.wallets.map((wallet) => wallet.chain_id))].toSorted((a, b) => a - b);
    if (chains.length === 0) throw new KeystoneError('internal', 'A party without a wallet has not confirmed.');
    return {
      chains: chains.map((chainId) => {
        const receive = walletOf(party, chainId, 'receive');
        const deposit = walletOf(party, chainId, 'deposit');
        // Two entity hashes would be needed, and only one is made.
        if (receive.participantId !== deposit.participantId) {
          throw new KeystoneError('internal', 'A party has two participant ids on one chain.');
        }
        return { chainId, participantId: receive.participantId, receive: receive.wallet, deposit: deposit.wallet };
      }),
    };
  });
}

/** By position, which counts from zero without gaps. */
function inOrder(work: SettlementWork): WorkParty[] {
  return work.parties.toSorted((a, b) => a.position - b.position);
}

function positionOf(work: SettlementWork, role: string): number {
  const index = inOrder(work).findIndex((party) => party.role === role);
  if (index < 0) throw new KeystoneError('internal', 'A leg names a role that nobody has.');
  return index;
}
