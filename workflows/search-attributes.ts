import { defineSearchAttributeKey } from '@temporalio/common';

import { SEARCH_ATTRIBUTES } from '../domain/workflow-contract.ts';

/** The two that change while a settlement runs; the others are set once, at the start. */
export const settlementStateKey = defineSearchAttributeKey('SettlementState', SEARCH_ATTRIBUTES.SettlementState);
export const settlementNeedsAttentionKey = defineSearchAttributeKey(
  'SettlementNeedsAttention',
  SEARCH_ATTRIBUTES.SettlementNeedsAttention,
);
