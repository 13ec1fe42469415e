import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import type { StatedLeg } from './legs.ts';
import { type MatchableInstruction, matchInstructions } from './matching.ts';

const NOW = 1_700_000_000_000;
const bond: StatedLeg = {
  legType: 'asset_delivery',
  instrumentId: `0x${'Aa'.repeat(20)}`,
  quantity: '500',
  direction: 'deliver',
  chainId: 11_155_111,
  tokenStandard: 'ERC-20',
};
const cash: StatedLeg = {
  ...bond,
  legType: 'payment',
  instrumentId: `0x${'cc'.repeat(20)}`,
  quantity: '125000',
  direction: 'receive',
};
const seller: MatchableInstruction = {
  templateSlug: 'dvp-standard',
  role: 'seller',
  legs: [bond, cash],
  deadlineMs: NOW + 60_000,
};
const mirrored = (leg: StatedLeg): StatedLeg => ({
  ...leg,
  direction: leg.direction === 'deliver' ? 'receive' : 'deliver',
});
const buyer: MatchableInstruction = {
  ...seller,
  role: 'buyer',
  legs: [mirrored(cash), mirrored(bond)],
  deadlineMs: NOW + 30_000,
};

describe('matching', () => {
  it('pairs two sides that state the same trade, in any order and spelling, and takes the earlier deadline', () => {
    const spelled = {
      ...buyer,
      legs: buyer.legs.map((leg) => ({
        ...leg,
        instrumentId: leg.instrumentId.toLowerCase(),
        quantity: `${leg.quantity}.00`,
      })),
    };
    expect(matchInstructions(seller, spelled, NOW)).toEqual({ matched: true, deadlineMs: NOW + 30_000 });
  });

  it.each<[string, Partial<MatchableInstruction>]>([
    ['match_template_differs', { templateSlug: 'dvp-immediate' }],
    ['match_same_role', { role: 'seller' }],
    ['match_instruments_differ', { legs: [mirrored(bond)] }],
    ['match_instruments_differ', { legs: [mirrored(bond), mirrored(bond)] }],
    ['match_instruments_differ', { legs: [mirrored(bond), { ...mirrored(cash), chainId: 1 }] }],
    ['match_leg_types_differ', { legs: [mirrored(bond), { ...mirrored(cash), legType: 'asset_delivery' }] }],
    ['match_leg_types_differ', { legs: [{ ...mirrored(bond), tokenStandard: 'ERC-3643' }, mirrored(cash)] }],
    ['match_quantities_differ', { legs: [mirrored(bond), { ...mirrored(cash), quantity: '125000.000001' }] }],
    ['match_directions_not_complementary', { legs: [bond, mirrored(cash)] }],
    ['match_deadline_passed', { deadlineMs: NOW }],
  ])('refuses with %s', (refusal, change) => {
    expect(matchInstructions(seller, { ...buyer, ...change }, NOW)).toEqual({ matched: false, refusal });
  });

  it('is symmetric: who came first does not matter', () => {
    const side = fc.record({
      templateSlug: fc.constantFrom('dvp-standard', 'dvp-immediate'),
      role: fc.constantFrom('seller', 'buyer'),
      deadlineMs: fc.integer({ min: NOW - 5, max: NOW + 5 }),
      legs: fc.subarray([bond, cash, mirrored(bond), mirrored(cash), { ...bond, quantity: '7' }], { minLength: 1 }),
    });
    fc.assert(
      fc.property(side, side, (ours, theirs) => {
        expect(matchInstructions(ours, theirs, NOW)).toEqual(matchInstructions(theirs, ours, NOW));
      }),
    );
  });
});
