/**
 * That the recorded stages come in order. Logs of one chain have an order: block, then log index. Logs of two chains have
 * none: each chain has a clock of its own, so times of different chains are only asked not to contradict the order that
 * the messages between the contracts impose, within {@link CLOCK_TOLERANCE_S}.
 */

import type { LogPoint, RemoteEvidence, SettlementEvidence } from './evidence-types.ts';
import type { Pack } from './pack-types.ts';
import { allPoints, isBefore, isNotAfter } from './pack-view.ts';
import type { Findings } from './report.ts';

/** Seconds by which the clocks of two chains may disagree. Sequencers of rollups may be up to an hour ahead. */
export const CLOCK_TOLERANCE_S = 3600;

export function checkOrder(
  pack: Pack,
  evidence: SettlementEvidence,
  names: readonly string[],
  findings: Findings,
): void {
  const { created, anchor, execution, finalised, attestations, deposits, payouts, chain_id: home } = evidence;
  const fees = evidence.fees_paid ?? [];
  const atHome = <P extends LogPoint>(points: readonly P[]): P[] => points.filter((point) => point.chain_id === home);
  findings.holds(
    'stages happened in order',
    [created, anchor, execution, finalised, ...attestations].every((point) => point.chain_id === home) &&
      attestations.every((point) => isBefore(created, point)) &&
      isBefore(created, anchor) &&
      isBefore(anchor, execution) &&
      isBefore(execution, finalised) &&
      atHome(deposits).every((point) => isBefore(anchor, point) && isNotAfter(point, execution)) &&
      atHome([...payouts, ...fees]).every((point) => isBefore(execution, point) && isBefore(point, finalised)),
    'created, attested, decided, deposited, executed, paid out, finalised: by block and log on the coordinator’s chain',
  );
  checkDecisionTimes(pack, evidence, names, findings);
  findings.holds(
    'deposits precede the deadline',
    deposits.every((deposit) => deposit.block_timestamp_s < evidence.terms.deadline_s),
    'time of each deposit’s block < deadline of the terms, by the clock of its own chain',
    evidence.terms.deadline_s,
  );
  checkPoints(evidence, findings);
  for (const remote of evidence.remotes ?? []) {
    checkRemoteOrder(remote, evidence, findings);
  }
}

function checkDecisionTimes(
  pack: Pack,
  evidence: SettlementEvidence,
  names: readonly string[],
  findings: Findings,
): void {
  const { anchor, deposits, chain_id: home } = evidence;
  const decidedMs = Math.max(...names.map((name) => pack.protocols[name]?.decision_object.decided_at_ms ?? 0));
  findings.holds(
    'decisions precede the block that anchors them',
    decidedMs < anchor.block_timestamp_s * 1000,
    'decided_at_ms < time of the anchoring block',
    decidedMs,
  );
  findings.holds(
    'decisions precede every deposit',
    deposits.every((deposit) => decidedMs < latestTimeMs(deposit, home)),
    'decided_at_ms < time of the deposit’s block; on other chains as far as their clocks can be compared',
    decidedMs,
  );
}

/** The block's time on the home chain; elsewhere the latest time that this chain's clock may have meant. */
export function latestTimeMs(
  point: { readonly chain_id: string; readonly block_timestamp_s: number },
  home: string,
): number {
  return (point.block_timestamp_s + (point.chain_id === home ? 0 : CLOCK_TOLERANCE_S)) * 1000;
}

/** What one chain recorded cannot contradict itself: one hash and time per block, later blocks later, no log twice. */
function checkPoints(evidence: SettlementEvidence, findings: Findings): void {
  const points = allPoints(evidence);
  const places = points.map(({ chain_id, block_number, log_index }) => `${chain_id} ${block_number} ${log_index}`);
  const twice = places.filter((place, index) => places.indexOf(place) !== index);
  findings.holds('every log is named once', twice.length === 0, 'chain, block and log index', twice);
  const contradictions = points.filter((a) =>
    points.some(
      (b) =>
        a.chain_id === b.chain_id &&
        (a.block_number === b.block_number
          ? a.block_hash !== b.block_hash || a.block_timestamp_s !== b.block_timestamp_s
          : a.tx === b.tx || (a.block_number < b.block_number && a.block_timestamp_s > b.block_timestamp_s)),
    ),
  );
  findings.holds(
    'blocks do not contradict each other',
    contradictions.length === 0,
    'on each chain: one hash and time per block, times that do not fall, a transaction in one block',
    contradictions.map((point) => `${point.chain_id} ${point.block_number}`),
  );
}

/** Deposits, preparation, decision, payouts, execution on the remote chain; the votes about it on the home chain. */
function checkRemoteOrder(remote: RemoteEvidence, evidence: SettlementEvidence, findings: Findings): void {
  const { chain_id: chain, opened, prepared, executed, votes } = remote;
  const label = `[${chain}]`;
  const own = <P extends LogPoint>(points: readonly P[]): P[] => points.filter((point) => point.chain_id === chain);
  const decided = remote.decided ?? remote.released;
  findings.holds(
    `${label} deposits came between opening and preparation`,
    own(evidence.deposits).every((point) => isBefore(opened, point) && isNotAfter(point, prepared)),
    'RemoteOpened, LegDeposited, RemotePrepared',
  );
  findings.holds(
    `${label} prepared before it was decided`,
    isBefore(opened, prepared) && decided !== undefined && isBefore(prepared, decided),
    'RemotePrepared, then DecisionReceived',
  );
  findings.holds(
    `${label} decided before it paid out`,
    decided !== undefined &&
      isBefore(decided, executed) &&
      own([...evidence.payouts, ...(evidence.fees_paid ?? [])]).every(
        (point) => isBefore(decided, point) && isBefore(point, executed),
      ),
    'DecisionReceived, LegReleased, RemoteExecuted',
  );
  findings.holds(
    `${label} PREPARED was counted before EXECUTE was decided`,
    isBefore(evidence.anchor, votes.prepared) && isNotAfter(votes.prepared, evidence.execution),
    'VoteCounted, then StateTransition into EXECUTING_SWAP',
  );
  findings.holds(
    `${label} EXECUTED was counted before FINALIZED`,
    isBefore(evidence.execution, votes.executed) && isNotAfter(votes.executed, evidence.finalised),
    'StateTransition into EXECUTING_SWAP, VoteCounted, StateTransition into FINALIZED',
  );
  const sent: [cause: LogPoint, effect: LogPoint | undefined][] = [
    [evidence.anchor, opened],
    [prepared, votes.prepared],
    [evidence.execution, remote.decided],
    [executed, votes.executed],
  ];
  findings.holds(
    `${label} block times do not contradict the messages`,
    sent.every(
      ([cause, effect]) =>
        effect === undefined || cause.block_timestamp_s - effect.block_timestamp_s <= CLOCK_TOLERANCE_S,
    ),
    `OPEN, PREPARED, EXECUTE and EXECUTED arrive at most ${CLOCK_TOLERANCE_S} s before they were sent: clocks of two chains`,
    sent.map(([cause, effect]) => [cause.block_timestamp_s, effect?.block_timestamp_s ?? 0]),
  );
}
