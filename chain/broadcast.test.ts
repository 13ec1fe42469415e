import { describe, expect, it } from '@jest/globals';
import { AbiCoder, Interface } from 'ethers';

import { complianceRegistryAbi, keystoneEscrowAbi, settlementCoordinatorAbi } from '../contracts/generated/abi.ts';
import { classifyBroadcastError } from './broadcast.ts';
import { decodeRevert, revertError } from './contract-errors.ts';
import { bumpFees } from './fees.ts';
import { CHAIN_LIMITS } from './limits.ts';

describe('a node that refuses bytes', () => {
  it.each([
    ['already known', 'accepted'],
    ['transaction already imported', 'accepted'],
    ['AlreadyKnown', 'accepted'],
    ['Known transaction', 'accepted'],
    ['nonce too low: next nonce 7, tx nonce 5', 'nonce_expired'],
    ['OldNonce', 'nonce_expired'],
    ['insufficient funds for gas * price + value: balance 0', 'without_funds'],
    ['Insufficient funds for gas * price + value', 'without_funds'],
    ['replacement transaction underpriced', 'underpriced'],
    ['max fee per gas less than block base fee', 'underpriced'],
    ['intrinsic gas too low', 'refused'],
    ['txpool is full', 'refused'],
  ])('with "%s" means %s', (message, kind) => {
    expect(classifyBroadcastError(message).kind).toBe(kind);
  });
});

describe('fees of a replacement', () => {
  it('grow by at least 10 % on both caps, whatever the present suggestion', () => {
    for (const wei of [1n, 7n, 10n ** 9n, 12_345_678_901n]) {
      const bumped = bumpFees({ maxFeeWei: wei, tipWei: wei }, { maxFeeWei: 0n, tipWei: 0n }, CHAIN_LIMITS);
      expect((bumped?.maxFeeWei ?? 0n) * 10n).toBeGreaterThanOrEqual(wei * 11n);
      expect((bumped?.tipWei ?? 0n) * 10n).toBeGreaterThanOrEqual(wei * 11n);
    }
  });

  it('follow a suggestion that is higher, and stop at the cap', () => {
    const previous = { maxFeeWei: 10n ** 9n, tipWei: 10n ** 9n };
    const suggested = { maxFeeWei: 50n * 10n ** 9n, tipWei: 3n * 10n ** 9n };
    expect(bumpFees(previous, suggested, CHAIN_LIMITS)).toEqual(suggested);
    const dear = { maxFeeWei: 400n * 10n ** 9n, tipWei: 10n ** 9n };
    expect(bumpFees(dear, { maxFeeWei: 50n * 10n ** 9n, tipWei: 10n ** 9n }, CHAIN_LIMITS)).toBeUndefined();
  });
});

describe('a revert', () => {
  it('of every error that the contracts declare is told by its name', () => {
    for (const abi of [settlementCoordinatorAbi, complianceRegistryAbi, keystoneEscrowAbi]) {
      const contract = Interface.from(abi);
      contract.forEachError((fragment) => {
        const values = fragment.inputs.map((input) =>
          input.type === 'string' ? 'x' : (AbiCoder.defaultAbiCoder().getDefaultValue([input])[0] as unknown),
        );
        const reason = decodeRevert(contract.encodeErrorResult(fragment, values));
        expect(reason.name).toBe(fragment.name);
        expect(revertError(reason).detail).toContain(fragment.name);
      });
    }
  });

  it.each([undefined, '0x', '0x12345678', '0x08c379a0ff', '0x9b5d1f2e00'])(
    'with the bytes %s is unknown, not a crash',
    (data) => {
      expect(decodeRevert(data).name).toBe('unknown');
      expect(revertError(decodeRevert(data)).code).toBe('transaction_reverted');
    },
  );
});
