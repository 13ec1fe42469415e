import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { canonicalize as independent } from 'json-canonicalize';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { bytesToHex } from './bytes.ts';
import { canonicalBytes, canonicalText, validated } from './canonical.ts';
import { GUARD_RECEIPT_V1, type JsonLimits, JsonRejected, PACK_LIMITS, parseJson } from './json.ts';

const VECTORS = join(import.meta.dirname, '..', 'test', 'vectors', 'jcs');
/** Everything that RFC 8785 covers, fractions included. */
const WHOLE_RFC: JsonLimits = { ...PACK_LIMITS, numbers: 'ieee754' };

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof JsonRejected) {
      return error.code;
    }
    throw error;
  }
  return 'accepted';
}

describe('the strict parser', () => {
  it('reads what JSON.parse reads, for every JSON text of safe integers', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false, maxDepth: 6 }), (value) => {
        const text = JSON.stringify(value);
        const isPlain = !/[-\d.]+[.eE]/.test(text) && text.isWellFormed();
        fc.pre(isPlain);
        const ours = codeOf(() => expect(parseJson(text, { limits: PACK_LIMITS })).toEqual(JSON.parse(text)));
        return (
          ours === 'accepted' || ours === 'NOT_AN_INTEGER' || ours === 'UNSAFE_INTEGER' || ours === 'LONE_SURROGATE'
        );
      }),
    );
  });

  it.each([
    ['{"a":1,"a":2}', 'REJECT_DUPLICATE_MEMBER'],
    ['{"a":1,"\\u0061":2}', 'REJECT_DUPLICATE_MEMBER'],
    ['{"x":[{"b":{"a":1,"a":1}}]}', 'REJECT_DUPLICATE_MEMBER'],
    ['{"__proto__":1,"__proto__":2}', 'REJECT_DUPLICATE_MEMBER'],
    ['9007199254740992', 'UNSAFE_INTEGER'],
    ['-9007199254740993', 'UNSAFE_INTEGER'],
    ['1e400', 'UNSAFE_INTEGER'],
    ['1.0', 'NOT_AN_INTEGER'],
    ['1e3', 'NOT_AN_INTEGER'],
    ['-0', 'NOT_AN_INTEGER'],
    ['"\\ud800"', 'LONE_SURROGATE'],
    ['{"\\udfff":1}', 'LONE_SURROGATE'],
    ['01', 'INVALID_JSON'],
    ['[1,]', 'INVALID_JSON'],
    ['{"a":1,}', 'INVALID_JSON'],
    ["{'a':1}", 'INVALID_JSON'],
    ['"\n"', 'INVALID_JSON'],
    ['"\\x41"', 'INVALID_JSON'],
    ['"\\u00g0"', 'INVALID_JSON'],
    ['"open', 'INVALID_JSON'],
    ['nul', 'INVALID_JSON'],
    ['NaN', 'INVALID_JSON'],
    ['\uFEFF1', 'INVALID_JSON'],
    ['1 2', 'INVALID_JSON'],
    ['', 'INVALID_JSON'],
  ])('refuses %j as %s', (text, code) => {
    expect(codeOf(() => parseJson(text))).toBe(code);
  });

  it('keeps a member called __proto__ a member', () => {
    const value = parseJson('{"__proto__":{"polluted":true}}');
    expect(Object.keys(value as object)).toEqual(['__proto__']);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  // guard-receipt-v1: each limit holds exactly, and one more is refused by the name of the limit.
  const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
  const members = (count: number): string =>
    `{${Array.from({ length: count }, (_unused, index) => `"m${index}":0`).join(',')}}`;
  const items = (count: number): string => `[${Array.from({ length: count }, () => '0').join(',')}]`;
  const text = (length: number): string => JSON.stringify('x'.repeat(length));
  it.each([
    ['depth', nested(32), nested(33), 'LIMIT_DEPTH'],
    ['members', members(256), members(257), 'LIMIT_MEMBERS'],
    ['items', items(1024), items(1025), 'LIMIT_ITEMS'],
    ['string length', text(8192), text(8193), 'LIMIT_STRING'],
    [
      'nodes',
      `[${items(1023)},${items(1023)},${items(1023)},${items(1022)}]`,
      `[${Array(5).fill(items(1000)).join()}]`,
      'LIMIT_NODES',
    ],
    ['bytes', ' '.repeat(65_535) + '1', ' '.repeat(65_536) + '1', 'LIMIT_BYTES'],
  ])('holds the limit on %s', (_what, within, beyond, code) => {
    expect(codeOf(() => parseJson(within))).toBe('accepted');
    expect(codeOf(() => parseJson(beyond))).toBe(code);
  });

  it('is not brought down by deep nesting', () => {
    expect(codeOf(() => parseJson(nested(30_000)))).toBe('LIMIT_DEPTH');
  });
});

