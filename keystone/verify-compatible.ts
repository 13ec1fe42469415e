/**
 * The published verifier's checks, one by one, with its names: 6 + 10 N for N chains, 46 for the four protocols. It is
 * a gate for interoperability and not for security: §"What compatible mode lets through" of docs/reference/proof-pack.md.
 */

import { ref } from './ref.ts';
import { type JsonObject, type JsonValue, PACK_LIMITS, isJsonObject, parseJson } from './json.ts';
import type { SignatureCheck } from './jws.ts';
import { PAYMENT_PROTOCOLS } from './pack-types.ts';
import type { Findings } from './report.ts';

/** The published verifier hashes every double that RFC 8785 can write. */
const COMPATIBLE_LIMITS = { ...PACK_LIMITS, numbers: 'ieee754' } as const;

const NUMBER_WORDS: Readonly<Record<number, string>> = { 1: 'one', 2: 'two', 3: 'three', 4: 'four' };

/** Reads a pack as the published verifier does: the last of two equal member names wins. @throws {JsonRejected} */
export function parseCompatible(text: string): JsonValue {
  return parseJson(text, { limits: COMPATIBLE_LIMITS, duplicates: 'last-wins' });
}

/** Chain names in the published order, then any others as the pack lists them. */
export function chainNames(protocols: JsonObject): string[] {
  const published = PAYMENT_PROTOCOLS.filter((name) => Object.hasOwn(protocols, name));
  return [...published, ...Object.keys(protocols).filter((name) => !(published as string[]).includes(name))];
}

/** Runs all 6 + 10 N checks; a missing member refutes the check that needs it. */
export function checkCompatible(pack: JsonObject, verify: SignatureCheck, findings: Findings): void {
  const protocols = objectAt(pack, 'protocols');
  const names = chainNames(protocols);
  const settlement = objectAt(pack, 'settlement');
  const settlementRef = settlement['settlement_ref'];
  const first = objectAt(protocols, names[0] ?? '');
  const check = (name: string, holds: boolean, detail: string): void => {
    findings.holds(name, holds, detail);
  };
  check(
    'settlement_ref == sha256:JCS(settlement_attestation)',
    refersTo(settlement['attestation'], settlementRef),
    'settlement.attestation hashes to settlement.settlement_ref',
  );
  check(
    'passport_ref recomputes',
    refersTo(pack['passport_object'], first['passport_ref']),
    `passport_object hashes to the passport_ref of ${names[0] ?? 'the first chain'}`,
  );
  const composed = pack['compose_ts_ms'];
  const blockTime = objectAt(pack, 'settlement_block')['timestamp_s'];
  check(
    'compose timestamp precedes settlement block',
    typeof composed === 'number' && typeof blockTime === 'number' && composed / 1000 < blockTime,
    'compose_ts_ms / 1000 < settlement_block.timestamp_s',
  );
  for (const name of names) {
    checkChain(`[${name}]`, objectAt(protocols, name), { settlementRef, tx: pack['tx'], verify }, findings);
  }
  checkConvergence(names, protocols, settlementRef, findings);
}

function checkChain(
  label: string,
  chain: JsonObject,
  shared: { settlementRef: JsonValue | undefined; tx: JsonValue | undefined; verify: SignatureCheck },
  findings: Findings,
): void {
  const links = [
    ['mandate_ref', 'mandate_object'],
    ['policy_bound_ref', 'policy_object'],
    ['decision_ref', 'decision_object'],
    ['execution_ref', 'execution_object'],
  ] as const;
  for (const [refName, objectName] of links) {
    findings.holds(
      `${label} ${refName} recomputes`,
      refersTo(chain[objectName], chain[refName]),
      `${objectName} hashes to ${refName}`,
    );
  }
  const embeds = [
    ['mandate', 'mandate_object', 'passport_ref'],
    ['policy', 'policy_object', 'mandate_ref'],
    ['decision', 'decision_object', 'policy_bound_ref'],
    ['execution', 'execution_object', 'decision_ref'],
  ] as const;
  for (const [what, objectName, refName] of embeds) {
    findings.holds(
      `${label} ${what} embeds ${refName}`,
      same(objectAt(chain, objectName)[refName], chain[refName]),
      `${objectName}.${refName} is the chain's ${refName}`,
    );
  }
  const execution = objectAt(chain, 'execution_object');
  findings.holds(
    `${label} execution binds shared settlement_ref + this tx`,
    same(execution['settlement_ref'], shared.settlementRef) &&
      same(objectAt(execution, 'settlement')['tx_id'], shared.tx),
    'execution_object names the settlement_ref and the tx of the pack',
  );
  findings.holds(
    `${label} decision signature valid + covers decision object`,
    signatureCovers(objectAt(chain, 'decision_signature'), chain['decision_object'], shared.verify),
    "Ed25519 under the pack's own key (compatible mode reads no other), payload equal to decision_object",
  );
}

