import { Interface, type Result } from 'ethers';

import { settlementCoordinatorAbi } from '../contracts/generated/abi.ts';
import { type Uuid, uuidToBytes32 } from '../domain/ids.ts';
import { ON_CHAIN_INDEX, type OnChainState, stateFromOnChainIndex } from '../domain/settlement-state.ts';
import { type ContractCall, readContract } from './contract-call.ts';
import type { CoordinatorChain } from './provider.ts';
import type { SettlementTerms } from './terms.ts';

export const coordinatorInterface = Interface.from(settlementCoordinatorAbi);

/** What the coordinator stores of a settlement. Bit i of a mask is leg i. */
export interface OnChainSettlement {
  readonly termsHash: string;
  readonly state: OnChainState;
  /** ms since epoch. */
  readonly deadlineMs: number;
  readonly homeLegBits: number;
  readonly depositedBits: number;
  readonly refundedBits: number;
}

/** Calls of the coordinator, ready for the journal, and its views. Views answer about the newest block: only the indexer's rows are final. */
export interface CoordinatorClient {
  readonly address: string;
  /** Needs CREATOR_ROLE. */
  createSettlement(terms: SettlementTerms): ContractCall;
  /** COMPLIANCE_CHECKING → COMPLIANCE_CLEARED → AWAITING_DEPOSITS. `decisionDigest` is bytes32 and not zero. Needs ENGINE_ROLE. */
  advance(settlementId: Uuid, decisionDigest: string): ContractCall;
  /** Needs ENGINE_ROLE; the engine uses it for ROLLED_BACK. `evidenceHash` is bytes32. */
  transition(
    settlementId: Uuid,
    target: 'COMPLIANCE_CLEARED' | 'AWAITING_DEPOSITS' | 'ROLLED_BACK',
    evidenceHash: string,
  ): ContractCall;
  /** Anybody, from the deadline on. */
  timeout(settlementId: Uuid): ContractCall;
  /** Anybody, once all legs are in; needed only when the last deposit did not execute. */
  execute(terms: SettlementTerms): ContractCall;
  exists(settlementId: Uuid): Promise<boolean>;
  /** Undefined for a settlement that the contract does not know. */
  stateOf(settlementId: Uuid): Promise<OnChainState | undefined>;
  /** Undefined for a settlement that the contract does not know. */
  settlementOf(settlementId: Uuid): Promise<OnChainSettlement | undefined>;
  allLegsDeposited(settlementId: Uuid): Promise<boolean>;
  /** The contract's own answer, to compare with `termsHash`. */
  hashTerms(terms: SettlementTerms): Promise<string>;
}

export function createCoordinatorClient(chain: CoordinatorChain): CoordinatorClient {
  const target = { contract: coordinatorInterface, address: chain.coordinator };
  const encode = (name: string, values: readonly unknown[]): ContractCall => ({
    to: target.address,
    data: coordinatorInterface.encodeFunctionData(name, values),
  });
  const exists = async (id: Uuid): Promise<boolean> =>
    (await readContract(chain, target, 'exists', [uuidToBytes32(id)])) === true;
  const settlementOf = async (id: Uuid): Promise<OnChainSettlement | undefined> => {
    // Asked first, since the view reverts for an unknown id and a revert cannot be told from a lagging node's.
    if (!(await exists(id))) return undefined;
    return toSettlement((await readContract(chain, target, 'settlementOf', [uuidToBytes32(id)])) as Result);
  };

  return {
    address: target.address,
    createSettlement: (terms) => encode('createSettlement', [terms.params]),
    advance: (id, digest) => encode('advance', [uuidToBytes32(id), digest]),
    transition: (id, state, evidence) => encode('transition', [uuidToBytes32(id), ON_CHAIN_INDEX[state], evidence]),
    timeout: (id) => encode('timeout', [uuidToBytes32(id)]),
    execute: (terms) => encode('execute', [terms.params]),
    exists,
    stateOf: async (id) => (await settlementOf(id))?.state,
    settlementOf,
    allLegsDeposited: async (id) =>
      (await readContract(chain, target, 'allLegsDeposited', [uuidToBytes32(id)])) === true,
    hashTerms: async (terms) => String(await readContract(chain, target, 'hashTerms', [terms.params])),
  };
}

function toSettlement(row: Result): OnChainSettlement {
  const [termsHash, state, deadline, homeLegBits, depositedBits, refundedBits]: unknown[] = row.toArray();
  return {
    termsHash: String(termsHash).toLowerCase(),
    state: stateFromOnChainIndex(Number(state)),
    deadlineMs: Number(deadline) * 1_000,
    homeLegBits: Number(homeLegBits),
    depositedBits: Number(depositedBits),
    refundedBits: Number(refundedBits),
  };
}
