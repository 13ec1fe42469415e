/**
 * Flips single bytes of a valid pack's values and verifies each result strictly. Runs as a process of its own: the
 * signature library is eight times slower inside the test runner's sandbox.
 * Usage: node flip-bytes.ts <seed> <runs>. Prints JSON: {seed, runs, survivors: [{path, from, to}]}.
 */

import { type JsonValue, PACK_LIMITS, parseJson } from '../json.ts';
import { verifyPack } from '../pack.ts';
import { crossChainPack } from './cross-chain.ts';
import { apply, contentOf, flipped, leavesOf, randomOf } from './leaves.ts';
import * as fixture from './packs.ts';

const [seed = 1, runs = 50] = process.argv.slice(2).map(Number);
const random = randomOf(seed);
const texts = [fixture.settlementPack(), fixture.paymentPack(), crossChainPack()].map((pack) => JSON.stringify(pack));
const trusted_keys = fixture.trusted();
const survivors: { path: string; from: JsonValue; to: JsonValue }[] = [];

for (let run = 0; run < runs; run += 1) {
  const pack = parseJson(texts[run % texts.length] ?? '', { limits: PACK_LIMITS });
  const leaves = leavesOf(pack, '');
  const leaf = leaves[random(leaves.length)];
  if (leaf === undefined) {
    throw new Error('the pack has no leaves');
  }
  const from = contentOf(leaf);
  const to = flipped(from, random);
  apply(leaf, to);
  const report = await verifyPack(JSON.stringify(pack), { trusted_keys });
  if (report.verdict === 'valid' || report.verdict === 'incomplete') {
    survivors.push({ path: leaf.path, from, to });
  }
}
process.stdout.write(`${JSON.stringify({ seed, runs, survivors })}\n`);
