import { formatEther } from 'ethers';

import type { ChainEventRow } from '../../db/chain-events.ts';
import { TOKEN_STANDARDS } from '../../domain/legs.ts';
import type { Gathered } from './gather.ts';
import type { Offer } from './situation.ts';
import type { PreparedTransaction } from './transactions.ts';
import type { Cost } from './send.ts';

/** Where a leg's money is. */
export interface LegReport {
  readonly leg: number;
  readonly chain_id: number;
  readonly escrow: string;
  readonly token: string;
  readonly token_standard: string;
  readonly token_id: string;
  readonly amount_minor: string;
  readonly status: 'unknown' | 'not_paid_in' | 'paid_in' | 'paid_out' | 'handed_back' | 'credited';
  readonly payer: string | null;
  readonly payee: string | null;
  readonly deposit_tx: string | null;
  readonly payout_tx: string | null;
}

/** The situation as data: what `--json` prints, and what the text is made of. */
export function situationReport(gathered: Gathered): object {
  const { home, remotes, place, offers, notes } = gathered;
  return {
    settlement_id: gathered.settlementId,
    coordinator: { chain_id: place.chainId, address: place.coordinator },
    terms_hash: gathered.termsHash,
    home:
      home === undefined
        ? null
        : {
            chain_id: home.chainId,
            state: home.settlement.state,
            deadline: iso(home.settlement.deadlineMs),
            now: iso(home.nowMs),
            home_paid_out: home.settlement.homeExecuted,
          },
    remotes: [...remotes].map(([chain_id, remote]) =>
      remote === undefined
        ? { chain_id, phase: null }
        : { chain_id, phase: remote.settlement.phase, now: iso(remote.nowMs), gateway: remote.chain.gateway },
    ),
    legs: legReports(gathered),
    offers: offers.map(offerReport),
    notes,
  };
}

function offerReport(offer: Offer): object {
  return {
    action: offer.action,
    chain_id: offer.chainId,
    ...(offer.toChainId !== undefined && { to_chain_id: offer.toChainId }),
    can_be_done_now: offer.isDue,
    from: offer.fromMs === 0 ? null : iso(offer.fromMs),
    by: offer.by,
    effect: offer.effect,
  };
}

export function legReports(gathered: Gathered): LegReport[] {
  return (gathered.terms?.json.legs ?? []).map((leg, index) => {
    const chainId = Number(gathered.terms?.params.legs[index]?.chainId);
    const side = gathered.home?.chainId === chainId ? gathered.home : gathered.remotes.get(chainId);
    const events = (side?.events ?? []).filter((event) => event.arguments['legIndex'] === String(index));
    const opening = side?.history.openings.get(index);
    const named = (...names: readonly string[]): ChainEventRow | undefined =>
      events.find((event) => names.includes(event.name));
    // A fee that could not be paid is a credit too, and says nothing about the leg.
    const payout = named('LegReleased', 'LegRefunded') ?? named('PayoutCredited');
    return {
      leg: index,
      chain_id: chainId,
      escrow: leg.escrow,
      token: leg.token,
      token_standard: TOKEN_STANDARDS[leg.token_standard] ?? String(leg.token_standard),
      token_id: leg.token_id,
      amount_minor: leg.amount_minor,
      status: side === undefined ? 'unknown' : statusOf(named('LegDeposited'), payout),
      payer: opening?.payer.wallet ?? null,
      payee: opening?.payee.wallet ?? null,
      deposit_tx: named('LegDeposited')?.transaction_hash ?? null,
      payout_tx: payout?.transaction_hash ?? null,
    };
  });
}

function statusOf(deposit: ChainEventRow | undefined, payout: ChainEventRow | undefined): LegReport['status'] {
  if (payout?.name === 'LegReleased') return 'paid_out';
  if (payout?.name === 'LegRefunded') return 'handed_back';
  if (payout !== undefined) return 'credited';
  return deposit === undefined ? 'not_paid_in' : 'paid_in';
}

