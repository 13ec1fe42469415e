/** The settlement itself, offline: attestation, terms, and what the evidence says about parties, amounts, order and contracts. */

import { TOKEN_STANDARDS, accountId, assetId } from './caip.ts';
import { CANON_VERSION } from './canonical.ts';
import { decisionSetDigest, subjectOf } from './decisions.ts';
import { PACK_LIMITS } from './json.ts';
import type { TrustedKeysFile } from './keys.ts';
import { PACK_FORMAT } from './pack-types.ts';
import type { LegTerm, LogPoint, Pack, SettlementEvidence, SettlementTerms } from './pack-types.ts';
import { headlineLeg } from './compose.ts';
import { decidedTerms, sameData, settlementEvidence } from './pack-view.ts';
import { ref } from './ref.ts';
import type { Findings } from './report.ts';
import { hashTerms, uuidToBytes32 } from './terms.ts';
import { checkAmounts } from './verify-amounts.ts';
import { checkContractsOf } from './verify-contracts.ts';
import { checkOrder } from './verify-order.ts';
import { checkParties } from './verify-parties.ts';

export function checkSettlement(
  pack: Pack,
  names: readonly string[],
  keys: TrustedKeysFile | undefined,
  findings: Findings,
): void {
  findings.equal('pack format', PACK_FORMAT, pack.format, 'the format that these checks are written for');
  findings.equal('pack canon_version', CANON_VERSION, pack.canon_version, 'the canonicalisation of every reference');
  checkAttestation(pack, findings);
  findings.holds(
    `settled legs are of this ${pack.kind}`,
    sameData(subjectOf(pack.settled_legs), subjectOf(pack)),
    'settled_legs carries the id of the pack',
    subjectOf(pack.settled_legs),
  );
  const [decision] = names.map((name) => pack.protocols[name]?.decision_object);
  findings.equal(
    'decision set digest recomputes',
    decisionSetDigest({
      chain: decision?.chain ?? '',
      ...(pack.settlement_id === undefined ? {} : { settlement_id: pack.settlement_id }),
      ...(pack.payment_id === undefined ? {} : { payment_id: pack.payment_id }),
      ...(decision?.terms_hash === undefined ? {} : { terms_hash: decision.terms_hash }),
      decisions: pack.protocols,
    }),
    pack.onchain_verification.decision_set_digest,
    'SHA-256 over the canonical decision set',
  );
  if (pack.kind === 'settlement') {
    const evidence = settlementEvidence(pack);
    checkTerms(pack, evidence, findings);
    checkExecutionPoint(pack, evidence, findings);
    checkParties(pack, evidence, names, findings);
    checkAmounts(pack, evidence, names, findings);
    checkOrder(pack, evidence, names, findings);
    checkContractsOf(pack, evidence, keys, findings);
  } else {
    checkPayment(pack, findings);
  }
  if ('inclusion_proof' in pack) {
    findings.open('inclusion_proof', 'this version of the verifier does not read inclusion proofs');
  }
}

function checkAttestation(pack: Pack, findings: Findings): void {
  const { attestation } = pack.settlement;
  const headline = headlineLeg(decidedTerms(pack));
  findings.equal(
    'settlement_result is SETTLED',
    'SETTLED',
    attestation.settlement_result,
    'an attestation of anything else proves no settlement',
  );
  findings.equal('attestation canon_version', CANON_VERSION, attestation.canon_version, 'unknown versions are refused');
  findings.equal(
    'settled_payment_ref recomputes',
    ref(pack.settled_legs, PACK_LIMITS),
    attestation.settled_payment_ref,
    'ref(settled_legs)',
  );
  findings.equal(
    'attestation amount is the settled one',
    headline?.amount_minor,
    attestation.settlement_amount.amount_minor,
    'the first payment leg’s, else leg 0’s',
  );
  findings.equal(
    'attestation asset is the settled one',
    headline?.asset,
    attestation.settlement_amount.asset_id,
    'the first payment leg’s, else leg 0’s',
  );
  findings.equal(
    'attestation chain is the settlement’s',
    pack.onchain_verification.chain_id,
    attestation.settlement_chain,
    'CAIP-2',
  );
  findings.equal(
    'attestation time is the settlement block’s',
    pack.settlement_block.timestamp_s * 1000,
    attestation.settlement_timestamp_ms,
    'settlement_timestamp_ms = settlement_block.timestamp_s × 1000',
  );
}

