import type { CheckStatus } from './provider.ts';

/**
 * How provider answers become a status: pure functions over a table with a version, so that an old outcome can be
 * explained and the same evidence always gives the same status. A name hit is a candidate, never proof: only what an
 * analyst confirmed, or a wallet's direct exposure, is a FAIL by default.
 */
export interface ScreeningPolicy {
  /** Stored with each outcome. Whoever changes a value below gives the result another version. */
  version: string;
  worldCheck: {
    /** A score from here on counts like matchStrength EXACT; null: only EXACT does. */
    exactFromScore: number | null;
    /** True: an uncontradicted exact sanctions hit fails without an analyst. */
    autoFailCorroborated: boolean;
    /** Secondary fields that identify a subject: date of birth, registered country, IMO number, documents. */
    identifyingFields: ReadonlySet<string>;
  };
  cipherOwl: {
    /** True: a Severe band fails even when no direct exposure to a blocked category is shown. */
    failOnSevereBand: boolean;
    /** Indirect sanctions exposure counts up to this many hops, from this share (percent) or this value (USD) on. */
    indirectSanctionsHops: number;
    indirectSanctionsPercentage: number;
    indirectSanctionsUsd: number;
    /** Beginnings of words that mark a category as sanctions, in normalised form. */
    sanctionsWords: readonly string[];
    /** Phrases that mark other categories as blocked when the exposure is direct. */
    blockedPhrases: readonly string[];
  };
}

/** SFCT ids of identifying secondary fields; passports are 8 to 16, documents 191 to 193. */
const IDENTIFYING_FIELDS = [2, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 191, 192, 193].map((id) => `SFCT_${id}`);

export const SCREENING_POLICY: ScreeningPolicy = {
  version: 'screening-policy-1',
  worldCheck: {
    exactFromScore: null,
    autoFailCorroborated: false,
    identifyingFields: new Set(IDENTIFYING_FIELDS),
  },
  cipherOwl: {
    failOnSevereBand: false,
    indirectSanctionsHops: 2,
    indirectSanctionsPercentage: 10,
    indirectSanctionsUsd: 10_000,
    sanctionsWords: ['sanction', 'ofac', 'sdn'],
    blockedPhrases: ['terror', 'csam', 'child abuse', 'child sexual'],
  },
};

/** A status and the row of the table that gave it. */
export interface Verdict {
  status: CheckStatus;
  reasonCode: string;
}

const STATUS_RANK: Record<CheckStatus, number> = { PASS: 0, FLAGGED: 1, FAIL: 2 };

/** The worst of several statuses. @throws RangeError for none: no check at all is not a pass. */
export function worstOf(statuses: readonly CheckStatus[]): CheckStatus {
  const [first, ...rest] = statuses;
  if (first === undefined) throw new RangeError('no status to combine');
  return rest.reduce((worst, status) => (STATUS_RANK[status] > STATUS_RANK[worst] ? status : worst), first);
}

/**
 * The result over all required checks. A FAIL or FLAGGED counts as soon as it is there; PASS needs every required
 * check present. `PENDING` means that something required has no answer yet.
 */
export function combineChecks(
  required: readonly string[],
  statuses: ReadonlyMap<string, CheckStatus>,
): CheckStatus | 'PENDING' {
  const known = [...statuses.values()];
  const worst = known.length === 0 ? 'PASS' : worstOf(known);
  if (worst !== 'PASS') return worst;
  const complete = required.length > 0 && required.every((check) => statuses.has(check));
  return complete ? 'PASS' : 'PENDING';
}

/** The toolkit's type of an analyst's resolution; UNKNOWN when the id is not in the group's toolkit. */
export type ResolutionType = 'POSITIVE' | 'POSSIBLE' | 'FALSE' | 'UNSPECIFIED' | 'UNKNOWN';

/** The facts of one World-Check result that the policy looks at. Nothing in here names anybody. */
export interface WorldCheckHit {
  /** WEAK, MEDIUM, STRONG or EXACT; anything else is taken as strong. */
  matchStrength: string;
  matchScore: number | undefined;
  categories: readonly string[];
  fields: ReadonlyArray<{ typeId: string; result: string }>;
  pepStatus: string | undefined;
  resolution: ResolutionType | undefined;
  reviewRequired: boolean;
}

