import type { SettlementTerms } from '../chain/terms.ts';
import type { ScreeningProvider } from '../compliance/provider.ts';
import type { Database, Transaction } from '../db/pool.ts';
import type { EffectKey } from '../domain/effect-key.ts';
import type { Uuid } from '../domain/ids.ts';
import type { OnChainState } from '../domain/settlement-state.ts';
import type { SigningKey } from '../keystone/keys.ts';
import type { ActivityLog } from './log.ts';
import type { StepContext } from './retry.ts';

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

export type AttestationStatus = 'NONE' | 'PASS' | 'FLAGGED' | 'FAIL';

export interface AttestationInput {
  readonly partyHash: string;
  readonly status: Exclude<AttestationStatus, 'NONE'>;
  /** The provider's reference id, or the id of the decision that lifted a flag; only its keccak256 goes on chain. */
  readonly reference: string;
}

/** The coordinator chain as the business steps see it. Every effect is journalled under its key and safe to repeat. */
export interface SettlementChain {
  readonly chainId: number;
  readonly coordinator: string;
  readonly registry: string;
  readonly escrow: string;
  readonly attester: string;
  /** bytes32 of a set that templates may name; throws `configuration_invalid` for an unknown name. */
  attesterSet(name: string): string;
  termsHash(terms: SettlementTerms): string;
  create(terms: SettlementTerms, intent: EffectIntent): Promise<IncludedEffect>;
  attest(attestations: readonly AttestationInput[], intent: EffectIntent): Promise<IncludedEffect>;
  advance(digest: string, intent: EffectIntent): Promise<IncludedEffect>;
  rollBack(evidence: string, intent: EffectIntent): Promise<IncludedEffect>;
  timeOut(intent: EffectIntent): Promise<IncludedEffect>;
  execute(terms: SettlementTerms, intent: EffectIntent): Promise<IncludedEffect>;
  refund(terms: SettlementTerms, intent: EffectIntent): Promise<IncludedEffect>;
  /** Undefined when the coordinator does not know the settlement. */
  stateOf(settlementId: Uuid): Promise<OnChainState | undefined>;
  gateIsOpen(settlementId: Uuid): Promise<boolean>;
  /** Whether every leg of the coordinator's chain is paid in; then anybody may execute, and nobody may time out for a while. */
  allLegsIn(settlementId: Uuid): Promise<boolean>;
  /** Our attester's latest word on each party hash, in the order given. */
  statusesOf(settlementId: Uuid, partyHashes: readonly string[]): Promise<AttestationStatus[]>;
  /** Number of the newest final block; 0 while there is none. */
  finalBlock(): Promise<number>;
  /** ms since epoch of the newest block. */
  headTimeMs(): Promise<number>;
}

export interface ActivityDependencies {
  readonly database: Database;
  readonly chain: SettlementChain;
  readonly providers: { readonly entity: ScreeningProvider; readonly wallet: ScreeningProvider };
  readonly signingKey: SigningKey;
  /** DID of this orchestrator: agent and settlement provider in the proof. */
  readonly identity: string;
  readonly log: ActivityLog;
  /**
   * Waits until any new block's time is later than a decision's (ms since epoch). Given only where there are no blocks, which is in the
   * benchmark of our overhead: there it would hide everything else.
   */
  readonly untilLaterSecond?: (decidedAtMs: number, context: StepContext) => Promise<void>;
}
