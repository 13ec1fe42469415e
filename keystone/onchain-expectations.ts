/** The logs that a settlement must have left, computed from its terms and decisions. Event signatures: contracts/. */

import { type ExpectedLog, expectedLog } from './abi.ts';
import type { LegTerm, LogPoint, Pack, SettlementEvidence } from './pack-types.ts';
import { settlementEvidence } from './pack-view.ts';

export const TRANSFER_EVENT = 'Transfer(address,address,uint256)';
const CREATED_EVENT = 'SettlementCreated(bytes32,bytes32)';
const TRANSITION_EVENT = 'StateTransition(bytes32,uint8,uint8,bytes32)';
const ATTESTED_EVENT = 'Attested(bytes32,bytes32,address,uint8,bytes32,uint40)';
const DEPOSITED_EVENT = 'LegDeposited(bytes32,uint256,address,address,uint256,uint256)';
const RELEASED_EVENT = 'LegReleased(bytes32,uint256,address,address,uint256,uint256)';
const CREDITED_EVENT = 'PayoutCredited(bytes32,uint256,address,address,uint256,uint256)';

const FEE_EVENT = 'FeePaid(bytes32,uint256,address,address,uint256)';

/** One thing to look for: at `point`, exactly `expected` (or one of several forms of it). */
export interface Expectation {
  readonly name: string;
  readonly point: LogPoint;
  readonly anyOf: readonly ExpectedLog[];
  readonly detail: string;
}

/** Contract state indexes (design of the coordinator). */
const STATE = { COMPLIANCE_CLEARED: 2n, AWAITING_DEPOSITS: 3n, EXECUTING_SWAP: 4n, FINALIZED: 5n } as const;
const NO_EVIDENCE = 0n;

/** Base units that reach the payee: the leg's amount less its fees. */
export function netAmount(leg: LegTerm): bigint {
  return leg.fees.reduce((rest, fee) => rest - BigInt(fee.amount_minor), BigInt(leg.amount_minor));
}

/** The token's own Transfer of a payout. An ERC-721 indexes its id and has no data. */
export function movedToken(leg: LegTerm): ExpectedLog {
  return leg.token_standard === 'ERC-721'
    ? expectedLog(leg.token, TRANSFER_EVENT, [leg.escrow ?? '', leg.payee, BigInt(leg.token_id)], [])
    : expectedLog(leg.token, TRANSFER_EVENT, [leg.escrow ?? '', leg.payee], [netAmount(leg)]);
}

/** The forms that each fee of a leg may have left: paid, or credited when the token refused. In the order of the fees. */
export function feesOf(leg: LegTerm, settlementId: string): ExpectedLog[][] {
  const indexed = (wallet: string): (bigint | string)[] => [settlementId, BigInt(leg.leg_index), wallet];
  return leg.fees.map((fee) => {
    const amount = BigInt(fee.amount_minor);
    return [
      expectedLog(leg.escrow ?? '', FEE_EVENT, indexed(fee.recipient), [leg.token, amount]),
      expectedLog(leg.escrow ?? '', CREDITED_EVENT, indexed(fee.recipient), [leg.token, BigInt(leg.token_id), amount]),
    ];
  });
}

export function settlementExpectations(pack: Pack): Expectation[] {
  const evidence = settlementEvidence(pack);
  return [
    ...stateExpectations(pack, evidence),
    ...attestationExpectations(evidence),
    ...legExpectations(pack, evidence),
  ];
}

function stateExpectations(pack: Pack, evidence: SettlementEvidence): Expectation[] {
  const { coordinator, terms } = evidence;
  const id = terms.settlement_id;
  const transition = (from: bigint, to: bigint, evidenceHash: bigint | string): ExpectedLog =>
    expectedLog(coordinator, TRANSITION_EVENT, [id], [from, to, evidenceHash]);
  return [
    {
      name: 'on chain: settlement created under these terms',
      point: evidence.created,
      anyOf: [expectedLog(coordinator, CREATED_EVENT, [id], [pack.onchain_verification.terms_hash ?? ''])],
      detail: CREATED_EVENT,
    },
    {
      name: 'on chain: decision set digest anchored',
      point: evidence.anchor,
      anyOf: [
        transition(STATE.COMPLIANCE_CLEARED, STATE.AWAITING_DEPOSITS, pack.onchain_verification.decision_set_digest),
      ],
      detail: 'StateTransition into AWAITING_DEPOSITS carries the digest',
    },
    {
      name: 'on chain: execution recorded',
      point: evidence.execution,
      anyOf: [transition(STATE.AWAITING_DEPOSITS, STATE.EXECUTING_SWAP, NO_EVIDENCE)],
      detail: 'StateTransition into EXECUTING_SWAP',
    },
    {
      name: 'on chain: settlement finalised',
      point: evidence.finalised,
      anyOf: [transition(STATE.EXECUTING_SWAP, STATE.FINALIZED, NO_EVIDENCE)],
      detail: 'StateTransition into FINALIZED',
    },
  ];
}

function attestationExpectations(evidence: SettlementEvidence): Expectation[] {
  return evidence.attestations.map((attestation, index) => ({
    name: `on chain: attestation ${index} recorded`,
    point: attestation,
    anyOf: [
      expectedLog(
        evidence.registry,
        ATTESTED_EVENT,
        [evidence.terms.settlement_id, attestation.party_hash, attestation.attester],
        [BigInt(attestation.status), attestation.reference_hash, BigInt(attestation.issued_at_s)],
      ),
    ],
    detail: ATTESTED_EVENT,
  }));
}

function legExpectations(pack: Pack, evidence: SettlementEvidence): Expectation[] {
  const id = evidence.terms.settlement_id;
  return pack.settled_legs.legs.flatMap((leg): Expectation[] => {
    const index = BigInt(leg.leg_index);
    const escrow = leg.escrow ?? '';
    const of = (event: string, wallet: string, amount: bigint): ExpectedLog =>
      expectedLog(escrow, event, [id, index, wallet], [leg.token, BigInt(leg.token_id), amount]);
    const deposit = evidence.deposits.find((point) => point.leg_index === leg.leg_index);
    const payout = evidence.payouts.find((point) => point.leg_index === leg.leg_index);
    const paidOut = payout?.kind === 'credited' ? CREDITED_EVENT : RELEASED_EVENT;
    return [
      ...(deposit === undefined
        ? []
        : [
            {
              name: `on chain: leg ${leg.leg_index} deposited`,
              point: deposit,
              anyOf: [of(DEPOSITED_EVENT, leg.payer, BigInt(leg.amount_minor))],
              detail: 'LegDeposited by the payer, token and amount of the terms',
            },
          ]),
      ...(payout === undefined
        ? []
        : [
            {
              name: `on chain: leg ${leg.leg_index} paid out`,
              point: payout,
              anyOf: [of(paidOut, leg.payee, netAmount(leg))],
              detail: `${payout.kind} to the payee, net of fees`,
            },
          ]),
    ];
  });
}
