import type { FeeMode, LegFee } from '../domain/fees.ts';
import type { Uuid } from '../domain/ids.ts';
import type { LegStatus, LegType, TokenStandard } from '../domain/legs.ts';
import type { PartyWallet } from '../domain/wallets.ts';
import type { LockedSettlement } from './settlement-events.ts';
import type { Transaction } from './pool.ts';

/** A party with what only the worker and its owner may see. */
export interface WorkParty {
  readonly id: Uuid;
  readonly position: number;
  readonly role: string;
  readonly environment_id: Uuid;
  readonly platform_slug: string;
  readonly status: string;
  readonly name: string | null;
  readonly external_reference: string | null;
  readonly country: string | null;
  /** Chains ascending; `receive` before `deposit`, which is there only where it is another wallet. Empty before the confirmation. */
  readonly wallets: readonly PartyWallet[];
  readonly confirmed_at: Date | null;
}

export interface WorkLeg {
  readonly leg_index: number;
  readonly leg_type: LegType;
  readonly token_address: string;
  readonly chain_id: number;
  readonly token_standard: TokenStandard;
  /** Decimal; of an ERC-721 leg only. */
  readonly token_id: string | null;
  /** bytes32, lower case; of an ERC-1400 leg only. */
  readonly partition: string | null;
  readonly decimals: number;
  /** Human units, as stated. */
  readonly quantity: string;
  /** Base units to be paid in, decimal: the payee's part and all fees. */
  readonly amount: string;
  readonly fees: readonly LegFee[];
  readonly payer_role: string;
  readonly payee_role: string;
  readonly status: LegStatus;
}

export interface SettlementWork extends LockedSettlement {
  readonly template_slug: string;
  readonly template_version: number;
  readonly fee_mode: FeeMode | null;
  /** With what the fees of the payment legs were computed; null when the template took none. */
  readonly fee_basis_points: number | null;
  readonly fee_recipient: string | null;
  readonly trade_reference: string | null;
  readonly coordinator_chain_id: number | null;
  readonly terms_hash: string | null;
  readonly terms: Record<string, unknown> | null;
  readonly decision_digest: string | null;
  readonly created_at: Date;
  readonly parties: readonly WorkParty[];
  readonly legs: readonly WorkLeg[];
}

/** Everything that a step needs to know of a settlement, in one statement. Undefined when there is none. */
export async function readSettlementWork(
  transaction: Transaction,
  settlementId: Uuid,
): Promise<SettlementWork | undefined> {
  const rows = await transaction.query<SettlementWork>(
    `SELECT s.id, s.state, s.event_sequence, s.event_hash, s.environment_id, s.timeout_at, s.ending_code, s.registered_on_chain,
            s.needs_attention, s.template_slug, s.template_version, s.fee_mode, s.fee_basis_points, s.fee_recipient, s.trade_reference, s.coordinator_chain_id, s.terms_hash, s.terms,
            s.decision_digest, s.created_at,
       (SELECT coalesce(json_agg(json_build_object('id', p.id, 'position', p.position, 'role', p.role, 'environment_id', p.environment_id,
                 'platform_slug', pl.slug, 'status', p.status, 'name', d.name, 'external_reference', d.external_reference,
                 'country', d.country, 'confirmed_at', p.confirmed_at, 'wallets', (
                   SELECT coalesce(json_agg(json_build_object('chain_id', w.chain_id, 'purpose', w.purpose,
                     'wallet_address', w.wallet_address, 'participant_id', w.participant_id)
                     ORDER BY w.chain_id, w.purpose DESC), '[]')
                   FROM keystone.party_wallets w WHERE w.party_id = p.id)) ORDER BY p.position), '[]')
        FROM keystone.parties p JOIN keystone.platforms pl ON pl.id = p.platform_id
        LEFT JOIN keystone.party_details d ON d.party_id = p.id WHERE p.settlement_id = s.id) AS parties,
       (SELECT coalesce(json_agg(json_build_object('leg_index', l.leg_index, 'leg_type', l.leg_type, 'token_address', l.token_address,
                 'chain_id', l.chain_id, 'token_standard', l.token_standard, 'token_id', l.token_id::text,
                 'partition', l.partition, 'decimals', l.decimals, 'quantity', l.quantity, 'amount', l.amount::text, 'fees', l.fees,
                 'payer_role', l.payer_role, 'payee_role', l.payee_role, 'status', l.status)
                 ORDER BY l.leg_index), '[]')
        FROM keystone.legs l WHERE l.settlement_id = s.id) AS legs
     FROM keystone.settlements s WHERE s.id = $1`,
    [settlementId],
  );
  const row = rows[0];
  if (row === undefined) return undefined;
  const parties = row.parties.map((party) => ({
    ...party,
    confirmed_at: party.confirmed_at === null ? null : new Date(party.confirmed_at),
  }));
  return { ...row, parties };
}