function isCorroboratedExact(hit: WorldCheckHit, policy: ScreeningPolicy['worldCheck']): boolean {
  const exact =
    hit.matchStrength === 'EXACT' ||
    (policy.exactFromScore !== null && (hit.matchScore ?? Number.NEGATIVE_INFINITY) >= policy.exactFromScore);
  const identifying = hit.fields.filter((field) => policy.identifyingFields.has(field.typeId));
  return (
    exact &&
    identifying.some((field) => field.result === 'MATCHED' || field.result === 'LINKED') &&
    !identifying.some((field) => field.result === 'NOT_MATCHED')
  );
}

/** Category names (lower case) to the reason code of a possible hit; looked up in this order. */
const POSSIBLE_CATEGORIES: ReadonlyArray<readonly [category: string, reasonCode: string]> = [
  ['sanctions', 'WC_POSSIBLE_SANCTIONS'],
  ['law enforcement', 'WC_POSSIBLE_LAW_ENFORCEMENT'],
  ['regulatory enforcement', 'WC_POSSIBLE_REGULATORY_ENFORCEMENT'],
];
const HARMLESS_CATEGORY = 'other bodies';
/** Statuses of a former or never confirmed office that call for no enhanced diligence. */
const PEP_WITHOUT_OFFICE = 'INACTIVE';

const LOW: Verdict = { status: 'PASS', reasonCode: 'WC_LOW' };
function flagged(reasonCode: string): Verdict {
  return { status: 'FLAGGED', reasonCode };
}

function judgeByCategory(hit: WorldCheckHit): Verdict {
  const categories = new Set(hit.categories.map((category) => category.trim().toLowerCase()));
  for (const [category, reasonCode] of POSSIBLE_CATEGORIES) if (categories.has(category)) return flagged(reasonCode);
  if (categories.has('pep') && hit.pepStatus !== PEP_WITHOUT_OFFICE) return flagged('WC_PEP');
  // Premium subscriptions append a subcategory to this name.
  if ([...categories].some((category) => category.startsWith('special interest'))) return flagged('WC_SIC');
  if ([...categories].some((category) => category.includes('media'))) return flagged('WC_MEDIA');
  const rest = [...categories].filter((category) => category !== HARMLESS_CATEGORY && category !== 'pep');
  // A category that this table does not know, or none at all, is a question for a person, not a pass.
  return rest.length > 0 || categories.size === 0 ? flagged('WC_POSSIBLE_OTHER') : LOW;
}

/** One result by the table; undefined when an analyst or the group's auto-resolution ruled it out. */
function judgeHit(hit: WorldCheckHit, policy: ScreeningPolicy['worldCheck']): Verdict | undefined {
  const sanctions = hit.categories.some((category) => category.trim().toLowerCase() === 'sanctions');
  if (hit.resolution === 'POSITIVE') {
    return sanctions ? { status: 'FAIL', reasonCode: 'WC_CONFIRMED_SANCTIONS' } : flagged('WC_CONFIRMED_OTHER');
  }
  if (hit.reviewRequired) return flagged('WC_REVIEW');
  if (hit.resolution === 'FALSE') return undefined;
  if (hit.resolution === 'UNKNOWN') return flagged('WC_UNKNOWN_RESOLUTION');
  const unresolved = hit.resolution === undefined || hit.resolution === 'UNSPECIFIED';
  if (unresolved && sanctions && isCorroboratedExact(hit, policy)) {
    return { status: policy.autoFailCorroborated ? 'FAIL' : 'FLAGGED', reasonCode: 'WC_STRONG_SANCTIONS' };
  }
  // An analyst who resolved a weak hit as POSSIBLE knows more than the matcher's strength does.
  if (unresolved && hit.matchStrength === 'WEAK') return LOW;
  return judgeByCategory(hit);
}

/** Which reason is named when several results have the same status. */
const WORLD_CHECK_REASONS = [
  'WC_CONFIRMED_SANCTIONS',
  'WC_STRONG_SANCTIONS',
  'WC_CONFIRMED_OTHER',
  'WC_POSSIBLE_SANCTIONS',
  'WC_POSSIBLE_LAW_ENFORCEMENT',
  'WC_POSSIBLE_REGULATORY_ENFORCEMENT',
  'WC_PEP',
  'WC_SIC',
  'WC_MEDIA',
  'WC_POSSIBLE_OTHER',
  'WC_REVIEW',
  'WC_UNKNOWN_RESOLUTION',
  'WC_LOW',
];

