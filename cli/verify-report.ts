/** How a verification is printed for a person: what the pack says, every check, what was not checked, the verdict. */

import type { Check, CheckStatus, SettlementStory, VerificationReport } from '../keystone/pack.ts';

export type Result = VerificationReport & { readonly file: string };

const MARKS: Readonly<Record<CheckStatus, string>> = { proved: '✓', refuted: '✗', not_checkable: '–' };
const MILLISECONDS_PER_SECOND = 1000;
const MAX_CHECK_WIDTH = 84;

export function humanReport(result: Result): string {
  const { checks } = result;
  const width = Math.min(MAX_CHECK_WIDTH, Math.max(0, ...checks.map((check) => check.name.length)));
  const lines = checks.map((check) => checkLine(check, width));
  const subject = [result.subject, result.tx].filter((text) => text !== undefined).join('  tx ');
  const open = result.not_checked.map((name) => `  ${name}`);
  return [
    result.file + (subject === '' ? '' : `  ${subject}`),
    ...(result.story === undefined ? [] : [...storyLines(result.story, checks), 'Checks:']),
    ...lines,
    ...(open.length === 0 ? [] : ['', 'Not checked:', ...open]),
    '',
    `${verdictMark(result)} ${result.summary}`,
    '',
  ].join('\n');
}

/** Chains, legs and timeline as the pack states them; the checks below say how much of it is proved. */
function storyLines(story: SettlementStory, checks: readonly Check[]): string[] {
  return [
    '',
    'What the pack says:',
    '',
    ...table(
      ['chain', 'role', 'contracts', ''],
      story.chains.map((chain) => [
        chain.chain_id,
        chain.role,
        Object.entries(chain.contracts)
          .map(([name, address]) => `${name} ${short(address)}`)
          .join(', '),
        wasRead(chain.chain_id, checks) ? 'read again' : 'not read again',
      ]),
    ),
    '',
    ...table(
      ['leg', 'chain', 'from → to', 'paid in', 'paid out', 'fees', 'asset'],
      story.legs.map((leg) => [
        String(leg.leg_index),
        leg.chain_id,
        `${leg.from_role} ${short(leg.payer)} → ${leg.to_role} ${short(leg.payee)}`,
        leg.paid_in,
        leg.kind === 'credited' ? `${leg.paid_out} (credited)` : leg.paid_out,
        leg.fees.map((fee) => `${fee.amount_minor} to ${short(fee.recipient)}`).join(', ') || '–',
        shortAsset(leg.asset),
      ]),
    ),
    '',
    ...table(
      ['time (UTC)', 'chain', 'block', 'event', 'transaction'],
      story.timeline.map((entry) => [
        new Date(entry.block_timestamp_s * MILLISECONDS_PER_SECOND).toISOString().replace('.000Z', 'Z'),
        entry.chain_id,
        String(entry.block_number),
        shortened(entry.event),
        `${short(entry.tx)} #${entry.log_index}`,
      ]),
    ),
    ...(story.chains.length > 1
      ? ['', '  In the order that the contracts impose; times of different chains are by different clocks.']
      : []),
    '',
  ];
}

/** A chain was read again when its blocks were compared, whatever came of it. */
function wasRead(chain: string, checks: readonly Check[]): boolean {
  return checks.some((check) => check.name === `on chain: blocks of ${chain} are as recorded`);
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column]?.length ?? 0)));
  return [heads, ...rows].map((row) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd(),
  );
}

/** `0x1234…cdef`: enough to recognise; `--json` has all of it. */
function short(hex: string): string {
  return /^0x[0-9a-f]{16,}$/.test(hex) ? `${hex.slice(0, 6)}…${hex.slice(-4)}` : hex;
}

/** CAIP-19 without its chain, which has a column of its own. */
function shortAsset(asset: string): string {
  return shortened(asset.slice(asset.indexOf('/') + 1));
}

function shortened(text: string): string {
  return text.replaceAll(/0x[0-9a-f]{16,}/g, (hex) => short(hex));
}

function verdictMark(result: Result): string {
  return result.verdict === 'valid'
    ? MARKS.proved
    : result.verdict === 'incomplete'
      ? MARKS.not_checkable
      : MARKS.refuted;
}

function checkLine(check: Check, width: number): string {
  const compared = [
    ...(check.expected === undefined ? [] : [`expected ${check.expected}`]),
    ...(check.found === undefined ? [] : [`found ${check.found}`]),
  ];
  const detail = check.status === 'proved' ? '' : [check.detail, ...compared].join('; ');
  return `  ${MARKS[check.status]} ${check.name.padEnd(width)} ${detail}`.trimEnd();
}
