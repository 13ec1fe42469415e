import { getAddress } from 'ethers';
import { z } from 'zod';

import { DEPOSIT_PURPOSES } from '../../chain/deposit.ts';
import type { EventRecord, LegRecord, PartyRecord, SettlementRecord } from '../../db/settlements.ts';
import { FEE_MODES, type LegFee, payeeReceives } from '../../domain/fees.ts';
import { DIRECTIONS, LEG_STATUSES, LEG_TYPES } from '../../domain/legs.ts';
import { SETTLEMENT_STATES } from '../../domain/settlement-state.ts';
import { type ChainWallet, WALLET_PURPOSES } from '../../domain/wallets.ts';
import { listOf, timeOut, uuidOut } from '../schemas.ts';

/** Shapes of answers about settlements, with every nullable field present, as the stock clients need it (reference §8.1). */

export const walletsOut = z.array(
  z
    .looseObject({ chain_id: z.int(), address: z.string(), purpose: z.enum(WALLET_PURPOSES) })
    .meta({ id: 'PartyWallet' }),
);

const feesOut = z.array(
  z
    .looseObject({ recipient: z.string(), amount: z.string().meta({ description: 'Base units.' }) })
    .meta({ id: 'LegFee' }),
);

const partyOut = z
  .looseObject({
    id: uuidOut,
    role: z.string(),
    platform_id: uuidOut,
    environment_id: uuidOut,
    external_reference: z.string().nullable(),
    name: z.string().nullable(),
    wallet_address: z.string().nullable().meta({ description: 'With EIP-55 checksum. Null for who may not see it.' }),
    chain_id: z.int().nullable(),
    wallets: walletsOut.nullable().meta({
      description:
        'One receive wallet per chain of its legs, and a deposit wallet where it is another one. Null for who may not see them.',
    }),
    country: z.string().nullable(),
    asset_provider: z.string().nullable(),
    status: z.enum(['pending_confirmation', 'confirmed', 'rejected']),
    confirmed_at: timeOut.nullable(),
    wallet_address_hint: z.string().nullable(),
    counterparty_reference: z.string().nullable(),
    compliance: z
      .looseObject({ status: z.enum(['passed', 'flagged', 'failed']), reason_code: z.string(), simulated: z.boolean() })
      .nullable()
      .meta({
        description:
          'Of your own party only. `simulated`: a sandbox answered, which proves nothing about a real party.',
      }),
    created_at: timeOut,
    updated_at: timeOut,
  })
  .meta({ id: 'Party' });

const legOut = z
  .looseObject({
    id: uuidOut,
    settlement_id: uuidOut,
    leg_index: z.int(),
    leg_type: z.enum(LEG_TYPES),
    instrument_id: z.string(),
    chain_id: z.int().nullable(),
    token_standard: z.string().nullable(),
    token_id: z.string().nullable().meta({ description: 'Of an ERC-721 leg.' }),
    partition: z.string().nullable().meta({ description: 'Of an ERC-1400 leg.' }),
    quantity: z.string().meta({ description: 'Human units, as stated.' }),
    amount: z.string().meta({ description: 'Base units to be paid in: payee_receives and all fees, exactly.' }),
    fees: feesOut,
    payee_receives: z.string().meta({ description: 'Base units.' }),
    decimals: z.int(),
    direction: z.enum(DIRECTIONS),
    party_role: z.string(),
    payer_role: z.string(),
    payee_role: z.string(),
    status: z.enum(LEG_STATUSES),
    external_reference: z.string().nullable(),
    created_at: timeOut,
    updated_at: timeOut,
  })
  .meta({ id: 'Leg' });

