/** What a verification says: a list of named checks, and one verdict over them. */

import { shown } from './shown.ts';
import type { SettlementStory } from './timeline.ts';

export type CheckStatus = 'proved' | 'refuted' | 'not_checkable';

export interface Check {
  readonly name: string;
  readonly status: CheckStatus;
  readonly expected?: string;
  readonly found?: string;
  readonly detail: string;
}

export type VerificationMode = 'strict' | 'compatible';
export type Verdict = 'valid' | 'refuted' | 'not_a_pack' | 'incomplete';

/** Exit code of each verdict. */
export const EXIT_CODES: Readonly<Record<Verdict, 0 | 1 | 2 | 3>> = {
  valid: 0,
  refuted: 1,
  not_a_pack: 2,
  incomplete: 3,
};

export interface VerificationReport {
  readonly verdict: Verdict;
  readonly exit_code: 0 | 1 | 2 | 3;
  readonly mode: VerificationMode;
  /** one sentence */
  readonly summary: string;
  /** the settlement's or payment's id, when the pack states one */
  readonly subject?: string;
  readonly tx?: string;
  readonly chains: readonly string[];
  readonly checks: readonly Check[];
  /** what the pack of a settlement says, in order; there when its shape could be read, and proved only by the checks */
  readonly story?: SettlementStory;
  /** what a valid verdict leaves open: names of the checks that could not be made */
  readonly not_checked: readonly string[];
}

export interface Findings {
  readonly list: Check[];
  /** something that the caller asked for could not be given: the verdict becomes `incomplete` unless refuted */
  readonly missing: string[];
  /** Equality of two texts or numbers, both shown when they differ. */
  readonly equal: (name: string, expected: unknown, found: unknown, detail: string) => boolean;
  readonly holds: (name: string, condition: boolean, detail: string, found?: unknown) => boolean;
  readonly open: (name: string, detail: string) => void;
}

export function createFindings(): Findings {
  const list: Check[] = [];
  // Names and details may quote the pack (a chain's name, a header's member), so they are made printable here, once.
  const add = (name: string, status: CheckStatus, detail: string, compared: Partial<Check>): void => {
    list.push({ name: shown(name), status, ...compared, detail: shown(detail) });
  };
  return {
    list,
    missing: [],
    equal: (name, expected, found, detail) => {
      const same = expected === found && expected !== undefined;
      add(name, same ? 'proved' : 'refuted', detail, same ? {} : { expected: shown(expected), found: shown(found) });
      return same;
    },
    holds: (name, condition, detail, found) => {
      add(
        name,
        condition ? 'proved' : 'refuted',
        detail,
        condition || found === undefined ? {} : { found: shown(found) },
      );
      return condition;
    },
    open: (name, detail) => {
      add(name, 'not_checkable', detail, {});
    },
  };
}

/** Refuted beats incomplete beats valid. */
export function verdictOf(findings: Findings): Verdict {
  if (findings.list.some((check) => check.status === 'refuted')) {
    return 'refuted';
  }
  return findings.missing.length > 0 ? 'incomplete' : 'valid';
}