/** The legs that were decided must be the legs that the contract was created with, and the hash must be of these. */
function checkTerms(pack: Pack, evidence: SettlementEvidence, findings: Findings): void {
  const { terms } = evidence;
  findings.equal(
    'terms_hash recomputes',
    hashTerms(evidence.coordinator, evidence.chain_id, terms),
    pack.onchain_verification.terms_hash,
    'keccak256(abi.encode(uint8 1, coordinator, chain id, terms))',
  );
  findings.equal(
    'terms are of this settlement',
    uuidToBytes32(pack.settlement_id ?? ''),
    terms.settlement_id,
    'bytes32 of the settlement id',
  );
  findings.equal(
    'settled legs name the coordinator',
    accountId(evidence.chain_id, evidence.coordinator),
    pack.settled_legs.coordinator,
    'CAIP-10',
  );
  findings.holds(
    'settled legs are the legs of the terms',
    sameData(
      decidedTerms(pack).map(withoutParties),
      terms.legs.map((leg, index) => termsView(terms, index, leg)),
    ),
    'chain, escrow, token, standard, id, partition, amount and fees of every leg',
  );
  findings.holds(
    'settled assets are their tokens',
    decidedTerms(pack).every((leg, index) => leg.asset === assetId(leg) && leg.leg_index === index),
    'CAIP-19 of every leg, legs in the order of their index',
  );
}

function withoutParties(leg: LegTerm): unknown {
  const { leg_type: _type, from_role: _from, to_role: _to, payer: _payer, payee: _payee, asset: _asset, ...rest } = leg;
  return rest;
}

function termsView(_terms: SettlementTerms, index: number, leg: SettlementTerms['legs'][number]): unknown {
  const { payer: _payer, payee: _payee, token_standard: standard, ...rest } = leg;
  return { leg_index: index, token_standard: TOKEN_STANDARDS[standard] ?? 'unknown', ...rest };
}

function checkExecutionPoint(pack: Pack, evidence: SettlementEvidence, findings: Findings): void {
  findings.equal(
    'tx is the recorded execution',
    evidence.execution.tx,
    pack.tx,
    'the transaction that recorded EXECUTE',
  );
  findings.holds(
    'settlement_block is the execution’s',
    isBlockOf(pack, evidence.execution),
    'chain, number, hash, time',
  );
}

function isBlockOf(pack: Pack, point: LogPoint): boolean {
  return sameData(pack.settlement_block, {
    chain_id: point.chain_id,
    number: point.block_number,
    hash: point.block_hash,
    timestamp_s: point.block_timestamp_s,
  });
}

function checkPayment(pack: Pack, findings: Findings): void {
  const { transfer, anchor } = pack.onchain_verification;
  const [leg] = pack.settled_legs.legs;
  findings.holds(
    'settled leg names the recorded transfer',
    leg !== undefined &&
      transfer !== undefined &&
      pack.tx === transfer.tx &&
      leg.chain_id === transfer.chain_id &&
      sameData(leg.payout, { tx: transfer.tx, log_index: transfer.log_index }),
    'tx, chain and log index',
  );
  findings.holds(
    'settlement_block is the transfer’s',
    transfer !== undefined && isBlockOf(pack, transfer),
    'chain, number, hash, time',
  );
  if (anchor !== undefined && 'carrier' in anchor) {
    findings.equal(
      'payment carries the decision set digest',
      pack.onchain_verification.decision_set_digest,
      anchor.digest,
      `carrier ${anchor.carrier}`,
    );
  } else {
    findings.open('payment carries the decision set digest', 'this payment’s rail carried no digest');
  }
}
