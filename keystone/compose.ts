/** Composes the proof pack after finality: what was decided, signed, settled and seen on chain, under one signature. */

import { accountId, hashedSpelling } from './caip.ts';
import { CANON_VERSION } from './canonical.ts';
import { decisionSetDigest, subjectOf } from './decisions.ts';
import { type JsonObject, PACK_LIMITS } from './json.ts';
import { signJws } from './jws.ts';
import type { SigningKey } from './keys.ts';
import { PACK_FORMAT, PACK_TYP } from './pack-types.ts';
import type { ComposedDecisions, DecidedChain, LegTerm, LogPoint, OnchainVerification, Pack } from './pack-types.ts';
import type { PackChain, PaymentEvidence, SettledLeg, SettledLegs, SettlementAttestation } from './pack-types.ts';
import type { SettlementEvidence, TrustQueryObject } from './pack-types.ts';
import { type Ref, ref } from './ref.ts';
import { hashTerms } from './terms.ts';

export interface PackInput {
  /** what {@link composeDecisions} returned before the money moved, unchanged (a round trip through JSON is fine) */
  readonly decisions: ComposedDecisions;
  readonly evidence: SettlementEvidence | PaymentEvidence;
  /** who attests the settlement, for example `did:web:…` */
  readonly settlement_provider_did: string;
  /** ordered; each a non-empty string; may be empty */
  readonly jurisdiction_flags: readonly string[];
  readonly signing_key: SigningKey;
}

/**
 * Composes the pack of a finalised settlement or payment.
 * @throws {TypeError} when the evidence is of other terms than the decisions, or lacks a leg's deposit or payout, a fee's
 * log or a remote chain
 */
export function composePack(input: PackInput): Pack {
  const { decisions } = input;
  const evidence = withHashedSpelling(input.evidence);
  const point = 'terms' in evidence ? evidence.execution : evidence.transfer;
  const subject = subjectOf(firstChain(decisions).decision_object);
  const legs = decidedLegs(decisions);
  if ('terms' in evidence) {
    requireComplete(evidence);
  }
  const settled_legs = settledLegs(subject, legs, evidence);
  const attestation = attestationOf(input, legs, settled_legs, point);
  const settlement_ref = ref(attestation);
  const protocols: Record<string, PackChain> = {};
  for (const [name, chain] of Object.entries(decisions.chains)) {
    protocols[name] = packChain(decisions.passport_ref, chain, settlement_ref, point);
  }
  const unsigned: Omit<Pack, 'pack_signature'> = {
    format: PACK_FORMAT,
    canon_version: CANON_VERSION,
    kind: 'terms' in evidence ? 'settlement' : 'payment',
    ...subject,
    tx: point.tx,
    compose_ts_ms: decisions.compose_ts_ms,
    settlement_block: {
      chain_id: point.chain_id,
      number: point.block_number,
      hash: point.block_hash,
      timestamp_s: point.block_timestamp_s,
    },
    passport_object: decisions.passport_object,
    settlement: { attestation, settlement_ref },
    settled_legs,
    protocols,
    onchain_verification: onchainVerification(decisions, evidence),
  };
  return { ...unsigned, pack_signature: signPack(unsigned, input.signing_key) };
}

/** The reference that the pack's signature covers: the pack without `pack_signature` and `inclusion_proof`. */
export function packRef(pack: object): Ref {
  const { pack_signature: _signature, inclusion_proof: _proof, ...signed } = pack as JsonObject;
  return ref(signed, PACK_LIMITS);
}

/** The signed payload: an object with a type, so that a signature over a bare reference cannot be reused as one. */
export function packSignaturePayload(packReference: Ref): JsonObject {
  return { canon_version: CANON_VERSION, type: 'keystone_pack', pack_ref: packReference };
}

export function trustQueryOf(chain: Omit<PackChain, 'trust_query' | 'trust_query_ref'>): TrustQueryObject {
  return {
    subject_refs: [
      chain.passport_ref,
      chain.mandate_ref,
      chain.policy_bound_ref,
      chain.decision_ref,
      chain.settlement_ref,
      chain.execution_ref,
    ],
    trust_outcome: 'TRUSTED',
  };
}

/** The leg whose amount and asset the attestation states: the first payment leg, else leg 0. */
export function headlineLeg<L extends LegTerm>(legs: readonly L[]): L | undefined {
  return legs.find((leg) => leg.leg_type === 'payment') ?? legs[0];
}

function signPack(unsigned: Omit<Pack, 'pack_signature'>, key: SigningKey): Pack['pack_signature'] {
  return {
    jws: signJws(packSignaturePayload(packRef(unsigned)), PACK_TYP, key),
    authority_pubkey_b64: key.public_key_b64,
  };
}

function firstChain(decisions: ComposedDecisions): DecidedChain {
  const [first] = Object.values(decisions.chains);
  if (first === undefined) {
    throw new TypeError('composePack: there is no decided chain');
  }
  return first;
}

/** Every leg once, by index. Each is in the decision of the party that delivers it. */
function decidedLegs(decisions: ComposedDecisions): LegTerm[] {
  const byIndex = new Map<number, LegTerm>();
  for (const chain of Object.values(decisions.chains)) {
    for (const leg of chain.decision_object.legs) {
      byIndex.set(leg.leg_index, leg);
    }
  }
  return [...byIndex.values()].toSorted((a, b) => a.leg_index - b.leg_index);
}

