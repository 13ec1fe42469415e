import { randomUUID } from 'node:crypto';

import type { Uuid } from '../domain/ids.ts';
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

export interface ConfirmedDetails {
  readonly externalReference: string;
  readonly name?: string | undefined;
  /** Lower case. */
  readonly walletAddress: string;
  readonly chainId?: number | undefined;
  /** ISO 3166-1 alpha-3 */
  readonly country?: string | undefined;
}

/** Fills a placeholder with its owner's details and a fresh participant id. */
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
       participant_id, country) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [
      place.partyId,
      place.settlementId,
      place.environmentId,
      details.externalReference,
      details.name ?? null,
      details.walletAddress,
      details.chainId ?? null,
      randomUUID(),
      details.country ?? null,
    ],
  );
}

export async function rejectParty(transaction: Transaction, partyId: Uuid): Promise<void> {
  await transaction.query(
    `UPDATE keystone.parties SET status = 'rejected', updated_at = clock_timestamp() WHERE id = $1`,
    [partyId],
  );
}

/** Whether a wallet is already another party's, without telling whose. */
export async function settlementHasWallet(
  transaction: Transaction,
  settlementId: Uuid,
  walletAddress: string,
): Promise<boolean> {
  const rows = await transaction.query<{ taken: boolean }>('SELECT keystone.settlement_has_wallet($1, $2) AS taken', [
    settlementId,
    walletAddress,
  ]);
  return rows[0]?.taken === true;
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