export const settlementOut = z
  .looseObject({
    id: uuidOut,
    idempotency_key: z.string().meta({ description: 'Your own key; the id of the settlement when you gave none.' }),
    platform_id: uuidOut,
    environment_id: uuidOut,
    template_id: uuidOut,
    template_slug: z.string(),
    template_version: z.int(),
    fee_mode: z.enum(FEE_MODES).nullable().meta({ description: 'Null when there is no payment leg.' }),
    fee: z.looseObject({ basis_points: z.int(), recipient: z.string() }).nullable().meta({
      description: 'With what the fees of the payment legs were computed; null when the template takes none.',
    }),
    external_reference: z.string().nullable(),
    trade_reference: z.string().nullable(),
    settlement_type: z.enum(['single_platform', 'cross_platform']),
    state: z.enum(SETTLEMENT_STATES),
    timeout_at: timeOut,
    ending_code: z.string().nullable().meta({ description: 'Why it ended without a swap.' }),
    compliance_status: z.enum(['passed', 'flagged', 'approved', 'rejected', 'failed']).nullable(),
    coordinator_chain_id: z.int().nullable(),
    terms_hash: z.string().nullable(),
    decision_digest: z.string().nullable(),
    parties: z.array(partyOut),
    legs: z.array(legOut),
    parent_settlement_id: z.string().nullable(),
    settlement_category: z.string().nullable(),
    maturity_at: z.string().nullable(),
    repo_metadata: z.null(),
    created_at: timeOut,
    updated_at: timeOut,
  })
  .meta({ id: 'Settlement' });

const eventOut = z
  .looseObject({
    id: uuidOut,
    settlement_id: uuidOut,
    sequence: z.int(),
    type: z.string(),
    from_state: z.enum(SETTLEMENT_STATES).nullable(),
    to_state: z.enum(SETTLEMENT_STATES),
    triggered_by: z.string(),
    payload: z.looseObject({}),
    content_hash: z.string(),
    previous_hash: z.string().nullable(),
    created_at: timeOut,
  })
  .meta({ id: 'SettlementEvent' });

export const settlementListOut = listOf('SettlementList', settlementOut);
export const eventListOut = listOf('SettlementEventList', eventOut);
export const relatedOut = z
  .looseObject({ opening: settlementOut.nullable(), closing: settlementOut.nullable() })
  .meta({ id: 'RelatedSettlements' });
export const packOut = z
  .looseObject({})
  .meta({ id: 'ProofPack', description: 'The format is described with the trust chain.' });

const callOut = z.looseObject({ chain_id: z.int(), to: z.string(), data: z.string(), value: z.string() });

export const depositInfoOut = z
  .looseObject({
    leg_index: z.int(),
    chain_id: z.int().meta({ description: 'The chain of the leg; each transaction names its own.' }),
    escrow: z.string(),
    token: z.string(),
    token_standard: z.string(),
    token_id: z.string().nullable(),
    partition: z.string().nullable(),
    amount: z.string().meta({ description: 'Base units to be paid in, fees included.' }),
    fees: feesOut,
    payee_receives: z.string().meta({ description: 'Base units.' }),
    payer: z.string().meta({ description: 'The wallet that signs.' }),
    terms_hash: z.string(),
    coordinator: z.looseObject({ chain_id: z.int(), address: z.string() }),
    expires_at: timeOut,
    transactions: z.array(callOut.extend({ purpose: z.enum(DEPOSIT_PURPOSES) })),
    recovery: z.looseObject({ timeout: callOut, refund: callOut }).meta({
      description:
        'For life without this API: end the settlement after its deadline, and take the deposits of this wallet back.',
    }),
    terms: z.looseObject({}).meta({ description: 'The preimage of terms_hash.' }),
  })
  .meta({ id: 'DepositInfo' });

export const complianceReferencesOut = z
  .looseObject({
    settlement_id: uuidOut,
    items: z.array(
      z.looseObject({
        party_id: uuidOut,
        role: z.string(),
        chain_id: z.int(),
        kind: z.enum(['entity', 'wallet']),
        round: z.int(),
        party_hash: z.string().meta({ description: 'As attested in the ComplianceRegistry.' }),
        status: z.enum(['PASS', 'FLAGGED', 'FAIL']),
        provider: z.string(),
        reference: z
          .string()
          .meta({ description: 'The provider’s reference id, or the id of the decision that lifted a flag.' }),
        reference_hash: z
          .string()
          .meta({ description: 'keccak256 of the reference: `referenceHash` of the attestation.' }),
        simulated: z.boolean(),
        recorded_at: timeOut,
      }),
    ),
  })
  .meta({ id: 'ComplianceReferences' });

/** Addresses are stored in lower case and shown with their EIP-55 checksum. */
export function shownAddress(address: string): string {
  return getAddress(address);
}

