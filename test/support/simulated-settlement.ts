import type { Opening } from '../../chain/escrow.ts';
import type { RemotePhase } from '../../chain/gateway.ts';
import type { MessageKind } from '../../chain/coordinator.ts';
import type { SettlementTerms } from '../../chain/terms.ts';
import type { AttestationStatus } from '../../activities/dependencies.ts';
import type { ChainEventRow } from '../../db/chain-events.ts';
import type { Transaction } from '../../db/pool.ts';
import { KeystoneError } from '../../domain/errors.ts';
import type { Uuid } from '../../domain/ids.ts';
import type { OnChainState } from '../../domain/settlement-state.ts';

/** SIMULATED: what the contracts of all chains hold of one settlement. */
export interface SimulatedSettlement {
  readonly terms: SettlementTerms;
  /** Of each leg, as the real escrow learns them from the deposit. */
  readonly payees: readonly Opening[];
  state: OnChainState;
  depositedBits: number;
  refundedBits: number;
  executed: boolean;
  readonly prepared: Set<number>;
  readonly executedChains: Set<number>;
  /** `<party hash>/<attester>` → the latest word. */
  readonly words: Map<string, AttestationStatus>;
  readonly remotes: Map<number, SimulatedRemote>;
}

export interface SimulatedRemote {
  phase: RemotePhase;
  depositedBits: number;
  refundedBits: number;
}

export function newSettlement(
  terms: SettlementTerms,
  payees: readonly Opening[],
  homeChainId: number,
): SimulatedSettlement {
  const remotes = [...new Set(terms.params.legs.map((leg) => Number(leg.chainId)))].filter((id) => id !== homeChainId);
  return {
    terms,
    payees,
    state: 'COMPLIANCE_CHECKING',
    depositedBits: 0,
    refundedBits: 0,
    executed: false,
    prepared: new Set(),
    executedChains: new Set(),
    words: new Map(),
    remotes: new Map(remotes.map((id) => [id, { phase: 'NONE', depositedBits: 0, refundedBits: 0 }])),
  };
}

export function legBitsOn({ terms }: SimulatedSettlement, chainId: number): number {
  return terms.params.legs.reduce(
    (bits, leg, index) => (Number(leg.chainId) === chainId ? bits | (1 << index) : bits),
    0,
  );
}

export function legsIn(bits: number): number[] {
  return Array.from({ length: 8 }, (_, index) => index).filter((index) => (bits >> index) % 2 === 1);
}

export function deadlineMsOf({ terms }: SimulatedSettlement): number {
  return Number(terms.params.deadline) * 1_000;
}

export function allPrepared(settlement: SimulatedSettlement): boolean {
  return [...settlement.remotes.keys()].every((chainId) => settlement.prepared.has(chainId));
}

export function allExecuted(settlement: SimulatedSettlement): boolean {
  return (
    settlement.executed && [...settlement.remotes.keys()].every((chainId) => settlement.executedChains.has(chainId))
  );
}

export interface SimulatedMessage {
  readonly kind: MessageKind;
  readonly settlementId: Uuid;
  readonly from: number;
  readonly to: number;
}

/** Where the chains put their facts: each at once, unless somebody who measures stores those of a settlement together, as the indexer does. */
export interface FactStore {
  keep(fact: ChainEventRow): Promise<void>;
  /** Called in the transaction that wakes the settlement's workflow. */
  beforeWake(transaction: Transaction, settlementId: Uuid): Promise<void>;
}

export const SIMULATED = {
  coordinator: `0x${'c0'.repeat(20)}`,
  registry: `0x${'c1'.repeat(20)}`,
  oracle: `0x${'c3'.repeat(20)}`,
  escrow: (chainId: number) => `0x${chainId.toString(16).padStart(40, 'e')}`,
  gateway: (chainId: number) => `0x${chainId.toString(16).padStart(40, 'd')}`,
  graceMs: 60_000,
  feeWei: 7n,
} as const;

export const ZERO_HASH = `0x${'0'.repeat(64)}`;

export function reverted(reason: string): KeystoneError {
  return new KeystoneError('transaction_reverted', `The contract refused: ${reason}.`);
}
