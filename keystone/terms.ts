/**
 * The contracts' hash rules, by hand: the terms hash, the party hash, the settlement id. They are written out here
 * instead of asking an ABI library, so that an auditor sees every byte of the preimage.
 */

import { abiWord as word, keccak256 } from './abi.ts';
import { hexToBytes } from './bytes.ts';
import { evmChainNumber } from './caip.ts';
import type { SettlementTerms, TermsLeg } from './pack-types.ts';

/** `TERMS_VERSION` of the coordinator. */
export const TERMS_VERSION = 1n;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function isUuid(value: unknown): value is string {
  return typeof value === 'string' && UUID.test(value);
}

/** bytes32 of a UUID: its 16 bytes, then 16 zero bytes. @throws {TypeError} unless it is a lower-case UUID */
export function uuidToBytes32(uuid: string): string {
  if (!isUuid(uuid)) {
    throw new TypeError('not a lower-case UUID');
  }
  return `0x${uuid.replaceAll('-', '')}${'0'.repeat(32)}`;
}

/** `keccak256(abi.encode(bytes32 participantId, address wallet))`; the zero wallet is the entity check. */
export function partyHash(participantId: string, wallet: string): string {
  return keccak256(hexToBytes(word(participantId) + word(wallet)));
}

/** `keccak256(abi.encode(uint8 TERMS_VERSION, address coordinator, uint64 coordinatorChainId, CreateParams))`. */
export function hashTerms(coordinator: string, coordinatorChain: string, terms: SettlementTerms): string {
  const chain = evmChainNumber(coordinatorChain);
  if (chain === undefined) {
    throw new TypeError('a coordinator lives on an EVM chain');
  }
  const head = word(TERMS_VERSION) + word(coordinator) + word(chain) + word(4n * 32n);
  return keccak256(hexToBytes(head + encodeTerms(terms)));
}

/** Head of five words (two of them offsets to the arrays), then both arrays. */
function encodeTerms(terms: SettlementTerms): string {
  const parties = word(BigInt(terms.party_hashes.length)) + terms.party_hashes.map((hash) => word(hash)).join('');
  const partiesAt = 5n * 32n;
  const legsAt = partiesAt + BigInt(parties.length / 2);
  const head =
    word(terms.settlement_id) +
    word(terms.attester_set) +
    word(BigInt(terms.deadline_s)) +
    word(partiesAt) +
    word(legsAt);
  return head + parties + encodeDynamicArray(terms.legs.map(encodeLeg));
}

/** An array whose items have no fixed size: length, one offset per item counted from after the length, items. */
function encodeDynamicArray(items: readonly string[]): string {
  let offset = BigInt(items.length) * 32n;
  let offsets = '';
  for (const item of items) {
    offsets += word(offset);
    offset += BigInt(item.length / 2);
  }
  return word(BigInt(items.length)) + offsets + items.join('');
}

function encodeLeg(leg: TermsLeg): string {
  const chain = evmChainNumber(leg.chain_id);
  if (chain === undefined) {
    throw new TypeError('a leg with an escrow lives on an EVM chain');
  }
  const fees = leg.fees.map((fee) => word(fee.recipient) + word(BigInt(fee.amount_minor))).join('');
  return (
    word(chain) +
    word(leg.escrow) +
    word(leg.token) +
    word(BigInt(leg.token_standard)) +
    word(BigInt(leg.token_id)) +
    word(leg.partition) +
    word(BigInt(leg.amount_minor)) +
    word(BigInt(leg.payer)) +
    word(BigInt(leg.payee)) +
    word(10n * 32n) +
    word(BigInt(leg.fees.length)) +
    fees
  );
}
