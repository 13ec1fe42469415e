/**
 * A synthetic, valid settlement across two chains, every kind of token and fee in it: bond and deed on the coordinator's
 * chain; cash (with a split fee, paid from a deposit wallet of its own) and fund units of a partition on a remote one.
 * Two attesters, both of whom must say Pass.
 */

import type { LegInput, LogPoint, Pack, PackInput, SettlementEvidence, SettlementTerms, SigningKey } from '../pack.ts';
import type { TrustedKeysFile } from '../keys.ts';
import {
  composeDecisions,
  composePack,
  hashTerms,
  partyHash,
  publicKeyOf,
  trustedKeysFile,
  uuidToBytes32,
} from '../pack.ts';
import { attesterSetId } from '../verify-parties.ts';
import * as home from './packs.ts';
import { address, bytes32, testKey } from './packs.ts';

export const REMOTE_CHAIN = 'eip155:43113';
export const SETTLEMENT_ID = '3d5a1c9e-77aa-4c1e-8b0a-2f6f5f1c2b02';
export const GATEWAY = address('9');
export const REMOTE_ESCROW = address('8');
export const DEED = `0x${'de'.repeat(20)}`;
export const FUND = `0x${'fd'.repeat(20)}`;
export const PARTITION = `0x${'70'.repeat(32)}`;
export const SECOND_ATTESTER = address('b');
export const DEPOSIT_WALLET = address('4');
export const FEE = '313281251';
const CASH_PAID_IN = '125469141026';
const SELLER_REMOTE_ID = uuidToBytes32('11111111-2222-4111-8111-111111111111');
const BUYER_REMOTE_ID = uuidToBytes32('22222222-3333-4222-8222-222222222222');

export const attesterSet = { attesters: [home.ATTESTER, SECOND_ATTESTER], threshold: 2 };
const { BOND, CASH, BUYER_ID, BUYER_WALLET, SELLER_ID, SELLER_WALLET, ZERO_WALLET } = home;

/** Per party, per chain: the entity, the receive wallet, a deposit wallet that differs. */
const PARTIES: readonly (readonly [participant: string, wallet: string])[] = [
  [SELLER_ID, ZERO_WALLET],
  [SELLER_ID, SELLER_WALLET],
  [SELLER_REMOTE_ID, ZERO_WALLET],
  [SELLER_REMOTE_ID, SELLER_WALLET],
  [BUYER_ID, ZERO_WALLET],
  [BUYER_ID, BUYER_WALLET],
  [BUYER_REMOTE_ID, ZERO_WALLET],
  [BUYER_REMOTE_ID, BUYER_WALLET],
  [BUYER_REMOTE_ID, DEPOSIT_WALLET],
];

const sold = { leg_type: 'asset_delivery', from_role: 'seller', to_role: 'buyer' } as const;
const atHome = { chain_id: home.HOME_CHAIN, escrow: home.ESCROW, payer: SELLER_WALLET, payee: BUYER_WALLET };
const remotely = { chain_id: REMOTE_CHAIN, escrow: REMOTE_ESCROW };

export const legs: readonly LegInput[] = [
  { ...sold, ...atHome, leg_index: 0, token: BOND, token_standard: 'ERC-20', amount_minor: '500000000000000000000' },
  {
    ...remotely,
    leg_index: 1,
    leg_type: 'payment',
    from_role: 'buyer',
    to_role: 'seller',
    token: CASH,
    token_standard: 'ERC-20',
    amount_minor: CASH_PAID_IN,
    fees: [{ recipient: home.FEE_WALLET, amount_minor: FEE }],
    payer: DEPOSIT_WALLET,
    payee: SELLER_WALLET,
  },
  { ...sold, ...atHome, leg_index: 2, token: DEED, token_standard: 'ERC-721', token_id: '7', amount_minor: '1' },
  {
    ...sold,
    ...remotely,
    leg_index: 3,
    token: FUND,
    token_standard: 'ERC-1400',
    partition: PARTITION,
    amount_minor: '40',
    payer: SELLER_WALLET,
    payee: BUYER_WALLET,
  },
];

/** Payer and payee of each leg as indexes into the party hashes. */
const SIDES: readonly (readonly [payer: number, payee: number])[] = [
  [1, 5],
  [8, 3],
  [1, 5],
  [3, 7],
];

export const terms: SettlementTerms = {
  settlement_id: uuidToBytes32(SETTLEMENT_ID),
  attester_set: attesterSetId(attesterSet),
  deadline_s: 1_790_003_600,
  party_hashes: PARTIES.map(([participant, wallet]) => partyHash(participant, wallet)),
  legs: legs.map((leg, index) => ({
    chain_id: leg.chain_id,
    escrow: leg.escrow ?? '',
    token: leg.token,
    token_standard: { 'ERC-20': 0, 'ERC-721': 1, 'ERC-1400': 2, 'ERC-3643': 3 }[leg.token_standard],
    token_id: leg.token_id ?? '0',
    partition: leg.partition ?? bytes32('0'),
    amount_minor: leg.amount_minor,
    payer: SIDES[index]?.[0] ?? 0,
    payee: SIDES[index]?.[1] ?? 0,
    fees: leg.fees ?? [],
  })),
};

/** Block `n` of the remote chain is mined `n - 5000` seconds after the decision's whole second. */
export function remotePoint(block: number, log_index: number, tx: string): LogPoint {
  return {
    chain_id: REMOTE_CHAIN,
    tx: bytes32(tx),
    log_index,
    block_number: block,
    block_hash: bytes32(`b10c${block}`),
    block_timestamp_s: Math.floor(home.DECIDED_AT_MS / 1000) + block - 5000,
  };
}

