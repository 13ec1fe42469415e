import { randomUUID } from 'node:crypto';

import type { SettlementWork, WorkLeg, WorkParty } from '../../db/settlement-work.ts';
import type { Uuid } from '../../domain/ids.ts';
import type { ChainWallet } from '../../domain/wallets.ts';

/** A settlement's rows as `readSettlementWork` answers them, without a database. */

/** One participant id per chain, as the database keeps it. */
export function workParty(position: number, role: string, wallets: readonly ChainWallet[]): WorkParty {
  const participants = new Map<number, Uuid>(wallets.map(({ chain_id }) => [chain_id, randomUUID()]));
  return {
    id: randomUUID(),
    position,
    role,
    environment_id: randomUUID(),
    platform_slug: `platform-${role}`,
    status: 'confirmed',
    name: null,
    external_reference: null,
    country: null,
    wallets: wallets.map((wallet) => ({ ...wallet, participant_id: participants.get(wallet.chain_id) ?? '' })),
    confirmed_at: new Date(),
  };
}

/** A leg of 1,000 base units of an ERC-20, from seller to buyer, unless said otherwise. */
export function workLeg(leg: Pick<WorkLeg, 'leg_index' | 'chain_id' | 'token_address'> & Partial<WorkLeg>): WorkLeg {
  return {
    leg_type: 'asset_delivery',
    token_standard: 'ERC-20',
    token_id: null,
    partition: null,
    decimals: 0,
    quantity: '1000',
    amount: '1000',
    fees: [],
    payer_role: 'seller',
    payee_role: 'buyer',
    status: 'pending',
    ...leg,
  };
}

export function settlementWork(
  parties: readonly WorkParty[],
  legs: readonly WorkLeg[],
  timeoutAt = new Date(Date.now() + 3_600_000),
): SettlementWork {
  return {
    id: randomUUID(),
    state: 'INSTRUCTED',
    event_sequence: 1,
    event_hash: null,
    environment_id: parties[0]?.environment_id ?? randomUUID(),
    timeout_at: timeoutAt,
    ending_code: null,
    registered_on_chain: false,
    needs_attention: false,
    template_slug: 'dvp-standard',
    template_version: 1,
    fee_mode: null,
    fee_basis_points: null,
    fee_recipient: null,
    trade_reference: null,
    coordinator_chain_id: null,
    terms_hash: null,
    terms: null,
    decision_digest: null,
    created_at: new Date(),
    parties,
    legs,
  };
}