function checkConvergence(
  names: readonly string[],
  protocols: JsonObject,
  settlementRef: JsonValue | undefined,
  findings: Findings,
): void {
  const word = NUMBER_WORDS[names.length] ?? String(names.length);
  const distinct = (member: string): number =>
    new Set(names.map((name) => objectAt(protocols, name)[member]).filter((value) => typeof value === 'string')).size;
  findings.holds(
    `all ${word} protocols converge on ONE settlement_ref`,
    names.every((name) => same(objectAt(protocols, name)['settlement_ref'], settlementRef)),
    'every chain names the same settlement_ref',
  );
  for (const member of ['mandate_ref', 'trust_query_ref']) {
    findings.holds(
      `${word} protocol-distinct ${member}s`,
      distinct(member) === names.length,
      `every chain has a ${member} of its own`,
    );
  }
}

function objectAt(parent: JsonObject, name: string): JsonObject {
  const value = Object.hasOwn(parent, name) ? parent[name] : undefined;
  return isJsonObject(value) ? value : {};
}

function same(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  return a !== undefined && b !== undefined && pythonEqual(a, b);
}

function refersTo(object: JsonValue | undefined, reference: JsonValue | undefined): boolean {
  return object !== undefined && typeof reference === 'string' && ref(object, COMPATIBLE_LIMITS) === reference;
}

function signatureCovers(signature: JsonObject, decision: JsonValue | undefined, verify: SignatureCheck): boolean {
  const { jws, authority_pubkey_b64: key } = signature;
  if (typeof jws !== 'string' || typeof key !== 'string' || decision === undefined) {
    return false;
  }
  const [header, payload, mac, ...rest] = jws.split('.');
  if (header === undefined || payload === undefined || mac === undefined || rest.length > 0) {
    return false;
  }
  try {
    const signed = new TextEncoder().encode(`${header}.${payload}`);
    const text = new TextDecoder('utf-8', { fatal: true }).decode(lenientBase64(payload));
    return verify(signed, lenientBase64(mac), lenientBase64(key)) && pythonEqual(parseCompatible(text), decision);
  } catch {
    // The published verifier dies of an exception here; either way the check did not pass.
    return false;
  }
}

/** Python's base64 ignores characters that are not of the alphabet. */
function lenientBase64(text: string): Uint8Array {
  const digits = text
    .replaceAll('-', '+')
    .replaceAll('_', '/')
    .replaceAll(/[^A-Za-z0-9+/]/g, '');
  return Uint8Array.from(atob(digits), (character) => character.charCodeAt(0));
}

/** Python's `==` on JSON data: booleans are numbers, so `1 == True`. */
function pythonEqual(a: JsonValue, b: JsonValue): boolean {
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => pythonEqual(item, b[index] ?? null));
  }
  if (isJsonObject(a) && isJsonObject(b)) {
    const names = Object.keys(a);
    return (
      names.length === Object.keys(b).length &&
      names.every((name) => Object.hasOwn(b, name) && pythonEqual(a[name] ?? null, b[name] ?? null))
    );
  }
  return numberOf(a) === numberOf(b);
}

function numberOf(value: JsonValue): JsonValue {
  return typeof value === 'boolean' ? Number(value) : value;
}
