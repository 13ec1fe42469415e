import { AbiCoder, getAddress, keccak256, ZeroAddress, ZeroHash } from 'ethers';

import { KeystoneError } from '../domain/errors.ts';
import { type Uuid, uuidToBytes32 } from '../domain/ids.ts';
import { type TokenStandard, tokenStandardIndex } from '../domain/legs.ts';
import { LIMITS } from '../domain/limits.ts';
import type { WalletPurpose } from '../domain/wallets.ts';
import { evmChainId, evmChainNumber } from '../keystone/caip.ts';
import type { SettlementTerms as TermsJson, TermsLeg } from '../keystone/pack-types.ts';

export type { TermsJson };

/** The contract's `Fee`. Base units. */
export interface Fee {
  readonly recipient: string;
  readonly amount: bigint;
}

/** The contract's `Leg`. Addresses are checksummed; `payer` and `payee` index `partyHashes`. */
export interface TermsLegParams {
  readonly chainId: bigint;
  readonly escrow: string;
  readonly token: string;
  readonly tokenStandard: number;
  readonly tokenId: bigint;
  readonly partition: string;
  readonly amount: bigint;
  readonly payer: number;
  readonly payee: number;
  readonly fees: readonly Fee[];
}

/** The contract's `CreateParams`, as ethers encodes it. `deadline` is unix seconds. */
export interface CreateParams {
  readonly settlementId: string;
  readonly attesterSet: string;
  readonly deadline: bigint;
  readonly partyHashes: readonly string[];
  readonly legs: readonly TermsLegParams[];
}

/** The terms in both forms. `json` is what `settlements.terms` and a proof pack hold: decimal strings, lower-case addresses, CAIP-2 chains. */
export interface SettlementTerms {
  readonly params: CreateParams;
  readonly json: TermsJson;
}

export interface TermsInput {
  readonly settlementId: Uuid;
  /** ms since epoch. The contract counts whole seconds; a part of one is dropped, so that the chain is never later than the promise. */
  readonly deadlineMs: number;
  /** bytes32 */
  readonly attesterSet: string;
  /** In position order. */
  readonly parties: readonly TermsParty[];
  /** In leg order. The payer of a leg is its party's deposit wallet on the leg's chain, the payee its party's receive wallet there. */
  readonly legs: readonly TermsLegInput[];
}

/** A party on each chain that its legs touch, chains ascending. */
export interface TermsParty {
  readonly chains: readonly TermsPartyChain[];
}

export interface TermsPartyChain {
  readonly chainId: number;
  readonly participantId: Uuid;
  /** Where the party is paid. */
  readonly receive: string;
  /** From where it pays; the same as `receive` when it names no other. */
  readonly deposit: string;
}

export interface TermsLegInput {
  readonly chainId: number;
  readonly escrow: string;
  readonly token: string;
  readonly tokenStandard: TokenStandard;
  /** Base units, fees included; one for an ERC-721. */
  readonly amount: bigint;
  readonly payerPosition: number;
  readonly payeePosition: number;
  readonly tokenId?: bigint;
  /** bytes32 */
  readonly partition?: string;
  readonly fees?: readonly Fee[];
}

/** Where terms are valid: they are hashed together with these two. */
export interface TermsDomain {
  readonly chainId: number;
  readonly coordinator: string;
}

/** `TERMS_VERSION` of the coordinator. */
const TERMS_VERSION = 1;
const PARAMS_TYPE =
  'tuple(bytes32 settlementId, bytes32 attesterSet, uint64 deadline, bytes32[] partyHashes, ' +
  'tuple(uint64 chainId, address escrow, address token, uint8 tokenStandard, uint256 tokenId, bytes32 partition, uint256 amount, ' +
  'uint8 payer, uint8 payee, tuple(address recipient, uint256 amount)[] fees)[] legs)';
const coder = AbiCoder.defaultAbiCoder();

/** `keccak256(abi.encode(bytes32 participantId, address wallet))` (seed 002). `null` is the entity check: the zero wallet. */
export function partyHash(participantId: Uuid, wallet: string | null): string {
  return keccak256(
    coder.encode(['bytes32', 'address'], [uuidToBytes32(participantId), checksummed(wallet ?? ZeroAddress)]),
  );
}

/** One party hash before it is hashed. `wallet` is null for the entity check. */
export interface PartyPreimage {
  readonly position: number;
  readonly chainId: number;
  readonly participantId: Uuid;
  readonly wallet: string | null;
}

/**
 * The party hashes of a settlement in the order of its terms: parties by position, each with its chains ascending, and there its entity, the
 * receive wallet, and the deposit wallet where it is another one.
 */
export function partyPreimages(parties: readonly TermsParty[]): PartyPreimage[] {
  return parties.flatMap((party, position) =>
    party.chains.flatMap(({ chainId, participantId, receive, deposit }, index) => {
      const before = party.chains[index - 1];
      if (before !== undefined && before.chainId >= chainId) throw new RangeError('the chains of a party ascend');
      const wallets = sameAddress(receive, deposit) ? [receive] : [receive, deposit];
      return [null, ...wallets].map((wallet) => ({ position, chainId, participantId, wallet }));
    }),
  );
}

/** Index of a party's entity hash on a chain. Throws RangeError when the party is not on that chain. */
export function entityIndex(parties: readonly TermsParty[], position: number, chainId: number): number {
  return indexOf(parties, position, chainId, null);
}

