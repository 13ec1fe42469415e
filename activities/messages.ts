import { MESSAGE_KIND, type MessageKind } from '../chain/coordinator.ts';
import type { ChainEventRow } from '../db/chain-events.ts';
import type { StepLimits } from './step-limits.ts';
import { pauseFor, StillWaiting } from './waiting.ts';

/** What the final facts of the sending chain say about messages of one kind, whoever sent them. */
export interface SentMessages {
  readonly count: number;
  /** ms since epoch of the newest one's block; undefined when there is none. */
  readonly lastSentMs: number | undefined;
}

/** Messages of a kind that left `from` for `to`, by the final MessageSent facts. */
export function sentMessages(
  facts: readonly ChainEventRow[],
  message: { readonly kind: MessageKind; readonly from: number; readonly to: number },
): SentMessages {
  const times = facts
    .filter(
      (fact) =>
        fact.name === 'MessageSent' &&
        fact.chain_id === message.from &&
        Number(fact.arguments['chainId']) === message.to &&
        Number(fact.arguments['kind']) === MESSAGE_KIND[message.kind],
    )
    .map((fact) => fact.block_timestamp.getTime());
  return { count: times.length, lastSentMs: times.length === 0 ? undefined : Math.max(...times) };
}

/** A vote that came too late, after the newest message of ours that it should have heeded: the other chain may still hold on to it. */
export function ignoredSince(facts: readonly ChainEventRow[], chainId: number, home: number, sinceMs: number): boolean {
  return facts.some(
    (fact) =>
      fact.name === 'VoteIgnored' &&
      fact.chain_id === home &&
      Number(fact.arguments['chainId']) === chainId &&
      Number(fact.arguments['kind']) === MESSAGE_KIND.PREPARED &&
      fact.block_timestamp.getTime() > sinceMs,
  );
}

/**
 * Which generation of a message to send now; undefined when the newest one has to be given more time. The generation follows from final
 * facts: until a message is final its generation stays the same, and the journal sends nothing twice under one key.
 */
export function generationToSend(
  sent: SentMessages,
  nowMs: number,
  limits: StepLimits,
  again: boolean,
): number | undefined {
  if (sent.lastSentMs === undefined) return 1;
  const due = again || nowMs - sent.lastSentMs > limits.messageResendMs;
  return due && sent.count < limits.messageGenerations ? sent.count + 1 : undefined;
}

/** What a step waits for between chains. */
export interface MessageInTransit {
  readonly kind: MessageKind;
  readonly from: number;
  readonly to: number;
  readonly sinceMs: number;
}

/** Ends an attempt that has done what it could. */
export function stillInTransit(messages: readonly MessageInTransit[], nowMs: number, limits: StepLimits): StillWaiting {
  const oldest = messages.toSorted((a, b) => a.sinceMs - b.sinceMs)[0];
  const ageMs = oldest === undefined ? 0 : Math.max(0, nowMs - oldest.sinceMs);
  const list = messages.map(
    ({ kind, from, to, sinceMs }) => `${kind} from chain ${from} to ${to} since ${new Date(sinceMs).toISOString()}`,
  );
  return new StillWaiting('message_in_transit', `In transit: ${list.join('; ')}.`, {
    retryAfterMs: pauseFor(ageMs, limits),
    overdue: ageMs > limits.messageOverdueMs,
  });
}
