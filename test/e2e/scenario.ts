import { setTimeout as pause } from 'node:timers/promises';

import type { DepositInfoAnswer, EventAnswer, SettlementAnswer } from '../../dev/demo-types.ts';
import type { Participant } from '../../dev/demo-trade.ts';
import type { EndToEndStack } from './stack.ts';

/** Milliseconds. */
const LIMITS = { stateMs: 60_000, pollMs: 200 } as const;
/** Four messages, each of which waits for finality on its way, beside everything else that runs. */
export const CROSS_CHAIN_MS = 120_000;

export interface ProposeOptions {
  readonly template?: string;
  /** Bond and cash on the coordinator's chain unless others are given. */
  readonly legs?: readonly object[];
  readonly feeMode?: 'seller_pays' | 'buyer_pays' | 'split';
  readonly sellerName?: string;
  /** Seconds from now. */
  readonly timeoutSeconds?: number;
}

/** A settlement that the seller's platform proposes: 5 KBOND against 1,250 TUSDC. */
export async function propose(stack: EndToEndStack, options: ProposeOptions = {}): Promise<SettlementAnswer> {
  const { chain } = stack.context;
  return stack.seller.api.post<SettlementAnswer>('/v1/settlements', {
    ...(options.template !== undefined && { template_slug: options.template }),
    ...(options.feeMode !== undefined && { fee_mode: options.feeMode }),
    parties: [{ role: 'seller', ...partyOf(stack, stack.seller, options.sellerName) }],
    counterparty_parties: [{ platform_slug: stack.buyer.slug, role: 'buyer' }],
    legs: options.legs ?? legsOf(chain.tokens),
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

/** 5 KBOND on the coordinator's chain against 1,250 TUSDC on the other one. */
export function crossLegsOf(stack: EndToEndStack) {
  const { chain } = stack.context;
  const [bond, cash] = legsOf({ KBOND: chain.tokens.KBOND, TUSDC: stack.remote.tokens.TUSDC });
  return [
    { ...bond, chain_id: chain.chain_id },
    { ...cash, chain_id: stack.remote.chain_id },
  ];
}

/** A trade across two chains that is confirmed and waits for deposits on both. */
export async function openAcross(stack: EndToEndStack, options: ProposeOptions = {}): Promise<string> {
  const { id } = await propose(stack, { template: 'dvp-crosschain', legs: crossLegsOf(stack), ...options });
  await confirm(stack, id);
  await reach(stack, id, 'AWAITING_DEPOSITS', CROSS_CHAIN_MS);
  return id;
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
  await participant.walletOn(info.chain_id).send(info.transactions);
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
