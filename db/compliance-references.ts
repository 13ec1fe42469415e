import type { Uuid } from '../domain/ids.ts';
import type { Transaction } from './pool.ts';

/** What opens one attestation of a party: the provider's case, or the decision by which a person lifted its flag. */
export interface ComplianceReference {
  readonly party_id: Uuid;
  readonly role: string;
  /** Where the party hash is used. */
  readonly chain_id: number;
  readonly kind: 'entity' | 'wallet';
  readonly round: number;
  readonly party_hash: string;
  readonly status: 'PASS' | 'FLAGGED' | 'FAIL';
  readonly provider: string;
  readonly reference_id: string;
  readonly simulated: boolean;
  readonly recorded_at: Date;
}

/** Name of the provider where a person has decided in place of one. */
export const DECISION_PROVIDER = 'compliance_decision';

/**
 * The references of the reader's own parties, oldest round first; undefined when it has no party in the settlement. Row-level security shows no
 * other party's checks; an operator, who has no party, is not asked for here.
 */
export async function readComplianceReferences(
  transaction: Transaction,
  settlementId: Uuid,
  environmentId: Uuid,
): Promise<ComplianceReference[] | undefined> {
  const own = await transaction.query(
    'SELECT 1 FROM keystone.parties WHERE settlement_id = $1 AND environment_id = $2',
    [settlementId, environmentId],
  );
  if (own.length === 0) return undefined;
  return transaction.query<ComplianceReference>(
    `SELECT k.party_id, p.role, p.position, k.chain_id, k.kind, k.round, k.party_hash, k.status, k.provider, k.reference_id, k.simulated,
            k.screened_at AS recorded_at
     FROM keystone.compliance_checks k JOIN keystone.parties p ON p.id = k.party_id
     WHERE k.settlement_id = $1 AND k.environment_id = $2
     UNION ALL
     -- An approval is attested as a new Pass for each flagged hash, and its reference is the decision.
     SELECT k.party_id, p.role, p.position, k.chain_id, k.kind, k.round, k.party_hash, 'PASS', $3, d.id::text, false, d.created_at
     FROM keystone.compliance_checks k JOIN keystone.parties p ON p.id = k.party_id
     JOIN keystone.compliance_decisions d ON d.settlement_id = k.settlement_id AND d.round = k.round AND d.decision = 'approve'
     WHERE k.settlement_id = $1 AND k.environment_id = $2 AND k.status = 'FLAGGED'
     ORDER BY position, chain_id, kind, party_hash, round, recorded_at`,
    [settlementId, environmentId, DECISION_PROVIDER],
  );
}