/** A subject that cannot be given to World-Check: no name, or one that its gateway refuses. A person has to look. */
export const ENTITY_NOT_SCREENABLE: Verdict = flagged('WC_NOT_SCREENABLE');

/** World-Check results to a verdict: each result by the table, then the worst. */
export function judgeWorldCheck(hits: readonly WorldCheckHit[], policy: ScreeningPolicy = SCREENING_POLICY): Verdict {
  const verdicts = hits.map((hit) => judgeHit(hit, policy.worldCheck)).filter((verdict) => verdict !== undefined);
  if (verdicts.length === 0) return { status: 'PASS', reasonCode: hits.length === 0 ? 'WC_CLEAR' : 'WC_RULED_OUT' };
  const status = worstOf(verdicts.map((verdict) => verdict.status));
  const reasons = new Set(verdicts.filter((verdict) => verdict.status === status).map((verdict) => verdict.reasonCode));
  return { status, reasonCode: WORLD_CHECK_REASONS.find((reason) => reasons.has(reason)) ?? 'WC_POSSIBLE_OTHER' };
}

/** One line of CipherOwl's risk-score or risk-breakdown. Absent numbers are undefined; unreadable ones count as huge. */
export interface WalletExposure {
  category: string;
  direct: boolean;
  hops: number | undefined;
  percentage: number | undefined;
  usd: number | undefined;
}

export type WalletEvidence =
  | { foundRisk: false }
  | { foundRisk: true; reason: 'unavailable' }
  | { foundRisk: true; reason: 'given'; riskBand: string; exposures: readonly WalletExposure[] };

function normalised(category: string): string {
  return category
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, ' ')
    .trim();
}

function isSanctions(category: string, policy: ScreeningPolicy['cipherOwl']): boolean {
  const words = normalised(category).split(' ');
  return words.some((word) => policy.sanctionsWords.some((beginning) => word.startsWith(beginning)));
}

function isBlocked(category: string, policy: ScreeningPolicy['cipherOwl']): boolean {
  const text = normalised(category);
  return policy.blockedPhrases.some((phrase) => text.includes(phrase));
}

function isIndirectSanctions(exposure: WalletExposure, policy: ScreeningPolicy['cipherOwl']): boolean {
  if (exposure.direct || !isSanctions(exposure.category, policy)) return false;
  const near = exposure.hops === undefined || exposure.hops <= policy.indirectSanctionsHops;
  const share = (exposure.percentage ?? 0) >= policy.indirectSanctionsPercentage;
  return near && (share || (exposure.usd ?? 0) >= policy.indirectSanctionsUsd);
}

/** `"Severe Risk"` and `"Severe"` are both seen. */
function bandOf(riskBand: string): string {
  return normalised(riskBand).replace(/ risk$/, '');
}

/** CipherOwl evidence to a verdict. Once risk was found there is no way to a pass without a person. */
export function judgeCipherOwl(evidence: WalletEvidence, policy: ScreeningPolicy = SCREENING_POLICY): Verdict {
  if (!evidence.foundRisk) return { status: 'PASS', reasonCode: 'CO_CLEAR' };
  if (evidence.reason === 'unavailable') return flagged('CO_REASON_UNAVAILABLE');
  const rules = policy.cipherOwl;
  const direct = evidence.exposures.filter((exposure) => exposure.direct || exposure.hops === 0);
  if (direct.some((exposure) => isSanctions(exposure.category, rules))) {
    return { status: 'FAIL', reasonCode: 'CO_DIRECT_SANCTIONS' };
  }
  if (direct.some((exposure) => isBlocked(exposure.category, rules))) {
    return { status: 'FAIL', reasonCode: 'CO_DIRECT_BLOCKED' };
  }
  const band = bandOf(evidence.riskBand);
  if (band === 'severe') {
    return { status: rules.failOnSevereBand ? 'FAIL' : 'FLAGGED', reasonCode: 'CO_SEVERE' };
  }
  if (evidence.exposures.some((exposure) => isIndirectSanctions(exposure, rules))) {
    return flagged('CO_INDIRECT_SANCTIONS');
  }
  if (band === 'high') return flagged('CO_HIGH');
  if (band === 'medium') return flagged('CO_MEDIUM');
  // The screen is a bloom filter: risk without a reason may be a false positive, which a person can see and we cannot.
  return flagged(band === 'low' || band === '' ? 'CO_UNEXPLAINED' : 'CO_UNKNOWN_BAND');
}
