/** What each chain says, beyond its hashes: verdict, times, and that its amounts are the ones that were settled. */

import { CANON_VERSION } from './canonical.ts';
import { isChainName, isWithinWindow, legsOfChain, subjectOf, summaryOfLeg } from './decisions.ts';
import { PACK_LIMITS } from './json.ts';
import type { Pack, PackChain } from './pack-types.ts';
import { SETTLEMENT_CHAIN_PREFIX } from './pack-types.ts';
import { trustQueryOf } from './compose.ts';
import { decidedTerms, sameData } from './pack-view.ts';
import { ref } from './ref.ts';
import type { Findings } from './report.ts';

export function checkChains(pack: Pack, names: readonly string[], findings: Findings): void {
  findings.holds(
    'chain names are known',
    names.every((name) => isChainName(name, pack.kind === 'settlement')),
    'x402, mpp, ap2, a2a for a payment; dvp:<role> for a settlement',
    names,
  );
  for (const name of names) {
    const chain = pack.protocols[name];
    if (chain !== undefined) {
      checkChain(name, chain, pack, findings);
    }
  }
}

function checkChain(name: string, chain: PackChain, pack: Pack, findings: Findings): void {
  const label = `[${name}]`;
  const { decision_object: decision } = chain;
  findings.equal(
    `${label} passport_ref is this pack's passport`,
    ref(pack.passport_object, PACK_LIMITS),
    chain.passport_ref,
    'every chain acts for the one agent of passport_object',
  );
  findings.equal(
    `${label} decision verdict is ALLOW`,
    'ALLOW',
    decision.verdict,
    'anything else is not an authorisation',
  );
  checkSubject(label, name, chain, pack, findings);
  checkTimes(label, chain, pack, findings);
  checkAmounts(label, name, chain, pack, findings);
  checkExecution(label, chain, pack, findings);
  const bare = chain.trust_query_ref.startsWith('sha256:') ? chain.trust_query_ref : `sha256:${chain.trust_query_ref}`;
  findings.equal(
    `${label} trust_query_ref recomputes`,
    ref(trustQueryOf(chain), PACK_LIMITS),
    bare,
    'ref({subject_refs: [passport, mandate, policy_bound, decision, settlement, execution], trust_outcome: TRUSTED})',
  );
  findings.holds(
    `${label} trust_query is the query that was hashed`,
    sameData(chain.trust_query, trustQueryOf(chain)),
    'the shown object and the recomputed one are the same',
  );
}

/** A chain taken from another settlement, another role or another format version recomputes perfectly. */
function checkSubject(label: string, name: string, chain: PackChain, pack: Pack, findings: Findings): void {
  const { mandate_object: mandate, policy_object: policy, decision_object: decision } = chain;
  const subject = subjectOf(pack);
  findings.holds(
    `${label} mandate and decision are of this chain and this ${pack.kind}`,
    sameData(subjectOf(mandate), subject) &&
      sameData(subjectOf(decision), subject) &&
      mandate.chain_name === name &&
      decision.chain_name === name,
    'chain_name and the id of the pack',
  );
  findings.holds(
    `${label} objects name their type and ${CANON_VERSION}`,
    [mandate, policy, decision, chain.execution_object].every((object) => object.canon_version === CANON_VERSION) &&
      sameData(
        [mandate.type, policy.type, decision.type, chain.execution_object.type],
        ['keystone_mandate', 'keystone_policy', 'keystone_decision', 'keystone_execution'],
      ),
    'canon_version and type of mandate, policy, decision, execution',
  );
  findings.equal(`${label} decision chain`, pack.onchain_verification.chain_id, decision.chain, 'CAIP-2');
  if (pack.kind === 'settlement') {
    const { terms_hash: expected } = pack.onchain_verification;
    findings.equal(
      `${label} decision terms_hash`,
      expected,
      decision.terms_hash,
      'the terms that were created on chain',
    );
    findings.equal(`${label} policy terms_hash`, expected, policy.terms_hash, 'the terms that were created on chain');
  }
}

