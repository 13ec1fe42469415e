import type { Uuid } from './ids.ts';

/**
 * What the settlement workflow takes and can be told, as plain data: the workflow defines its handlers from it, the outbox relay
 * sends by it, and the server is told the search attributes. Kept apart from the workflow, so that nobody has to import one to call it.
 */
export const SETTLEMENT_WORKFLOW = 'settlement';
export const WEBHOOK_DELIVERY_WORKFLOW = 'webhookDelivery';

export interface SettlementInput {
  readonly settlementId: Uuid;
  /** ms since epoch; the one deadline of the settlement. */
  readonly deadlineMs: number;
  /** Whether parties still had to confirm when the workflow was started. */
  readonly awaitingConfirmation: boolean;
  /** What the card and the summaries call it: no personal data. */
  readonly title: string;
}

/** Facts of one transaction, final on chain. The rows in Postgres are what counts; this only wakes. */
export interface ChainFacts {
  readonly chain_id: number;
  readonly transaction_hash: string;
  readonly block_number: number;
  readonly names: readonly string[];
}

export const SETTLEMENT_SIGNALS = {
  confirmation: 'confirmation',
  decision: 'decision',
  chainFacts: 'chainFacts',
} as const;

/**
 * What operators filter by in Temporal UI. Search attributes are never encrypted: identifiers and enumerations only. The server must
 * know them before the first start.
 */
export const SEARCH_ATTRIBUTES = {
  SettlementState: 'KEYWORD',
  SettlementPlatforms: 'KEYWORD_LIST',
  SettlementTemplate: 'KEYWORD',
  SettlementTradeReference: 'KEYWORD',
  SettlementNeedsAttention: 'BOOL',
} as const;
