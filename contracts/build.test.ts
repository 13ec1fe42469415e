import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';
import { Interface } from 'ethers';

import { buildContracts, CONTRACT_NAMES, compileAbis, loadArtifact, renderAbi } from './build.ts';
import { complianceRegistryAbi, keystoneEscrowAbi, settlementCoordinatorAbi } from './generated/abi.ts';

/** A cold build takes 35 s on an idle machine. */
const COMPILATION_MS = 240_000;
/** EIP-170. */
const CODE_LIMIT_BYTES = 24_576;

describe('the contract build', () => {
  it(
    'keeps the committed ABIs equal to what the sources compile to',
    async () => {
      const committed = await readFile(join(import.meta.dirname, 'generated', 'abi.ts'), 'utf8');
      expect(renderAbi(await compileAbis())).toBe(committed);
    },
    COMPILATION_MS,
  );

  it(
    'compiles nothing when nothing has changed, and offers every artifact',
    async () => {
      await buildContracts();
      const lines: string[] = [];
      const again = await buildContracts({ onProgress: (line) => lines.push(line) });
      expect(again.cached).toBe(true);
      expect(lines).toHaveLength(1);
      for (const name of CONTRACT_NAMES) {
        const artifact = await loadArtifact(name);
        const codeBytes = (artifact.deployedBytecode.length - 2) / 2;
        expect(codeBytes).toBeGreaterThan(100);
        expect(codeBytes).toBeLessThanOrEqual(CODE_LIMIT_BYTES);
      }
    },
    COMPILATION_MS,
  );

  it('publishes the names that seed documents and other rooms rely on', () => {
    const registry = new Interface(complianceRegistryAbi);
    expect(registry.getFunction('attest')?.format()).toBe('attest(bytes32,bytes32,uint8,bytes32)');
    expect(registry.getFunction('isCleared')?.format()).toBe('isCleared(bytes32,bytes32)');
    expect(registry.getFunction('areAllPartiesCleared')?.format()).toBe('areAllPartiesCleared(bytes32)');
    expect(registry.getEvent('Attested')?.format()).toBe('Attested(bytes32,bytes32,address,uint8,bytes32,uint40)');

    const coordinator = new Interface(settlementCoordinatorAbi);
    expect(coordinator.getEvent('StateTransition')?.format()).toBe('StateTransition(bytes32,uint8,uint8,bytes32)');
    expect(coordinator.getFunction('createSettlement')?.format()).toBe(
      'createSettlement((bytes32,bytes32,uint64,bytes32[],' +
        '(uint64,address,address,uint8,uint256,bytes32,uint256,uint8,uint8,(address,uint256)[])[]))',
    );

    const escrow = new Interface(keystoneEscrowAbi);
    const event = (name: string): string | undefined => escrow.getEvent(name)?.format();
    expect(event('LegDeposited')).toBe('LegDeposited(bytes32,uint256,address,address,uint256,uint256)');
    expect(event('LegReleased')).toBe('LegReleased(bytes32,uint256,address,address,uint256,uint256)');
    expect(event('LegRefunded')).toBe('LegRefunded(bytes32,uint256,address,address,uint256,uint256)');
    expect(event('FeePaid')).toBe('FeePaid(bytes32,uint256,address,address,uint256)');
  });
});
