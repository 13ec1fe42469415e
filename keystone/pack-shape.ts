/**
 * The closed shape of `keystone-pack/v1`. Values that a check of its own judges (verdict, result, outcome, amounts) are
 * only typed here, so that a forged one is refuted by the check that carries its name.
 */

import type { JsonObject, JsonValue } from './json.ts';
import { paymentEvidence, settlementEvidence } from './evidence-shape.ts';
import { FEE_MODES, MAX_CHAINS, MAX_FEES, MAX_LEGS } from './pack-types.ts';
import { TOKEN_STANDARDS } from './caip.ts';
import * as shape from './shape.ts';
import { listOf, objectOf, recordOf } from './shape.ts';

const MAX_FLAGS = 64;

type Kind = 'settlement' | 'payment';

/** On a payment an account may be of any chain family; a settlement's are EVM addresses. */
function accountShape(kind: Kind): shape.Shape {
  return kind === 'settlement' ? shape.address : shape.nonEmptyText;
}

function subjectShape(kind: Kind): Record<string, shape.Shape> {
  return kind === 'settlement' ? { settlement_id: shape.uuid } : { payment_id: shape.uuid };
}

const passport = objectOf({
  agent_id: shape.nonEmptyText,
  issuer: shape.nonEmptyText,
  scope: shape.nonEmptyText,
  validity_window: shape.validityWindow,
  signing_kid: shape.thumbprintText,
});

const signature = objectOf({ jws: shape.nonEmptyText, authority_pubkey_b64: shape.nonEmptyText });

const summary = objectOf({
  leg_index: shape.count,
  chain_id: shape.chainId,
  asset: shape.nonEmptyText,
  amount_minor: shape.amount,
  recipient: shape.nonEmptyText,
});

/** More than the whole amount cannot be charged. */
const policyFees = objectOf({
  mode: shape.oneOf([...FEE_MODES]),
  basis_points: shape.count,
  recipient: shape.address,
});

function legMembers(kind: Kind): Record<string, shape.Shape> {
  const account = accountShape(kind);
  return {
    leg_index: shape.count,
    leg_type: shape.oneOf(['asset_delivery', 'payment']),
    from_role: shape.nonEmptyText,
    to_role: shape.nonEmptyText,
    chain_id: shape.chainId,
    ...(kind === 'settlement' ? { escrow: shape.address } : {}),
    token: account,
    token_standard: shape.oneOf([...TOKEN_STANDARDS]),
    token_id: shape.amount,
    partition: shape.bytes32,
    asset: shape.nonEmptyText,
    amount_minor: shape.amount,
    fees: listOf(objectOf({ recipient: account, amount_minor: shape.amount }), { min: 0, max: MAX_FEES }),
    payer: account,
    payee: account,
  };
}

function chainShape(kind: Kind): shape.Shape {
  const named = { canon_version: shape.nonEmptyText, type: shape.nonEmptyText, chain_name: shape.nonEmptyText };
  const terms = kind === 'settlement' ? { terms_hash: shape.bytes32 } : {};
  const summaries = listOf(summary, { min: 0, max: MAX_LEGS });
  const mandate = objectOf(
    {
      ...named,
      passport_ref: shape.reference,
      ...subjectShape(kind),
      confirmed_at_ms: shape.timeMs,
      delivers: summaries,
      receives: summaries,
    },
    { party_ref: shape.reference, authorization: shape.freeObject },
  );
  const policy = objectOf(
    {
      canon_version: shape.nonEmptyText,
      type: shape.nonEmptyText,
      mandate_ref: shape.reference,
      template: shape.nonEmptyText,
      template_version: shape.nonEmptyText,
      ...terms,
    },
    {
      attester_set: shape.bytes32,
      ...(kind === 'settlement' ? { fees: policyFees } : {}),
      rules: shape.freeObject,
    },
  );
  const decision = objectOf({
    ...named,
    policy_bound_ref: shape.reference,
    verdict: shape.nonEmptyText,
    decided_at_ms: shape.timeMs,
    valid_from_ms: shape.timeMs,
    valid_until_ms: shape.timeMs,
    chain: shape.chainId,
    ...subjectShape(kind),
    ...terms,
    amount_minor: shape.amount,
    asset: shape.nonEmptyText,
    recipient: shape.nonEmptyText,
    legs: listOf(objectOf(legMembers(kind)), { min: 1, max: MAX_LEGS }),
    salt: shape.salt,
  });
  return objectOf({
    passport_ref: shape.nonEmptyText,
    mandate_object: mandate,
    mandate_ref: shape.nonEmptyText,
    policy_object: policy,
    policy_bound_ref: shape.nonEmptyText,
    decision_object: decision,
    decision_ref: shape.nonEmptyText,
    decision_signature: signature,
    execution_object: execution,
    execution_ref: shape.nonEmptyText,
    settlement_ref: shape.nonEmptyText,
    trust_query: objectOf({
      subject_refs: listOf(shape.nonEmptyText, { min: 1, max: 16 }),
      trust_outcome: shape.nonEmptyText,
    }),
    trust_query_ref: shape.nonEmptyText,
  });
}

