import type { EventAnswer, ReceivedWebhook } from './demo-types.ts';
import type { Trade } from './demo-trade.ts';

/** What the demo shows of a settlement, as data for `timeline.json` and as a table for people. */

export interface TimelineRow {
  readonly sequence: number;
  readonly state: string;
  /** `platform:…`, `system:engine`, `chain:<id>`, … */
  readonly caused_by: string;
  readonly transaction_hash: string | null;
  readonly at: string;
  /** Since the trade began. */
  readonly elapsed_ms: number;
  /** Per platform: after how many milliseconds the webhook had arrived, and whether its signatures were right. */
  readonly webhooks: Readonly<Record<string, { readonly after_ms: number; readonly verified: boolean }>>;
}

export interface SettlementTimeline {
  readonly settlement_id: string;
  readonly title: string;
  readonly workflow_url: string | null;
  readonly total_ms: number;
  readonly rows: readonly TimelineRow[];
}

export function buildTimeline(
  trade: Trade,
  events: readonly EventAnswer[],
  webhooks: Readonly<Record<string, readonly ReceivedWebhook[]>>,
  workflowUrl: string | null,
): SettlementTimeline {
  const rows = events.map((event) => rowOf(trade, event, webhooks));
  return {
    settlement_id: trade.settlementId,
    title: trade.title,
    workflow_url: workflowUrl,
    total_ms: rows.at(-1)?.elapsed_ms ?? 0,
    rows,
  };
}

function rowOf(
  trade: Trade,
  event: EventAnswer,
  webhooks: Readonly<Record<string, readonly ReceivedWebhook[]>>,
): TimelineRow {
  const happenedMs = Date.parse(event.created_at);
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

const COLUMNS = ['state', 'caused by', 'transaction', 'webhooks delivered', 'ms'] as const;

export function renderTimeline(timeline: SettlementTimeline): string {
  const cells = timeline.rows.map((row) => [
    row.state,
    row.caused_by,
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
    ...lines.map((line) => `  ${line}`),
    ...link,
    '',
  ].join('\n');
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