function checkTimes(label: string, chain: PackChain, pack: Pack, findings: Findings): void {
  const { decision_object: decision } = chain;
  const blockMs = pack.settlement_block.timestamp_s * 1000;
  findings.holds(
    `${label} decision time precedes the settlement block`,
    decision.decided_at_ms < blockMs,
    'decided_at_ms < settlement_block.timestamp_s × 1000',
    decision.decided_at_ms,
  );
  findings.holds(
    `${label} decision is not later than compose_ts_ms`,
    decision.decided_at_ms <= pack.compose_ts_ms,
    'a back-dated compose_ts_ms would contradict the signed decision',
    pack.compose_ts_ms,
  );
  findings.holds(
    `${label} mandate precedes the decision`,
    chain.mandate_object.confirmed_at_ms <= decision.decided_at_ms,
    'confirmed_at_ms <= decided_at_ms',
    chain.mandate_object.confirmed_at_ms,
  );
  const anchor = pack.onchain_verification.anchor;
  const actedMs = anchor !== undefined && 'tx' in anchor ? anchor.block_timestamp_s * 1000 : blockMs;
  findings.holds(
    `${label} decision was valid when it was acted on`,
    decision.valid_from_ms <= actedMs && actedMs <= decision.valid_until_ms,
    'valid_from_ms <= time of the anchoring block (of the payment block for a payment) <= valid_until_ms',
    actedMs,
  );
  findings.holds(
    `${label} passport was valid at the decision`,
    isWithinWindow(pack.passport_object.validity_window, decision.decided_at_ms),
    'validity_window, both days included, UTC',
    pack.passport_object.validity_window,
  );
}

function checkAmounts(label: string, name: string, chain: PackChain, pack: Pack, findings: Findings): void {
  const { mandate_object: mandate, decision_object: decision } = chain;
  const legs = decidedTerms(pack);
  const role = pack.kind === 'settlement' ? name.slice(SETTLEMENT_CHAIN_PREFIX.length) : 'payer';
  findings.holds(
    `${label} mandate amounts, assets and recipients are the settled ones`,
    sameData(mandate.delivers, legs.filter((leg) => leg.from_role === role).map(summaryOfLeg)) &&
      sameData(mandate.receives, legs.filter((leg) => leg.to_role === role).map(summaryOfLeg)),
    'mandate_object.delivers and .receives against settled_legs',
    { delivers: mandate.delivers, receives: mandate.receives },
  );
  findings.holds(
    `${label} decision legs are the settled ones`,
    sameData(decision.legs, legsOfChain(name, legs)),
    'the legs that the party delivers, else those that it receives, field by field',
    decision.legs,
  );
  const [first] = decision.legs;
  findings.holds(
    `${label} decision amount, asset and recipient are its first leg's`,
    decision.amount_minor === first?.amount_minor &&
      decision.asset === first.asset &&
      decision.recipient === first.payee,
    'amount_minor, asset, recipient',
    { amount_minor: decision.amount_minor, asset: decision.asset, recipient: decision.recipient },
  );
}

function checkExecution(label: string, chain: PackChain, pack: Pack, findings: Findings): void {
  const { execution_object: execution } = chain;
  findings.equal(`${label} execution outcome is COMMITTED`, 'COMMITTED', execution.outcome, 'closed list');
  findings.holds(
    `${label} execution names the settlement block`,
    execution.settlement.chain === pack.settlement_block.chain_id &&
      execution.settlement.block_number === pack.settlement_block.number &&
      execution.settlement.block_hash === pack.settlement_block.hash &&
      execution.executed_at_ms === pack.settlement_block.timestamp_s * 1000,
    'chain, block number, block hash and time',
    { ...execution.settlement, executed_at_ms: execution.executed_at_ms },
  );
}