const execution = objectOf({
  canon_version: shape.nonEmptyText,
  type: shape.nonEmptyText,
  decision_ref: shape.reference,
  settlement_ref: shape.reference,
  settlement: objectOf({
    tx_id: shape.nonEmptyText,
    chain: shape.chainId,
    block_number: shape.count,
    block_hash: shape.nonEmptyText,
  }),
  outcome: shape.nonEmptyText,
  executed_at_ms: shape.timeMs,
});

const attestation = objectOf({
  canon_version: shape.nonEmptyText,
  jurisdiction_flags: listOf(shape.nonEmptyText, { min: 0, max: MAX_FLAGS }),
  settled_payment_ref: shape.nonEmptyText,
  settlement_amount: objectOf({ amount_minor: shape.amount, asset_id: shape.nonEmptyText }),
  settlement_chain: shape.nonEmptyText,
  settlement_provider_did: shape.nonEmptyText,
  settlement_result: shape.nonEmptyText,
  settlement_timestamp_ms: shape.timeMs,
});

const logPosition = objectOf({ tx: shape.nonEmptyText, log_index: shape.count });

function settledLegsShape(kind: Kind): shape.Shape {
  const leg = objectOf({
    ...legMembers(kind),
    ...(kind === 'settlement' ? { deposit: logPosition } : {}),
    payout: logPosition,
  });
  return objectOf({
    ...subjectShape(kind),
    ...(kind === 'settlement' ? { coordinator: shape.nonEmptyText } : {}),
    legs: listOf(leg, { min: 1, max: kind === 'settlement' ? MAX_LEGS : 1 }),
  });
}

function packShape(kind: Kind): shape.Shape {
  return objectOf(
    {
      format: shape.nonEmptyText,
      canon_version: shape.nonEmptyText,
      kind: shape.oneOf(['settlement', 'payment']),
      ...subjectShape(kind),
      tx: shape.nonEmptyText,
      compose_ts_ms: shape.timeMs,
      settlement_block: objectOf({
        chain_id: shape.chainId,
        number: shape.count,
        hash: shape.nonEmptyText,
        timestamp_s: shape.timeSeconds,
      }),
      passport_object: passport,
      settlement: objectOf({ attestation, settlement_ref: shape.nonEmptyText }),
      settled_legs: settledLegsShape(kind),
      protocols: recordOf(chainShape(kind), { min: 1, max: MAX_CHAINS }),
      onchain_verification: kind === 'settlement' ? settlementEvidence : paymentEvidence,
      pack_signature: signature,
    },
    { inclusion_proof: shape.freeObject },
  );
}

const SHAPES: Readonly<Record<Kind, shape.Shape>> = {
  settlement: packShape('settlement'),
  payment: packShape('payment'),
};

/** @returns a sentence per place where the pack is not `keystone-pack/v1`; none when its shape is right */
export function packShapeProblems(pack: JsonObject): string[] {
  const problems: string[] = [];
  const kind: JsonValue | undefined = pack['kind'];
  SHAPES[kind === 'payment' ? 'payment' : 'settlement'](pack, '', problems);
  return problems;
}
