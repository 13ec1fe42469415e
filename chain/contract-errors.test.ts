import { describe, expect, it } from '@jest/globals';
import { AbiCoder, Interface } from 'ethers';

import {
  complianceRegistryAbi,
  gatewayAbi,
  keystoneEscrowAbi,
  settlementCoordinatorAbi,
} from '../contracts/generated/abi.ts';
import { decodeRevert, refusalKind, revertError } from './contract-errors.ts';

const ABIS = [settlementCoordinatorAbi, complianceRegistryAbi, keystoneEscrowAbi, gatewayAbi];
/** Refusals that pass by themselves; a new error that passes has to be added here, too. */
const TRANSIENT = [
  'EnforcedPause',
  'NothingToExecute',
  'NothingToRefund',
  'NothingToSend',
  'NothingToVote',
  'RefundNotAvailable',
  'ReleaseNotAvailable',
  'TimeoutNotDue',
  'UnknownSettlement',
  'VotesMissing',
];
/** `LZ_InsufficientFee(uint256,uint256,uint256,uint256)` and `LZ_Unauthorized()` of EndpointV2. */
const INSUFFICIENT_FEE = `0x4f3ec0d3${'00'.repeat(128)}`;
const UNAUTHORIZED = '0xc4c52593';

describe('a revert', () => {
  it('of every error that the contracts declare is told by its name, and is permanent unless it is known to pass', () => {
    const transient = new Set<string>();
    for (const abi of ABIS) {
      const contract = Interface.from(abi);
      contract.forEachError((fragment) => {
        const values = fragment.inputs.map((input) =>
          input.type === 'string' ? 'x' : (AbiCoder.defaultAbiCoder().getDefaultValue([input])[0] as unknown),
        );
        const reason = decodeRevert(contract.encodeErrorResult(fragment, values));
        expect(reason.name).toBe(fragment.name);
        const error = revertError(reason);
        expect(error.detail).toContain(fragment.name);
        // What Temporal does with it follows from the catalogue: only these may be tried again without anybody looking.
        expect(error.retry === 'later').toBe(refusalKind(reason) === 'transient');
        if (refusalKind(reason) === 'transient') transient.add(fragment.name);
      });
    }
    expect([...transient].toSorted()).toEqual(TRANSIENT);
  });

  it('of the messaging endpoint is unknown, shown by its selector, and permanent', () => {
    const reason = decodeRevert(UNAUTHORIZED);
    expect(reason).toEqual({ name: 'unknown', arguments: [UNAUTHORIZED] });
    expect(revertError(reason)).toMatchObject({
      code: 'transaction_reverted',
      detail: expect.stringContaining(UNAUTHORIZED),
    });
    expect(refusalKind(reason)).toBe('permanent');
  });

  it('for a message fee that has risen since it was quoted passes: whoever quotes again pays enough', () => {
    expect(refusalKind(decodeRevert(INSUFFICIENT_FEE))).toBe('transient');
  });

  it.each([undefined, '0x', '0x12345678', '0x08c379a0ff', '0x9b5d1f2e00'])(
    'with the bytes %s is unknown, not a crash',
    (data) => {
      expect(decodeRevert(data).name).toBe('unknown');
      expect(revertError(decodeRevert(data)).code).toBe('transaction_reverted');
    },
  );

  it('never shows arguments in public', () => {
    const shown = revertError({ name: 'CallerNotPayer', arguments: ['0xSecretWallet'] });
    expect(shown.detail).not.toContain('0xSecretWallet');
  });
});
