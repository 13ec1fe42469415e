import type { EventToTell } from '../../db/webhook-deliveries.ts';
import { WEBHOOK_LIMITS } from './limits.ts';

/** The id under which an event is told, and by which receivers deduplicate. */
export function messageIdOf(eventId: string): string {
  return `evt_${eventId}`;
}

/**
 * The body of an event's webhook, as it is stored and sent byte for byte:
 * `{event, id, data: {settlement_id, state, previous_state?, settlement_type, timestamp, sequence, …payload, deposits?}, timestamp}`.
 * `previous_state` is there only when the event changed the state, so not in the first event; `timestamp` is the event's time in
 * ISO 8601, whenever it is sent. `deposits` are the receiver's own deposit instructions; they are left out of a body that would
 * exceed the limit, since `deposit-info` still answers them.
 */
export function messageBody(event: EventToTell, deposits?: readonly object[]): string {
  const full = render(event, deposits);
  return deposits !== undefined && Buffer.byteLength(full) > WEBHOOK_LIMITS.messageBytes ? render(event) : full;
}

function render(event: EventToTell, deposits?: readonly object[]): string {
  const timestamp = event.created_at.toISOString();
  const changed = event.from_state !== null && event.from_state !== event.to_state;
  const settlement = {
    settlement_id: event.settlement_id,
    state: event.to_state,
    ...(changed && { previous_state: event.from_state }),
    settlement_type: event.settlement_type,
    timestamp,
    sequence: event.sequence,
  };
  return JSON.stringify({
    event: event.type,
    id: messageIdOf(event.event_id),
    data: {
      ...settlement,
      ...event.payload,
      // Once more after the payload, which must not pass itself off as another settlement or state.
      ...settlement,
      ...(deposits !== undefined && { deposits }),
    },
    timestamp,
  });
}
