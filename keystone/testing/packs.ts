/**
 * Synthetic, valid packs for tests: a settlement of two legs with a fee on one chain, and a payment over the four
 * protocols. The settlement across two chains is in cross-chain.ts.
 */

import {
  type ComposedDecisions,
  type LegInput,
  type LogPoint,
  PAYMENT_PROTOCOLS,
  type Pack,
  type PackInput,
  type SettlementEvidence,
  type SettlementTerms,
  type SigningKey,
  composeDecisions,
  composePack,
  hashTerms,
  partyHash,
  publicKeyOf,
  signingKeyFromSeed,
  trustedKeysFile,
  uuidToBytes32,
} from '../pack.ts';
import type { TrustedKeysFile } from '../keys.ts';
import { attesterSetId } from '../verify-parties.ts';

export const HOME_CHAIN = 'eip155:11155111';
export const DECIDED_AT_MS = 1_790_000_000_500;
export const SETTLEMENT_ID = '0b6ee4a5-1e0a-4d51-9b59-6b51b1f7a001';
export const PAYMENT_ID = '7f1e6f0e-9a51-4f8c-8f0e-3f2a9d0c4b11';

export const address = (digit: string): string => `0x${digit.repeat(40)}`;
export const bytes32 = (digits: string): string => `0x${digits.padStart(64, '0')}`;

export const COORDINATOR = address('c');
export const REGISTRY = address('d');
export const ESCROW = address('e');
export const BOND = address('b');
export const CASH = address('f');
export const ATTESTER = address('a');
export const SELLER_WALLET = address('1');
export const BUYER_WALLET = address('2');
export const FEE_WALLET = address('3');
export const SELLER_ID = uuidToBytes32('11111111-1111-4111-8111-111111111111');
export const BUYER_ID = uuidToBytes32('22222222-2222-4222-8222-222222222222');
const ATTESTERS = { attesters: [ATTESTER], threshold: 1 };
export const ZERO_WALLET = `0x${'0'.repeat(40)}`;

export function testKey(digit = '7'): SigningKey {
  return signingKeyFromSeed(digit.repeat(64));
}

export function trusted(key: SigningKey = testKey()): TrustedKeysFile {
  return trustedKeysFile([{ ...publicKeyOf(key), name: 'test orchestrator' }]);
}

export const legs: readonly LegInput[] = [
  {
    leg_index: 0,
    leg_type: 'asset_delivery',
    from_role: 'seller',
    to_role: 'buyer',
    chain_id: HOME_CHAIN,
    escrow: ESCROW,
    token: BOND,
    token_standard: 'ERC-20',
    amount_minor: '500000000000000000000',
    payer: SELLER_WALLET,
    payee: BUYER_WALLET,
  },
  {
    leg_index: 1,
    leg_type: 'payment',
    from_role: 'buyer',
    to_role: 'seller',
    chain_id: HOME_CHAIN,
    escrow: ESCROW,
    token: CASH,
    token_standard: 'ERC-20',
    amount_minor: '125000000000',
    fees: [{ recipient: FEE_WALLET, amount_minor: '250000' }],
    payer: BUYER_WALLET,
    payee: SELLER_WALLET,
  },
];

export const terms: SettlementTerms = {
  settlement_id: uuidToBytes32(SETTLEMENT_ID),
  attester_set: attesterSetId(ATTESTERS),
  deadline_s: 1_790_003_600,
  party_hashes: [
    partyHash(SELLER_ID, ZERO_WALLET),
    partyHash(SELLER_ID, SELLER_WALLET),
    partyHash(BUYER_ID, ZERO_WALLET),
    partyHash(BUYER_ID, BUYER_WALLET),
  ],
  legs: legs.map((leg, index) => ({
    chain_id: leg.chain_id,
    escrow: ESCROW,
    token: leg.token,
    token_standard: 0,
    token_id: '0',
    partition: bytes32('0'),
    amount_minor: leg.amount_minor,
    payer: index === 0 ? 1 : 3,
    payee: index === 0 ? 3 : 1,
    fees: leg.fees ?? [],
  })),
};

/** Block `n` is mined `n - 100` seconds after the whole second of the decision; blocks up to 100 are before it. */
export function point(block: number, log_index: number, tx: string): LogPoint {
  return {
    chain_id: HOME_CHAIN,
    tx: bytes32(tx),
    log_index,
    block_number: block,
    block_hash: bytes32(`b10c${block}`),
    block_timestamp_s: Math.floor(DECIDED_AT_MS / 1000) + block - 100,
  };
}

