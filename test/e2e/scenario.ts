import { setTimeout as pause } from 'node:timers/promises';

import type { DepositInfoAnswer, EventAnswer, SettlementAnswer } from '../../dev/demo-types.ts';
import type { Participant } from '../../dev/demo-trade.ts';
import type { EndToEndStack } from './stack.ts';

/** Milliseconds. */
const LIMITS = { stateMs: 60_000, pollMs: 200 } as const;

export interface ProposeOptions {
  readonly sellerName?: string;
  readonly buyerName?: string;
  /** Seconds from now. */
  readonly timeoutSeconds?: number;
}

/** A settlement that the seller's platform proposes: 5 KBOND against 1,250 TUSDC. */
export async function propose(stack: EndToEndStack, options: ProposeOptions = {}): Promise<SettlementAnswer> {
  const { chain } = stack.context;
  return stack.seller.api.post<SettlementAnswer>('/v1/settlements', {
    parties: [{ role: 'seller', ...partyOf(stack, stack.seller, options.sellerName) }],
    counterparty_parties: [{ platform_slug: stack.buyer.slug, role: 'buyer' }],
    legs: legsOf(chain.tokens),
    ...(options.timeoutSeconds !== undefined && {
      timeout_at: new Date(Date.now() + options.timeoutSeconds * 1_000).toISOString(),
    }),
  });
}

export function legsOf(tokens: { KBOND: string; TUSDC: string }) {
  return [
    {
      leg_type: 'asset_delivery',
      instrument_id: tokens.KBOND,
      quantity: '5',
      direction: 'deliver',
      party_role: 'seller',
    },
    { leg_type: 'payment', instrument_id: tokens.TUSDC, quantity: '1250', direction: 'receive', party_role: 'seller' },
  ];
}

export function partyOf(stack: EndToEndStack, participant: Participant, name: string = participant.name) {
  return {
    external_reference: participant.externalReference,
    name,
    wallet_address: participant.wallet.address,
    chain_id: stack.context.chain.chain_id,
  };
}

export async function confirm(stack: EndToEndStack, settlementId: string, name?: string): Promise<SettlementAnswer> {
  return stack.buyer.api.post<SettlementAnswer>(
    `/v1/settlements/${settlementId}/confirm`,
    partyOf(stack, stack.buyer, name),
  );
}

export async function depositLeg(participant: Participant, settlementId: string, legIndex: number): Promise<void> {
  const info = await participant.api.get<DepositInfoAnswer>(
    `/v1/settlements/${settlementId}/legs/${legIndex}/deposit-info`,
  );
  await participant.wallet.send(info.transactions);
}

export async function depositBoth(stack: EndToEndStack, settlementId: string): Promise<void> {
  await Promise.all([depositLeg(stack.seller, settlementId, 0), depositLeg(stack.buyer, settlementId, 1)]);
}

/** Polls as the seller until the settlement is in the state. */
export async function reach(
  stack: EndToEndStack,
  settlementId: string,
  state: string,
  limitMs: number = LIMITS.stateMs,
): Promise<SettlementAnswer> {
  return until(
    () => stack.seller.api.get<SettlementAnswer>(`/v1/settlements/${settlementId}`),
    (settlement) => settlement.state === state,
    `settlement ${settlementId} to be ${state}`,
    limitMs,
  );
}

export async function eventsOf(stack: EndToEndStack, settlementId: string): Promise<EventAnswer[]> {
  const answer = await stack.seller.api.get<{ items: EventAnswer[] }>(
    `/v1/settlements/${settlementId}/events?limit=200`,
  );
  return answer.items.toSorted((left, right) => left.sequence - right.sequence);
}

export async function until<Value>(
  read: () => Promise<Value>,
  holds: (value: Value) => boolean,
  what: string,
  limitMs: number = LIMITS.stateMs,
): Promise<Value> {
  const giveUpAt = Date.now() + limitMs;
  for (;;) {
    const value = await read();
    if (holds(value)) return value;
    if (Date.now() > giveUpAt)
      throw new Error(`waited in vain for ${what}; last seen: ${JSON.stringify(value).slice(0, 600)}`);
    await pause(LIMITS.pollMs);
  }
}
