/** Views of a pack whose shape was checked. */

import { canonicalText } from './canonical.ts';
import type { LogPoint, SettlementEvidence } from './evidence-types.ts';
import { PACK_LIMITS } from './json.ts';
import type { LegTerm, Pack } from './pack-types.ts';

/** Text equality of canonical forms: the one notion of "the same value" that the whole chain rests on. */
export function sameData(a: unknown, b: unknown): boolean {
  return canonicalText(a, PACK_LIMITS) === canonicalText(b, PACK_LIMITS);
}

/** The settled legs without what only the chain could add: the terms as they were decided. */
export function decidedTerms(pack: Pack): LegTerm[] {
  return pack.settled_legs.legs.map(({ deposit: _deposit, payout: _payout, ...leg }) => leg);
}

/** The evidence of a pack whose kind is `settlement`. */
export function settlementEvidence(pack: Pack): SettlementEvidence {
  return pack.onchain_verification as unknown as SettlementEvidence;
}

/** Position on one chain; logs of different chains have no order. */
export function isBefore(a: LogPoint, b: LogPoint): boolean {
  return a.chain_id === b.chain_id && (a.block_number - b.block_number || a.log_index - b.log_index) < 0;
}

/** Before, or in the same transaction: in which order one transaction writes its logs is the contracts' own affair. */
export function isNotAfter(a: LogPoint, b: LogPoint): boolean {
  return isBefore(a, b) || (a.chain_id === b.chain_id && a.tx === b.tx && a.block_number === b.block_number);
}

/** Every log that the evidence names, LegOpened included. */
export function allPoints(evidence: SettlementEvidence): LogPoint[] {
  const { created, attestations, anchor, deposits, execution, payouts, finalised } = evidence;
  return [
    created,
    ...attestations,
    anchor,
    ...deposits,
    ...deposits.flatMap(openedPoint),
    execution,
    ...payouts,
    ...(evidence.fees_paid ?? []),
    ...(evidence.remotes ?? []).flatMap((remote) => [
      remote.opened,
      remote.prepared,
      ...(remote.decided === undefined ? [] : [remote.decided]),
      ...(remote.released === undefined ? [] : [remote.released]),
      remote.executed,
      remote.votes.prepared,
      remote.votes.executed,
    ]),
    finalised,
  ];
}

/** LegOpened is in the transaction of its LegDeposited. */
export function openedPoint(deposit: SettlementEvidence['deposits'][number]): LogPoint[] {
  const { chain_id, tx, block_number, block_hash, block_timestamp_s, opened_log_index } = deposit;
  return opened_log_index === undefined
    ? []
    : [{ chain_id, tx, log_index: opened_log_index, block_number, block_hash, block_timestamp_s }];
}