export function settlementEvidence(): SettlementEvidence {
  const cash = BigInt(legs[1]?.amount_minor ?? 0);
  const fee = 250_000n;
  return {
    chain_id: HOME_CHAIN,
    coordinator: COORDINATOR,
    registry: REGISTRY,
    terms,
    openings: [
      { party_index: 1, participant_id: SELLER_ID, wallet: SELLER_WALLET, chain_id: HOME_CHAIN, role: 'seller' },
      { party_index: 3, participant_id: BUYER_ID, wallet: BUYER_WALLET, chain_id: HOME_CHAIN, role: 'buyer' },
    ],
    attester_set: ATTESTERS,
    created: point(98, 0, '1'),
    attestations: terms.party_hashes.map((party_hash, index) => ({
      ...point(99, index, '2'),
      party_hash,
      attester: ATTESTER,
      status: 1,
      reference_hash: bytes32(`4ef${index}`),
      issued_at_s: 1_790_000_000,
    })),
    anchor: point(101, 1, '3'),
    deposits: [
      { ...point(102, 2, '4'), leg_index: 0, amount_minor: legs[0]?.amount_minor ?? '', opened_log_index: 1 },
      { ...point(103, 2, '5'), leg_index: 1, amount_minor: String(cash), opened_log_index: 1 },
    ],
    execution: point(103, 3, '5'),
    payouts: [
      { ...point(103, 5, '5'), leg_index: 0, kind: 'released', amount_minor: legs[0]?.amount_minor ?? '' },
      { ...point(103, 9, '5'), leg_index: 1, kind: 'released', amount_minor: String(cash - fee) },
    ],
    fees_paid: [
      {
        ...point(103, 7, '5'),
        leg_index: 1,
        fee_index: 0,
        kind: 'released',
        recipient: FEE_WALLET,
        amount_minor: String(fee),
      },
    ],
    finalised: point(103, 10, '5'),
  };
}

export const passport = {
  agent_id: 'did:web:orchestrator.example',
  issuer: 'did:web:issuer.example',
  scope: 'settlements',
  validity_window: '2026-01-01/2027-01-01',
};

export function settlementDecisions(key: SigningKey = testKey()): ComposedDecisions {
  return composeDecisions({
    settlement_id: SETTLEMENT_ID,
    chain: HOME_CHAIN,
    terms_hash: hashTerms(COORDINATOR, HOME_CHAIN, terms),
    passport,
    signing_key: key,
    decided_at_ms: DECIDED_AT_MS,
    valid_until_ms: DECIDED_AT_MS + 3_600_000,
    policy: { template: 'dvp-standard', template_version: '1', attester_set: terms.attester_set },
    legs,
    chains: [
      { name: 'dvp:seller', confirmed_at_ms: DECIDED_AT_MS - 60_000, salt: '5a'.repeat(16) },
      { name: 'dvp:buyer', confirmed_at_ms: DECIDED_AT_MS - 50_000, salt: 'b5'.repeat(16) },
    ],
  });
}

export function settlementPackInput(key: SigningKey = testKey()): PackInput {
  return {
    decisions: settlementDecisions(key),
    evidence: settlementEvidence(),
    settlement_provider_did: 'did:web:orchestrator.example',
    jurisdiction_flags: ['UK', 'EU'],
    signing_key: key,
  };
}

export function settlementPack(key: SigningKey = testKey()): Pack {
  return composePack(settlementPackInput(key));
}

export function paymentPack(key: SigningKey = testKey()): Pack {
  const decisions = composeDecisions({
    payment_id: PAYMENT_ID,
    chain: 'eip155:84532',
    passport: { ...passport, scope: 'payments' },
    signing_key: key,
    decided_at_ms: DECIDED_AT_MS,
    valid_until_ms: DECIDED_AT_MS + 300_000,
    policy: { template: 'agent-payment', template_version: '1', rules: { max_amount_minor: '5000000' } },
    legs: [
      {
        leg_index: 0,
        leg_type: 'payment',
        from_role: 'payer',
        to_role: 'payee',
        chain_id: 'eip155:84532',
        token: CASH,
        token_standard: 'ERC-20',
        amount_minor: '1000000',
        payer: BUYER_WALLET,
        payee: SELLER_WALLET,
      },
    ],
    chains: PAYMENT_PROTOCOLS.map((name, index) => ({
      name,
      confirmed_at_ms: DECIDED_AT_MS - 1000,
      authorization: { form: name },
      salt: `${index}4`.repeat(16),
    })),
  });
  return composePack({
    decisions,
    evidence: { chain_id: 'eip155:84532', transfer: { ...point(101, 0, '9'), chain_id: 'eip155:84532' } },
    settlement_provider_did: 'did:web:orchestrator.example',
    jurisdiction_flags: [],
    signing_key: key,
  });
}
