import { oppositeDirection, type StatedLeg } from './legs.ts';
import { canonicalQuantity } from './money.ts';

/** The part of an instruction that matching looks at. `deadlineMs`: ms since epoch. */
export interface MatchableInstruction {
  readonly templateSlug: string;
  readonly role: string;
  readonly legs: readonly StatedLeg[];
  readonly deadlineMs: number;
}

export const MATCH_REFUSALS = [
  'match_template_differs',
  'match_same_role',
  'match_instruments_differ',
  'match_leg_types_differ',
  'match_quantities_differ',
  'match_directions_not_complementary',
  'match_deadline_passed',
] as const;
export type MatchRefusal = (typeof MATCH_REFUSALS)[number];

export const MATCH_REFUSAL_SENTENCES: Readonly<Record<MatchRefusal, string>> = {
  match_template_differs: 'The two sides name different settlement templates.',
  match_same_role: 'Both sides claim the same role.',
  match_instruments_differ: 'The two sides do not name the same instruments on the same chains.',
  match_leg_types_differ: 'The two sides disagree on the type or token standard of a leg.',
  match_quantities_differ: 'The two sides state different quantities of an instrument.',
  match_directions_not_complementary: 'Where one side delivers, the other must receive.',
  match_deadline_passed: 'The deadline of the other side has passed.',
};

export type MatchResult = { matched: true; deadlineMs: number } | { matched: false; refusal: MatchRefusal };

function instrumentKey(leg: StatedLeg): string {
  return `${leg.chainId}/${leg.instrumentId.toLowerCase()}`;
}

/**
 * Seed 001: same template, different roles, same instruments, equal quantities, complementary directions. The rules are asked in
 * that order, so that a refusal names the first thing to mend. The earlier deadline applies to the settlement.
 */
export function matchInstructions(
  ours: MatchableInstruction,
  theirs: MatchableInstruction,
  nowMs: number,
): MatchResult {
  if (ours.templateSlug !== theirs.templateSlug) return { matched: false, refusal: 'match_template_differs' };
  if (ours.role === theirs.role) return { matched: false, refusal: 'match_same_role' };
  const refusal = compareLegs(ours.legs, theirs.legs);
  if (refusal !== undefined) return { matched: false, refusal };
  const deadlineMs = Math.min(ours.deadlineMs, theirs.deadlineMs);
  if (deadlineMs <= nowMs) return { matched: false, refusal: 'match_deadline_passed' };
  return { matched: true, deadlineMs };
}

function compareLegs(ours: readonly StatedLeg[], theirs: readonly StatedLeg[]): MatchRefusal | undefined {
  const left = new Map(ours.map((leg) => [instrumentKey(leg), leg]));
  const right = new Map(theirs.map((leg) => [instrumentKey(leg), leg]));
  // One leg per instrument and side is required at submission; a duplicate that slipped in must not be half compared.
  const duplicated = left.size !== ours.length || right.size !== theirs.length;
  if (duplicated || left.size !== right.size || [...left.keys()].some((key) => !right.has(key))) {
    return 'match_instruments_differ';
  }
  const pairs = [...left].map(([key, leg]) => [leg, right.get(key) as StatedLeg] as const);
  if (pairs.some(([a, b]) => a.legType !== b.legType || a.tokenStandard !== b.tokenStandard))
    return 'match_leg_types_differ';
  if (pairs.some(([a, b]) => canonicalQuantity(a.quantity) !== canonicalQuantity(b.quantity)))
    return 'match_quantities_differ';
  if (pairs.some(([a, b]) => a.direction !== oppositeDirection(b.direction)))
    return 'match_directions_not_complementary';
  return undefined;
}