function settledLegs(
  subject: { settlement_id?: string; payment_id?: string },
  legs: readonly LegTerm[],
  evidence: SettlementEvidence | PaymentEvidence,
): SettledLegs {
  if (!('terms' in evidence)) {
    const { tx, log_index } = evidence.transfer;
    return { ...subject, legs: legs.map((leg) => ({ ...leg, payout: { tx, log_index } })) };
  }
  return {
    ...subject,
    coordinator: accountId(evidence.chain_id, evidence.coordinator),
    legs: legs.map((leg): SettledLeg => {
      const deposit = evidence.deposits.find((candidate) => candidate.leg_index === leg.leg_index);
      const payout = evidence.payouts.find((candidate) => candidate.leg_index === leg.leg_index);
      if (deposit === undefined || payout === undefined) {
        throw new TypeError(`composePack: leg ${leg.leg_index} has no deposit or no payout`);
      }
      return {
        ...leg,
        deposit: { tx: deposit.tx, log_index: deposit.log_index },
        payout: { tx: payout.tx, log_index: payout.log_index },
      };
    }),
  };
}

function attestationOf(
  input: PackInput,
  legs: readonly LegTerm[],
  settled: SettledLegs,
  point: LogPoint,
): SettlementAttestation {
  const headline = headlineLeg(legs);
  if (headline === undefined) {
    throw new TypeError('composePack: there is no leg');
  }
  return {
    canon_version: CANON_VERSION,
    jurisdiction_flags: input.jurisdiction_flags,
    settled_payment_ref: ref(settled),
    settlement_amount: { amount_minor: headline.amount_minor, asset_id: headline.asset },
    settlement_chain: input.evidence.chain_id,
    settlement_provider_did: input.settlement_provider_did,
    settlement_result: 'SETTLED',
    settlement_timestamp_ms: point.block_timestamp_s * 1000,
  };
}

function packChain(passport_ref: Ref, decided: DecidedChain, settlement_ref: Ref, point: LogPoint): PackChain {
  const execution_object: PackChain['execution_object'] = {
    canon_version: CANON_VERSION,
    type: 'keystone_execution',
    decision_ref: decided.decision_ref,
    settlement_ref,
    settlement: {
      tx_id: point.tx,
      chain: point.chain_id,
      block_number: point.block_number,
      block_hash: point.block_hash,
    },
    outcome: 'COMMITTED',
    executed_at_ms: point.block_timestamp_s * 1000,
  };
  const chain = { passport_ref, ...decided, settlement_ref, execution_object, execution_ref: ref(execution_object) };
  const trust_query = trustQueryOf(chain);
  return { ...chain, trust_query, trust_query_ref: ref(trust_query) };
}

function onchainVerification(
  decisions: ComposedDecisions,
  evidence: SettlementEvidence | PaymentEvidence,
): OnchainVerification {
  const decision = firstChain(decisions).decision_object;
  const decision_set_digest = decisionSetDigest({ ...decision, decisions: decisions.chains });
  if (!('terms' in evidence)) {
    return { ...evidence, decision_set_digest };
  }
  const terms_hash = hashTerms(evidence.coordinator, evidence.chain_id, evidence.terms);
  if (terms_hash !== decision.terms_hash) {
    throw new TypeError('composePack: the evidence is of other terms than the decisions');
  }
  return { ...evidence, terms_hash, decision_set_digest };
}

/** Evidence that strict verification would refuse is refused while the facts are still at hand. */
function requireComplete(evidence: SettlementEvidence): void {
  const { terms, chain_id: home, fees_paid = [], remotes = [] } = evidence;
  for (const [leg_index, leg] of terms.legs.entries()) {
    if (leg.chain_id !== home && !remotes.some((remote) => remote.chain_id === leg.chain_id)) {
      throw new TypeError(`composePack: leg ${leg_index} is on ${leg.chain_id}, of which there is no evidence`);
    }
    const found = fees_paid.filter((fee) => fee.leg_index === leg_index).map((fee) => fee.fee_index);
    if (leg.fees.some((_fee, index) => !found.includes(index)) || found.length !== leg.fees.length) {
      throw new TypeError(`composePack: the fees of leg ${leg_index} are not the ones that were paid`);
    }
  }
  if (remotes.some((remote) => (remote.decided === undefined) === (remote.released === undefined))) {
    throw new TypeError(
      'composePack: a remote chain was decided by a message or by a release, and by one of them only',
    );
  }
}

/** Addresses, hashes and ids reach us in any case; only the lower one is hashed. */
function withHashedSpelling<E extends SettlementEvidence | PaymentEvidence>(evidence: E): E {
  const lower = (value: unknown): unknown => {
    if (typeof value === 'string') {
      return /^0x[0-9a-fA-F]*$/.test(value) ? value.toLowerCase() : value;
    }
    if (Array.isArray(value)) {
      return value.map(lower);
    }
    if (typeof value === 'object' && value !== null) {
      return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, lower(member)]));
    }
    return value;
  };
  const spelled = lower(evidence) as E;
  if ('terms' in spelled) {
    hashedSpelling(spelled.chain_id, spelled.coordinator);
  }
  return spelled;
}
