import { Interface, type Result } from 'ethers';

import { settlementCoordinatorAbi } from '../contracts/generated/abi.ts';
import { type Uuid, uuidToBytes32 } from '../domain/ids.ts';
import { ON_CHAIN_INDEX, type OnChainState, stateFromOnChainIndex } from '../domain/settlement-state.ts';
import { callError, type ContractCall, readContract } from './contract-call.ts';
import { decodeRevert, isRevert } from './contract-errors.ts';
import { encodeOpenings, type Opening } from './escrow.ts';
import type { CoordinatorChain } from './provider.ts';
import type { SettlementTerms } from './terms.ts';

export const coordinatorInterface = Interface.from(settlementCoordinatorAbi);

/** What the coordinator stores of a settlement. Bit i of a leg mask is leg i; bit c of a chain mask is the chain connected as number c. */
export interface OnChainSettlement {
  readonly termsHash: string;
  readonly state: OnChainState;
  /** ms since epoch. */
  readonly deadlineMs: number;
  readonly homeLegBits: number;
  readonly depositedBits: number;
  readonly refundedBits: number;
  /** Chains with legs of the settlement, the coordinator's own left out. */
  readonly remoteChainBits: number;
  /** Of those, the ones that have voted PREPARED in time. */
  readonly preparedBits: number;
  /** Of those, the ones that have reported EXECUTED. */
  readonly executedBits: number;
  /** Whether the legs of the coordinator's chain are paid out; true from the decision on when there are none. */
  readonly homeExecuted: boolean;
}

/** A chain that the coordinator is connected to. Addresses in lower case. */
export interface ConnectedChain {
  /** LayerZero's id of the chain. */
  readonly endpointId: number;
  readonly gateway: string;
  readonly escrow: string;
  /** Its bit in the chain masks of `OnChainSettlement`. */
  readonly index: number;
}

/** Kinds of messages between the chains, by their number in the codec. */
export const MESSAGE_KIND = { OPEN: 1, PREPARED: 2, EXECUTE: 3, ROLLBACK: 4, EXECUTED: 5 } as const;
export type MessageKind = keyof typeof MESSAGE_KIND;

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
  /**
   * Pays out the legs of the coordinator's chain. Anybody, once every leg everywhere is in; needed when a vote was last, or when the last deposit did
   * not do it. `payees` has one entry for each leg of the terms; null for legs on other chains.
   */
  execute(terms: SettlementTerms, payees: readonly (Opening | null)[]): ContractCall;
  /** Lets deposits begin on another chain. Anybody, while deposits are open. `fee` in wei, see `quoteOpen`; what is too much comes back. */
  sendOpen(terms: SettlementTerms, chainId: number, fee: bigint): ContractCall;
  /** Tells another chain of the settlement what was decided, EXECUTE or ROLLBACK. Anybody, for ever. `fee` in wei, see `quoteDecision`. */
  sendDecision(settlementId: Uuid, chainId: number, fee: bigint): ContractCall;
  /** Wei of the message. Throws the error of the refusal when the settlement's state calls for no such message. */
  quoteOpen(terms: SettlementTerms, chainId: number): Promise<bigint>;
  /** Wei of the message. Throws the error of the refusal when nothing is decided. */
  quoteDecision(settlementId: Uuid, chainId: number): Promise<bigint>;
  /** Undefined for a chain that the coordinator is not connected to. */
  remoteChain(chainId: number): Promise<ConnectedChain | undefined>;
  /** ms after the deadline for which a settlement with every leg of the coordinator's chain in waits for votes. */
  messageGraceMs(): Promise<number>;
  exists(settlementId: Uuid): Promise<boolean>;
  /** Undefined for a settlement that the contract does not know. */
  stateOf(settlementId: Uuid): Promise<OnChainState | undefined>;
  /** Undefined for a settlement that the contract does not know. */
  settlementOf(settlementId: Uuid): Promise<OnChainSettlement | undefined>;
  allLegsDeposited(settlementId: Uuid): Promise<boolean>;
  /** The contract's own answer, to compare with `termsHash`. */
  hashTerms(terms: SettlementTerms): Promise<string>;
}

/** Ends a settlement that is not decided by its deadline. */
export function encodeTimeout(coordinator: string, settlementId: Uuid): ContractCall {
  return {
    to: coordinator.toLowerCase(),
    data: coordinatorInterface.encodeFunctionData('timeout', [uuidToBytes32(settlementId)]),
  };
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
    timeout: (id) => encodeTimeout(target.address, id),
    execute: (terms, payees) => encode('execute', [terms.params, encodeOpenings(payees)]),
    sendOpen: (terms, chainId, fee) => ({ ...encode('sendOpen', [terms.params, chainId]), value: fee }),
    sendDecision: (id, chainId, fee) => ({ ...encode('sendDecision', [uuidToBytes32(id), chainId]), value: fee }),
    quoteOpen: async (terms, chainId) =>
      toWei(await readContract(chain, target, 'quoteOpen', [terms.params, chainId]), 'quoteOpen'),
    quoteDecision: async (id, chainId) =>
      toWei(await readContract(chain, target, 'quoteDecision', [uuidToBytes32(id), chainId]), 'quoteDecision'),
    remoteChain: (chainId) => readConnectedChain(chain, target, chainId),
    messageGraceMs: async () => Number(await readContract(chain, target, 'messageGrace', [])) * 1_000,
    exists,
    stateOf: async (id) => (await settlementOf(id))?.state,
    settlementOf,
    allLegsDeposited: async (id) =>
      (await readContract(chain, target, 'allLegsDeposited', [uuidToBytes32(id)])) === true,
    hashTerms: async (terms) => String(await readContract(chain, target, 'hashTerms', [terms.params])),
  };
}

/** The view reverts for a chain that is not connected; only that refusal means "no such chain". */
async function readConnectedChain(
  chain: CoordinatorChain,
  target: { contract: Interface; address: string },
  chainId: number,
): Promise<ConnectedChain | undefined> {
  const data = target.contract.encodeFunctionData('remoteChain', [chainId]);
  const answer = await chain.call({ to: target.address, data }).catch((error: unknown) => {
    if (isRevert(error) && decodeRevert(error.data).name === 'ChainNotConnected') return undefined;
    throw callError(chain.chainId, error);
  });
  if (answer === undefined) return undefined;
  const [endpointId, gateway, escrow, index]: unknown[] = target.contract
    .decodeFunctionResult('remoteChain', answer)
    .toArray();
  return {
    endpointId: Number(endpointId),
    gateway: String(gateway).toLowerCase(),
    escrow: String(escrow).toLowerCase(),
    index: Number(index),
  };
}

function toWei(value: unknown, name: string): bigint {
  if (typeof value !== 'bigint') throw new TypeError(`${name} answers wei`);
  return value;
}

function toSettlement(row: Result): OnChainSettlement {
  const [termsHash, state, deadline, homeLegBits, depositedBits, refundedBits, ...remote]: unknown[] = row.toArray();
  const [remoteChainBits, preparedBits, executedBits, homeExecuted] = remote;
  return {
    termsHash: String(termsHash).toLowerCase(),
    state: stateFromOnChainIndex(Number(state)),
    deadlineMs: Number(deadline) * 1_000,
    homeLegBits: Number(homeLegBits),
    depositedBits: Number(depositedBits),
    refundedBits: Number(refundedBits),
    remoteChainBits: Number(remoteChainBits),
    preparedBits: Number(preparedBits),
    executedBits: Number(executedBits),
    homeExecuted: homeExecuted === true,
  };
}