/** Index of the hash of a party's wallet for a purpose on a chain; legs name payer and payee by it. Throws RangeError as `entityIndex` does. */
export function walletIndex(
  parties: readonly TermsParty[],
  position: number,
  chainId: number,
  purpose: WalletPurpose,
): number {
  const party = parties[position]?.chains.find((chain) => chain.chainId === chainId);
  return indexOf(parties, position, chainId, party?.[purpose] ?? '');
}

function indexOf(parties: readonly TermsParty[], position: number, chainId: number, wallet: string | null): number {
  const index = partyPreimages(parties).findIndex(
    (party) =>
      party.position === position &&
      party.chainId === chainId &&
      (wallet === null || party.wallet === null ? wallet === party.wallet : sameAddress(wallet, party.wallet)),
  );
  if (index < 0) throw new RangeError(`party ${position} has no such wallet on chain ${chainId}`);
  return index;
}

/** Terms of a settlement. Throws RangeError or TypeError for input that our own data model excludes. */
export function buildTerms(settlement: TermsInput): SettlementTerms {
  const params: CreateParams = {
    settlementId: uuidToBytes32(settlement.settlementId),
    attesterSet: settlement.attesterSet.toLowerCase(),
    deadline: BigInt(Math.floor(settlement.deadlineMs / 1_000)),
    partyHashes: partyPreimages(settlement.parties).map((party) => partyHash(party.participantId, party.wallet)),
    legs: settlement.legs.map((leg) => buildLeg(leg, settlement.parties)),
  };
  if (params.partyHashes.length > LIMITS.maximumPartyHashes) throw new RangeError('the contract takes fewer parties');
  return { params, json: toJson(params) };
}

function buildLeg(leg: TermsLegInput, parties: readonly TermsParty[]): TermsLegParams {
  return {
    chainId: BigInt(leg.chainId),
    escrow: checksummed(leg.escrow),
    token: checksummed(leg.token),
    tokenStandard: tokenStandardIndex(leg.tokenStandard),
    tokenId: leg.tokenId ?? 0n,
    partition: (leg.partition ?? ZeroHash).toLowerCase(),
    amount: leg.amount,
    payer: walletIndex(parties, leg.payerPosition, leg.chainId, 'deposit'),
    payee: walletIndex(parties, leg.payeePosition, leg.chainId, 'receive'),
    fees: (leg.fees ?? []).map((fee) => ({ recipient: checksummed(fee.recipient), amount: fee.amount })),
  };
}

/** `keccak256(abi.encode(uint8 1, address coordinator, uint64 coordinatorChainId, CreateParams))`, as `coordinator.hashTerms` computes it. */
export function termsHash(domain: TermsDomain, terms: SettlementTerms): string {
  return keccak256(
    coder.encode(
      ['uint8', 'address', 'uint64', PARAMS_TYPE],
      [TERMS_VERSION, checksummed(domain.coordinator), domain.chainId, terms.params],
    ),
  );
}

/** The terms as stored. Throws `terms_differ` when the stored JSON is not what `buildTerms` writes. */
export function termsFromJson(stored: unknown): SettlementTerms {
  try {
    const json = stored as TermsJson;
    const params: CreateParams = {
      settlementId: json.settlement_id,
      attesterSet: json.attester_set,
      deadline: BigInt(json.deadline_s),
      partyHashes: [...json.party_hashes],
      legs: json.legs.map(legFromJson),
    };
    // Encoding checks every field's type and range, so that a damaged row fails here and not in a wallet.
    coder.encode([PARAMS_TYPE], [params]);
    return { params, json: toJson(params) };
  } catch (error) {
    throw new KeystoneError('terms_differ', 'The stored terms of the settlement cannot be read.', { cause: error });
  }
}

function legFromJson(leg: TermsLeg): TermsLegParams {
  const chainId = evmChainNumber(leg.chain_id);
  if (chainId === undefined) throw new TypeError('a leg with an escrow lives on an EVM chain');
  return {
    chainId,
    escrow: checksummed(leg.escrow),
    token: checksummed(leg.token),
    tokenStandard: leg.token_standard,
    tokenId: BigInt(leg.token_id),
    partition: leg.partition,
    amount: BigInt(leg.amount_minor),
    payer: leg.payer,
    payee: leg.payee,
    fees: leg.fees.map((fee) => ({ recipient: checksummed(fee.recipient), amount: BigInt(fee.amount_minor) })),
  };
}

function toJson(params: CreateParams): TermsJson {
  return {
    settlement_id: params.settlementId,
    attester_set: params.attesterSet,
    deadline_s: Number(params.deadline),
    party_hashes: [...params.partyHashes],
    legs: params.legs.map((leg) => ({
      chain_id: evmChainId(leg.chainId),
      escrow: leg.escrow.toLowerCase(),
      token: leg.token.toLowerCase(),
      token_standard: leg.tokenStandard,
      token_id: leg.tokenId.toString(),
      partition: leg.partition,
      amount_minor: leg.amount.toString(),
      payer: leg.payer,
      payee: leg.payee,
      fees: leg.fees.map((fee) => ({ recipient: fee.recipient.toLowerCase(), amount_minor: fee.amount.toString() })),
    })),
  };
}

function sameAddress(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

/** Stored addresses are lower case; ethers refuses a mixed-case one whose checksum is wrong. */
function checksummed(address: string): string {
  return getAddress(address.toLowerCase());
}
