/**
 * Chain files `algovoi-keystone-chain/v1` and `/v2`: a list of named preimages, in which `"@name"` stands for the
 * reference of an earlier link, and assertions over them. Verdicts: ok, broken (with what broke first), or bad input.
 */

import { type Assertion, checkAssertion, readAssertion } from './chain-assertions.ts';
import { CANON_VERSION } from './canonical.ts';
import {
  type JsonObject,
  JsonRejected,
  type JsonValue,
  PACK_LIMITS,
  isJsonObject,
  parseJson,
  setMember,
} from './json.ts';
import { type Ref, isRef, ref } from './ref.ts';

export const CHAIN_SCHEMAS: readonly string[] = ['algovoi-keystone-chain/v1', 'algovoi-keystone-chain/v2'];
const MAX_LINKS = 256;
const MAX_ASSERTIONS = 256;
const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;

/** A recomputed link. */
export interface ChainLink {
  readonly name: string;
  /** with every `@name` replaced by the reference it stands for */
  readonly preimage: JsonValue;
  readonly ref: Ref;
  readonly declared?: string;
  /** names of the earlier links that it binds */
  readonly binds: readonly string[];
}

export type ChainVerdict =
  | { readonly verdict: 'ok'; readonly links: readonly ChainLink[]; readonly cap?: string }
  | {
      readonly verdict: 'broken';
      readonly links: readonly ChainLink[];
      readonly cap?: string;
      /** the first link whose declared reference is not its own */
      readonly first_broken?: string;
      /** the first assertion that does not hold */
      readonly failed_assertion?: { readonly index: number; readonly kind: string; readonly detail: string };
    }
  | { readonly verdict: 'bad_input'; readonly detail: string };

class BadChain extends TypeError {}

/** Verifies the text of a chain file. Never throws on bad input. */
export function verifyChainFile(text: string): ChainVerdict {
  try {
    return verifyChain(parseJson(text, { limits: PACK_LIMITS }));
  } catch (error) {
    if (error instanceof BadChain || error instanceof JsonRejected) {
      return { verdict: 'bad_input', detail: error.message };
    }
    throw error;
  }
}

function verifyChain(file: JsonValue): ChainVerdict {
  if (
    !isJsonObject(file) ||
    !CHAIN_SCHEMAS.some((schema) => schema === file['schema']) ||
    file['canon'] !== CANON_VERSION
  ) {
    throw new BadChain('schema or canon is not one that this verifier knows');
  }
  const entries = listOf(file['chain'], 'chain', MAX_LINKS);
  if (entries.length === 0) {
    throw new BadChain('the chain is empty');
  }
  const links = new Map<string, ChainLink>();
  for (const entry of entries) {
    const link = readLink(entry, links);
    links.set(link.name, link);
  }
  // Every assertion is read before any is judged: a malformed one must not hide behind an earlier failure.
  const assertions = listOf(file['assertions'] ?? [], 'assertions', MAX_ASSERTIONS).map((value) =>
    readAssertion(value, links),
  );
  const malformed = assertions.find((assertion) => typeof assertion === 'string');
  if (typeof malformed === 'string') {
    throw new BadChain(malformed);
  }
  return judge(links, assertions as Assertion[]);
}

function judge(links: ReadonlyMap<string, ChainLink>, assertions: readonly Assertion[]): ChainVerdict {
  const list = [...links.values()];
  const cap = list.findLast((link) => link.binds.length >= 2)?.name;
  const shared = { links: list, ...(cap === undefined ? {} : { cap }) };
  const broken = list.find((link) => link.declared !== undefined && link.declared !== link.ref);
  if (broken !== undefined) {
    return { verdict: 'broken', ...shared, first_broken: broken.name };
  }
  for (const [index, assertion] of assertions.entries()) {
    const detail = checkAssertion(assertion, links);
    if (detail !== undefined) {
      return { verdict: 'broken', ...shared, failed_assertion: { index, kind: assertion.kind, detail } };
    }
  }
  return { verdict: 'ok', ...shared };
}

function readLink(entry: JsonValue, earlier: ReadonlyMap<string, ChainLink>): ChainLink {
  if (!isJsonObject(entry)) {
    throw new BadChain('a link is an object');
  }
  const { name, preimage, ref: declared } = entry;
  if (typeof name !== 'string' || !NAME.test(name) || earlier.has(name)) {
    throw new BadChain(`a link's name is missing, malformed or used twice`);
  }
  if (!isJsonObject(preimage)) {
    throw new BadChain(`the preimage of ${name} is not an object`);
  }
  if (declared !== undefined && !isRef(declared)) {
    throw new BadChain(`the declared reference of ${name} is malformed`);
  }
  const binds = new Set<string>();
  const resolved = resolve(preimage, earlier, binds);
  return {
    name,
    preimage: resolved,
    ref: ref(resolved),
    ...(declared === undefined ? {} : { declared }),
    binds: [...binds],
  };
}

/** Replaces `@name` at every depth; a name that is not an earlier link would bind nothing, so it is an error. */
function resolve(value: JsonValue, earlier: ReadonlyMap<string, ChainLink>, binds: Set<string>): JsonValue {
  if (typeof value === 'string' && value.startsWith('@')) {
    const link = earlier.get(value.slice(1));
    if (link === undefined) {
      throw new BadChain(`${value.slice(0, 65)} is no earlier link`);
    }
    binds.add(link.name);
    return link.ref;
  }
  if (Array.isArray(value)) {
    return value.map((item) => resolve(item, earlier, binds));
  }
  if (isJsonObject(value)) {
    const result: JsonObject = {};
    for (const [name, member] of Object.entries(value)) {
      setMember(result, name, resolve(member, earlier, binds));
    }
    return result;
  }
  return value;
}

function listOf(value: JsonValue | undefined, what: string, max: number): JsonValue[] {
  if (!Array.isArray(value) || value.length > max) {
    throw new BadChain(`${what} is not a list of at most ${max}`);
  }
  return value;
}
