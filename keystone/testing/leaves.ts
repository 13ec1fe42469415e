/** Changing a pack in one place, at random and repeatably. */

import { type JsonObject, type JsonValue, pointer } from '../json.ts';

export interface Leaf {
  readonly path: string;
  readonly holder: JsonObject | JsonValue[];
  readonly step: string | number;
  /** flip the member's name instead of its value */
  readonly isName: boolean;
}

export function leavesOf(holder: JsonValue, path: string): Leaf[] {
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
export function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Another printable character at one place; of a number another digit; of an empty container one member more. */
export function flipped(value: JsonValue, random: (below: number) => number): JsonValue {
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

/** Makes the change that `to` says, in the leaf's holder: another value, or another name for the same value. */
export function apply(leaf: Leaf, to: JsonValue): void {
  const holder = leaf.holder as Record<string | number, JsonValue>;
  if (leaf.isName) {
    holder[typeof to === 'string' ? to : ''] = holder[leaf.step] ?? null;
    // A renamed member: the old name goes, whatever its value was.
    Reflect.deleteProperty(holder, leaf.step);
  } else {
    holder[leaf.step] = to;
  }
}

/** What a leaf holds: its value, or its name. */
export function contentOf(leaf: Leaf): JsonValue {
  return leaf.isName ? leaf.step : ((leaf.holder as Record<string | number, JsonValue>)[leaf.step] ?? null);
}
