/** What a settlement's pack says, in the order in which it happened: for a person to read beside the checks. */

import type { LogPoint, SettlementEvidence } from './evidence-types.ts';
import { netAmount } from './onchain-expectations.ts';
import type { Pack } from './pack-types.ts';
import { settlementEvidence } from './pack-view.ts';
import { shown } from './shown.ts';

export interface TimelineEntry extends LogPoint {
  readonly event: string;
}

export interface ChainLine {
  readonly chain_id: string;
  readonly role: 'coordinator' | 'remote';
  /** by what they are: coordinator, registry, gateway, escrow */
  readonly contracts: Readonly<Record<string, string>>;
}

export interface LegLine {
  readonly leg_index: number;
  readonly chain_id: string;
  readonly from_role: string;
  readonly to_role: string;
  readonly asset: string;
  /** base units */
  readonly paid_in: string;
  readonly paid_out: string;
  readonly fees: readonly { readonly recipient: string; readonly amount_minor: string }[];
  readonly payer: string;
  readonly payee: string;
  readonly kind: 'released' | 'credited' | 'unknown';
}

export interface SettlementStory {
  readonly chains: readonly ChainLine[];
  readonly legs: readonly LegLine[];
  readonly timeline: readonly TimelineEntry[];
}

/**
 * Stages in the order that the contracts impose, across chains too. Sorting by block time would let two chains' clocks
 * decide what came first.
 */
const STAGES = [
  'created',
  'attested',
  'decided',
  'opened',
  'deposited',
  'prepared',
  'counted',
  'executing',
  'told',
  'paid',
  'executed',
  'reported',
  'finalised',
] as const;
type Stage = (typeof STAGES)[number];
type Line = readonly [stage: Stage, point: LogPoint, event: string];

/** Only of a pack whose shape was checked and whose kind is `settlement`; nothing of it is proved by being listed. */
export function storyOf(pack: Pack): SettlementStory {
  const evidence = settlementEvidence(pack);
  return { chains: chainsOf(pack, evidence), legs: legsOf(pack, evidence), timeline: timelineOf(evidence) };
}

function chainsOf(pack: Pack, evidence: SettlementEvidence): ChainLine[] {
  const { chain_id, coordinator, registry } = evidence;
  const homeLeg = pack.settled_legs.legs.find((leg) => leg.chain_id === chain_id);
  const escrow = homeLeg?.escrow === undefined ? {} : { escrow: homeLeg.escrow };
  return [
    { chain_id, role: 'coordinator', contracts: { coordinator, registry, ...escrow } },
    ...(evidence.remotes ?? []).map(
      (remote): ChainLine => ({
        chain_id: remote.chain_id,
        role: 'remote',
        contracts: { gateway: remote.gateway, escrow: remote.escrow },
      }),
    ),
  ];
}

function legsOf(pack: Pack, evidence: SettlementEvidence): LegLine[] {
  return pack.settled_legs.legs.map((leg) => {
    const payout = evidence.payouts.find((entry) => entry.leg_index === leg.leg_index);
    return {
      leg_index: leg.leg_index,
      chain_id: leg.chain_id,
      from_role: shown(leg.from_role),
      to_role: shown(leg.to_role),
      asset: shown(leg.asset),
      paid_in: leg.amount_minor,
      paid_out: payout?.amount_minor ?? String(netAmount(leg)),
      fees: leg.fees,
      payer: leg.payer,
      payee: leg.payee,
      kind: payout?.kind ?? 'unknown',
    };
  });
}

function timelineOf(evidence: SettlementEvidence): TimelineEntry[] {
  const entries: Line[] = [
    ['created', evidence.created, 'settlement created'],
    ...attestationsOf(evidence),
    ['decided', evidence.anchor, 'decisions anchored, deposits open'],
    ...evidence.deposits.map((entry): Line => ['deposited', entry, `leg ${entry.leg_index} paid in`]),
    ['executing', evidence.execution, 'EXECUTE decided'],
    ...(evidence.fees_paid ?? []).map(
      (entry): Line => ['paid', entry, `leg ${entry.leg_index} fee ${paidOut(entry.kind)}`],
    ),
    ...evidence.payouts.map((entry): Line => ['paid', entry, `leg ${entry.leg_index} ${paidOut(entry.kind)}`]),
    ['finalised', evidence.finalised, 'settlement FINALIZED'],
  ];
  for (const remote of evidence.remotes ?? []) {
    entries.push(
      ['opened', remote.opened, 'gateway opened'],
      ['prepared', remote.prepared, 'gateway PREPARED'],
      ['counted', remote.votes.prepared, `PREPARED of ${remote.chain_id} counted`],
      ...(remote.decided === undefined ? [] : [['told', remote.decided, 'gateway received EXECUTE'] as const]),
      ...(remote.released === undefined ? [] : [['told', remote.released, 'released by its parties'] as const]),
      ['executed', remote.executed, 'gateway EXECUTED'],
      ['reported', remote.votes.executed, `EXECUTED of ${remote.chain_id} counted`],
    );
  }
  return entries
    .toSorted(([a, left], [b, right]) => STAGES.indexOf(a) - STAGES.indexOf(b) || inTime(left, right))
    .map(([, { chain_id, tx, log_index, block_number, block_hash, block_timestamp_s }, event]) => ({
      chain_id,
      tx,
      log_index,
      block_number,
      block_hash,
      block_timestamp_s,
      event,
    }));
}

function inTime(a: LogPoint, b: LogPoint): number {
  return a.block_timestamp_s - b.block_timestamp_s || a.block_number - b.block_number || a.log_index - b.log_index;
}

function paidOut(kind: 'released' | 'credited'): string {
  return kind === 'released' ? 'paid out' : 'credited';
}

/** One line per attester: a pack may carry hundreds of attestations. */
function attestationsOf(evidence: SettlementEvidence): Line[] {
  const attesters = [...new Set(evidence.attestations.map((entry) => entry.attester))];
  return attesters.flatMap((attester): Line[] => {
    const own = evidence.attestations.filter((entry) => entry.attester === attester);
    const last = own.toSorted(inTime).at(-1);
    const passes = own.filter((entry) => entry.status === 1).length;
    return last === undefined
      ? []
      : [['attested', last, `${passes} of ${own.length} attestations of ${attester} say Pass`]];
  });
}
