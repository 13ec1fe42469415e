/**
 * The lite profile: published links with fixed preimages, byte for byte. Each builder refuses what the published
 * vectors must reject (empty strings, unknown enumeration values, malformed references, times that are not integers)
 * before anything is hashed. Optional members are absent, never null.
 */

import { CANON_VERSION } from './canonical.ts';
import { type JsonValue, isJsonObject } from './json.ts';
import { type Ref, isRef, ref } from './ref.ts';

export const SPEND_VERDICTS = ['ALLOW', 'DENY', 'REFER'] as const;
export const EXECUTION_OUTCOMES = ['COMMITTED', 'SKIPPED', 'FAILED', 'REVERSED'] as const;
export const TRUST_OUTCOMES = ['TRUSTED', 'PROVISIONAL', 'INSUFFICIENT_EVIDENCE', 'UNTRUSTED'] as const;
export const SETTLEMENT_RESULTS = ['SETTLED', 'PENDING_FINALITY', 'REVERSED'] as const;

/** A link of the chain: its preimage and the reference of it. */
export interface Link<P> {
  readonly preimage: P;
  readonly ref: Ref;
}

export interface LitePassport {
  readonly agent_id: string;
  readonly issuer: string;
  readonly scope: string;
  /** for example `2026-06-21/2026-09-21` */
  readonly validity_window: string;
}

export interface LiteMandate {
  readonly payer: string;
  /** a string, also when it is a number */
  readonly cap: string;
  readonly period: string;
  readonly revocation_state: string;
}

export interface LitePolicyBinding {
  readonly policy_ref: string;
  readonly subject_ref: string;
}

export interface LiteDecision {
  readonly agent_ref: string;
  readonly mandate_ref: string;
  readonly policy_bound_ref: string;
  readonly verdict: (typeof SPEND_VERDICTS)[number];
}

export interface LiteExecution {
  readonly decision_ref: string;
  readonly action_type: string;
  readonly scope: string;
  readonly outcome: (typeof EXECUTION_OUTCOMES)[number];
  /** ms since epoch, an integer */
  readonly executed_at_ms: number;
}

export interface LiteTrustQuery {
  /** ordered */
  readonly subject_refs: readonly string[];
  readonly trust_outcome: (typeof TRUST_OUTCOMES)[number];
}

export interface LiteSettlementAttestation {
  readonly canon_version: string;
  /** ordered */
  readonly jurisdiction_flags: readonly string[];
  readonly settled_payment_ref: string;
  readonly settlement_amount: { readonly amount_minor: string; readonly asset_id: string };
  readonly settlement_chain: string;
  readonly settlement_provider_did: string;
  readonly settlement_result: (typeof SETTLEMENT_RESULTS)[number];
  readonly settlement_timestamp_ms: number;
}

/** Thrown before hashing. `code` names the rule. */
export class LinkRejected extends TypeError {
  readonly code:
    | 'MEMBERS'
    | 'EMPTY_STRING'
    | 'NOT_A_REF'
    | 'UNKNOWN_VALUE'
    | 'NOT_EPOCH_MS'
    | 'EMPTY_LIST'
    | 'NOT_MINOR_UNITS';

  constructor(code: LinkRejected['code'], member: string) {
    super(`${code}: ${member}`);
    this.name = 'LinkRejected';
    this.code = code;
  }
}

type Rule = (value: unknown, member: string) => void;

const text: Rule = (value, member) => {
  if (typeof value !== 'string' || value === '') {
    throw new LinkRejected('EMPTY_STRING', member);
  }
};

const reference: Rule = (value, member) => {
  if (!isRef(value)) {
    throw new LinkRejected('NOT_A_REF', member);
  }
};

const epochMs: Rule = (value, member) => {
  if (!Number.isSafeInteger(value) || Number(value) < 0) {
    throw new LinkRejected('NOT_EPOCH_MS', member);
  }
};

const minorUnits: Rule = (value, member) => {
  if (typeof value !== 'string' || !/^[0-9]+$/.test(value)) {
    throw new LinkRejected('NOT_MINOR_UNITS', member);
  }
};

