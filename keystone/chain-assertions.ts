/** The assertions of a chain file: what must hold between links, beyond their hashes. Everything unknown fails closed. */

import { type JsonObject, type JsonValue, isJsonObject } from './json.ts';
import type { Ref } from './ref.ts';

interface LinkView {
  readonly preimage: JsonValue;
  readonly ref: Ref;
}

export type LinksByName = ReadonlyMap<string, LinkView>;

export type Assertion =
  /** two paths `link.member[.member]` hold the same scalar */
  | { readonly kind: 'field_equals'; readonly a: string; readonly b: string }
  /** the scope of `inner` is no wider than that of `outer` */
  | { readonly kind: 'scope_subset'; readonly inner: string; readonly outer: string }
  /** `not_before_ms <= time <= not_after_ms` of the link `window` */
  | { readonly kind: 'time_within'; readonly time: string; readonly window: string }
  /** `time < revoked_at_ms` of the link `revocation` */
  | { readonly kind: 'not_revoked'; readonly action: string; readonly time: string; readonly revocation: string }
  /** the link `ref` lists exactly these hops, in this order */
  | { readonly kind: 'journey'; readonly ref: string; readonly hops: readonly string[] };

type Kind = Assertion['kind'];

/** Members of each kind, and what they name: a path into a link, a link, or a list of links. */
const MEMBERS: Readonly<Record<Kind, Readonly<Record<string, 'path' | 'link' | 'links'>>>> = {
  field_equals: { a: 'path', b: 'path' },
  scope_subset: { inner: 'link', outer: 'link' },
  time_within: { time: 'path', window: 'link' },
  not_revoked: { action: 'link', time: 'path', revocation: 'link' },
  journey: { ref: 'link', hops: 'links' },
};

const MAX_HOPS = 256;

/** @returns the assertion, or a sentence when it is malformed or names a link that does not exist */
export function readAssertion(value: JsonValue, links: LinksByName): Assertion | string {
  const kind = isJsonObject(value) ? value['kind'] : undefined;
  if (!isJsonObject(value) || typeof kind !== 'string' || !Object.hasOwn(MEMBERS, kind)) {
    return 'an assertion is of no known kind';
  }
  for (const [member, names] of Object.entries(MEMBERS[kind as Kind])) {
    if (!namesLinks(value[member], names, links)) {
      return `${kind}.${member} does not name what exists in the chain`;
    }
  }
  return value as unknown as Assertion;
}

function namesLinks(value: JsonValue | undefined, names: 'path' | 'link' | 'links', links: LinksByName): boolean {
  if (names === 'links') {
    return Array.isArray(value) && value.length <= MAX_HOPS && value.every((item) => namesLinks(item, 'link', links));
  }
  const link = typeof value === 'string' && names === 'path' ? value.split('.')[0] : value;
  return typeof link === 'string' && links.has(link);
}

/** @returns why the assertion does not hold, or undefined when it does */
export function checkAssertion(assertion: Assertion, links: LinksByName): string | undefined {
  switch (assertion.kind) {
    case 'field_equals':
      return fieldsDiffer(valueAt(assertion.a, links), valueAt(assertion.b, links));
    case 'scope_subset':
      return scopeWider(scopeOf(assertion.inner, links), scopeOf(assertion.outer, links));
    case 'time_within':
      return timeOutside(valueAt(assertion.time, links), links.get(assertion.window)?.preimage);
    case 'not_revoked':
      return revokedBy(valueAt(assertion.time, links), links.get(assertion.revocation)?.preimage);
    case 'journey':
      return journeyDiffers(assertion, links);
    default:
      return unknownKind(assertion);
  }
}

/** The compiler objects here when a kind is added to the union and not to the switch. */
function unknownKind(assertion: never): string {
  return `unknown assertion ${JSON.stringify(assertion)}`;
}

function valueAt(path: string, links: LinksByName): JsonValue | undefined {
  const [name = '', ...members] = path.split('.');
  let value: JsonValue | undefined = links.get(name)?.preimage;
  for (const member of members) {
    value = isJsonObject(value) && Object.hasOwn(value, member) ? value[member] : undefined;
  }
  return value;
}

function fieldsDiffer(a: JsonValue | undefined, b: JsonValue | undefined): string | undefined {
  const isScalar = typeof a === 'string' || typeof a === 'number' || typeof a === 'boolean';
  return isScalar && a === b ? undefined : 'the two fields differ, or one is absent';
}

function isTime(value: JsonValue | undefined): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function timeOutside(time: JsonValue | undefined, window: JsonValue | undefined): string | undefined {
  const { not_before_ms: from, not_after_ms: until } = isJsonObject(window) ? window : ({} as JsonObject);
  const isWithin = isTime(time) && isTime(from) && isTime(until) && from <= time && time <= until;
  return isWithin ? undefined : 'the time is outside of the window, or one of them is not integer ms';
}

function revokedBy(time: JsonValue | undefined, revocation: JsonValue | undefined): string | undefined {
  const revokedAt = isJsonObject(revocation) ? revocation['revoked_at_ms'] : undefined;
  const isBefore = isTime(time) && isTime(revokedAt) && time < revokedAt;
  return isBefore ? undefined : 'the action is not earlier than the revocation';
}

function scopeOf(name: string, links: LinksByName): JsonValue | undefined {
  return valueAt(`${name}.scope`, links);
}

/** Each dimension that the outer scope limits must be present inside and no wider. */
function scopeWider(inner: JsonValue | undefined, outer: JsonValue | undefined): string | undefined {
  if (!isJsonObject(inner) || !isJsonObject(outer)) {
    return 'a scope is absent or not an object';
  }
  const wider = Object.keys(outer).find((dimension) => !isWithin(dimension, inner[dimension], outer[dimension]));
  return wider === undefined ? undefined : `the scope is wider in ${wider}`;
}

function isWithin(dimension: string, inner: JsonValue | undefined, outer: JsonValue | undefined): boolean {
  switch (dimension) {
    case 'resource':
      return typeof inner === 'string' && typeof outer === 'string' && isSegmentPrefix(outer, inner);
    case 'max_amount':
      return Number.isSafeInteger(inner) && Number.isSafeInteger(outer) && Number(inner) <= Number(outer);
    case 'capabilities':
    case 'jurisdictions':
      return Array.isArray(inner) && Array.isArray(outer) && inner.every((item) => outer.includes(item));
    default:
      // Nobody knows what a narrower value of an unknown dimension would be.
      return false;
  }
}

/** By segments: `payments/transfer` contains `payments/transfer/usdc` and not `payments/transfers`. */
function isSegmentPrefix(prefix: string, path: string): boolean {
  const segments = path.split('/');
  return prefix.split('/').every((segment, index) => segment === segments[index]);
}

function journeyDiffers(journey: Extract<Assertion, { kind: 'journey' }>, links: LinksByName): string | undefined {
  const listed = valueAt(`${journey.ref}.hops`, links);
  const wanted = journey.hops.map((hop) => links.get(hop)?.ref);
  const isSame =
    Array.isArray(listed) && listed.length === wanted.length && listed.every((hop, index) => hop === wanted[index]);
  return isSame ? undefined : 'the journey does not list every hop in order';
}
