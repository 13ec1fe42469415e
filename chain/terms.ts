import { AbiCoder, getAddress, keccak256, ZeroAddress, ZeroHash } from 'ethers';

import { KeystoneError } from '../domain/errors.ts';
import { type Uuid, uuidToBytes32 } from '../domain/ids.ts';
import { type TokenStandard, tokenStandardIndex } from '../domain/legs.ts';
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
  readonly parties: readonly { readonly participantId: Uuid; readonly wallet: string }[];
  /** In leg order. */
  readonly legs: readonly TermsLegInput[];
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

/** Index of a party's wallet hash: `[p0 entity, p0 wallet, p1 entity, p1 wallet, …]`. Legs name parties by it. */
export function walletIndex(position: number): number {
  return 2 * position + 1;
}

/** Index of a party's entity hash. */
export function entityIndex(position: number): number {
  return 2 * position;
}

/** Terms of a settlement. Throws RangeError or TypeError for input that our own data model excludes. */
export function buildTerms(settlement: TermsInput): SettlementTerms {
  const params: CreateParams = {
    settlementId: uuidToBytes32(settlement.settlementId),
    attesterSet: settlement.attesterSet.toLowerCase(),
    deadline: BigInt(Math.floor(settlement.deadlineMs / 1_000)),
    partyHashes: settlement.parties.flatMap((party) => [
      partyHash(party.participantId, null),
      partyHash(party.participantId, party.wallet),
    ]),
    legs: settlement.legs.map((leg, index) => buildLeg(leg, index, settlement.parties.length)),
  };
  return { params, json: toJson(params) };
}

function buildLeg(leg: TermsLegInput, index: number, parties: number): TermsLegParams {
  for (const position of [leg.payerPosition, leg.payeePosition]) {
    if (!Number.isInteger(position) || position < 0 || position >= parties) {
      throw new RangeError(`leg ${index} names a party that is not there`);
    }
  }
  return {
    chainId: BigInt(leg.chainId),
    escrow: checksummed(leg.escrow),
    token: checksummed(leg.token),
    tokenStandard: tokenStandardIndex(leg.tokenStandard),
    tokenId: leg.tokenId ?? 0n,
    partition: (leg.partition ?? ZeroHash).toLowerCase(),
    amount: leg.amount,
    payer: walletIndex(leg.payerPosition),
    payee: walletIndex(leg.payeePosition),
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

/** Stored addresses are lower case; ethers refuses a mixed-case one whose checksum is wrong. */
function checksummed(address: string): string {
  return getAddress(address.toLowerCase());
}
