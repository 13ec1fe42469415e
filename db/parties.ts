import { randomUUID } from 'node:crypto';

import type { Uuid } from '../domain/ids.ts';
import type { ChainWallet, PartyWallet } from '../domain/wallets.ts';
import type { Transaction } from './pool.ts';
import type { PartyStatus } from './settlements.ts';

/** A settlement's party as its confirmation looks at it. */
export interface PartyToDecide {
  readonly id: Uuid;
  readonly role: string;
  readonly status: PartyStatus;
}

/** The parties of one environment in a settlement, in position order. The settlement's row is locked by the caller. */
export async function readPartiesOf(
  transaction: Transaction,
  settlementId: Uuid,
  environmentId: Uuid,
): Promise<PartyToDecide[]> {
  return transaction.query<PartyToDecide>(
    'SELECT id, role, status FROM keystone.parties WHERE settlement_id = $1 AND environment_id = $2 ORDER BY position',
    [settlementId, environmentId],
  );
}

/** Whether no party of the settlement is waiting any more. */
export async function everybodyConfirmed(transaction: Transaction, settlementId: Uuid): Promise<boolean> {
  const rows = await transaction.query(
    `SELECT 1 FROM keystone.parties WHERE settlement_id = $1 AND status <> 'confirmed' LIMIT 1`,
    [settlementId],
  );
  return rows.length === 0;
}

/** A fresh participant id for each chain: a random version 4, since it salts the party's hashes there. */
export function withParticipants(wallets: readonly ChainWallet[]): PartyWallet[] {
  const participants = new Map(wallets.map(({ chain_id }) => [chain_id, randomUUID()]));
  return wallets.map((wallet) => ({ ...wallet, participant_id: participants.get(wallet.chain_id) ?? randomUUID() }));
}

export interface ConfirmedDetails {
  readonly externalReference: string;
  readonly name?: string | undefined;
  /** Lower case; as stated. */
  readonly walletAddress?: string | undefined;
  /** For every chain that the party's legs touch. */
  readonly wallets: readonly ChainWallet[];
  readonly chainId?: number | undefined;
  /** ISO 3166-1 alpha-3 */
  readonly country?: string | undefined;
}

/** Fills a placeholder with its owner's details and its wallets, with fresh participant ids. */
export async function confirmParty(
  transaction: Transaction,
  place: { readonly settlementId: Uuid; readonly environmentId: Uuid; readonly partyId: Uuid },
  details: ConfirmedDetails,
): Promise<void> {
  await transaction.query(
    `UPDATE keystone.parties SET status = 'confirmed', confirmed_at = clock_timestamp(), updated_at = clock_timestamp() WHERE id = $1`,
    [place.partyId],
  );
  await transaction.query(
    `INSERT INTO keystone.party_details (party_id, settlement_id, environment_id, external_reference, name, wallet_address, chain_id,
       country) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [
      place.partyId,
      place.settlementId,
      place.environmentId,
      details.externalReference,
      details.name ?? null,
      details.walletAddress ?? null,
      details.chainId ?? null,
      details.country ?? null,
    ],
  );
  await transaction.query(
    `INSERT INTO keystone.party_wallets (party_id, settlement_id, environment_id, chain_id, purpose, wallet_address, participant_id)
     SELECT $1, $2, $3, w.chain_id, w.purpose, w.wallet_address, w.participant_id
     FROM jsonb_to_recordset($4) AS w (chain_id bigint, purpose text, wallet_address text, participant_id uuid)`,
    [place.partyId, place.settlementId, place.environmentId, JSON.stringify(withParticipants(details.wallets))],
  );
}

export async function rejectParty(transaction: Transaction, partyId: Uuid): Promise<void> {
  await transaction.query(
    `UPDATE keystone.parties SET status = 'rejected', updated_at = clock_timestamp() WHERE id = $1`,
    [partyId],
  );
}

/** Position of a leg that would be paid by and to the same wallet if the party of this role had these ones; it does not tell whose the other is. */
export async function legPaidToItsPayer(
  transaction: Transaction,
  settlementId: Uuid,
  role: string,
  wallets: readonly ChainWallet[],
): Promise<number | undefined> {
  const rows = await transaction.query<{ leg_index: number | null }>(
    'SELECT keystone.leg_paid_to_its_payer($1, $2, $3) AS leg_index',
    [settlementId, role, JSON.stringify(wallets)],
  );
  return rows[0]?.leg_index ?? undefined;
}

/** Stores a person's decision about one round of screening; the primary fact, the workflow is only woken. */
export async function insertComplianceDecision(
  transaction: Transaction,
  decision: {
    readonly settlementId: Uuid;
    readonly round: number;
    readonly decision: 'approve' | 'reject';
    readonly decidedBy: string;
    readonly remark?: string | undefined;
  },
): Promise<Uuid> {
  const id = randomUUID();
  await transaction.query(
    `INSERT INTO keystone.compliance_decisions (id, settlement_id, round, decision, decided_by, remark) VALUES ($1, $2, $3, $4, $5, $6)`,
    [id, decision.settlementId, decision.round, decision.decision, decision.decidedBy, decision.remark ?? null],
  );
  return id;
}
