/**
 * The proof pack: one format for agent payments and for settlements. Key names at the places that the published
 * verifier reads are its own; the inner fields of the objects are defined here and in docs/reference/proof-pack.md.
 * Amounts are decimal strings of base units. Times end in `_ms` (ms since epoch) or `_s` (seconds since epoch).
 */

import type { TokenStandard } from './caip.ts';
import type { FeeTerm, LogPoint, SettlementEvidence } from './evidence-types.ts';
import type { JsonObject } from './json.ts';
import type { Ref } from './ref.ts';

export type * from './evidence-types.ts';

export const PACK_FORMAT = 'keystone-pack/v1';
export const DECISION_TYP = 'keystone-decision+jws';
export const PACK_TYP = 'keystone-pack+jws';

/** The four agent-payment protocols, in the published order. */
export const PAYMENT_PROTOCOLS = ['x402', 'mpp', 'ap2', 'a2a'] as const;
export type PaymentProtocol = (typeof PAYMENT_PROTOCOLS)[number];

/** Chains of a settlement are named by their party's role: `dvp:seller`, `dvp:buyer`. */
export const SETTLEMENT_CHAIN_PREFIX = 'dvp:';
export const MAX_CHAINS = 16;
/** Every leg with its fees is in one preimage, and a preimage is at most 64 KiB. */
export const MAX_LEGS = 32;
/** Fees of one leg. */
export const MAX_FEES = 16;
/** Chains beside the coordinator's. */
export const MAX_REMOTE_CHAINS = 16;
/** Members of an attester set. */
export const MAX_ATTESTERS = 16;

/** Who bears a fee: it is deducted from what the seller gets, added to what the buyer pays, or halved. */
export const FEE_MODES = ['seller_pays', 'buyer_pays', 'split'] as const;
export type FeeMode = (typeof FEE_MODES)[number];

export type LegType = 'asset_delivery' | 'payment';

/** One leg as decided, before money moves. A payment's only leg has no `escrow`. */
export interface LegTerm {
  readonly leg_index: number;
  readonly leg_type: LegType;
  /** who delivers and who receives: the chain names without `dvp:`; for a payment `payer` and `payee` */
  readonly from_role: string;
  readonly to_role: string;
  /** CAIP-2 */
  readonly chain_id: string;
  readonly escrow?: string;
  readonly token: string;
  readonly token_standard: TokenStandard;
  /** decimal; "0" where the token has none */
  readonly token_id: string;
  /** bytes32; zeros where the token has none */
  readonly partition: string;
  /** CAIP-19 */
  readonly asset: string;
  readonly amount_minor: string;
  /** taken out of `amount_minor` at payout */
  readonly fees: readonly FeeTerm[];
  readonly payer: string;
  readonly payee: string;
}

/** What a mandate says about one leg. */
export interface LegSummary {
  readonly leg_index: number;
  readonly chain_id: string;
  readonly asset: string;
  readonly amount_minor: string;
  readonly recipient: string;
}

export interface PassportObject {
  readonly agent_id: string;
  readonly issuer: string;
  readonly scope: string;
  /** `YYYY-MM-DD/YYYY-MM-DD`, both days included, UTC */
  readonly validity_window: string;
  /** the key this agent signs with */
  readonly signing_kid: string;
}

export interface MandateObject {
  readonly canon_version: string;
  readonly type: 'keystone_mandate';
  readonly chain_name: string;
  readonly passport_ref: Ref;
  readonly settlement_id?: string;
  readonly payment_id?: string;
  readonly confirmed_at_ms: number;
  /** salted digest of what stays private about the party (names, external references) */
  readonly party_ref?: string;
  /** the protocol's own authorisation form, for a payment */
  readonly authorization?: JsonObject;
  readonly delivers: readonly LegSummary[];
  readonly receives: readonly LegSummary[];
}

export interface PolicyObject {
  readonly canon_version: string;
  readonly type: 'keystone_policy';
  readonly mandate_ref: Ref;
  readonly template: string;
  readonly template_version: string;
  /** bytes32 of the registry's attester set */
  readonly attester_set?: string;
  readonly terms_hash?: string;
  /** what is charged on each payment leg */
  readonly fees?: PolicyFees;
  readonly rules?: JsonObject;
}

export interface PolicyFees {
  readonly mode: FeeMode;
  /** hundredths of a percent of the agreed amount, rounded down to the base unit */
  readonly basis_points: number;
  readonly recipient: string;
}

