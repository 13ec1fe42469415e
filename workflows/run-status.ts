import { setCurrentDetails, setHandler, upsertSearchAttributes } from '@temporalio/workflow';

import type { Progress } from '../activities/settlement-activities.ts';
import { isTerminal, type SettlementState } from '../domain/settlement-state.ts';
import { renderCard } from './card.ts';
import {
  type PendingView,
  pendingQuery,
  type SettlementInput,
  type SettlementOutcome,
  stateQuery,
  type TimelineEntry,
  timelineQuery,
} from './messages.ts';
import { WORKFLOW_LIMITS } from './policies.ts';
import { settlementNeedsAttentionKey, settlementStateKey } from './search-attributes.ts';

/** What one run shows of itself: card, search attributes, queries, timeline. It decides nothing. */
export class RunStatus {
  state: SettlementState;
  endingCode: string | null = null;
  held = false;
  parked: PendingView['parked'] = null;
  private attention: string | undefined;
  private waitingFor = 'the parties to confirm';
  private shownState: SettlementState;
  private readonly timeline: TimelineEntry[] = [];
  private readonly input: SettlementInput;

  constructor(input: SettlementInput) {
    this.input = input;
    this.state = input.awaitingConfirmation ? 'AWAITING_CONFIRMATION' : 'INSTRUCTED';
    // The start carried this value as search attribute.
    this.shownState = this.state;
    setHandler(stateQuery, () => this.state, { description: 'state of the settlement' });
    setHandler(timelineQuery, () => this.timeline, { description: 'what happened so far' });
    setHandler(pendingQuery, () => this.pending(), { description: 'what it waits for' });
  }

  took(step: string, progress: Progress): void {
    this.state = progress.state;
    this.endingCode = progress.endingCode;
    const effects = progress.effects ?? [];
    if (effects.length === 0) this.note(step);
    for (const { what, chainId, transactionHash } of effects) {
      this.note(what === step ? step : `${step}: ${what}`, { chainId, transactionHash });
    }
    this.showCard();
  }

  note(what: string, at?: { chainId: number; transactionHash: string }): void {
    if (this.timeline.length >= WORKFLOW_LIMITS.timelineEntries) return;
    const entry = { at_ms: Date.now(), what, state: this.state };
    this.timeline.push(
      at === undefined ? entry : { ...entry, chain_id: at.chainId, transaction_hash: at.transactionHash },
    );
  }

  /** Something that a person should look at while the settlement goes on; marked once, until the settlement ends. */
  mark(attention: string): void {
    if (this.attention === undefined) {
      this.note(`needs attention: ${attention}`);
      upsertSearchAttributes([{ key: settlementNeedsAttentionKey, value: true }]);
    }
    this.attention = attention;
    this.showCard();
  }

  private unmark(): void {
    if (this.attention === undefined) return;
    this.attention = undefined;
    if (this.parked === null) upsertSearchAttributes([{ key: settlementNeedsAttentionKey, value: false }]);
  }

  waitFor(what: string): void {
    this.waitingFor = what;
    this.showCard();
  }

  park(parked: NonNullable<PendingView['parked']>): void {
    this.parked = parked;
    this.note(`${parked.step} needs attention: ${parked.code}`);
    upsertSearchAttributes([{ key: settlementNeedsAttentionKey, value: true }]);
  }

  unpark(): void {
    this.parked = null;
    if (this.attention === undefined) upsertSearchAttributes([{ key: settlementNeedsAttentionKey, value: false }]);
  }

  /** One event per phase, not per state: each upsert is an event of the history. */
  showState(): void {
    if (isTerminal(this.state)) this.unmark();
    if (this.shownState !== this.state) {
      this.shownState = this.state;
      upsertSearchAttributes([{ key: settlementStateKey, value: this.state }]);
    }
    this.showCard();
  }

  pending(): PendingView {
    return { waiting_for: this.waitingFor, deadline_ms: this.input.deadlineMs, held: this.held, parked: this.parked };
  }

  outcome(): SettlementOutcome {
    return { settlementId: this.input.settlementId, state: this.state, endingCode: this.endingCode };
  }

  showCard(): void {
    setCurrentDetails(
      renderCard({
        title: this.input.title,
        state: this.state,
        waitingFor: isTerminal(this.state) ? 'nothing' : this.waitingFor,
        deadlineMs: this.input.deadlineMs,
        held: this.held,
        parked: this.parked,
        attention: this.attention,
        last: this.timeline.at(-1),
      }),
    );
  }
}
