import type { InstructionRecord } from '../../db/instructions.ts';
import { MATCH_REFUSAL_SENTENCES } from '../../domain/matching.ts';
import { shownAddress, showWallets } from '../settlements/views.ts';

/** The instruction as its owner sees it, with every nullable field present. */
export function showInstruction(record: InstructionRecord) {
  return {
    id: record.id,
    trade_reference: record.trade_reference,
    status: record.status,
    settlement_id: record.settlement_id,
    template_slug: record.template_slug,
    role: record.role,
    party: {
      ...record.party,
      wallet_address: record.party.wallet_address === null ? null : shownAddress(record.party.wallet_address),
      wallets: showWallets(record.party.wallets),
    },
    legs: record.legs.map((leg) => ({
      leg_type: leg.legType,
      instrument_id: shownAddress(leg.instrumentId),
      quantity: leg.quantity,
      direction: leg.direction,
      chain_id: leg.chainId,
      token_standard: leg.tokenStandard,
      token_id: leg.tokenId ?? null,
      partition: leg.partition ?? null,
      external_reference: leg.externalReference ?? null,
    })),
    fee_mode: record.fee_mode,
    idempotency_key: record.idempotency_key,
    match_refusal:
      record.match_refusal === null
        ? null
        : { code: record.match_refusal, detail: MATCH_REFUSAL_SENTENCES[record.match_refusal] },
    timeout_at: record.timeout_at.toISOString(),
    expires_at: record.expires_at.toISOString(),
    created_at: record.created_at.toISOString(),
    updated_at: record.updated_at.toISOString(),
  };
}
