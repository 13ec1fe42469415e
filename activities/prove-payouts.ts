import type { ChainEventRow } from '../db/chain-events.ts';
import type { SettlementWork, WorkLeg } from '../db/settlement-work.ts';
import type { SettlementEvidence } from '../keystone/pack.ts';
import { isBefore } from './facts.ts';
import { pointOf, required, text } from './prove-facts.ts';
import { openingOf } from './steps.ts';

type Payout = SettlementEvidence['payouts'][number];
type FeePayment = NonNullable<SettlementEvidence['fees_paid']>[number];

/** Logs by which an escrow says that it paid a part of a leg, and the argument that names who got it. */
const RECIPIENT = { FeePaid: 'recipient', LegReleased: 'recipient', PayoutCredited: 'wallet' } as const;
type PaymentName = keyof typeof RECIPIENT;

/** What each leg's escrow paid, or credited where the token refused: to the payee and to the recipients of fees. */
export function payoutsOf(
  work: SettlementWork,
  facts: readonly ChainEventRow[],
): { payouts: Payout[]; fees: FeePayment[] } {
  const legs = work.legs.map((leg) => paymentsOfLeg(work, leg, facts));
  return { payouts: legs.map(({ payout }) => payout), fees: legs.flatMap(({ fees }) => fees) };
}

/**
 * Fees come before the payee within a leg, in the order of the terms. A credit says neither whether it stands for a fee nor for which, so each
 * log is given to the first payment that it fits: recipient and amount, oldest first, fees first.
 */
function paymentsOfLeg(
  work: SettlementWork,
  leg: WorkLeg,
  facts: readonly ChainEventRow[],
): { payout: Payout; fees: FeePayment[] } {
  const logs = facts
    .filter((fact) => fact.chain_id === leg.chain_id && Number(fact.arguments['legIndex']) === leg.leg_index)
    .filter((fact) => fact.name in RECIPIENT)
    .toSorted((a, b) => (isBefore(a, b) ? -1 : 1));
  const take = (name: PaymentName, recipient: string, amount: string, what: string): ChainEventRow => {
    const index = logs.findIndex(
      (log) =>
        (log.name === name || log.name === 'PayoutCredited') &&
        text(log, RECIPIENT[log.name]) === recipient.toLowerCase() &&
        text(log, 'amount') === amount,
    );
    return required(logs.splice(index === -1 ? logs.length : index, 1)[0], what);
  };
  const fees = leg.fees.map((fee, feeIndex): FeePayment => {
    const log = take('FeePaid', fee.recipient, fee.amount, `fee ${feeIndex} of leg ${leg.leg_index}`);
    return {
      ...pointOf(log),
      leg_index: leg.leg_index,
      fee_index: feeIndex,
      kind: kindOf(log),
      recipient: fee.recipient,
      amount_minor: fee.amount,
    };
  });
  const rest = leg.fees.reduce((left, fee) => left - BigInt(fee.amount), BigInt(leg.amount)).toString();
  const log = take('LegReleased', openingOf(work, leg, 'payee').wallet, rest, `the payout of leg ${leg.leg_index}`);
  return { payout: { ...pointOf(log), leg_index: leg.leg_index, kind: kindOf(log), amount_minor: rest }, fees };
}

function kindOf(log: ChainEventRow): 'released' | 'credited' {
  return log.name === 'PayoutCredited' ? 'credited' : 'released';
}
