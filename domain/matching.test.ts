import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import type { StatedLeg } from './legs.ts';
import { type MatchableInstruction, matchInstructions, pairLegs } from './matching.ts';

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
  feeMode: 'seller_pays',
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
    ['match_instruments_differ', { legs: [...buyer.legs, mirrored(cash)] }],
    ['match_fee_modes_differ', { feeMode: 'split' }],
    ['match_fee_modes_differ', { feeMode: null }],
    ['match_deadline_passed', { deadlineMs: NOW }],
  ])('refuses with %s', (refusal, change) => {
    expect(matchInstructions(seller, { ...buyer, ...change }, NOW)).toEqual({ matched: false, refusal });
  });

  it('is symmetric: who came first does not matter', () => {
    const side = fc.record({
      templateSlug: fc.constantFrom('dvp-standard', 'dvp-immediate'),
      role: fc.constantFrom('seller', 'buyer'),
      feeMode: fc.constantFrom('seller_pays' as const, 'split' as const, null),
      deadlineMs: fc.integer({ min: NOW - 5, max: NOW + 5 }),
      legs: fc.subarray([bond, cash, mirrored(bond), mirrored(cash), { ...bond, quantity: '7' }], { minLength: 1 }),
    });
    fc.assert(
      fc.property(side, side, (ours, theirs) => {
        expect(matchInstructions(ours, theirs, NOW)).toEqual(matchInstructions(theirs, ours, NOW));
      }),
    );
  });

  it('tells token ids and partitions apart', () => {
    const deed = (tokenId: string): StatedLeg => ({ ...bond, tokenStandard: 'ERC-721', quantity: '1', tokenId });
    const fund = (partition: string): StatedLeg => ({ ...bond, tokenStandard: 'ERC-1400', partition });
    for (const [one, other] of [
      [deed('1'), deed('2')],
      [fund(`0x${'01'.repeat(32)}`), fund(`0x${'02'.repeat(32)}`)],
    ] as const) {
      const ours = { ...seller, legs: [one, cash] };
      const theirs = (leg: StatedLeg) => ({ ...buyer, legs: [mirrored(leg), mirrored(cash)] });
      expect(matchInstructions(ours, theirs(one), NOW).matched).toBe(true);
      expect(matchInstructions(ours, theirs(other), NOW)).toEqual({
        matched: false,
        refusal: 'match_instruments_differ',
      });
    }
  });

  it('compares one asset in several legs as often as it is stated, in any order', () => {
    const [large, small, back] = [bond, { ...bond, quantity: '7' }, mirrored({ ...bond, quantity: '3' })];
    const ours = { ...seller, legs: [large, small, back, cash] };
    const theirs = (legs: StatedLeg[]) => ({ ...buyer, legs: legs.map(mirrored) });
    expect(matchInstructions(ours, theirs([cash, back, small, large]), NOW).matched).toBe(true);
    expect(matchInstructions(ours, theirs([large, large, back, cash]), NOW)).toMatchObject({
      refusal: 'match_quantities_differ',
    });
    expect(matchInstructions(ours, theirs([large, small, mirrored(back), cash]), NOW)).toMatchObject({
      refusal: 'match_directions_not_complementary',
    });
  });

  it('pairs each leg of the other side with one of ours, equal legs one to one', () => {
    const ours = [cash, bond, bond];
    const paired = pairLegs(ours, [mirrored(bond), mirrored(cash), mirrored(bond)]);
    expect(paired[1]).toBe(0);
    expect(new Set([paired[0], paired[2]])).toEqual(new Set([1, 2]));
  });
});
