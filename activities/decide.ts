import type { ComplianceCheck, SettlementWork, StoredDecisions, WorkLeg } from '../db/settlement-work.ts';
import { KeystoneError } from '../domain/errors.ts';
import { evmChainId } from '../keystone/caip.ts';
import type { JsonObject } from '../keystone/json.ts';
import { composeDecisions, decisionSetDigest, type LegInput, randomSalt, saltedRef } from '../keystone/pack.ts';
import type { PolicyFees } from '../keystone/pack-types.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { remoteOf } from './situation.ts';
import { confirmedParties, openingOf, templateOf } from './steps.ts';

/**
 * Signs one decision per party over the terms and legs as they are registered. Wallets are in the decisions: they become public with
 * the deposits anyway, and until then only the salted digest leaves. Names and external references go in as a salted digest only.
 */
export function composeSettlementDecisions(
  dependencies: ActivityDependencies,
  work: SettlementWork,
  checks: readonly ComplianceCheck[],
  decidedAtMs: number,
): StoredDecisions {
  const { identity, signingKey } = dependencies;
  const { home } = dependencies.chains;
  const template = templateOf(work);
  if (work.terms_hash === null) {
    throw new KeystoneError('internal', 'A settlement without terms is to be decided.');
  }
  const parties = confirmedParties(work);
  const caip2 = evmChainId(home.chainId);
  const year = new Date(decidedAtMs).getUTCFullYear();
  // Kept beside the decisions: the party may later show what its digest stands for.
  const salts = Object.fromEntries(parties.map((party) => [party.role, randomSalt()]));
  const composed = composeDecisions({
    settlement_id: work.id,
    chain: caip2,
    terms_hash: work.terms_hash,
    passport: {
      agent_id: identity,
      issuer: identity,
      scope: 'settlement',
      validity_window: `${year}-01-01/${year}-12-31`,
    },
    signing_key: signingKey,
    decided_at_ms: decidedAtMs,
    valid_until_ms: Math.max(work.timeout_at.getTime(), decidedAtMs),
    policy: {
      template: template.slug,
      template_version: String(work.template_version),
      attester_set: home.attesterSet(template.attesterSet),
      ...policyFees(work),
      rules: { screening: screeningRules(checks) },
    },
    legs: work.legs.map((leg) => legInput(dependencies, work, leg)),
    chains: parties.map((party) => ({
      name: `dvp:${party.role}`,
      confirmed_at_ms: Math.min(party.confirmed_at.getTime(), decidedAtMs),
      party_ref: saltedRef(
        { external_reference: party.external_reference ?? '', name: party.name ?? '' },
        salts[party.role] ?? '',
      ),
    })),
  });
  const digest = decisionSetDigest({
    chain: caip2,
    settlement_id: work.id,
    terms_hash: work.terms_hash,
    decisions: composed.chains,
  });
  return { composed: { ...composed, party_salts: salts }, digest, compose_ts_ms: composed.compose_ts_ms };
}

function legInput({ chains }: ActivityDependencies, work: SettlementWork, leg: WorkLeg): LegInput {
  const chain = leg.chain_id === chains.home.chainId ? chains.home : remoteOf({ chains }, leg.chain_id);
  return {
    leg_index: leg.leg_index,
    leg_type: leg.leg_type,
    from_role: leg.payer_role,
    to_role: leg.payee_role,
    chain_id: evmChainId(leg.chain_id),
    escrow: chain.escrow,
    token: leg.token_address,
    token_standard: leg.token_standard,
    ...(leg.token_id !== null && { token_id: leg.token_id }),
    ...(leg.partition !== null && { partition: leg.partition }),
    amount_minor: leg.amount,
    fees: leg.fees.map(({ recipient, amount }) => ({ recipient, amount_minor: amount })),
    payer: openingOf(work, leg, 'payer').wallet,
    payee: openingOf(work, leg, 'payee').wallet,
  };
}

/** What the fees of the payment legs were computed from; nothing when none are charged. */
function policyFees(work: SettlementWork): { fees?: PolicyFees } {
  const { fee_mode: mode, fee_basis_points: basisPoints, fee_recipient: recipient } = work;
  if (mode === null || basisPoints === null || recipient === null) return {};
  return { fees: { mode, basis_points: basisPoints, recipient } };
}

/** Which providers were asked under which policy, and whether a sandbox stood in for one: no party, no outcome, no reference. */
function screeningRules(checks: readonly ComplianceCheck[]): JsonObject[] {
  const rules = new Map<string, JsonObject>();
  for (const { kind, provider, policy_version, simulated } of checks) {
    rules.set(`${kind} ${provider} ${policy_version} ${simulated}`, { kind, provider, policy_version, simulated });
  }
  return [...rules.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, rule]) => rule);
}
