/**
 * A strict JSON parser. `JSON.parse` keeps the last of two members with the same name, rounds integers beyond 2^53 and
 * lets lone surrogates through; each of the three lets two readers of one signed document see two different documents.
 */

export type JsonValue = null | boolean | number | string | JsonValue[] | { [member: string]: JsonValue };
export type JsonObject = { [member: string]: JsonValue };

/**
 * `safe-integers`: only integers within ±(2^53 − 1), written without fraction or exponent: the rule for everything that
 * is hashed or signed here. `ieee754`: every finite double, as RFC 8785 allows; integer literals beyond the safe range
 * are refused all the same, because two parsers would read two numbers.
 */
export type NumberRule = 'safe-integers' | 'ieee754';

export interface JsonLimits {
  /** UTF-8 bytes of the whole text */
  readonly maxBytes: number;
  /** nesting of objects and arrays; a scalar has depth 0 */
  readonly maxDepth: number;
  readonly maxObjectMembers: number;
  readonly maxArrayItems: number;
  /** UTF-16 code units of one string or member name */
  readonly maxStringLength: number;
  /** values of every kind, containers included */
  readonly maxNodes: number;
  readonly numbers: NumberRule;
}

/** The published resource guard profile `guard-receipt-v1`: for one preimage, one receipt, one link. */
export const GUARD_RECEIPT_V1: JsonLimits = {
  maxBytes: 65_536,
  maxDepth: 32,
  maxObjectMembers: 256,
  maxArrayItems: 1024,
  maxStringLength: 8192,
  maxNodes: 4096,
  numbers: 'safe-integers',
};

/** For a whole proof pack: many preimages, their signatures and the chain evidence in one file. */
export const PACK_LIMITS: JsonLimits = {
  maxBytes: 2_097_152,
  maxDepth: 32,
  maxObjectMembers: 256,
  maxArrayItems: 1024,
  maxStringLength: 98_304,
  maxNodes: 65_536,
  numbers: 'safe-integers',
};

export type JsonRejection =
  | 'INVALID_JSON'
  | 'REJECT_DUPLICATE_MEMBER'
  | 'UNSAFE_INTEGER'
  | 'NOT_AN_INTEGER'
  | 'LONE_SURROGATE'
  | 'NOT_JSON_DATA'
  | 'LIMIT_BYTES'
  | 'LIMIT_DEPTH'
  | 'LIMIT_MEMBERS'
  | 'LIMIT_ITEMS'
  | 'LIMIT_STRING'
  | 'LIMIT_NODES';

/** Thrown by the parser and by the canonical form. `path` is a JSON Pointer to the offending value. */
export class JsonRejected extends Error {
  readonly code: JsonRejection;
  readonly path: string;

  constructor(code: JsonRejection, path: string, sentence: string) {
    super(`${code} at ${path === '' ? 'the top' : path}: ${sentence}`);
    this.name = 'JsonRejected';
    this.code = code;
    this.path = path;
  }
}