export function evidence(): SettlementEvidence {
  const { point, HOME_CHAIN } = home;
  const amount = (index: number): string => legs[index]?.amount_minor ?? '';
  const opening = (party_index: number, chain_id: string, role: string): SettlementEvidence['openings'][number] => {
    const [participant_id, wallet] = PARTIES[party_index] ?? ['', ''];
    return { party_index, participant_id, wallet, chain_id, role };
  };
  return {
    chain_id: HOME_CHAIN,
    coordinator: home.COORDINATOR,
    registry: home.REGISTRY,
    terms,
    openings: [
      opening(1, HOME_CHAIN, 'seller'),
      opening(3, REMOTE_CHAIN, 'seller'),
      opening(5, HOME_CHAIN, 'buyer'),
      opening(7, REMOTE_CHAIN, 'buyer'),
      opening(8, REMOTE_CHAIN, 'buyer'),
    ],
    attester_set: attesterSet,
    created: point(98, 0, 'a1'),
    attestations: attesterSet.attesters.flatMap((attester, member) =>
      terms.party_hashes.map((party_hash, index) => ({
        ...point(99, index + member * terms.party_hashes.length, `a2${member}`),
        party_hash,
        attester,
        status: 1,
        reference_hash: bytes32(`4ef${index}${member}`),
        issued_at_s: 1_790_000_000,
      })),
    ),
    anchor: point(101, 0, 'a3'),
    deposits: [
      { ...point(103, 2, 'a4'), leg_index: 0, amount_minor: amount(0), opened_log_index: 1 },
      { ...remotePoint(5004, 3, 'b3'), leg_index: 1, amount_minor: amount(1), opened_log_index: 1 },
      { ...point(104, 2, 'a5'), leg_index: 2, amount_minor: amount(2), opened_log_index: 1 },
      { ...remotePoint(5003, 2, 'b2'), leg_index: 3, amount_minor: amount(3), opened_log_index: 1 },
    ],
    execution: point(110, 1, 'a6'),
    payouts: [
      { ...point(111, 1, 'a7'), leg_index: 0, kind: 'released', amount_minor: amount(0) },
      {
        ...remotePoint(5013, 3, 'b5'),
        leg_index: 1,
        kind: 'released',
        amount_minor: String(BigInt(CASH_PAID_IN) - BigInt(FEE)),
      },
      { ...point(111, 3, 'a7'), leg_index: 2, kind: 'released', amount_minor: amount(2) },
      { ...remotePoint(5013, 5, 'b5'), leg_index: 3, kind: 'released', amount_minor: amount(3) },
    ],
    fees_paid: [
      {
        ...remotePoint(5013, 1, 'b5'),
        leg_index: 1,
        fee_index: 0,
        kind: 'released',
        recipient: home.FEE_WALLET,
        amount_minor: FEE,
      },
    ],
    remotes: [
      {
        chain_id: REMOTE_CHAIN,
        gateway: GATEWAY,
        escrow: REMOTE_ESCROW,
        opened: remotePoint(5002, 0, 'b1'),
        // The gateway hears of the last deposit before the escrow logs it.
        prepared: remotePoint(5004, 2, 'b3'),
        decided: remotePoint(5012, 0, 'b4'),
        executed: remotePoint(5013, 6, 'b5'),
        votes: { prepared: point(110, 0, 'a6'), executed: point(120, 0, 'a8') },
      },
    ],
    finalised: point(120, 1, 'a8'),
  };
}

export function packInput(key: SigningKey = testKey()): PackInput {
  return {
    decisions: composeDecisions({
      settlement_id: SETTLEMENT_ID,
      chain: home.HOME_CHAIN,
      terms_hash: hashTerms(home.COORDINATOR, home.HOME_CHAIN, terms),
      passport: home.passport,
      signing_key: key,
      decided_at_ms: home.DECIDED_AT_MS,
      valid_until_ms: home.DECIDED_AT_MS + 3_600_000,
      policy: {
        template: 'dvp-crosschain',
        template_version: '1',
        attester_set: terms.attester_set,
        fees: { mode: 'split', basis_points: 25, recipient: home.FEE_WALLET },
      },
      legs,
      chains: [
        { name: 'dvp:seller', confirmed_at_ms: home.DECIDED_AT_MS - 60_000, salt: '5a'.repeat(16) },
        { name: 'dvp:buyer', confirmed_at_ms: home.DECIDED_AT_MS - 50_000, salt: 'b5'.repeat(16) },
      ],
    }),
    evidence: evidence(),
    settlement_provider_did: 'did:web:orchestrator.example',
    jurisdiction_flags: [],
    signing_key: key,
  };
}

export function crossChainPack(key: SigningKey = testKey()): Pack {
  return composePack(packInput(key));
}

/** The orchestrator's key and both deployments. */
export function trusted(key: SigningKey = testKey()): TrustedKeysFile {
  return trustedKeysFile(
    [{ ...publicKeyOf(key), name: 'test orchestrator' }],
    [
      { chain_id: home.HOME_CHAIN, coordinator: home.COORDINATOR, registry: home.REGISTRY, escrow: home.ESCROW },
      { chain_id: REMOTE_CHAIN, gateway: GATEWAY, escrow: REMOTE_ESCROW },
    ],
  );
}
