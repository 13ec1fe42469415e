/** Views of a pack whose shape was checked. */

import { canonicalText } from './canonical.ts';
import { PACK_LIMITS } from './json.ts';
import type { LegTerm, Pack, SettlementEvidence } from './pack-types.ts';

/** Text equality of canonical forms: the one notion of "the same value" that the whole chain rests on. */
export function sameData(a: unknown, b: unknown): boolean {
  return canonicalText(a, PACK_LIMITS) === canonicalText(b, PACK_LIMITS);
}

/** The settled legs without what only the chain could add: the terms as they were decided. */
export function decidedTerms(pack: Pack): LegTerm[] {
  return pack.settled_legs.legs.map(({ deposit: _deposit, payout: _payout, ...leg }) => leg);
}

/** The evidence of a pack whose kind is `settlement`. */
export function settlementEvidence(pack: Pack): SettlementEvidence {
  return pack.onchain_verification as unknown as SettlementEvidence;
}