function oneOf(allowed: readonly string[]): Rule {
  return (value, member) => {
    if (typeof value !== 'string' || !allowed.includes(value)) {
      throw new LinkRejected('UNKNOWN_VALUE', member);
    }
  };
}

function textList(mayBeEmpty: boolean): Rule {
  return (value, member) => {
    if (!Array.isArray(value) || (value.length === 0 && !mayBeEmpty)) {
      throw new LinkRejected('EMPTY_LIST', member);
    }
    for (const [index, item] of value.entries()) {
      text(item, `${member}[${index}]`);
    }
  };
}

function closed(rules: Readonly<Record<string, Rule>>): Rule {
  return (value, member) => {
    const names = isJsonObject(value) ? Object.keys(value) : [];
    if (!isJsonObject(value) || names.length !== Object.keys(rules).length) {
      throw new LinkRejected('MEMBERS', member);
    }
    for (const [name, rule] of Object.entries(rules)) {
      if (!Object.hasOwn(value, name)) {
        throw new LinkRejected('MEMBERS', name);
      }
      rule(value[name], name);
    }
  };
}

const passportRule = closed({ agent_id: text, issuer: text, scope: text, validity_window: text });
const mandateRule = closed({ payer: text, cap: text, period: text, revocation_state: text });
const policyBindingRule = closed({ policy_ref: reference, subject_ref: reference });
const decisionRule = closed({
  agent_ref: reference,
  mandate_ref: reference,
  policy_bound_ref: reference,
  verdict: oneOf(SPEND_VERDICTS),
});
const executionRule = closed({
  decision_ref: reference,
  action_type: text,
  scope: text,
  outcome: oneOf(EXECUTION_OUTCOMES),
  executed_at_ms: epochMs,
});
const trustQueryRule = closed({ subject_refs: textList(false), trust_outcome: oneOf(TRUST_OUTCOMES) });
const attestationRule = closed({
  canon_version: oneOf([CANON_VERSION]),
  jurisdiction_flags: textList(true),
  settled_payment_ref: reference,
  settlement_amount: closed({ amount_minor: minorUnits, asset_id: text }),
  settlement_chain: text,
  settlement_provider_did: text,
  settlement_result: oneOf(SETTLEMENT_RESULTS),
  settlement_timestamp_ms: epochMs,
});

function link<P>(preimage: P, rule: Rule, kind: string): Link<P> {
  rule(preimage, kind);
  return { preimage, ref: ref(preimage) };
}

/** Who acts: the root of the chain. @throws {LinkRejected} */
export function passportLink(passport: LitePassport): Link<LitePassport> {
  return link(passport, passportRule, 'passport');
}

/** What may be spent. Not bound to the passport in this profile. @throws {LinkRejected} */
export function mandateLink(mandate: LiteMandate): Link<LiteMandate> {
  return link(mandate, mandateRule, 'mandate');
}

/** The policy object itself, free JSON. */
export function policyLink(policy: { readonly [member: string]: JsonValue }): Link<typeof policy> {
  if (Object.keys(policy).length === 0) {
    throw new LinkRejected('MEMBERS', 'policy');
  }
  return { preimage: policy, ref: ref(policy) };
}

/** A policy bound to any earlier reference. @throws {LinkRejected} */
export function policyBoundLink(binding: LitePolicyBinding): Link<LitePolicyBinding> {
  return link(binding, policyBindingRule, 'policy binding');
}

/** Joins passport, mandate and bound policy under a verdict. @throws {LinkRejected} */
export function decisionLink(decision: LiteDecision): Link<LiteDecision> {
  return link(decision, decisionRule, 'decision');
}

/** What was done under a decision. @throws {LinkRejected} also for a time that is not integer ms */
export function executionLink(execution: LiteExecution): Link<LiteExecution> {
  return link(execution, executionRule, 'execution');
}

/** That money moved: exactly eight members, an amount of exactly two. @throws {LinkRejected} */
export function settlementAttestationLink(attestation: LiteSettlementAttestation): Link<LiteSettlementAttestation> {
  return link(attestation, attestationRule, 'settlement attestation');
}

/** One verdict over an ordered list of references. @throws {LinkRejected} */
export function trustQueryLink(query: LiteTrustQuery): Link<LiteTrustQuery> {
  return link(query, trustQueryRule, 'trust query');
}
