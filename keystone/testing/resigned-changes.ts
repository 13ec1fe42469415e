/**
 * Changes single values of what a settlement across two chains says about its legs and its chains, hashes and signs all of
 * it again, and verifies strictly with both chains at hand. A process of its own for the reason of flip-bytes.ts.
 * Usage: node resigned-changes.ts <seed> <runs>. Prints JSON: {seed, runs, survivors: [{path, from, to}]}.
 */

import type { JsonValue } from '../json.ts';
import { verifyPack } from '../pack.ts';
import * as cross from './cross-chain.ts';
import { at, mutable, rebind } from './forgery.ts';
import { apply, contentOf, leavesOf, randomOf } from './leaves.ts';
import * as fixture from './packs.ts';
import { simulatedChains } from './simulated-chain.ts';

/** These are computed from the rest when everything is hashed again, so a change of them is none. */
const RECOMPUTED = ['/onchain_verification/terms_hash', '/onchain_verification/decision_set_digest'];

/** Another value of the same shape: a number one higher, a text with another last character. */
function another(value: JsonValue): JsonValue {
  if (typeof value === 'number') {
    return value + 1;
  }
  const text = typeof value === 'string' ? value : '';
  return `${text.slice(0, -1)}${text.endsWith('1') ? '2' : '1'}`;
}

const [seed = 1, runs = 50] = process.argv.slice(2).map(Number);
const random = randomOf(seed);
const honest = cross.crossChainPack();
const trusted_keys = cross.trusted();
const survivors: { path: string; from: JsonValue; to: JsonValue }[] = [];

for (let run = 0; run < runs; run += 1) {
  const pack = mutable(honest);
  const leaves = [
    ...leavesOf(at(pack, 'onchain_verification'), '/onchain_verification'),
    ...leavesOf(at(pack, 'settled_legs'), '/settled_legs'),
  ].filter((leaf) => !leaf.isName && typeof contentOf(leaf) !== 'object' && !RECOMPUTED.includes(leaf.path));
  const leaf = leaves[random(leaves.length)];
  if (leaf === undefined) {
    throw new Error('the pack has no leaves');
  }
  const from = contentOf(leaf);
  const to = another(from);
  apply(leaf, to);
  const { home, remote } = simulatedChains();
  const report = await verifyPack(JSON.stringify(resigned(pack)), {
    trusted_keys,
    readers: { [fixture.HOME_CHAIN]: home.reader, [cross.REMOTE_CHAIN]: remote.reader },
  });
  if (report.verdict !== 'refuted') {
    survivors.push({ path: leaf.path, from, to });
  }
}
process.stdout.write(`${JSON.stringify({ seed, runs, survivors })}\n`);

/** A change that nobody can hash cannot be signed again either; it is verified as it is. */
function resigned(pack: ReturnType<typeof mutable>): ReturnType<typeof mutable> {
  try {
    return rebind(pack);
  } catch (error) {
    if (error instanceof TypeError) {
      return pack;
    }
    throw error;
  }
}