export interface ParseOptions {
  readonly limits?: JsonLimits;
  /** `last-wins` is what Python's and JavaScript's own parsers do; only the compatible verification mode asks for it. */
  readonly duplicates?: 'reject' | 'last-wins';
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Appends one step to a JSON Pointer (RFC 6901). */
export function pointer(path: string, step: string | number): string {
  return `${path}/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** Sets a member also when it is called `__proto__`, which a plain assignment would swallow. */
export function setMember(target: JsonObject, name: string, value: JsonValue): void {
  Object.defineProperty(target, name, { value, writable: true, enumerable: true, configurable: true });
}

interface Cursor {
  readonly text: string;
  readonly limits: JsonLimits;
  readonly lastWins: boolean;
  at: number;
  nodes: number;
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
/** A string without escapes: the common case, taken in one step. Control characters are looked for afterwards. */
const PLAIN_STRING = /"([^"\\]*)"/y;
const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

/**
 * Parses `text` (RFC 8259) under the given limits.
 * @throws {JsonRejected}
 */
export function parseJson(text: string, options: ParseOptions = {}): JsonValue {
  const limits = options.limits ?? GUARD_RECEIPT_V1;
  // The cheap bound first: UTF-8 is never shorter than UTF-16 code units, so a huge text is refused before it is encoded.
  if (text.length > limits.maxBytes || new TextEncoder().encode(text).length > limits.maxBytes) {
    throw new JsonRejected('LIMIT_BYTES', '', `more than ${limits.maxBytes} bytes`);
  }
  const cursor: Cursor = { text, limits, lastWins: options.duplicates === 'last-wins', at: 0, nodes: 0 };
  skipSpace(cursor);
  const value = parseValue(cursor, '', 0);
  skipSpace(cursor);
  if (cursor.at !== text.length) {
    throw invalid(cursor, '', 'text after the value');
  }
  return value;
}

function invalid(cursor: Cursor, path: string, sentence: string): JsonRejected {
  return new JsonRejected('INVALID_JSON', path, `${sentence} (offset ${cursor.at})`);
}

function skipSpace(cursor: Cursor): void {
  for (;;) {
    const code = cursor.text.charCodeAt(cursor.at);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) {
      return;
    }
    cursor.at += 1;
  }
}

function parseValue(cursor: Cursor, path: string, depth: number): JsonValue {
  cursor.nodes += 1;
  if (cursor.nodes > cursor.limits.maxNodes) {
    throw new JsonRejected('LIMIT_NODES', path, `more than ${cursor.limits.maxNodes} values`);
  }
  switch (cursor.text.charAt(cursor.at)) {
    case '{':
      return parseObject(cursor, path, depth + 1);
    case '[':
      return parseArray(cursor, path, depth + 1);
    case '"':
      return parseString(cursor, path);
    case 't':
      return parseWord(cursor, path, 'true', true);
    case 'f':
      return parseWord(cursor, path, 'false', false);
    case 'n':
      return parseWord(cursor, path, 'null', null);
    default:
      return parseNumber(cursor, path);
  }
}

function parseWord<T extends JsonValue>(cursor: Cursor, path: string, word: string, value: T): T {
  if (!cursor.text.startsWith(word, cursor.at)) {
    throw invalid(cursor, path, 'not a JSON value');
  }
  cursor.at += word.length;
  return value;
}

function checkDepth(cursor: Cursor, path: string, depth: number): void {
  if (depth > cursor.limits.maxDepth) {
    throw new JsonRejected('LIMIT_DEPTH', path, `nested deeper than ${cursor.limits.maxDepth}`);
  }
}

function parseObject(cursor: Cursor, path: string, depth: number): JsonObject {
  checkDepth(cursor, path, depth);
  const object: JsonObject = {};
  const names = new Set<string>();
  cursor.at += 1;
  skipSpace(cursor);
  if (cursor.text[cursor.at] === '}') {
    cursor.at += 1;
    return object;
  }
  for (;;) {
    skipSpace(cursor);
    if (cursor.text[cursor.at] !== '"') {
      throw invalid(cursor, path, 'a member name was expected');
    }
    const name = parseString(cursor, path);
    const here = pointer(path, name);
    if (names.has(name) && !cursor.lastWins) {
      throw new JsonRejected('REJECT_DUPLICATE_MEMBER', here, 'the same member name twice in one object');
    }
    names.add(name);
    if (names.size > cursor.limits.maxObjectMembers) {
      throw new JsonRejected('LIMIT_MEMBERS', path, `more than ${cursor.limits.maxObjectMembers} members`);
    }
    skipSpace(cursor);
    expectCharacter(cursor, path, ':');
    skipSpace(cursor);
    setMember(object, name, parseValue(cursor, here, depth));
    skipSpace(cursor);
    if (cursor.text[cursor.at] === '}') {
      cursor.at += 1;
      return object;
    }
    expectCharacter(cursor, path, ',');
  }
}

function parseArray(cursor: Cursor, path: string, depth: number): JsonValue[] {
  checkDepth(cursor, path, depth);
  const items: JsonValue[] = [];
  cursor.at += 1;
  skipSpace(cursor);
  if (cursor.text[cursor.at] === ']') {
    cursor.at += 1;
    return items;
  }
  for (;;) {
    if (items.length >= cursor.limits.maxArrayItems) {
      throw new JsonRejected('LIMIT_ITEMS', path, `more than ${cursor.limits.maxArrayItems} items`);
    }
    skipSpace(cursor);
    items.push(parseValue(cursor, pointer(path, items.length), depth));
    skipSpace(cursor);
    if (cursor.text[cursor.at] === ']') {
      cursor.at += 1;
      return items;
    }
    expectCharacter(cursor, path, ',');
  }
}

function expectCharacter(cursor: Cursor, path: string, character: string): void {
  if (cursor.text[cursor.at] !== character) {
    throw invalid(cursor, path, `'${character}' was expected`);
  }
  cursor.at += 1;
}

function parseString(cursor: Cursor, path: string): string {
  PLAIN_STRING.lastIndex = cursor.at;
  const plain = PLAIN_STRING.exec(cursor.text);
  let value: string;
  if (plain === null) {
    value = parseEscapedString(cursor, path);
  } else {
    value = plain[1] ?? '';
    if (hasControlCharacter(value)) {
      throw invalid(cursor, path, 'a control character in a string');
    }
    cursor.at = PLAIN_STRING.lastIndex;
  }
  if (value.length > cursor.limits.maxStringLength) {
    throw new JsonRejected('LIMIT_STRING', path, `longer than ${cursor.limits.maxStringLength}`);
  }
  if (!value.isWellFormed()) {
    throw new JsonRejected('LONE_SURROGATE', path, 'half of a surrogate pair has no UTF-8 form');
  }
  return value;
}

function hasControlCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    if (text.charCodeAt(index) < 0x20) {
      return true;
    }
  }
  return false;
}

function parseEscapedString(cursor: Cursor, path: string): string {
  let value = '';
  cursor.at += 1;
  for (;;) {
    const character = cursor.text[cursor.at];
    if (character === undefined || character.charCodeAt(0) < 0x20) {
      throw invalid(cursor, path, 'a string that does not end, or a control character in it');
    }
    cursor.at += 1;
    if (character === '"') {
      return value;
    }
    value += character === '\\' ? parseEscape(cursor, path) : character;
  }
}

function parseEscape(cursor: Cursor, path: string): string {
  const kind = cursor.text[cursor.at] ?? '';
  if (kind === 'u') {
    const digits = cursor.text.slice(cursor.at + 1, cursor.at + 5);
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) {
      throw invalid(cursor, path, 'four hexadecimal digits were expected');
    }
    cursor.at += 5;
    return String.fromCharCode(Number.parseInt(digits, 16));
  }
  const escaped = SIMPLE_ESCAPES[kind];
  if (escaped === undefined) {
    throw invalid(cursor, path, 'an unknown escape');
  }
  cursor.at += 1;
  return escaped;
}

function parseNumber(cursor: Cursor, path: string): number {
  NUMBER.lastIndex = cursor.at;
  const match = NUMBER.exec(cursor.text);
  if (match === null) {
    throw invalid(cursor, path, 'not a JSON value');
  }
  cursor.at = NUMBER.lastIndex;
  const literal = match[0];
  const value = Number(literal);
  const isInteger = match[1] === undefined && match[2] === undefined;
  if (!Number.isFinite(value) || (isInteger && !Number.isSafeInteger(value))) {
    throw new JsonRejected('UNSAFE_INTEGER', path, `${literal.slice(0, 40)} is beyond ±(2^53 − 1)`);
  }
  if (cursor.limits.numbers === 'safe-integers' && (!isInteger || Object.is(value, -0))) {
    throw new JsonRejected('NOT_AN_INTEGER', path, `${literal.slice(0, 40)} is not a plain integer`);
  }
  return value;
}
