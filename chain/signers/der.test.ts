import { describe, expect, it } from '@jest/globals';

import { CURVE_ORDER, parsePublicKey, parseSignature } from './der.ts';

const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');

describe('a DER signature', () => {
  it('is read as its two integers', () => {
    expect(parseSignature(bytes('3006020101020102'))).toEqual({ r: 1n, s: 2n });
    expect(parseSignature(bytes('300702020080020102'))).toEqual({ r: 128n, s: 2n });
    const top = (CURVE_ORDER - 1n).toString(16);
    expect(parseSignature(bytes(`3026022100${top}020101`))).toEqual({ r: CURVE_ORDER - 1n, s: 1n });
  });

  it.each([
    ['nothing', ''],
    ['another type', '3106020101020102'],
    ['a length that is too long', '3007020101020102'],
    ['a length in two bytes', '308106020101020102'],
    ['an indefinite length', '30800201010201020000'],
    ['something behind the sequence', '300602010102010200'],
    ['something behind the integers', '300702010102010200'],
    ['one integer', '3003020101'],
    ['an integer that ends early', '3006020101020202'],
    ['an integer without bytes', '300502000202 0102'.replace(' ', '')],
    ['a negative integer', '3006020181020102'],
    ['a padded integer', '300702020001020102'],
    ['a text', '3006040101020102'],
    ['an integer as large as the order', `3026022100${CURVE_ORDER.toString(16)}020101`],
    ['an integer of 34 bytes', `30270222${'01'.repeat(34)}020101`],
  ])('with %s is refused', (_, hex) => {
    expect(() => parseSignature(bytes(hex))).toThrow(SyntaxError);
  });

  it('cut short anywhere is refused', () => {
    const whole = bytes(`3026022100${(CURVE_ORDER - 1n).toString(16)}020101`);
    for (let length = 0; length < whole.length; length += 1) {
      expect(() => parseSignature(whole.subarray(0, length))).toThrow(SyntaxError);
    }
  });
});

describe('a DER public key', () => {
  const PREFIX = '3056301006072a8648ce3d020106052b8104000a034200';

  it('is read as its point', () => {
    expect(parsePublicKey(bytes(`${PREFIX}04${'11'.repeat(64)}`))).toBe(`0x04${'11'.repeat(64)}`);
  });

  it.each([
    ['of another curve', `3059301306072a8648ce3d020106082a8648ce3d03010703420004${'11'.repeat(64)}`],
    ['that is compressed', `${PREFIX}02${'11'.repeat(32)}`],
    ['with something behind it', `${PREFIX}04${'11'.repeat(65)}`],
    ['that ends early', `${PREFIX}04${'11'.repeat(63)}`],
  ])('%s is refused', (_, hex) => {
    expect(() => parsePublicKey(bytes(hex))).toThrow(SyntaxError);
  });
});
