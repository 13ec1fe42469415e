import { SETTLEMENT_STATES, type SettlementState } from './settlement-state.ts';

/** The webhook catalogue. `settlement.state.<lower-case state>` for each state change, and a few that are not state changes. */
export const STATE_EVENT_TYPES = SETTLEMENT_STATES.map((state) => stateEventType(state));

export const OTHER_EVENT_TYPES = [
  'settlement.confirmation_required',
  'settlement.compliance.cleared',
  'settlement.compliance.flagged',
  'settlement.compliance.failed',
  'settlement.deposit.received',
  'test.ping',
] as const;

export type WebhookEventType = (typeof OTHER_EVENT_TYPES)[number] | `settlement.state.${string}`;

export function stateEventType(state: SettlementState): `settlement.state.${string}` {
  return `settlement.state.${state.toLowerCase()}`;
}

/** Subscription patterns: `*`, a prefix that ends in `.*`, or an exact name. */
export function isEventPattern(pattern: string): boolean {
  if (pattern === '*') return true;
  const known: readonly string[] = [...STATE_EVENT_TYPES, ...OTHER_EVENT_TYPES];
  if (pattern.endsWith('.*')) return known.some((type) => type.startsWith(pattern.slice(0, -1)));
  return known.includes(pattern);
}

/** A test ping goes to the endpoint that asks for it whatever it subscribed to; the sender does not consult this for it. */
export function eventMatches(patterns: readonly string[], type: string): boolean {
  return patterns.some(
    (pattern) =>
      pattern === '*' || pattern === type || (pattern.endsWith('.*') && type.startsWith(pattern.slice(0, -1))),
  );
}
