import { readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';

import { LIMITS } from './limits.ts';
import { MAXIMUM_BASE_UNITS } from './money.ts';

const source = readFileSync(new URL('../contracts/src/types/Limits.sol', import.meta.url), 'utf8');

function contractLimit(name: string): string | undefined {
  return new RegExp(`constant ${name} = ([^;]+);`).exec(source)?.[1];
}

/** A trade that the API takes and the contract refuses would be found out after screening was paid for. */
describe('limits that the contracts have too', () => {
  it.each([
    ['MAX_LEGS', LIMITS.maximumLegs],
    ['MAX_FEES', LIMITS.maximumFeesPerLeg],
    ['MAX_PARTIES', LIMITS.maximumPartyHashes],
  ])('%s is the same here', (name, ours) => {
    expect(Number(contractLimit(name))).toBe(ours);
  });

  it('MAX_AMOUNT is the same here', () => {
    expect(contractLimit('MAX_AMOUNT')).toBe('type(uint128).max');
    expect(MAXIMUM_BASE_UNITS).toBe(2n ** 128n - 1n);
  });

  it('the most chains with the most wallets make no more party hashes than the contract takes', () => {
    const [roles, hashesPerChain] = [2, 3];
    expect(roles * hashesPerChain * LIMITS.maximumChainsPerSettlement).toBeLessThanOrEqual(LIMITS.maximumPartyHashes);
  });
});