describe('the canonical form', () => {
  it.each(readdirSync(join(VECTORS, 'input')))('reproduces the published RFC 8785 vector %s', (file) => {
    const read = (folder: string, name: string): string => readFileSync(join(VECTORS, folder, name), 'utf8');
    const value = parseJson(read('input', file), { limits: WHOLE_RFC });
    expect(canonicalText(value, WHOLE_RFC)).toBe(read('output', file).trimEnd());
    const hex = read('outhex', file.replace('.json', '.txt')).replaceAll(/\s+/g, '');
    expect(bytesToHex(canonicalBytes(value, WHOLE_RFC))).toBe(hex);
  });

  it('agrees with an independent implementation on every I-JSON value', () => {
    const scalar = fc.oneof(
      fc.maxSafeInteger(),
      fc.boolean(),
      fc.constant(null),
      fc.string({ unit: 'grapheme' }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        scalar,
        fc.array(tie('value'), { maxLength: 6 }),
        fc.dictionary(fc.string({ unit: 'grapheme' }), tie('value'), { maxKeys: 6 }),
      ),
    }));
    fc.assert(
      fc.property(value, (data) => {
        expect(canonicalText(data, WHOLE_RFC)).toBe(independent(data));
      }),
      { numRuns: 500 },
    );
  });

  it('is its own canonical form', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.maxSafeInteger()), (data) => {
        const once = canonicalText(data, PACK_LIMITS);
        return canonicalText(parseJson(once, { limits: PACK_LIMITS }), PACK_LIMITS) === once;
      }),
    );
  });

  const sparse: unknown[] = [];
  sparse[2] = 1;
  it.each<[string, unknown, string]>([
    ['undefined', undefined, 'NOT_JSON_DATA'],
    ['an undefined member', { a: undefined }, 'NOT_JSON_DATA'],
    ['a function', { a: () => 1 }, 'NOT_JSON_DATA'],
    ['a symbol', { a: Symbol('s') }, 'NOT_JSON_DATA'],
    ['a symbol as name', { [Symbol('s')]: 1 }, 'NOT_JSON_DATA'],
    ['a bigint', { a: 1n }, 'NOT_JSON_DATA'],
    ['NaN', [Number.NaN], 'NOT_JSON_DATA'],
    ['Infinity', [Number.POSITIVE_INFINITY], 'NOT_JSON_DATA'],
    ['a fraction', { a: 0.5 }, 'NOT_AN_INTEGER'],
    ['minus zero', { a: -0 }, 'NOT_AN_INTEGER'],
    ['an unsafe integer', { a: 2 ** 53 }, 'UNSAFE_INTEGER'],
    ['a Date', { a: new Date(0) }, 'NOT_JSON_DATA'],
    ['a Map', new Map([['a', 1]]), 'NOT_JSON_DATA'],
    ['toJSON', { toJSON: () => 'x' }, 'NOT_JSON_DATA'],
    ['a sparse array', sparse, 'NOT_JSON_DATA'],
    ['an array with a named member', Object.assign([1], { name: 'x' }), 'NOT_JSON_DATA'],
    ['a lone surrogate', { a: '\ud800' }, 'LONE_SURROGATE'],
    ['a lone surrogate in a name', { '\udc00': 1 }, 'LONE_SURROGATE'],
  ])('refuses %s', (_what, value, code) => {
    expect(codeOf(() => canonicalBytes(value))).toBe(code);
  });

  it('refuses a cycle by its depth', () => {
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    expect(codeOf(() => canonicalBytes(cycle))).toBe('LIMIT_DEPTH');
  });

  it('reads a getter once, so that the checked value is the hashed one', () => {
    let reads = 0;
    const shifty = {
      get a() {
        reads += 1;
        return reads;
      },
    };
    expect(validated(shifty, GUARD_RECEIPT_V1)).toEqual({ a: 1 });
    expect(reads).toBe(1);
  });
});