/** For people. `command` is what to call for an offer, without `--do`. */
export function situationText(gathered: Gathered, command: string): string {
  const { home, remotes, place } = gathered;
  const lines = [
    `Settlement ${gathered.settlementId}`,
    `Coordinator ${place.coordinator} on chain ${place.chainId}`,
    '',
  ];
  if (home !== undefined) {
    const { settlement } = home;
    lines.push(
      `Chain ${home.chainId} (decides)   ${settlement.state}   ${deadlineText(settlement.deadlineMs, home.nowMs)}`,
    );
    lines.push(...legLines(gathered, home.chainId), '');
  }
  for (const [chainId, remote] of remotes) {
    const phase = remote === undefined ? 'not read' : remote.settlement.phase;
    lines.push(`Chain ${chainId}   ${phase}`, ...legLines(gathered, chainId), '');
  }
  const due = gathered.offers.filter((offer) => offer.isDue);
  const later = gathered.offers.filter((offer) => !offer.isDue);
  lines.push(
    due.length === 0 ? 'Nothing can be done now.' : 'What can be done now:',
    ...due.flatMap((offer) => offerLines(offer, command)),
  );
  if (later.length > 0) lines.push('', 'Later:', ...later.flatMap((offer) => offerLines(offer, command)));
  if (gathered.notes.length > 0) lines.push('', 'Not known:', ...gathered.notes.map((note) => `  ${note}`));
  return `${lines.join('\n')}\n`;
}

function offerLines(offer: Offer, command: string): string[] {
  const from = offer.isDue ? '' : ` from ${iso(offer.fromMs)} on`;
  const chain = offer.toChainId ?? offer.chainId;
  return [
    `  ${offer.action.padEnd(9)} on chain ${offer.chainId}, by ${offer.by}${from}: ${offer.effect}`,
    ...(offer.isDue ? [`            ${command} --do ${offer.action} --chain ${chain}`] : []),
  ];
}

function legLines(gathered: Gathered, chainId: number): string[] {
  return legReports(gathered)
    .filter((leg) => leg.chain_id === chainId)
    .map((leg) => {
      const asset = `${leg.token_standard} ${leg.token}${leg.token_standard === 'ERC-721' ? ` id ${leg.token_id}` : ''}`;
      return `  leg ${leg.leg}   ${leg.amount_minor} base units of ${asset}: ${placeText(leg)}`;
    });
}

function placeText(leg: LegReport): string {
  const texts: Readonly<Record<LegReport['status'], string>> = {
    unknown: 'not known',
    not_paid_in: 'not paid in',
    paid_in: `paid in by ${leg.payer}; in the escrow ${leg.escrow}; goes to ${leg.payee}, or back to ${leg.payer}`,
    paid_out: `paid out to ${leg.payee} (${leg.payout_tx})`,
    handed_back: `handed back to ${leg.payer} (${leg.payout_tx})`,
    credited: `refused by the token, waits in the escrow ${leg.escrow} for a withdrawal, or was withdrawn (${leg.payout_tx})`,
  };
  return texts[leg.status];
}

function deadlineText(deadlineMs: number, nowMs: number): string {
  const minutes = Math.round(Math.abs(deadlineMs - nowMs) / 60_000);
  return `deadline ${iso(deadlineMs)} (${nowMs < deadlineMs ? `in ${minutes} minutes` : `${minutes} minutes ago`}, by the chain's clock)`;
}

/** A transaction to sign elsewhere. */
export function transactionReport(prepared: PreparedTransaction, cost: Cost | undefined): object {
  return {
    chain_id: prepared.chain.chainId,
    to: prepared.call.to,
    value: String(prepared.call.value ?? 0n),
    data: prepared.call.data,
    effect: prepared.effect,
    ...(cost !== undefined && { gas_limit: String(cost.gasLimit) }),
  };
}

/** What it costs, said before anything is sent. */
export function costText(prepared: PreparedTransaction, cost: Cost): string {
  const fee =
    cost.value === 0n
      ? ''
      : ` Message fee ${formatEther(cost.value)} (${cost.value} wei), what is too much comes back.`;
  return `Chain ${prepared.chain.chainId}, ${prepared.call.to}: ${prepared.effect}.${fee} At most ${formatEther(cost.atMost)} with gas.`;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