export interface DecisionObject {
  readonly canon_version: string;
  readonly type: 'keystone_decision';
  readonly chain_name: string;
  readonly policy_bound_ref: Ref;
  readonly verdict: 'ALLOW';
  readonly decided_at_ms: number;
  readonly valid_from_ms: number;
  readonly valid_until_ms: number;
  /** CAIP-2 of the coordinator, or of the payment */
  readonly chain: string;
  readonly settlement_id?: string;
  readonly payment_id?: string;
  readonly terms_hash?: string;
  /** the first of `legs` */
  readonly amount_minor: string;
  readonly asset: string;
  readonly recipient: string;
  /** what the party delivers, or what it receives if it delivers nothing */
  readonly legs: readonly LegTerm[];
  /** 32 hexadecimal digits: the digest of the decision is public before the decision is */
  readonly salt: string;
}

export interface DecisionSignature {
  readonly jws: string;
  /** standard base64; informative: a verifier uses its pinned key and compares */
  readonly authority_pubkey_b64: string;
}

/** One chain before the money moves. */
export interface DecidedChain {
  readonly mandate_object: MandateObject;
  readonly mandate_ref: Ref;
  readonly policy_object: PolicyObject;
  readonly policy_bound_ref: Ref;
  readonly decision_object: DecisionObject;
  readonly decision_ref: Ref;
  readonly decision_signature: DecisionSignature;
}

export interface ComposedDecisions {
  readonly chains: Record<string, DecidedChain>;
  readonly passport_object: PassportObject;
  readonly passport_ref: Ref;
  readonly compose_ts_ms: number;
}

export interface SettledLeg extends LegTerm {
  readonly deposit?: { readonly tx: string; readonly log_index: number };
  readonly payout: { readonly tx: string; readonly log_index: number };
}

export interface SettledLegs {
  readonly settlement_id?: string;
  readonly payment_id?: string;
  /** CAIP-10 */
  readonly coordinator?: string;
  readonly legs: readonly SettledLeg[];
}

export interface SettlementAttestation {
  readonly canon_version: string;
  readonly jurisdiction_flags: readonly string[];
  readonly settled_payment_ref: string;
  readonly settlement_amount: { readonly amount_minor: string; readonly asset_id: string };
  readonly settlement_chain: string;
  readonly settlement_provider_did: string;
  readonly settlement_result: 'SETTLED' | 'PENDING_FINALITY' | 'REVERSED';
  readonly settlement_timestamp_ms: number;
}

export interface ExecutionObject {
  readonly canon_version: string;
  readonly type: 'keystone_execution';
  readonly decision_ref: Ref;
  readonly settlement_ref: Ref;
  readonly settlement: {
    readonly tx_id: string;
    readonly chain: string;
    readonly block_number: number;
    readonly block_hash: string;
  };
  readonly outcome: 'COMMITTED';
  readonly executed_at_ms: number;
}

export interface TrustQueryObject {
  /** passport, mandate, policy_bound, decision, settlement, execution: in this order */
  readonly subject_refs: readonly Ref[];
  readonly trust_outcome: 'TRUSTED' | 'PROVISIONAL' | 'INSUFFICIENT_EVIDENCE' | 'UNTRUSTED';
}

export interface PackChain extends DecidedChain {
  readonly passport_ref: Ref;
  readonly settlement_ref: Ref;
  readonly execution_object: ExecutionObject;
  readonly execution_ref: Ref;
  readonly trust_query: TrustQueryObject;
  readonly trust_query_ref: Ref;
}

export interface OnchainVerification extends Partial<Omit<SettlementEvidence, 'chain_id' | 'anchor'>> {
  readonly chain_id: string;
  readonly terms_hash?: string;
  readonly decision_set_digest: string;
  readonly anchor?: LogPoint | { readonly carrier: string; readonly digest: string };
  readonly transfer?: LogPoint;
}

export interface Pack {
  readonly format: typeof PACK_FORMAT;
  readonly canon_version: string;
  readonly kind: 'settlement' | 'payment';
  readonly settlement_id?: string;
  readonly payment_id?: string;
  readonly tx: string;
  readonly compose_ts_ms: number;
  readonly settlement_block: {
    readonly chain_id: string;
    readonly number: number;
    readonly hash: string;
    readonly timestamp_s: number;
  };
  readonly passport_object: PassportObject;
  readonly settlement: { readonly attestation: SettlementAttestation; readonly settlement_ref: Ref };
  readonly settled_legs: SettledLegs;
  readonly protocols: Record<string, PackChain>;
  readonly onchain_verification: OnchainVerification;
  readonly pack_signature: DecisionSignature;
}
