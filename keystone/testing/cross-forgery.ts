/** Changes to the settlement of cross-chain.ts, and which strict checks notice them. */

import type { JsonObject, JsonValue } from '../json.ts';
import { verifyPack } from '../pack.ts';
import * as cross from './cross-chain.ts';
import { at, mutable, rebind } from './forgery.ts';

/** What is changed, the checks that notice (these and no other), and the change. */
export type Forgery = readonly [what: string, names: readonly string[], change: (pack: JsonObject) => void];

/** Somebody with the signing key changed the pack and hashed and signed all of it again. */
export async function refutedBy(change: (pack: JsonObject) => void): Promise<string[]> {
  const pack = mutable(cross.crossChainPack());
  change(pack);
  const report = await verifyPack(JSON.stringify(rebind(pack)), { trusted_keys: cross.trusted() });
  return report.checks.filter((check) => check.status === 'refuted').map((check) => check.name);
}

export function set(object: JsonObject, changes: Readonly<Record<string, JsonValue>>): void {
  Object.assign(object, changes);
}

export function evidence(pack: JsonObject, ...path: (string | number)[]): JsonObject {
  return at(pack, 'onchain_verification', ...path);
}

export function remote(pack: JsonObject, ...path: (string | number)[]): JsonObject {
  return evidence(pack, 'remotes', 0, ...path);
}

export function leg(pack: JsonObject, index: number): JsonObject {
  return at(pack, 'settled_legs', 'legs', index);
}

/** The leg everywhere: settled, in the terms, and in the decisions that name it. */
export function legEverywhere(pack: JsonObject, index: number, change: (leg: JsonObject) => void): void {
  change(leg(pack, index));
  change(evidence(pack, 'terms', 'legs', index));
  for (const name of Object.keys(at(pack, 'protocols'))) {
    const decided = at(pack, 'protocols', name, 'decision_object')['legs'] as JsonObject[];
    decided.filter((candidate) => candidate['leg_index'] === index).forEach(change);
  }
}