/** The terms are written once; the trigger refuses to change them. */
export async function storeTerms(
  transaction: Transaction,
  settlementId: Uuid,
  terms: { coordinatorChainId: number; hash: string; json: object },
): Promise<void> {
  await transaction.query(
    `UPDATE keystone.settlements SET coordinator_chain_id = $2, terms_hash = $3, terms = $4 WHERE id = $1 AND terms_hash IS NULL`,
    [settlementId, terms.coordinatorChainId, terms.hash, JSON.stringify(terms.json)],
  );
}

/** From here on only the chain ends this settlement; runs in the transaction that journals its create transaction. */
export async function markRegistered(transaction: Transaction, settlementId: Uuid): Promise<void> {
  await transaction.query('UPDATE keystone.settlements SET registered_on_chain = true WHERE id = $1', [settlementId]);
}

export interface ComplianceCheck {
  readonly party_id: Uuid;
  /** Where the party hash is used. */
  readonly chain_id: number;
  readonly kind: 'entity' | 'wallet';
  readonly round: number;
  readonly party_hash: string;
  readonly provider: string;
  readonly status: 'PASS' | 'FLAGGED' | 'FAIL';
  readonly reference_id: string;
  readonly reason_code: string;
  readonly policy_version: string;
  readonly simulated: boolean;
  readonly screened_at: Date;
}

export async function readComplianceChecks(transaction: Transaction, settlementId: Uuid): Promise<ComplianceCheck[]> {
  return transaction.query<ComplianceCheck>(
    `SELECT party_id, chain_id, kind, round, party_hash, provider, status, reference_id, reason_code, policy_version, simulated, screened_at
     FROM keystone.compliance_checks WHERE settlement_id = $1 ORDER BY round, party_id, chain_id, kind, party_hash`,
    [settlementId],
  );
}

/** Stores an outcome once per party hash and round; a repeated screening of the same round changes nothing. */
export async function insertComplianceCheck(
  transaction: Transaction,
  settlementId: Uuid,
  environmentId: Uuid,
  check: Omit<ComplianceCheck, 'screened_at'> & { screenedAtMs: number },
): Promise<void> {
  await transaction.query(
    `INSERT INTO keystone.compliance_checks (settlement_id, party_id, environment_id, chain_id, kind, round, party_hash, provider,
       status, reference_id, reason_code, policy_version, simulated, screened_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT DO NOTHING`,
    [
      settlementId,
      check.party_id,
      environmentId,
      check.chain_id,
      check.kind,
      check.round,
      check.party_hash,
      check.provider,
      check.status,
      check.reference_id,
      check.reason_code,
      check.policy_version,
      check.simulated,
      new Date(check.screenedAtMs),
    ],
  );
}

export interface ComplianceDecision {
  readonly id: Uuid;
  readonly round: number;
  readonly decision: 'approve' | 'reject';
}

export async function readComplianceDecisions(
  transaction: Transaction,
  settlementId: Uuid,
): Promise<ComplianceDecision[]> {
  return transaction.query<ComplianceDecision>(
    'SELECT id, round, decision FROM keystone.compliance_decisions WHERE settlement_id = $1 ORDER BY round',
    [settlementId],
  );
}

export interface StoredDecisions {
  readonly composed: Record<string, unknown>;
  readonly digest: string;
  readonly compose_ts_ms: number;
}

export async function readStoredDecisions(
  transaction: Transaction,
  settlementId: Uuid,
): Promise<StoredDecisions | undefined> {
  const rows = await transaction.query<StoredDecisions>(
    'SELECT composed, digest, compose_ts_ms FROM keystone.decisions WHERE settlement_id = $1',
    [settlementId],
  );
  return rows[0];
}

/** The first writer wins, so that every retry anchors the digest of the same signatures. */
export async function storeDecisions(
  transaction: Transaction,
  settlementId: Uuid,
  decisions: StoredDecisions,
): Promise<void> {
  await transaction.query(
    `INSERT INTO keystone.decisions (settlement_id, composed, digest, compose_ts_ms) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
    [settlementId, JSON.stringify(decisions.composed), decisions.digest, decisions.compose_ts_ms],
  );
}

export async function storeDecisionDigest(transaction: Transaction, settlementId: Uuid, digest: string): Promise<void> {
  await transaction.query('UPDATE keystone.settlements SET decision_digest = $2 WHERE id = $1', [settlementId, digest]);
}

export async function storeProof(transaction: Transaction, settlementId: Uuid, pack: string): Promise<void> {
  await transaction.query('INSERT INTO keystone.proofs (settlement_id, pack) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
    settlementId,
    pack,
  ]);
}
