import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { signingKeyFromSeed } from '../keystone/keys.ts';
import { withNativeSigning } from './native-signing.ts';

const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex'));

describe('signing with Node', () => {
  it('gives the very bytes that the portable code gives, for any key and message', () => {
    fc.assert(
      fc.property(seeds, fc.uint8Array({ maxLength: 2_000 }), (seed, message) => {
        const key = signingKeyFromSeed(seed);
        const native = withNativeSigning(key);
        expect([...native.sign(message)]).toEqual([...key.sign(message)]);
        expect({ kid: native.kid, public: native.public_key_b64 }).toEqual({
          kid: key.kid,
          public: key.public_key_b64,
        });
      }),
      { numRuns: 50 },
    );
  });

  it('refuses a key whose parts do not belong together', () => {
    const [key, other] = [signingKeyFromSeed('11'.repeat(32)), signingKeyFromSeed('22'.repeat(32))];
    expect(() => withNativeSigning({ ...key, exportSeed: other.exportSeed })).toThrow('another key');
  });
});
