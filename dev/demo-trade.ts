import { setTimeout as pause } from 'node:timers/promises';

import { type ApiClient, ApiRefused } from './api-client.ts';
import type {
  DepositInfoAnswer,
  EventAnswer,
  InstructionAnswer,
  LegAnswer,
  ReceivedWebhook,
  SettlementAnswer,
} from './demo-types.ts';
import type { PartyWallet } from './demo-wallet.ts';
import type { StackChain } from './stack-file.ts';

/** One trade, settled as two outside platforms would settle it. */

/** Milliseconds. */
export const TRADE_LIMITS = { tradeMs: 90_000, webhookMs: 15_000, pollMs: 150 } as const;
const EVENT_LIMIT = 200;
const TERMINAL_FAILURES = ['ROLLED_BACK', 'TIMED_OUT'];

export const BOND_QUANTITY = '500';
export const CASH_QUANTITY = '125000';

export interface Participant {
  readonly slug: string;
  readonly role: 'seller' | 'buyer';
  readonly externalReference: string;
  readonly name: string;
  readonly api: ApiClient;
  /** On the coordinator's chain. */
  readonly wallet: PartyWallet;
  /** The same account on another chain of the stack. */
  walletOn(chainId: number): PartyWallet;
}

export interface TradeContext {
  /** The coordinator's. */
  readonly chain: StackChain;
  /** All of the stack, the coordinator's first. */
  readonly chains: readonly StackChain[];
  readonly seller: Participant;
  readonly buyer: Participant;
  readonly sinkUrl: string;
}

export interface Trade {
  readonly title: string;
  /** Where the bond is, and where the cash is. */
  readonly chains: readonly StackChain[];
  readonly settlementId: string;
  readonly startedAtMs: number;
}

/** Way 1: the seller's platform proposes, the buyer's platform is told by webhook and confirms. */
export async function proposeAndConfirm(context: TradeContext): Promise<Trade> {
  return propose(context, { title: 'by confirmation', cashChain: context.chain });
}

/** Way 1 again, with the bond on the coordinator's chain and the cash on another one. Nothing is bridged: both legs settle where they are. */
export async function proposeAcrossChains(context: TradeContext): Promise<Trade> {
  const cashChain = context.chains.find(({ kind }) => kind === 'remote');
  if (cashChain === undefined) throw new Error('the stack has one chain only');
  const title = `bond on ${context.chain.name}, cash on ${cashChain.name}`;
  return propose(context, { title, cashChain, template: 'dvp-crosschain' });
}

interface Proposal {
  readonly title: string;
  readonly cashChain: StackChain;
  readonly template?: string;
}

async function propose(context: TradeContext, { title, cashChain, template }: Proposal): Promise<Trade> {
  const { chain, seller, buyer } = context;
  const startedAtMs = Date.now();
  const settlement = await seller.api.post<SettlementAnswer>('/v1/settlements', {
    ...(template !== undefined && { template_slug: template }),
    parties: [{ role: seller.role, ...partyOf(context, seller) }],
    counterparty_parties: [
      {
        platform_slug: buyer.slug,
        role: buyer.role,
        wallet_address_hint: buyer.wallet.address,
        counterparty_reference: buyer.name,
      },
    ],
    legs: [
      { ...assetLeg(chain), direction: 'deliver', party_role: seller.role },
      { ...paymentLeg(cashChain), direction: 'deliver', party_role: buyer.role },
    ],
  });
  const asked = await awaitWebhook(context, buyer.slug, settlement.id, 'settlement.confirmation_required');
  if (!asked) throw new Error(`${buyer.slug} was not told that settlement ${settlement.id} waits for its confirmation`);
  await buyer.api.post(`/v1/settlements/${settlement.id}/confirm`, partyOf(context, buyer));
  return { title, chains: [...new Set([chain, cashChain])], settlementId: settlement.id, startedAtMs };
}

/** Way 2: each platform submits its own instruction; the trade reference joins them. */
export async function instructAndMatch(context: TradeContext): Promise<Trade> {
  const { seller, buyer } = context;
  const startedAtMs = Date.now();
  const first = await seller.api.post<InstructionAnswer>('/v1/instructions', instructionOf(context, seller));
  const second = await buyer.api.post<InstructionAnswer>('/v1/instructions', {
    ...instructionOf(context, buyer),
    trade_reference: first.trade_reference,
  });
  if (second.settlement_id === null) {
    throw new Error(`the instructions did not match: ${second.match_refusal?.detail ?? second.status}`);
  }
  const { chain } = context;
  return { title: 'by matching instructions', chains: [chain], settlementId: second.settlement_id, startedAtMs };
}

function instructionOf(context: TradeContext, participant: Participant): Record<string, unknown> {
  const sells = participant.role === 'seller';
  return {
    template_slug: 'dvp-standard',
    role: participant.role,
    party: partyOf(context, participant),
    legs: [
      { ...assetLeg(context.chain), direction: sells ? 'deliver' : 'receive' },
      { ...paymentLeg(context.chain), direction: sells ? 'receive' : 'deliver' },
    ],
  };
}

function partyOf(context: TradeContext, participant: Participant): Record<string, unknown> {
  return {
    external_reference: participant.externalReference,
    name: participant.name,
    wallet_address: participant.wallet.address,
    chain_id: context.chain.chain_id,
  };
}

