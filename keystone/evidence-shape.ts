/** The closed shape of `onchain_verification`. A settlement's points and accounts are EVM ones; a payment's are of any chain. */

import { MAX_ATTESTERS, MAX_FEES, MAX_LEGS, MAX_REMOTE_CHAINS } from './pack-types.ts';
import * as shape from './shape.ts';
import { listOf, objectOf } from './shape.ts';

const MAX_ATTESTATIONS = 256;
const MAX_PARTY_HASHES = 64;

function pointMembers(hash: shape.Shape): Record<string, shape.Shape> {
  return {
    chain_id: shape.chainId,
    tx: hash,
    log_index: shape.count,
    block_number: shape.count,
    block_hash: hash,
    block_timestamp_s: shape.timeSeconds,
  };
}

const point = pointMembers(shape.bytes32);
const payoutKind = shape.oneOf(['released', 'credited']);

const termsLeg = objectOf({
  chain_id: shape.chainId,
  escrow: shape.address,
  token: shape.address,
  token_standard: shape.oneOf([0, 1, 2, 3]),
  token_id: shape.amount,
  partition: shape.bytes32,
  amount_minor: shape.amount,
  payer: shape.count,
  payee: shape.count,
  fees: listOf(objectOf({ recipient: shape.address, amount_minor: shape.amount }), { min: 0, max: MAX_FEES }),
});

const terms = objectOf({
  settlement_id: shape.bytes32,
  attester_set: shape.bytes32,
  deadline_s: shape.timeSeconds,
  party_hashes: listOf(shape.bytes32, { min: 1, max: MAX_PARTY_HASHES }),
  legs: listOf(termsLeg, { min: 1, max: MAX_LEGS }),
});

const opening = objectOf(
  { party_index: shape.count, participant_id: shape.bytes32, wallet: shape.address },
  { chain_id: shape.chainId, role: shape.nonEmptyText },
);

const attesterSet = objectOf({
  attesters: listOf(shape.address, { min: 1, max: MAX_ATTESTERS }),
  threshold: shape.count,
});

const attestation = objectOf({
  ...point,
  party_hash: shape.bytes32,
  attester: shape.address,
  status: shape.oneOf([1, 2, 3]),
  reference_hash: shape.bytes32,
  issued_at_s: shape.timeSeconds,
});

const deposit = objectOf(
  { ...point, leg_index: shape.count },
  { amount_minor: shape.amount, opened_log_index: shape.count },
);

const payout = objectOf({ ...point, leg_index: shape.count, kind: payoutKind }, { amount_minor: shape.amount });

const feePaid = objectOf({
  ...point,
  leg_index: shape.count,
  fee_index: shape.count,
  kind: payoutKind,
  recipient: shape.address,
  amount_minor: shape.amount,
});

const remote = objectOf(
  {
    chain_id: shape.chainId,
    gateway: shape.address,
    escrow: shape.address,
    opened: objectOf(point),
    prepared: objectOf(point),
    executed: objectOf(point),
    votes: objectOf({ prepared: objectOf(point), executed: objectOf(point) }),
  },
  { decided: objectOf(point), released: objectOf(point) },
);

export const settlementEvidence = objectOf(
  {
    chain_id: shape.chainId,
    coordinator: shape.address,
    registry: shape.address,
    terms_hash: shape.bytes32,
    decision_set_digest: shape.bytes32,
    terms,
    openings: listOf(opening, { min: 0, max: MAX_PARTY_HASHES }),
    created: objectOf(point),
    attestations: listOf(attestation, { min: 1, max: MAX_ATTESTATIONS }),
    anchor: objectOf(point),
    deposits: listOf(deposit, { min: 1, max: MAX_LEGS }),
    execution: objectOf(point),
    payouts: listOf(payout, { min: 1, max: MAX_LEGS }),
    finalised: objectOf(point),
  },
  {
    attester_set: attesterSet,
    // An empty list is no second way to write an absent one.
    fees_paid: listOf(feePaid, { min: 1, max: MAX_LEGS * MAX_FEES }),
    remotes: listOf(remote, { min: 1, max: MAX_REMOTE_CHAINS }),
  },
);

export const paymentEvidence = objectOf(
  {
    chain_id: shape.chainId,
    decision_set_digest: shape.bytes32,
    transfer: objectOf(pointMembers(shape.nonEmptyText)),
  },
  { anchor: objectOf({ carrier: shape.nonEmptyText, digest: shape.nonEmptyText }) },
);
