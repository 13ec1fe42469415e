import type { TransactionLike } from 'ethers';

import type { Database, Transaction } from '../db/pool.ts';
import type { EffectKey } from '../domain/effect-key.ts';
import type { Uuid } from '../domain/ids.ts';
import type { ChainLimits } from './limits.ts';
import type { Chain } from './provider.ts';

/** Where an effect stands in the chain. */
export interface Inclusion {
  /** Lower-case hex. */
  readonly transactionHash: string;
  readonly blockNumber: number;
  readonly blockHash: string;
  /** ms since epoch. */
  readonly blockTimestampMs: number;
}

/** An effect that is on chain already, whoever sent it; `effects.ts` finds these. */
export type AlreadyDone = Inclusion;

/** One thing that shall happen on chain exactly once. */
export interface TransactionIntent {
  readonly effectKey: EffectKey;
  readonly settlementId?: Uuid;
  readonly to: string;
  readonly data: string;
  /** Wei; 0 unless given. */
  readonly value?: bigint;
  /** Asks the chain. Called before anything is signed, and again when a nonce was lost. */
  readonly alreadyDone: () => Promise<AlreadyDone | undefined>;
  /** Runs in the transaction that stores the signed row, e.g. marks the settlement as registered on chain. No calls to the outside. */
  readonly inTransaction?: (transaction: Transaction) => Promise<void>;
}

export interface WaitOptions {
  /** Stops the wait, not the transaction: what is stored will be broadcast by the next submit or sweep. */
  readonly signal: AbortSignal;
  /** Called in every round of a wait: about once a second, or after the time limit of a call that the node does not answer. */
  readonly heartbeat: () => void;
}

export interface SubmitResult extends Inclusion {
  /** True when the effect was on chain before this call signed anything for it. */
  readonly alreadyDone: boolean;
}

export type JournalEvent = {
  readonly chainId: number;
  readonly signer: string;
  readonly nonce: number;
  readonly effectKey: string;
  readonly transactionHash: string;
} & (
  | { readonly kind: 'signed' | 'broadcast' | 'final' | 'replaced' | 'reorganised' | 'nonce_lost' | 'fee_capped' }
  | { readonly kind: 'included'; readonly blockNumber: number }
  | { readonly kind: 'reverted'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string }
);

/** Signs locally; an ethers Wallet is one. The journal checks each signature before it stores it. */
export interface TransactionSigner {
  readonly address: string;
  signTransaction(transaction: TransactionLike): Promise<string>;
}

export interface JournalDependencies {
  readonly database: Database;
  readonly chain: Chain;
  readonly signer: TransactionSigner;
  /** For logs and metrics; must not throw. */
  readonly onEvent?: (event: JournalEvent) => void;
  readonly limits?: Partial<ChainLimits>;
}

export interface SweepResult {
  readonly examined: number;
  readonly broadcast: number;
  readonly included: number;
  readonly final: number;
  readonly reverted: number;
  readonly reorganised: number;
}

/** The transactions of one signer on one chain. */
export interface Journal {
  readonly address: string;
  readonly chainId: number;
  /**
   * Makes the effect happen and waits for its inclusion (not for finality). Safe to repeat with the same effect key, from any process.
   * Throws `transaction_reverted`, `gate_closed`, `terms_differ`, `configuration_invalid` when the contract refuses (nothing is signed then, unless the
   * refusal came in the block), `signer_without_funds`, `transaction_not_included` when the wait is over, `chain_unavailable`.
   */
  submit(intent: TransactionIntent, options: WaitOptions): Promise<SubmitResult>;
  /**
   * Waits until the transaction, or the one that replaced it at its nonce, is final. Throws `transaction_reverted`, `chain_not_final`
   * when the wait is over, `chain_unavailable`.
   */
  waitFinal(transactionHash: string, options: WaitOptions): Promise<Inclusion>;
  /** Broadcasts again whatever of this chain is not included, byte for byte, and records what is included, final or gone. Safe beside others. */
  sweep(): Promise<SweepResult>;
}

/** What the parts of the journal share. */
export interface JournalContext {
  readonly database: Database;
  readonly chain: Chain;
  readonly signer: TransactionSigner;
  readonly limits: ChainLimits;
  readonly emit: (event: JournalEvent) => void;
}
