import { Interface, keccak256, type Result, toUtf8Bytes } from 'ethers';

import { complianceRegistryAbi } from '../contracts/generated/abi.ts';
import { type Uuid, uuidToBytes32 } from '../domain/ids.ts';
import { type ContractCall, readContract } from './contract-call.ts';
import type { CoordinatorChain } from './provider.ts';

export const registryInterface = Interface.from(complianceRegistryAbi);

/** Status values of seed 002. */
export const COMPLIANCE_STATUS = { PASS: 1, FLAGGED: 2, FAIL: 3 } as const;
export type ComplianceStatusName = keyof typeof COMPLIANCE_STATUS;

export interface Attestation {
  readonly settlementId: Uuid;
  /** bytes32, see `partyHash`. */
  readonly partyHash: string;
  readonly status: ComplianceStatusName;
  /** bytes32, see `referenceHash`. */
  readonly referenceHash: string;
}

/** keccak256 of the UTF-8 bytes of a provider's reference id (seed 002): the id itself never goes on chain. */
export function referenceHash(referenceId: string): string {
  return keccak256(toUtf8Bytes(referenceId));
}

/** Whose word opens a gate: at least `threshold` of the attesters say Pass, and none of them says otherwise. */
export interface AttesterSet {
  /** Lower-case addresses, ascending. */
  readonly attesters: readonly string[];
  readonly threshold: number;
}

/** Calls of the registry, ready for an attester's journal, and its views about the newest block. */
export interface RegistryClient {
  readonly address: string;
  /** What the signing attester says about several parties. The contract takes at most 128 at once and not none. */
  attestBatch(attestations: readonly Attestation[]): ContractCall;
  /** False for unknown settlements and for parties that are not registered. */
  isCleared(settlementId: Uuid, partyHash: string): Promise<boolean>;
  /** False for unknown settlements and for settlements without parties. */
  areAllPartiesCleared(settlementId: Uuid): Promise<boolean>;
  /** Throws `configuration_invalid` for a set that is not registered. `attesterSet` is bytes32. */
  attesterSetOf(attesterSet: string): Promise<AttesterSet>;
  /** The latest word of one attester about one party; `NONE` when it never spoke. */
  latestOf(settlementId: Uuid, partyHash: string, attester: string): Promise<ComplianceStatusName | 'NONE'>;
}

export function createRegistryClient(chain: CoordinatorChain): RegistryClient {
  const target = { contract: registryInterface, address: chain.registry };
  return {
    address: target.address,
    attestBatch: (attestations) => ({
      to: target.address,
      data: registryInterface.encodeFunctionData('attestBatch', [
        attestations.map((attestation) => ({
          settlementId: uuidToBytes32(attestation.settlementId),
          partyHash: attestation.partyHash,
          status: COMPLIANCE_STATUS[attestation.status],
          referenceHash: attestation.referenceHash,
        })),
      ]),
    }),
    isCleared: async (id, hash) => (await readContract(chain, target, 'isCleared', [uuidToBytes32(id), hash])) === true,
    areAllPartiesCleared: async (id) =>
      (await readContract(chain, target, 'areAllPartiesCleared', [uuidToBytes32(id)])) === true,
    attesterSetOf: async (attesterSet) =>
      toAttesterSet((await readContract(chain, target, 'attesterSetOf', [attesterSet])) as Result),
    latestOf: async (id, hash, attester) =>
      statusOfIndex(await readContract(chain, target, 'latestOf', [uuidToBytes32(id), hash, attester])),
  };
}

function toAttesterSet(row: Result): AttesterSet {
  const [attesters, threshold]: unknown[] = row.toArray();
  return {
    attesters: (attesters as Result).toArray().map((attester: unknown) => String(attester).toLowerCase()),
    threshold: Number(threshold),
  };
}

function statusOfIndex(index: unknown): ComplianceStatusName | 'NONE' {
  if (index === 0n) return 'NONE';
  for (const [name, value] of Object.entries(COMPLIANCE_STATUS)) {
    if (BigInt(value) === index) return name as ComplianceStatusName;
  }
  throw new RangeError(`no compliance status has the index ${String(index)}`);
}
