import type { Opening } from '../chain/escrow.ts';
import type { RemotePhase } from '../chain/gateway.ts';
import type { AttesterSet } from '../chain/registry.ts';
import type { SettlementTerms } from '../chain/terms.ts';
import type { Transaction } from '../db/pool.ts';
import type { EffectKey } from '../domain/effect-key.ts';
import type { Uuid } from '../domain/ids.ts';
import type { OnChainState } from '../domain/settlement-state.ts';
import type { StepContext } from './retry.ts';

/**
 * The chains of a settlement as the business steps see them. Home is the coordinator's chain; every other chain that a leg may live on is a
 * remote one. Views answer about the newest block and are good enough to act on, since the contracts check again; what is told to platforms
 * comes from `keystone.chain_events`, which holds final facts only. Every effect is journalled under its key and safe to repeat.
 */
export interface SettlementChains {
  readonly home: HomeChain;
  /** By chain id. */
  readonly remotes: ReadonlyMap<number, RemoteChain>;
}

/** An effect that is in a block. Not yet final: only `keystone.chain_events` holds final facts. */
export interface IncludedEffect {
  readonly transactionHash: string;
  readonly blockNumber: number;
}

export interface EffectIntent {
  readonly effectKey: EffectKey;
  readonly settlementId: Uuid;
  readonly context: StepContext;
  /** Runs in the transaction that stores the signed bytes, before they are sent. Throwing keeps them from being sent. */
  readonly inTransaction?: (transaction: Transaction) => Promise<void>;
}

/**
 * The effect of sending a message: `feeWei` was quoted, what is too much comes back to the sender. The journal refuses what exceeds the
 * budget of the settlement on the paying chain (`message_fee_budget_exceeded`).
 */
export interface MessageIntent extends EffectIntent {
  readonly feeWei: bigint;
}

export type AttestationStatus = 'NONE' | 'PASS' | 'FLAGGED' | 'FAIL';

export interface AttestationInput {
  readonly partyHash: string;
  readonly status: Exclude<AttestationStatus, 'NONE'>;
  /** The provider's reference id, or the id of the decision that lifted a flag; only its keccak256 goes on chain. */
  readonly reference: string;
}

/** One for each leg of the terms; null for legs that the call does not concern. */
export type LegOpenings = readonly (Opening | null)[];

/** Every chain has an escrow; its money can be moved by anybody, but only where the gate has said it goes. */
export interface EscrowChain {
  readonly chainId: number;
  readonly escrow: string;
  /** Pays out the legs of this chain; `openings` open their payees. */
  execute(terms: SettlementTerms, openings: LegOpenings, intent: EffectIntent): Promise<IncludedEffect>;
  /** Hands legs of this chain back; `openings` open their payers. */
  refund(terms: SettlementTerms, openings: LegOpenings, intent: EffectIntent): Promise<IncludedEffect>;
  /** ms since epoch of the newest block. */
  headTimeMs(): Promise<number>;
}

/** What the coordinator says of a settlement. Bit i of a mask is leg i. */
export interface HomeStatus {
  readonly state: OnChainState;
  /** ms since epoch */
  readonly deadlineMs: number;
  readonly legBits: number;
  readonly depositedBits: number;
  readonly refundedBits: number;
  /** Whether the home legs were paid out; true once EXECUTE is decided when there are none. */
  readonly executed: boolean;
  /** The remote chains of the settlement whose PREPARED, and whose EXECUTED, was counted. */
  readonly preparedChains: readonly number[];
  readonly executedChains: readonly number[];
}

export interface HomeChain extends EscrowChain {
  readonly coordinator: string;
  readonly registry: string;
  /** Our own attester. */
  readonly oracle: string;
  /** bytes32 of a set that templates may name; throws `configuration_invalid` for an unknown name. */
  attesterSet(name: string): string;
  membersOf(attesterSet: string): Promise<AttesterSet>;
  termsHash(terms: SettlementTerms): string;
  create(terms: SettlementTerms, intent: EffectIntent): Promise<IncludedEffect>;
  attest(attestations: readonly AttestationInput[], intent: EffectIntent): Promise<IncludedEffect>;
  advance(digest: string, intent: EffectIntent): Promise<IncludedEffect>;
  rollBack(evidence: string, intent: EffectIntent): Promise<IncludedEffect>;
  timeOut(intent: EffectIntent): Promise<IncludedEffect>;
  /** Wei. */
  quoteOpen(terms: SettlementTerms, chainId: number): Promise<bigint>;
  sendOpen(terms: SettlementTerms, chainId: number, intent: MessageIntent): Promise<IncludedEffect>;
  /** Wei. */
  quoteDecision(settlementId: Uuid, chainId: number): Promise<bigint>;
  /** EXECUTE or ROLLBACK, whichever was decided. */
  sendDecision(chainId: number, intent: MessageIntent): Promise<IncludedEffect>;
  /** Undefined when the coordinator does not know the settlement. */
  statusOf(settlementId: Uuid): Promise<HomeStatus | undefined>;
  /** How long after its deadline a settlement whose home legs are all in waits for votes. */
  messageGraceMs(): Promise<number>;
  gateIsOpen(settlementId: Uuid): Promise<boolean>;
  /** The attester's latest word on each party hash, in the order given. */
  statusesOf(settlementId: Uuid, partyHashes: readonly string[], attester: string): Promise<AttestationStatus[]>;
  /** Number of the newest final block; 0 while there is none. */
  finalBlock(): Promise<number>;
}

/** What the gateway says of a settlement; zeroes for one that it does not know. */
export interface RemoteStatus {
  readonly phase: RemotePhase;
  /** ms since epoch; 0 while the phase is NONE. */
  readonly deadlineMs: number;
  readonly legBits: number;
  readonly depositedBits: number;
  readonly refundedBits: number;
}

export interface RemoteChain extends EscrowChain {
  readonly gateway: string;
  statusOf(settlementId: Uuid): Promise<RemoteStatus>;
  /** Wei. */
  quoteVote(settlementId: Uuid): Promise<bigint>;
  /** PREPARED or EXECUTED, whichever is true. */
  sendVote(intent: MessageIntent): Promise<IncludedEffect>;
}
