/** What was paid in, paid out and taken as a fee, exact to the base unit, and that the pack's lists agree with each other. */

import type { LogPoint, SettlementEvidence } from './evidence-types.ts';
import type { LegTerm, Pack, PolicyFees } from './pack-types.ts';
import { sameData } from './pack-view.ts';
import type { Findings } from './report.ts';

const BASIS_POINTS_PER_WHOLE = 10_000n;

export function checkAmounts(
  pack: Pack,
  evidence: SettlementEvidence,
  names: readonly string[],
  findings: Findings,
): void {
  checkPositions(pack, evidence, findings);
  checkFees(pack, evidence, findings);
  checkBalance(pack, evidence, findings);
  checkFeePolicy(pack, names, findings);
}

function positions(points: readonly (LogPoint & { leg_index: number })[]): unknown {
  return points
    .toSorted((a, b) => a.leg_index - b.leg_index)
    .map(({ leg_index, chain_id, tx, log_index }) => ({ leg_index, chain_id, tx, log_index }));
}

function checkPositions(pack: Pack, evidence: SettlementEvidence, findings: Findings): void {
  const settled = (member: 'deposit' | 'payout'): unknown =>
    pack.settled_legs.legs.map((leg) => ({ leg_index: leg.leg_index, chain_id: leg.chain_id, ...leg[member] }));
  findings.holds(
    'settled legs name the recorded deposits',
    sameData(positions(evidence.deposits), settled('deposit')),
    'one deposit per leg, on the leg’s chain',
  );
  findings.holds(
    'settled legs name the recorded payouts',
    sameData(positions(evidence.payouts), settled('payout')),
    'one payout per leg, on the leg’s chain',
  );
}

/** Recipients, amounts and chains of the fees as the terms have them, each paid once, by the transaction that paid the leg. */
function checkFees(pack: Pack, evidence: SettlementEvidence, findings: Findings): void {
  const { legs } = pack.settled_legs;
  const agreed = legs.flatMap((leg) =>
    leg.fees.map((fee, fee_index) => ({ leg_index: leg.leg_index, fee_index, chain_id: leg.chain_id, ...fee })),
  );
  if (evidence.fees_paid === undefined && evidence.remotes === undefined && agreed.length > 0) {
    findings.open('fees paid are the fees of the terms', 'the pack does not name the logs of the fees');
    return;
  }
  const paid = (evidence.fees_paid ?? [])
    .toSorted((a, b) => a.leg_index - b.leg_index || a.fee_index - b.fee_index)
    .map(({ leg_index, fee_index, chain_id, recipient, amount_minor }) => ({
      leg_index,
      fee_index,
      chain_id,
      recipient,
      amount_minor,
    }));
  findings.holds(
    'fees paid are the fees of the terms',
    sameData(paid, agreed),
    'leg, recipient, amount and chain of each fee, each once',
    paid,
  );
  findings.holds(
    'fees were paid with their leg',
    (evidence.fees_paid ?? []).every((fee) =>
      evidence.payouts.some((payout) => payout.leg_index === fee.leg_index && payout.tx === fee.tx),
    ),
    'in the transaction of the leg’s payout',
  );
}

/** What came in is what went out: nothing stays behind, nothing is taken from another settlement. */
function checkBalance(pack: Pack, evidence: SettlementEvidence, findings: Findings): void {
  const name = 'leg amounts balance';
  const amounts = [...evidence.deposits, ...evidence.payouts].map((entry) => entry.amount_minor);
  const isOld = evidence.remotes === undefined && evidence.fees_paid === undefined;
  if (isOld && amounts.every((amount) => amount === undefined)) {
    findings.open(name, 'the pack does not state what was paid in and out');
    return;
  }
  const wrong = pack.settled_legs.legs.filter((leg) => {
    const deposit = evidence.deposits.find((entry) => entry.leg_index === leg.leg_index)?.amount_minor;
    const payout = evidence.payouts.find((entry) => entry.leg_index === leg.leg_index)?.amount_minor;
    const fees = (evidence.fees_paid ?? []).filter((entry) => entry.leg_index === leg.leg_index);
    const out = fees.reduce((sum, fee) => sum + BigInt(fee.amount_minor), BigInt(payout ?? 0));
    return payout === undefined || deposit !== leg.amount_minor || BigInt(deposit) !== out;
  });
  findings.holds(
    name,
    wrong.length === 0,
    'deposit = the leg’s amount = payout + fees, exact to the base unit',
    wrong.map((leg) => leg.leg_index),
  );
}

/**
 * A policy that charges says how: the fee is `agreed amount × basis points / 10000`, rounded down. The agreed amount is
 * what was paid in less what the mode adds to it: nothing, the fee, or half of it with the odd unit on the buyer.
 */
function checkFeePolicy(pack: Pack, names: readonly string[], findings: Findings): void {
  const policies = names.map((name) => pack.protocols[name]?.policy_object.fees);
  const [policy] = policies;
  findings.holds(
    'all policies charge the same fees',
    policies.every((other) => sameData(other ?? null, policy ?? null)),
    'policy_object.fees of every chain',
  );
  const { legs } = pack.settled_legs;
  const charged = legs.filter((leg) => leg.fees.length > 0);
  if (policy === undefined) {
    if (charged.length > 0) {
      findings.open('fees follow the policy', 'the policy names no rate: the fees are those of the terms');
    }
    return;
  }
  const wrong = legs.filter((leg) => !follows(leg, policy));
  findings.holds(
    'fees follow the policy',
    wrong.length === 0,
    `${policy.mode}, ${policy.basis_points} basis points of every payment leg, to the policy’s recipient`,
    wrong.map((leg) => leg.leg_index),
  );
}

function follows(leg: LegTerm, policy: PolicyFees): boolean {
  if (leg.leg_type !== 'payment') {
    return leg.fees.length === 0;
  }
  const [first] = leg.fees;
  const fee = BigInt(first?.amount_minor ?? 0);
  const added = { seller_pays: 0n, buyer_pays: fee, split: (fee + 1n) / 2n }[policy.mode];
  const agreed = BigInt(leg.amount_minor) - added;
  return (
    leg.fees.length <= 1 &&
    (first === undefined || first.recipient === policy.recipient) &&
    fee === (agreed * BigInt(policy.basis_points)) / BASIS_POINTS_PER_WHOLE
  );
}
