/**
 * Forges packs the way somebody who holds the signing key would: after a change, every reference is recomputed and
 * every signature made again, so that only a check of the content itself can notice.
 */

import { bytesToBase64url } from '../bytes.ts';
import { canonicalText } from '../canonical.ts';
import { packRef, packSignaturePayload } from '../compose.ts';
import { type JsonObject, PACK_LIMITS, isJsonObject } from '../json.ts';
import type { SigningKey } from '../keys.ts';
import type { Pack, SettlementEvidence } from '../pack-types.ts';
import { decisionSetDigest } from '../decisions.ts';
import { ref } from '../ref.ts';
import { hashTerms } from '../terms.ts';
import { testKey } from './packs.ts';

export interface Forgery {
  readonly key?: SigningKey;
  /** the protected header of decision signatures */
  readonly header?: (kid: string) => JsonObject;
  /** the payload text of decision signatures, from the canonical one */
  readonly payload?: (canonical: string) => string;
  /** chains that keep the passport_ref that the change gave them */
  readonly ownPassports?: boolean;
}

/** A deep, mutable copy. */
export function mutable(pack: Pack): JsonObject {
  return structuredClone(pack) as unknown as JsonObject;
}

/** The object at a path. @throws when there is none, so that a test cannot change nothing */
export function at(root: JsonObject, ...path: readonly (string | number)[]): JsonObject {
  let value: unknown = root;
  for (const step of path) {
    value = (value as Record<string | number, unknown>)[step];
  }
  if (!isJsonObject(value)) {
    throw new Error(`no object at ${path.join('.')}`);
  }
  return value;
}

function compact(header: JsonObject, payload: string, key: SigningKey): string {
  const encode = (text: string): string => bytesToBase64url(new TextEncoder().encode(text));
  const input = `${encode(canonicalText(header))}.${encode(payload)}`;
  return `${input}.${bytesToBase64url(key.sign(new TextEncoder().encode(input)))}`;
}

function hash(value: unknown): string {
  return ref(value, PACK_LIMITS);
}

/** Recomputes all references and signs again, in place. */
export function relink(pack: JsonObject, forgery: Forgery = {}): JsonObject {
  const key = forgery.key ?? testKey();
  const settlement = at(pack, 'settlement');
  settlement['settlement_ref'] = hash(settlement['attestation']);
  const passportRef = hash(pack['passport_object']);
  for (const chain of Object.values(at(pack, 'protocols'))) {
    if (!isJsonObject(chain)) {
      throw new Error('a chain is not an object');
    }
    chain['passport_ref'] = forgery.ownPassports === true ? (chain['passport_ref'] ?? '') : passportRef;
    at(chain, 'mandate_object')['passport_ref'] = chain['passport_ref'];
    chain['mandate_ref'] = at(chain, 'policy_object')['mandate_ref'] = hash(chain['mandate_object']);
    chain['policy_bound_ref'] = at(chain, 'decision_object')['policy_bound_ref'] = hash(chain['policy_object']);
    chain['decision_ref'] = at(chain, 'execution_object')['decision_ref'] = hash(chain['decision_object']);
    const canonical = canonicalText(chain['decision_object'], PACK_LIMITS);
    const header = forgery.header?.(key.kid) ?? { alg: 'EdDSA', kid: key.kid, typ: 'keystone-decision+jws' };
    chain['decision_signature'] = {
      jws: compact(header, forgery.payload?.(canonical) ?? canonical, key),
      authority_pubkey_b64: key.public_key_b64,
    };
    chain['settlement_ref'] = at(chain, 'execution_object')['settlement_ref'] = settlement['settlement_ref'];
    chain['execution_ref'] = hash(chain['execution_object']);
    const refs = ['passport_ref', 'mandate_ref', 'policy_bound_ref', 'decision_ref', 'settlement_ref', 'execution_ref'];
    at(chain, 'trust_query')['subject_refs'] = refs.map((name) => chain[name] ?? null);
    chain['trust_query_ref'] = hash(chain['trust_query']);
  }
  at(pack, 'onchain_verification')['decision_set_digest'] = digestOf(pack);
  return resign(pack, key);
}

/**
 * As {@link relink}, for a forger who also changes what was settled or agreed: the hash of the terms and the reference of
 * the settled legs follow the change. Only the chain itself could tell, and every check of the content.
 */
export function rebind(pack: JsonObject): JsonObject {
  const evidence = at(pack, 'onchain_verification');
  const { coordinator, chain_id, terms } = evidence as unknown as SettlementEvidence;
  const terms_hash = hashTerms(coordinator, chain_id, terms);
  evidence['terms_hash'] = terms_hash;
  for (const name of Object.keys(at(pack, 'protocols'))) {
    at(pack, 'protocols', name, 'policy_object')['terms_hash'] = terms_hash;
    at(pack, 'protocols', name, 'decision_object')['terms_hash'] = terms_hash;
  }
  at(pack, 'settlement', 'attestation')['settled_payment_ref'] = hash(pack['settled_legs']);
  return relink(pack);
}

function digestOf(pack: JsonObject): string {
  const { protocols, settlement_id, payment_id, onchain_verification } = pack as unknown as Pack;
  return decisionSetDigest({
    chain: onchain_verification.chain_id,
    ...(settlement_id === undefined ? {} : { settlement_id }),
    ...(payment_id === undefined ? {} : { payment_id }),
    ...(onchain_verification.terms_hash === undefined ? {} : { terms_hash: onchain_verification.terms_hash }),
    decisions: protocols,
  });
}

/** Only the pack's own signature again. */
export function resign(pack: JsonObject, key: SigningKey = testKey()): JsonObject {
  const payload = canonicalText(packSignaturePayload(packRef(pack)));
  pack['pack_signature'] = {
    jws: compact({ alg: 'EdDSA', kid: key.kid, typ: 'keystone-pack+jws' }, payload, key),
    authority_pubkey_b64: key.public_key_b64,
  };
  return pack;
}
