import { formatUnits } from 'ethers';

import type { EventAnswer, LegAnswer, ReceivedWebhook } from './demo-types.ts';
import type { Trade } from './demo-trade.ts';
import type { PacketView } from './relay/relay.ts';
import type { StackChain } from './stack-file.ts';

/** What the demo shows of a settlement, as data for `timeline.json` and as a table for people. */

export interface TimelineRow {
  readonly sequence: number;
  readonly state: string;
  /** `platform:…`, `system:engine`, `chain:<id>`, … */
  readonly caused_by: string;
  /** Name of the chain on which it happened; null for what happened on none. */
  readonly chain: string | null;
  readonly transaction_hash: string | null;
  readonly at: string;
  /** Since the trade began. */
  readonly elapsed_ms: number;
  /** Per platform: after how many milliseconds the webhook had arrived, and whether its signatures were right. */
  readonly webhooks: Readonly<Record<string, { readonly after_ms: number; readonly verified: boolean }>>;
}

export interface TimelineLeg {
  readonly chain: string;
  readonly token: string;
  /** Human units. */
  readonly paid_in: string;
  readonly payee_receives: string;
  readonly fees: readonly string[];
}

export interface TimelineMessage {
  readonly message: string;
  readonly from: string;
  readonly to: string;
  readonly state: string;
}

export interface SettlementTimeline {
  readonly settlement_id: string;
  readonly title: string;
  readonly legs: readonly TimelineLeg[];
  /** Between chains; empty for a trade on one. */
  readonly messages: readonly TimelineMessage[];
  readonly workflow_url: string | null;
  readonly total_ms: number;
  readonly rows: readonly TimelineRow[];
}

/** What was read about a trade when it was over. */
export interface TradeRecord {
  readonly trade: Trade;
  readonly chains: readonly StackChain[];
  readonly events: readonly EventAnswer[];
  readonly legs: readonly LegAnswer[];
  readonly webhooks: Readonly<Record<string, readonly ReceivedWebhook[]>>;
  readonly packets: readonly PacketView[];
  readonly workflowUrl: string | null;
}

export function buildTimeline(record: TradeRecord): SettlementTimeline {
  const { trade, chains, workflowUrl } = record;
  const rows = record.events.map((event) => rowOf(record, event));
  return {
    settlement_id: trade.settlementId,
    title: trade.title,
    legs: record.legs.map((leg) => legOf(chains, leg)),
    messages: record.packets.map(({ message, from_chain, to_chain, state }) => ({
      message: message ?? 'unknown',
      from: chainName(chains, from_chain),
      to: chainName(chains, to_chain),
      state,
    })),
    workflow_url: workflowUrl,
    total_ms: rows.at(-1)?.elapsed_ms ?? 0,
    rows,
  };
}

export function chainName(chains: readonly StackChain[], chainId: number): string {
  return chains.find((chain) => chain.chain_id === chainId)?.name ?? `chain ${chainId}`;
}

/** By leg type: the demo's trades deliver KBOND against TUSDC. */
const LEG_TOKENS = {
  asset_delivery: { token: 'KBOND', decimals: 18 },
  payment: { token: 'TUSDC', decimals: 6 },
} as const;

function legOf(chains: readonly StackChain[], leg: LegAnswer): TimelineLeg {
  const { token, decimals } = LEG_TOKENS[leg.leg_type === 'payment' ? 'payment' : 'asset_delivery'];
  return {
    chain: chainName(chains, leg.chain_id),
    token,
    paid_in: formatUnits(leg.amount, decimals),
    payee_receives: formatUnits(leg.payee_receives, decimals),
    fees: leg.fees.map(({ amount }) => formatUnits(amount, decimals)),
  };
}

function rowOf({ trade, chains, webhooks }: TradeRecord, event: EventAnswer): TimelineRow {
  const happenedMs = Date.parse(event.created_at);
  const chainId = event.payload?.chain_id;
  const arrived: Record<string, { after_ms: number; verified: boolean }> = {};
  for (const [slug, received] of Object.entries(webhooks)) {
    const webhook = received.find(
      (candidate) => candidate.body.data.sequence === event.sequence && candidate.answered === 200,
    );
    if (webhook === undefined) continue;
    const verified = webhook.verified.keystone && webhook.verified.standard;
    arrived[slug] = { after_ms: webhook.received_at_ms - happenedMs, verified };
  }
  return {
    sequence: event.sequence,
    state: event.from_state === event.to_state ? `  (${event.to_state})` : event.to_state,
    caused_by: event.triggered_by,
    chain: chainId === undefined ? null : chainName(chains, chainId),
    transaction_hash: event.payload?.transaction_hash ?? null,
    at: event.created_at,
    elapsed_ms: happenedMs - trade.startedAtMs,
    webhooks: arrived,
  };
}

/** State changes for which a platform has not received a webhook with right signatures; empty when all is well. */
export function missingWebhooks(timeline: SettlementTimeline, slugs: readonly string[]): string[] {
  return timeline.rows
    .filter((row) => !row.state.startsWith(' '))
    .flatMap((row) =>
      slugs.filter((slug) => row.webhooks[slug]?.verified !== true).map((slug) => `${row.state} to ${slug}`),
    );
}

const COLUMNS = ['state', 'caused by', 'chain', 'transaction', 'webhooks delivered', 'ms'] as const;

export function renderTimeline(timeline: SettlementTimeline): string {
  const cells = timeline.rows.map((row) => [
    row.state,
    // The chain has a column of its own.
    row.caused_by.replace(/^chain:.*/, 'contract'),
    row.chain ?? '–',
    row.transaction_hash === null ? '–' : `${row.transaction_hash.slice(0, 10)}…${row.transaction_hash.slice(-6)}`,
    Object.entries(row.webhooks)
      .map(
        ([slug, { after_ms, verified }]) => `${slug.replace('platform-', '')} ${verified ? '✓' : '✗'} ${after_ms} ms`,
      )
      .join('  '),
    String(row.elapsed_ms),
  ]);
  const lines = table([[...COLUMNS], ...cells]);
  const link = timeline.workflow_url === null ? [] : [`  workflow: ${timeline.workflow_url}`];
  return [
    `Settlement ${timeline.settlement_id}, ${timeline.title}`,
    ...timeline.legs.map((leg) => `  ${describeLeg(leg)}`),
    ...lines.map((line) => `  ${line}`),
    ...timeline.messages.map(({ message, from, to, state }) => `  message ${message}: ${from} → ${to}, ${state}`),
    ...link,
    '',
  ].join('\n');
}

function describeLeg({ chain, token, paid_in, payee_receives, fees }: TimelineLeg): string {
  const fee = fees.length === 0 ? '' : `, payee receives ${payee_receives}, fee ${fees.join(' + ')}`;
  return `leg: ${paid_in} ${token} on ${chain}${fee}`;
}

/** Lines with columns padded to the widest cell; the last column is flush right. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows)
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length);
  return rows.map((row) =>
    row
      .map((cell, index) =>
        index === row.length - 1 ? cell.padStart(widths[index] ?? 0) : cell.padEnd(widths[index] ?? 0),
      )
      .join('  '),
  );
}
