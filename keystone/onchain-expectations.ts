/** The logs that a settlement must have left, computed from its terms and decisions. Event signatures: contracts/. */

import { type ExpectedLog, expectedLog } from './abi.ts';
import type { LegTerm, LogPoint, Pack, RemoteEvidence, SettlementEvidence } from './pack-types.ts';
import { evmChainNumber } from './caip.ts';
import { openedPoint, settlementEvidence } from './pack-view.ts';

const CREATED_EVENT = 'SettlementCreated(bytes32,bytes32)';
const TRANSITION_EVENT = 'StateTransition(bytes32,uint8,uint8,bytes32)';
const ATTESTED_EVENT = 'Attested(bytes32,bytes32,address,uint8,bytes32,uint40)';
const DEPOSITED_EVENT = 'LegDeposited(bytes32,uint256,address,address,uint256,uint256)';
const RELEASED_EVENT = 'LegReleased(bytes32,uint256,address,address,uint256,uint256)';
const CREDITED_EVENT = 'PayoutCredited(bytes32,uint256,address,address,uint256,uint256)';
const OPENED_EVENT = 'LegOpened(bytes32,uint256,bytes32,bytes32,address)';
const VOTE_EVENT = 'VoteCounted(bytes32,uint64,uint8)';
const REMOTE_OPENED_EVENT = 'RemoteOpened(bytes32,bytes32,uint64,uint8)';
const REMOTE_PREPARED_EVENT = 'RemotePrepared(bytes32)';
const DECISION_EVENT = 'DecisionReceived(bytes32,uint8)';
const RELEASE_EVENT = 'CooperativeRelease(bytes32,uint8)';
const REMOTE_EXECUTED_EVENT = 'RemoteExecuted(bytes32)';
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
/** Kinds of the messages between coordinator and gateways. */
const MESSAGE = { PREPARED: 2n, EXECUTE: 3n, EXECUTED: 5n } as const;
const OUTCOME_PAY = 1n;

/** Base units that reach the payee: the leg's amount less its fees. */
export function netAmount(leg: LegTerm): bigint {
  return leg.fees.reduce((rest, fee) => rest - BigInt(fee.amount_minor), BigInt(leg.amount_minor));
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
    ...feeExpectations(pack, evidence),
    ...(evidence.remotes ?? []).flatMap((remote) => remoteExpectations(pack, evidence, remote)),
  ];
}

/** Bit i is set when leg i lives on the chain. */
export function legBits(evidence: SettlementEvidence, chain: string): bigint {
  return evidence.terms.legs.reduce(
    (bits, leg, index) => (leg.chain_id === chain ? bits | (1n << BigInt(index)) : bits),
    0n,
  );
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
            ...openedPoint(deposit).map((point) => ({
              name: `on chain: leg ${leg.leg_index} wallets opened`,
              point,
              anyOf: [openedLog(leg, evidence)],
              detail: 'LegOpened: participant ids of payer and payee, wallet of the payee',
            })),
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

/** Participant ids and wallet as the pack's openings have them; an opening that lacks expects a log that nobody wrote. */
function openedLog(leg: LegTerm, evidence: SettlementEvidence): ExpectedLog {
  const term = evidence.terms.legs[leg.leg_index];
  const participant = (index: number | undefined): string =>
    evidence.openings.find((opening) => opening.party_index === index)?.participant_id ?? '0';
  return expectedLog(
    leg.escrow ?? '',
    OPENED_EVENT,
    [evidence.terms.settlement_id, BigInt(leg.leg_index)],
    [participant(term?.payer), participant(term?.payee), leg.payee],
  );
}

function feeExpectations(pack: Pack, evidence: SettlementEvidence): Expectation[] {
  return (evidence.fees_paid ?? []).map((paid): Expectation => {
    const leg = pack.settled_legs.legs.find((candidate) => candidate.leg_index === paid.leg_index);
    const forms = leg === undefined ? [] : (feesOf(leg, evidence.terms.settlement_id)[paid.fee_index] ?? []);
    return {
      name: `on chain: leg ${paid.leg_index} fee ${paid.fee_index} paid`,
      point: paid,
      anyOf: forms.slice(paid.kind === 'released' ? 0 : 1, paid.kind === 'released' ? 1 : 2),
      detail: `${paid.kind} to the recipient of the terms`,
    };
  });
}

/** What one remote chain recorded, and what the coordinator counted about it. */
function remoteExpectations(pack: Pack, evidence: SettlementEvidence, remote: RemoteEvidence): Expectation[] {
  const { chain_id: chain, gateway, votes } = remote;
  const id = evidence.terms.settlement_id;
  const of = (what: string, point: LogPoint, event: string, plain: readonly (bigint | string)[]): Expectation => ({
    name: `on chain: ${chain} ${what}`,
    point,
    anyOf: [expectedLog(gateway, event, [id], plain)],
    detail: `${event} of the gateway`,
  });
  const vote = (what: string, point: LogPoint, kind: bigint): Expectation => ({
    name: `on chain: ${what} of ${chain} counted`,
    point,
    anyOf: [expectedLog(evidence.coordinator, VOTE_EVENT, [id, evmChainNumber(chain) ?? 0n], [kind])],
    detail: `${VOTE_EVENT} of the coordinator`,
  });
  const terms = [
    pack.onchain_verification.terms_hash ?? '',
    BigInt(evidence.terms.deadline_s),
    legBits(evidence, chain),
  ];
  return [
    of('opened under these terms', remote.opened, REMOTE_OPENED_EVENT, terms),
    of('prepared', remote.prepared, REMOTE_PREPARED_EVENT, []),
    ...(remote.decided === undefined
      ? []
      : [of('received EXECUTE', remote.decided, DECISION_EVENT, [MESSAGE.EXECUTE])]),
    ...(remote.released === undefined
      ? []
      : [of('released by its parties', remote.released, RELEASE_EVENT, [OUTCOME_PAY])]),
    of('executed', remote.executed, REMOTE_EXECUTED_EVENT, []),
    vote('PREPARED', votes.prepared, MESSAGE.PREPARED),
    vote('EXECUTED', votes.executed, MESSAGE.EXECUTED),
  ];
}
