import { describe, expect, it } from '@jest/globals';

import { hashTerms } from '../../keystone/pack.ts';
import * as fixture from '../../keystone/testing/packs.ts';
import { termsHash } from '../../chain/terms.ts';
import { coordinatorsIn, signaturesIn, termsIn } from './files.ts';

const HOME = { chainId: 11_155_111, coordinator: fixture.COORDINATOR };

describe('a party that kept any of these can find its settlement', () => {
  it.each([
    ['a proof pack', fixture.settlementPack()],
    ['pinned contracts', { version: 1, keys: [], contracts: [{ chain_id: fixture.HOME_CHAIN, ...HOME }] }],
    ['deposit-info', { coordinator: { chain_id: HOME.chainId, address: HOME.coordinator }, leg_index: 0 }],
  ])('%s names the coordinator', (_name, document) => {
    expect(coordinatorsIn(JSON.stringify(document), 'file')).toEqual([HOME]);
  });

  it.each([
    ['a proof pack', fixture.settlementPack()],
    ['deposit-info', { leg_index: 0, terms: fixture.terms }],
    ['the terms alone', fixture.terms],
    ['a webhook that was kept', { type: 'x', data: { legs: [{ deposit_info: { terms: fixture.terms } }] } }],
  ])('%s holds the terms, under the hash that verifiers compute', (_name, document) => {
    const terms = termsIn(JSON.stringify(document), 'file', fixture.SETTLEMENT_ID);
    expect(terms && termsHash(HOME, terms)).toBe(hashTerms(fixture.COORDINATOR, fixture.HOME_CHAIN, fixture.terms));
  });

  it('terms of another settlement are not taken for its own', () => {
    expect(termsIn(JSON.stringify(fixture.terms), 'file', '00000000-0000-4000-8000-000000000000')).toBeUndefined();
  });
});

describe('files', () => {
  it('that are not JSON, or hold no signatures, are refused without a word of what they hold', () => {
    const secret = 'a-secret-that-was-put-into-the-wrong-file';
    expect(() => coordinatorsIn(secret, 'file')).toThrow('file is not JSON');
    for (const document of [[secret], { [fixture.SELLER_WALLET]: secret }, { [secret]: '0x00' }]) {
      expect(() => signaturesIn(JSON.stringify(document), 'file')).toThrow(/^(?!.*a-secret)/);
    }
  });
});