function shownAddressOrNull(address: string | null): string | null {
  return address === null ? null : shownAddress(address);
}

/** Wallets as their owner sees them. */
export function showWallets(wallets: readonly ChainWallet[]) {
  return wallets.map(({ chain_id, purpose, wallet_address }) => ({
    chain_id,
    address: shownAddress(wallet_address),
    purpose,
  }));
}

/** What is paid in, what goes to whom of it. Base units. */
export function showFees(leg: { readonly amount: string; readonly fees: readonly LegFee[] }) {
  return {
    amount: leg.amount,
    fees: leg.fees.map(({ recipient, amount }) => ({ recipient: shownAddress(recipient), amount })),
    payee_receives: payeeReceives(leg).toString(),
  };
}

function showParty(party: PartyRecord) {
  return {
    id: party.id,
    role: party.role,
    platform_id: party.platform_id,
    environment_id: party.environment_id,
    external_reference: party.external_reference,
    name: party.name,
    wallet_address: shownAddressOrNull(party.wallet_address),
    chain_id: party.chain_id,
    wallets: party.wallets === null ? null : showWallets(party.wallets),
    country: party.country,
    asset_provider: null,
    status: party.status,
    confirmed_at: party.confirmed_at?.toISOString() ?? null,
    wallet_address_hint: party.wallet_address_hint,
    counterparty_reference: party.counterparty_reference,
    compliance: party.compliance,
    created_at: party.created_at.toISOString(),
    updated_at: party.updated_at.toISOString(),
  };
}

function showLeg(settlementId: string, leg: LegRecord) {
  return {
    id: leg.id,
    settlement_id: settlementId,
    leg_index: leg.leg_index,
    leg_type: leg.leg_type,
    instrument_id: shownAddress(leg.token_address),
    chain_id: leg.chain_id,
    token_standard: leg.token_standard,
    token_id: leg.token_id,
    partition: leg.partition,
    quantity: leg.quantity,
    ...showFees(leg),
    decimals: leg.decimals,
    direction: leg.direction,
    party_role: leg.party_role,
    payer_role: leg.payer_role,
    payee_role: leg.payee_role,
    status: leg.status,
    external_reference: leg.external_reference,
    created_at: leg.created_at.toISOString(),
    updated_at: leg.updated_at.toISOString(),
  };
}

const DECIDED = { approve: 'approved', reject: 'rejected' } as const;

/** Everybody involved sees how the settlement stands; whose check it was, only that party sees. */
function complianceStatus(record: SettlementRecord) {
  if (record.compliance_verdict === 'flagged' && record.compliance_decision !== null) {
    return DECIDED[record.compliance_decision];
  }
  return record.compliance_verdict;
}

export function showSettlement(record: SettlementRecord) {
  return {
    id: record.id,
    // Stock clients demand a text here, and another platform's key is not ours to show.
    idempotency_key: record.idempotency_key ?? record.id,
    platform_id: record.platform_id,
    environment_id: record.environment_id,
    template_id: record.template_id,
    template_slug: record.template_slug,
    template_version: record.template_version,
    fee_mode: record.fee_mode,
    fee:
      record.fee_basis_points === null || record.fee_recipient === null
        ? null
        : { basis_points: record.fee_basis_points, recipient: shownAddress(record.fee_recipient) },
    external_reference: record.external_reference,
    trade_reference: record.trade_reference,
    settlement_type: record.settlement_type,
    state: record.state,
    timeout_at: record.timeout_at.toISOString(),
    ending_code: record.ending_code,
    compliance_status: complianceStatus(record),
    coordinator_chain_id: record.coordinator_chain_id,
    terms_hash: record.terms_hash,
    decision_digest: record.decision_digest,
    parties: record.parties.map(showParty),
    legs: record.legs.map((leg) => showLeg(record.id, leg)),
    parent_settlement_id: null,
    settlement_category: null,
    maturity_at: null,
    repo_metadata: null,
    created_at: record.created_at.toISOString(),
    updated_at: record.updated_at.toISOString(),
  };
}

export function showEvent(event: EventRecord) {
  return { ...event, created_at: event.created_at.toISOString() };
}
