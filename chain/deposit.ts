import { Interface } from 'ethers';

import { KeystoneError } from '../domain/errors.ts';
import { tokenStandardIndex } from '../domain/legs.ts';
import { encodeDepositLeg, type Opening } from './escrow.ts';
import { partyHash, type SettlementTerms, type TermsDomain, termsHash } from './terms.ts';

/** One transaction that the payer's wallet signs, in this order. */
export interface DepositTransaction {
  readonly purpose: 'approve' | 'deposit';
  /** Lower-case address. */
  readonly to: string;
  readonly data: string;
  /** Wei, decimal string: always `0`, the native coin is never deposited. */
  readonly value: string;
}

export interface DepositInput {
  /** Where the coordinator lives: its chain and address are part of what the payer agrees to. */
  readonly coordinator: TermsDomain;
  readonly terms: SettlementTerms;
  readonly legIndex: number;
  readonly payer: Opening;
  readonly payee: Opening;
}

/** ERC-20 and ERC-721 share the function: its second argument is an amount in one and a token id in the other. */
const approval = new Interface(['function approve(address to, uint256 amountOrTokenId)']);
const ERC_721 = tokenStandardIndex('ERC-721');
const ERC_1400 = tokenStandardIndex('ERC-1400');

/**
 * What the payer of a leg signs: an approval of exactly the leg (the amount, or the one token), and the deposit under these terms. Throws
 * `terms_differ` when the openings are not the leg's parties, since such a deposit would revert, and `token_standard_unsupported` for ERC-1400.
 */
export function depositTransactions(input: DepositInput): DepositTransaction[] {
  const { terms, legIndex, payer, payee } = input;
  const leg = terms.params.legs[legIndex];
  if (leg === undefined) throw new KeystoneError('not_found', 'The settlement has no such leg.');
  if (leg.tokenStandard === ERC_1400) {
    throw new KeystoneError('token_standard_unsupported', 'ERC-1400 legs cannot be deposited yet.');
  }
  requireOpening(terms, leg.payer, payer);
  requireOpening(terms, leg.payee, payee);
  const allowed = leg.tokenStandard === ERC_721 ? leg.tokenId : leg.amount;
  const hash = termsHash(input.coordinator, terms);
  const deposit = encodeDepositLeg(leg.escrow, { terms, legIndex, payer, payee, termsHash: hash });
  return [
    {
      purpose: 'approve',
      to: leg.token.toLowerCase(),
      data: approval.encodeFunctionData('approve', [leg.escrow, allowed]),
      value: '0',
    },
    { purpose: 'deposit', ...deposit, value: '0' },
  ];
}

function requireOpening(terms: SettlementTerms, partyIndex: number, opening: Opening): void {
  if (terms.params.partyHashes[partyIndex] === partyHash(opening.participantId, opening.wallet)) return;
  throw new KeystoneError('terms_differ', 'A party of the leg is not the one that the terms name.');
}
