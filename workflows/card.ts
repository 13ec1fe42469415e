import type { SettlementState } from '../domain/settlement-state.ts';
import type { TimelineEntry } from './messages.ts';

export interface Card {
  readonly title: string;
  readonly state: SettlementState;
  readonly waitingFor: string;
  readonly deadlineMs: number;
  readonly held: boolean;
  readonly parked: { step: string; code: string; detail: string } | null;
  /** Why a person should look although nothing is parked. */
  readonly attention: string | undefined;
  readonly last: TimelineEntry | undefined;
}

/** The operator's card in Temporal UI: state, what it waits for, what to do. Short markdown, no personal data. */
export function renderCard(card: Card): string {
  const lines = [
    `### ${card.title}`,
    '',
    `| state | waits for | deadline |`,
    `|---|---|---|`,
    `| **${card.state}** | ${card.waitingFor} | ${new Date(card.deadlineMs).toISOString()} |`,
  ];
  if (card.held) lines.push('', '**Held by an operator.** Update `release` lets it go on.');
  if (card.parked !== null) {
    lines.push(
      '',
      `**Needs attention:** step \`${card.parked.step}\` stopped with \`${card.parked.code}\`: ${card.parked.detail}`,
      '',
      'Updates: `retry`, `abort`' + (card.parked.step === 'carry' ? ', `skip`' : '') + '.',
    );
  }
  if (card.attention !== undefined) lines.push('', `**Needs attention:** ${card.attention}`);
  if (card.last !== undefined) {
    const { chain_id: chainId, transaction_hash: hash } = card.last;
    const chain = chainId === undefined ? '' : ` on chain ${chainId}`;
    const transaction = hash === undefined ? '' : ` (\`${hash}\`)`;
    lines.push('', `Last: ${card.last.what}${chain}${transaction}, ${new Date(card.last.at_ms).toISOString()}`);
  }
  return lines.join('\n');
}
