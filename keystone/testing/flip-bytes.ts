/**
 * Flips single bytes of a valid pack's values and verifies each result strictly. Runs as a process of its own: the
 * signature library is eight times slower inside the test runner's sandbox.
 * Usage: node flip-bytes.ts <seed> <runs>. Prints JSON: {seed, runs, survivors: [{path, from, to}]}.
 */

import { type JsonObject, type JsonValue, PACK_LIMITS, parseJson, pointer } from '../json.ts';
import { verifyPack } from '../pack.ts';
import { crossChainPack } from './cross-chain.ts';
import * as fixture from './packs.ts';

interface Leaf {
  readonly path: string;
  readonly holder: JsonObject | JsonValue[];
  readonly step: string | number;
  /** flip the member's name instead of its value */
  readonly isName: boolean;
}

function leavesOf(holder: JsonValue, path: string): Leaf[] {
  if (typeof holder !== 'object' || holder === null) {
    return [];
  }
  const steps: (string | number)[] = Array.isArray(holder) ? [...holder.keys()] : Object.keys(holder);
  return steps.flatMap((step) => {
    const here = pointer(path, step);
    const value = (holder as Record<string | number, JsonValue>)[step] ?? null;
    const name: Leaf[] = Array.isArray(holder) ? [] : [{ path: `${here} (name)`, holder, step, isName: true }];
    const nested = leavesOf(value, here);
    return [...name, ...(nested.length > 0 ? nested : [{ path: here, holder, step, isName: false }])];
  });
}

/** mulberry32: a small seeded generator, so that a survivor can be found again. */
function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Another printable character at one place; of a number another digit; of an empty container one member more. */
function flipped(value: JsonValue, random: (below: number) => number): JsonValue {
  const flipText = (text: string, alphabet: string): string => {
    const at = random(text.length);
    const choices = alphabet.split('').filter((character) => character !== text[at]);
    return text.slice(0, at) + (choices[random(choices.length)] ?? '') + text.slice(at + 1);
  };
  if (typeof value === 'string') {
    return value === '' ? 'x' : flipText(value, 'ab09fFzZ-_/=.:+@ ');
  }
  if (typeof value === 'number') {
    const digits = flipText(String(value), '123456789');
    return Number(digits);
  }
  if (typeof value === 'boolean') {
    return !value;
  }
  return Array.isArray(value) ? [0] : { x: 0 };
}

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
  const holder = leaf.holder as Record<string | number, JsonValue>;
  const from = leaf.isName ? leaf.step : (holder[leaf.step] ?? null);
  const to = flipped(from, random);
  if (leaf.isName) {
    holder[typeof to === 'string' ? to : ''] = holder[leaf.step] ?? null;
    // A renamed member: the old name goes, whatever its value was.
    Reflect.deleteProperty(holder, leaf.step);
  } else {
    holder[leaf.step] = to;
  }
  const report = await verifyPack(JSON.stringify(pack), { trusted_keys });
  if (report.verdict === 'valid' || report.verdict === 'incomplete') {
    survivors.push({ path: leaf.path, from, to });
  }
}
process.stdout.write(`${JSON.stringify({ seed, runs, survivors })}\n`);
