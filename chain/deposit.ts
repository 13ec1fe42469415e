import { Interface } from 'ethers';

import { KeystoneError } from '../domain/errors.ts';
import { bytes32ToUuid } from '../domain/ids.ts';
import { TOKEN_STANDARDS, type TokenStandard } from '../domain/legs.ts';
import type { ContractCall } from './contract-call.ts';
import { encodeTimeout } from './coordinator.ts';
import { encodeDepositLeg, encodeRefund, type Opening } from './escrow.ts';
import { partyHash, type SettlementTerms, type TermsDomain, termsHash, type TermsLegParams } from './terms.ts';

export const DEPOSIT_PURPOSES = ['approve', 'authorize_operator', 'deposit'] as const;
export type DepositPurpose = (typeof DEPOSIT_PURPOSES)[number];

/** A transaction that a wallet signs. */
export interface PreparedTransaction {
  /** Where it is sent: the leg's chain, or the coordinator's. */
  readonly chain_id: number;
  /** Lower-case address. */
  readonly to: string;
  readonly data: string;
  /** Wei, decimal string: always `0`, the native coin is never deposited. */
  readonly value: string;
}

/** One transaction that the payer's wallet signs, in this order. */
export interface DepositTransaction extends PreparedTransaction {
  readonly purpose: DepositPurpose;
}

/** What anybody may send when nothing of ours runs (design §5.10). */
export interface Recovery {
  /** Ends the settlement on the coordinator's chain; from the deadline on, when not every leg was paid in. */
  readonly timeout: PreparedTransaction;
  /** Hands the payer's deposits on the leg's chain back, once the settlement has failed. */
  readonly refund: PreparedTransaction;
}

export interface DepositInput {
  /** Where the coordinator lives: its chain and address are part of what the payer agrees to. */
  readonly coordinator: TermsDomain;
  readonly terms: SettlementTerms;
  readonly legIndex: number;
  /** The payer's deposit wallet on the leg's chain. */
  readonly payer: Opening;
  /** The payee's receive wallet on the leg's chain. */
  readonly payee: Opening;
}

/** ERC-20 (and ERC-3643) and ERC-721 share `approve`: its second argument is an amount in one and a token id in the other. */
const tokenInterface = new Interface([
  'function approve(address to, uint256 amountOrTokenId)',
  'function authorizeOperatorByPartition(bytes32 partition, address operator)',
]);

/** What lets the escrow pull exactly this leg. An ERC-1400 knows no allowance by amount, so the escrow becomes operator of the one partition. */
const PERMISSIONS: Readonly<Record<TokenStandard, (leg: TermsLegParams) => { purpose: DepositPurpose; data: string }>> =
  {
    'ERC-20': (leg) => approval(leg, leg.amount),
    'ERC-3643': (leg) => approval(leg, leg.amount),
    'ERC-721': (leg) => approval(leg, leg.tokenId),
    'ERC-1400': (leg) => ({
      purpose: 'authorize_operator',
      data: tokenInterface.encodeFunctionData('authorizeOperatorByPartition', [leg.partition, leg.escrow]),
    }),
  };

function approval(leg: TermsLegParams, amountOrTokenId: bigint): { purpose: DepositPurpose; data: string } {
  return { purpose: 'approve', data: tokenInterface.encodeFunctionData('approve', [leg.escrow, amountOrTokenId]) };
}

/**
 * What the payer of a leg signs, on the leg's own chain: the permission for exactly this leg, and the deposit under these terms. Throws
 * `terms_differ` when the openings are not the leg's parties, since such a deposit would revert.
 */
export function depositTransactions(input: DepositInput): DepositTransaction[] {
  const { terms, legIndex, payer, payee } = input;
  const leg = legOf(terms, legIndex);
  requireOpening(terms, leg.payer, payer);
  requireOpening(terms, leg.payee, payee);
  const standard = TOKEN_STANDARDS[leg.tokenStandard];
  if (standard === undefined) throw new KeystoneError('terms_differ', 'A leg of the terms is of no known standard.');
  const permission = PERMISSIONS[standard](leg);
  const hash = termsHash(input.coordinator, terms);
  const deposit = encodeDepositLeg(leg.escrow, { terms, legIndex, payer, payee, termsHash: hash });
  const chainId = Number(leg.chainId);
  return [
    { ...prepared(chainId, { to: leg.token.toLowerCase(), data: permission.data }), purpose: permission.purpose },
    { ...prepared(chainId, deposit), purpose: 'deposit' },
  ];
}

/**
 * Complete calldata for taking a deposit back without this system. The refund names every leg that this wallet pays on the chain and no other:
 * those that were not paid in are passed over, and the other side's wallets need not be known.
 */
export function recoveryTransactions(input: Omit<DepositInput, 'payee'>): Recovery {
  const { terms, legIndex, payer, coordinator } = input;
  const leg = legOf(terms, legIndex);
  requireOpening(terms, leg.payer, payer);
  // A party hash belongs to one chain and to one wallet there, so its index says both.
  const payers = terms.params.legs.map((other) => (other.payer === leg.payer ? payer : null));
  const settlementId = bytes32ToUuid(terms.params.settlementId);
  if (settlementId === undefined) throw new KeystoneError('terms_differ', 'The terms name no settlement.');
  return {
    timeout: prepared(coordinator.chainId, encodeTimeout(coordinator.coordinator, settlementId)),
    refund: prepared(Number(leg.chainId), encodeRefund(leg.escrow, terms, payers)),
  };
}

function prepared(chainId: number, call: ContractCall): PreparedTransaction {
  return { chain_id: chainId, to: call.to, data: call.data, value: '0' };
}

function legOf(terms: SettlementTerms, legIndex: number): TermsLegParams {
  const leg = terms.params.legs[legIndex];
  if (leg === undefined) throw new KeystoneError('not_found', 'The settlement has no such leg.');
  return leg;
}

function requireOpening(terms: SettlementTerms, partyIndex: number, opening: Opening): void {
  if (terms.params.partyHashes[partyIndex] === partyHash(opening.participantId, opening.wallet)) return;
  throw new KeystoneError('terms_differ', 'A party of the leg is not the one that the terms name.');
}
