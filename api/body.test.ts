import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { parseBody, quoteQuantities } from './body.ts';

describe('quantities in a body', () => {
  it.each([
    ['{"quantity":1.10}', { quantity: '1.10' }],
    [
      '{"quantity" : 123456789012345678901234567890.000000000000000001}',
      { quantity: '123456789012345678901234567890.000000000000000001' },
    ],
    ['{"quantity":1.5e3}', { quantity: '1500' }],
    ['{"quantity":15E-4}', { quantity: '0.0015' }],
    ['{"quantity":-1}', { quantity: '-1' }],
    ['{"quantity":"1.10"}', { quantity: '1.10' }],
    ['{"chain_id":1,"note":"quantity","n":2}', { chain_id: 1, note: 'quantity', n: 2 }],
    ['{"a":["quantity",5]}', { a: ['quantity', 5] }],
    ['{"legs":[{"quantity":1},{"quantity":2}]}', { legs: [{ quantity: '1' }, { quantity: '2' }] }],
    ['{"note":"\\"quantity\\": 5"}', { note: '"quantity": 5' }],
  ])('%s keeps every digit and touches nothing else', (text, value) => {
    expect(parseBody(text)).toEqual(value);
  });

  it.each([
    '{"quantity":01}',
    '{"quantity":1.}',
    '{"quantity":1 2}',
    '{"quantity":.5}',
    '{"quantity":1e}',
    '{"quantity":+1}',
  ])('%s stays malformed', (text) => {
    expect(() => parseBody(text)).toThrow(expect.objectContaining({ code: 'malformed_json' }));
  });

  it('property: a decimal comes out with the digits that went in', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 38n }), fc.stringMatching(/^[0-9]{1,30}$/), (whole, fraction) => {
        expect(parseBody(`{"quantity":${whole}.${fraction}}`)).toEqual({ quantity: `${whole}.${fraction}` });
      }),
    );
  });

  it('property: without a quantity the text is not changed, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        fc.pre(!text.includes('quantity'));
        expect(quoteQuantities(text)).toBe(text);
      }),
    );
  });

  it('a quarter of a megabyte of escaped quotes is scanned at once', () => {
    const started = performance.now();
    quoteQuantities(`"${'\\"'.repeat(130_000)}`);
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});