function assetLeg(chain: StackChain): Record<string, unknown> {
  return {
    leg_type: 'asset_delivery',
    instrument_id: chain.tokens.KBOND,
    quantity: BOND_QUANTITY,
    chain_id: chain.chain_id,
  };
}

function paymentLeg(chain: StackChain): Record<string, unknown> {
  return { leg_type: 'payment', instrument_id: chain.tokens.TUSDC, quantity: CASH_QUANTITY, chain_id: chain.chain_id };
}

/**
 * Waits for the deposits to open, lets each platform pay its own legs from its own wallet, and waits for the end.
 * @throws Error with the state that it stopped in.
 */
export async function settle(context: TradeContext, trade: Trade): Promise<void> {
  const deadline = trade.startedAtMs + TRADE_LIMITS.tradeMs;
  const settlement = await awaitState(context, trade, ['AWAITING_DEPOSITS', 'EXECUTING_SWAP', 'FINALIZED'], deadline);
  if (settlement.state === 'AWAITING_DEPOSITS') {
    await Promise.all([context.seller, context.buyer].map((participant) => deposit(participant, settlement)));
  }
  await awaitState(context, trade, ['FINALIZED'], deadline);
}

async function deposit(participant: Participant, settlement: SettlementAnswer): Promise<void> {
  for (const [index, leg] of settlement.legs.entries()) {
    // Who delivers a leg pays it in; the other side's deposit information is not for us.
    const pays = (leg.direction === 'deliver') === (leg.party_role === participant.role);
    if (!pays) continue;
    const info = await participant.api.get<DepositInfoAnswer>(
      `/v1/settlements/${settlement.id}/legs/${index}/deposit-info`,
    );
    await participant.walletOn(info.chain_id).send(info.transactions);
  }
}

async function awaitState(
  context: TradeContext,
  trade: Trade,
  wanted: readonly string[],
  deadlineMs: number,
): Promise<SettlementAnswer> {
  let last: SettlementAnswer | undefined;
  while (Date.now() < deadlineMs) {
    last = await context.seller.api.get<SettlementAnswer>(`/v1/settlements/${trade.settlementId}`);
    if (wanted.includes(last.state)) return last;
    if (TERMINAL_FAILURES.includes(last.state)) break;
    await pause(TRADE_LIMITS.pollMs);
  }
  throw new Error(`settlement ${trade.settlementId} is ${last?.state ?? 'unknown'} instead of ${wanted.join(' or ')}`);
}

export async function readEvents(context: TradeContext, trade: Trade): Promise<readonly EventAnswer[]> {
  const path = `/v1/settlements/${trade.settlementId}/events?limit=${EVENT_LIMIT}`;
  const answer = await context.seller.api.get<{ items: EventAnswer[] }>(path);
  return answer.items.toSorted((left, right) => left.sequence - right.sequence);
}

export async function readLegs(context: TradeContext, trade: Trade): Promise<readonly LegAnswer[]> {
  return (await context.seller.api.get<SettlementAnswer>(`/v1/settlements/${trade.settlementId}`)).legs;
}

/** The proof pack as it is handed out, byte for byte; it is there a moment after FINALIZED. */
export async function readProof(context: TradeContext, trade: Trade): Promise<string> {
  const deadline = Date.now() + TRADE_LIMITS.webhookMs;
  for (;;) {
    try {
      return await context.seller.api.getText(`/v1/settlements/${trade.settlementId}/proof`);
    } catch (error) {
      const early = error instanceof ApiRefused && (error.status === 404 || error.status === 409);
      if (!early || Date.now() > deadline) throw error;
      await pause(TRADE_LIMITS.pollMs);
    }
  }
}

export async function readWebhooks(
  context: TradeContext,
  slug: string,
  settlementId: string,
): Promise<readonly ReceivedWebhook[]> {
  const response = await fetch(`${context.sinkUrl}/hooks/${slug}?settlement_id=${settlementId}`, {
    signal: AbortSignal.timeout(TRADE_LIMITS.webhookMs),
  });
  const answer = (await response.json()) as { items: ReceivedWebhook[] };
  return answer.items;
}

async function awaitWebhook(
  context: TradeContext,
  slug: string,
  settlementId: string,
  event: string,
): Promise<boolean> {
  const deadline = Date.now() + TRADE_LIMITS.webhookMs;
  while (Date.now() < deadline) {
    const received = await readWebhooks(context, slug, settlementId);
    if (received.some((webhook) => webhook.body.event === event)) return true;
    await pause(TRADE_LIMITS.pollMs);
  }
  return false;
}

/** Webhooks of both platforms, once every event that both are told of has arrived at both, or the time is over. */
export async function collectWebhooks(
  context: TradeContext,
  trade: Trade,
  events: readonly EventAnswer[],
): Promise<Readonly<Record<string, readonly ReceivedWebhook[]>>> {
  const deadline = Date.now() + TRADE_LIMITS.webhookMs;
  const last = events.at(-1)?.sequence ?? 0;
  for (;;) {
    const received: Record<string, readonly ReceivedWebhook[]> = {};
    for (const { slug } of [context.seller, context.buyer])
      received[slug] = await readWebhooks(context, slug, trade.settlementId);
    const complete = Object.values(received).every((list) =>
      list.some((webhook) => webhook.body.data.sequence === last),
    );
    if (complete || Date.now() > deadline) return received;
    await pause(TRADE_LIMITS.pollMs);
  }
}
