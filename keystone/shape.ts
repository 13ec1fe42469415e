/** Closed shapes of foreign JSON: every member named, everything else refused, each problem with its path. */

import { isAddress, isBytes32, isChainId } from './caip.ts';
import { type JsonValue, isJsonObject, pointer } from './json.ts';
import { isRef } from './ref.ts';
import { isUuid } from './terms.ts';

/** Adds a sentence per problem; a shape never throws. */
export type Shape = (value: JsonValue | undefined, path: string, problems: string[]) => void;

function predicate(holds: (value: unknown) => boolean, what: string): Shape {
  return (value, path, problems) => {
    if (!holds(value)) {
      problems.push(`${path === '' ? 'the pack' : path} is not ${what}`);
    }
  };
}

function matching(pattern: RegExp, what: string): Shape {
  return predicate((value) => typeof value === 'string' && pattern.test(value), what);
}

/** Latest time that is believed to be ms since epoch: the year 9999. A time in µs or ns is beyond it. */
const LATEST_MS = 253_402_300_799_999;

export const nonEmptyText = predicate((value) => typeof value === 'string' && value !== '', 'a non-empty string');
export const anyText = predicate((value) => typeof value === 'string', 'a string');
export const count = predicate((value) => Number.isSafeInteger(value) && Number(value) >= 0, 'a non-negative integer');
export const timeMs = predicate(
  (value) => Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= LATEST_MS,
  'ms since epoch',
);
export const timeSeconds = predicate(
  (value) => Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) * 1000 <= LATEST_MS,
  'seconds since epoch',
);
export const amount = matching(/^(?:0|[1-9][0-9]{0,77})$/, 'a decimal string of base units');
export const reference = predicate(isRef, 'a sha256 reference');
export const chainId = predicate(isChainId, 'a CAIP-2 chain id');
export const address = predicate(isAddress, 'a lower-case 20-byte address');
export const bytes32 = predicate(isBytes32, 'lower-case bytes32');
export const uuid = predicate(isUuid, 'a lower-case UUID');
export const salt = matching(/^[0-9a-f]{32}$/, '32 lower-case hexadecimal digits');
export const freeObject = predicate(isJsonObject, 'an object');
export const thumbprintText = matching(/^[A-Za-z0-9_-]{43}$/, 'an RFC 7638 thumbprint');
export const validityWindow = matching(/^\d{4}-\d\d-\d\d\/\d{4}-\d\d-\d\d$/, 'YYYY-MM-DD/YYYY-MM-DD');

export function oneOf(allowed: readonly (string | number)[]): Shape {
  return predicate((value) => allowed.includes(value as string | number), `one of ${allowed.join(', ')}`);
}

export function listOf(item: Shape, bounds: { min: number; max: number }): Shape {
  return (value, path, problems) => {
    if (!Array.isArray(value) || value.length < bounds.min || value.length > bounds.max) {
      problems.push(`${path} is not a list of ${bounds.min} to ${bounds.max} items`);
      return;
    }
    for (const [index, element] of value.entries()) {
      item(element, pointer(path, index), problems);
    }
  };
}

/** A closed object: all of `required`, any of `optional`, nothing else. An optional member is absent, never null. */
export function objectOf(
  required: Readonly<Record<string, Shape>>,
  optional: Readonly<Record<string, Shape>> = {},
): Shape {
  return (value, path, problems) => {
    if (!isJsonObject(value)) {
      problems.push(`${path === '' ? 'the pack' : path} is not an object`);
      return;
    }
    for (const [name, shape] of Object.entries(required)) {
      if (Object.hasOwn(value, name)) {
        shape(value[name], pointer(path, name), problems);
      } else {
        problems.push(`${pointer(path, name)} is missing`);
      }
    }
    for (const name of Object.keys(value)) {
      const shape = optional[name];
      if (Object.hasOwn(optional, name) && shape !== undefined) {
        shape(value[name], pointer(path, name), problems);
      } else if (!Object.hasOwn(required, name)) {
        problems.push(`${pointer(path, name)} is not a member of this object`);
      }
    }
  };
}

export function recordOf(value: Shape, bounds: { min: number; max: number }): Shape {
  return (candidate, path, problems) => {
    if (!isJsonObject(candidate)) {
      problems.push(`${path} is not an object`);
      return;
    }
    const names = Object.keys(candidate);
    if (names.length < bounds.min || names.length > bounds.max) {
      problems.push(`${path} has not ${bounds.min} to ${bounds.max} members`);
    }
    for (const name of names) {
      value(candidate[name], pointer(path, name), problems);
    }
  };
}
