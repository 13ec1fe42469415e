/**
 * RFC 8785 (JCS) bytes of validated I-JSON. Serialisers agree on valid data and disagree on what they let through
 * (undefined, NaN, `toJSON`, sparse arrays, lone surrogates), so everything unusual is refused before one is asked.
 */

import canonicalize from 'canonicalize';
import { GUARD_RECEIPT_V1, type JsonLimits, type JsonObject, JsonRejected, type JsonValue } from './json.ts';
import { pointer, setMember } from './json.ts';

/** The canonicalisation that every object of ours names in band. */
export const CANON_VERSION = 'jcs-rfc8785-v1';

const encoder = new TextEncoder();

/**
 * The canonical UTF-8 bytes of `value`.
 * @throws {JsonRejected} when the value is not plain I-JSON within the limits
 */
export function canonicalBytes(value: unknown, limits: JsonLimits = GUARD_RECEIPT_V1): Uint8Array {
  const bytes = encoder.encode(canonicalText(value, limits));
  if (bytes.length > limits.maxBytes) {
    throw new JsonRejected('LIMIT_BYTES', '', `more than ${limits.maxBytes} bytes`);
  }
  return bytes;
}

/** The same as {@link canonicalBytes}, as text. The byte limit is not applied here. */
export function canonicalText(value: unknown, limits: JsonLimits = GUARD_RECEIPT_V1): string {
  const text = canonicalize(validated(value, limits));
  if (text === undefined) {
    throw new JsonRejected('NOT_JSON_DATA', '', 'there is nothing to write');
  }
  return text;
}

/**
 * A deep copy made of plain data only. The copy, and not the caller's object, is what gets serialised: a getter or a
 * proxy could otherwise answer the check with one value and the serialiser with another.
 * @throws {JsonRejected}
 */
export function validated(value: unknown, limits: JsonLimits = GUARD_RECEIPT_V1): JsonValue {
  return copy(value, '', 0, { limits, nodes: 0 });
}

interface Walk {
  readonly limits: JsonLimits;
  nodes: number;
}

function copy(value: unknown, path: string, depth: number, walk: Walk): JsonValue {
  walk.nodes += 1;
  if (walk.nodes > walk.limits.maxNodes) {
    throw new JsonRejected('LIMIT_NODES', path, `more than ${walk.limits.maxNodes} values`);
  }
  if (value === null || typeof value === 'boolean') {
    return value;
  }
  if (typeof value === 'string') {
    return copyString(value, path, walk.limits);
  }
  if (typeof value === 'number') {
    return copyNumber(value, path, walk.limits);
  }
  if (typeof value !== 'object') {
    throw new JsonRejected('NOT_JSON_DATA', path, `a ${typeof value} has no JSON form`);
  }
  if (depth >= walk.limits.maxDepth) {
    throw new JsonRejected('LIMIT_DEPTH', path, `nested deeper than ${walk.limits.maxDepth}`);
  }
  return Array.isArray(value) ? copyArray(value, path, depth, walk) : copyObject(value, path, depth, walk);
}

function copyString(value: string, path: string, limits: JsonLimits): string {
  if (value.length > limits.maxStringLength) {
    throw new JsonRejected('LIMIT_STRING', path, `longer than ${limits.maxStringLength}`);
  }
  if (!value.isWellFormed()) {
    throw new JsonRejected('LONE_SURROGATE', path, 'half of a surrogate pair has no UTF-8 form');
  }
  return value;
}

function copyNumber(value: number, path: string, limits: JsonLimits): number {
  if (!Number.isFinite(value)) {
    throw new JsonRejected('NOT_JSON_DATA', path, `${value} has no JSON form`);
  }
  if (limits.numbers === 'safe-integers') {
    if (!Number.isInteger(value) || Object.is(value, -0)) {
      throw new JsonRejected('NOT_AN_INTEGER', path, 'a fraction belongs into a decimal string');
    }
    if (!Number.isSafeInteger(value)) {
      throw new JsonRejected('UNSAFE_INTEGER', path, 'beyond ±(2^53 − 1); a decimal string can hold it');
    }
  }
  return value;
}

function copyArray(value: readonly unknown[], path: string, depth: number, walk: Walk): JsonValue[] {
  if (value.length > walk.limits.maxArrayItems) {
    throw new JsonRejected('LIMIT_ITEMS', path, `more than ${walk.limits.maxArrayItems} items`);
  }
  if (Object.keys(value).length !== value.length) {
    throw new JsonRejected('NOT_JSON_DATA', path, 'an array with holes or with named members');
  }
  return value.map((item, index) => copy(item, pointer(path, index), depth + 1, walk));
}

function copyObject(value: object, path: string, depth: number, walk: Walk): JsonObject {
  const prototype: unknown = Object.getPrototypeOf(value);
  // A root prototype has no prototype of its own. Comparing with Object.prototype would refuse data of another realm.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw new JsonRejected('NOT_JSON_DATA', path, 'only plain objects have one JSON form');
  }
  if (Object.getOwnPropertySymbols(value).length > 0) {
    throw new JsonRejected('NOT_JSON_DATA', path, 'a symbol is not a member name');
  }
  const names = Object.keys(value);
  if (names.length > walk.limits.maxObjectMembers) {
    throw new JsonRejected('LIMIT_MEMBERS', path, `more than ${walk.limits.maxObjectMembers} members`);
  }
  const result: JsonObject = {};
  for (const name of names) {
    copyString(name, path, walk.limits);
    const member: unknown = (value as Record<string, unknown>)[name];
    setMember(result, name, copy(member, pointer(path, name), depth + 1, walk));
  }
  return result;
}
