import type { FeeMode } from './fees.ts';
import { assetKey, oppositeDirection, type StatedLeg } from './legs.ts';
import { canonicalQuantity } from './money.ts';

/** The part of an instruction that matching looks at. `deadlineMs`: ms since epoch. */
export interface MatchableInstruction {
  readonly templateSlug: string;
  readonly role: string;
  readonly legs: readonly StatedLeg[];
  /** As stated or else the template's; null when there is no payment leg. */
  readonly feeMode: FeeMode | null;
  readonly deadlineMs: number;
}

export const MATCH_REFUSALS = [
  'match_template_differs',
  'match_same_role',
  'match_instruments_differ',
  'match_leg_types_differ',
  'match_quantities_differ',
  'match_directions_not_complementary',
  'match_fee_modes_differ',
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
  match_fee_modes_differ:
    'The two sides disagree on who bears the fee; a side that states no fee_mode means the template’s.',
  match_deadline_passed: 'The deadline of the other side has passed.',
};

export type MatchResult = { matched: true; deadlineMs: number } | { matched: false; refusal: MatchRefusal };

/**
 * Seed 001: same template, different roles, same instruments, equal quantities, complementary directions; and the same bearer of the fee. The
 * rules are asked in that order, so that a refusal names the first thing to mend. The earlier deadline applies to the settlement.
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
  if (ours.feeMode !== theirs.feeMode) return { matched: false, refusal: 'match_fee_modes_differ' };
  const deadlineMs = Math.min(ours.deadlineMs, theirs.deadlineMs);
  if (deadlineMs <= nowMs) return { matched: false, refusal: 'match_deadline_passed' };
  return { matched: true, deadlineMs };
}

/** What is compared, rule by rule: each key holds the one before it. */
const RULES: readonly { readonly refusal: MatchRefusal; readonly key: (leg: StatedLeg) => string }[] = [
  { refusal: 'match_instruments_differ', key: assetKey },
  { refusal: 'match_leg_types_differ', key: typeKey },
  { refusal: 'match_quantities_differ', key: quantityKey },
  { refusal: 'match_directions_not_complementary', key: legKey },
];

function typeKey(leg: StatedLeg): string {
  return `${assetKey(leg)} ${leg.legType} ${leg.tokenStandard}`;
}

function quantityKey(leg: StatedLeg): string {
  return `${typeKey(leg)} ${canonicalQuantity(leg.quantity) ?? leg.quantity}`;
}

function legKey(leg: StatedLeg): string {
  return `${quantityKey(leg)} ${leg.direction}`;
}

/** The same leg as the other side states it. */
function mirrored(leg: StatedLeg): StatedLeg {
  return { ...leg, direction: oppositeDirection(leg.direction) };
}

/** One asset may stand in several legs, so both sides are compared as lists in which each leg counts as often as it is stated. */
function compareLegs(ours: readonly StatedLeg[], theirs: readonly StatedLeg[]): MatchRefusal | undefined {
  const others = theirs.map(mirrored);
  return RULES.find(({ key }) => {
    const [left, right] = [ours.map(key).toSorted(), others.map(key).toSorted()];
    return left.length !== right.length || left.some((entry, index) => entry !== right[index]);
  })?.refusal;
}

/**
 * For each leg of the other side the position of ours that is the same leg, each of ours once. Of two equal legs either will do. Undefined where
 * there is none, which a match excludes.
 */
export function pairLegs(ours: readonly StatedLeg[], theirs: readonly StatedLeg[]): (number | undefined)[] {
  const free = new Set(ours.keys());
  return theirs.map((leg) => {
    const wanted = legKey(mirrored(leg));
    const position = [...free].find((index) => {
      const candidate = ours[index];
      return candidate !== undefined && legKey(candidate) === wanted;
    });
    if (position !== undefined) free.delete(position);
    return position;
  });
}
