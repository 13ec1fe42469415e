import type { Database, Transaction } from '../db/pool.ts';
import type { EffectKey } from '../domain/effect-key.ts';
import type { Uuid } from '../domain/ids.ts';
import type { HeadWatcher } from './head-watcher.ts';
import type { ChainLimits } from './limits.ts';
import type { Chain } from './provider.ts';
import type { Signer } from './signers/signer.ts';
import type { TakeTurns } from './turns.ts';

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
  /**
   * Wei; 0 unless given. What carries value pays for a message between chains: with a `settlementId` it counts, gas included, against that
   * settlement's budget on this chain.
   */
  readonly value?: bigint;
  /** Asks the chain. Called before anything is signed, and again when a nonce was lost. */
  readonly alreadyDone: () => Promise<AlreadyDone | undefined>;
  /**
   * Asks the chain whether the effect has become senseless, e.g. because somebody else's is there. Called before anything is signed, and while the
   * transaction waits; once it is true nothing is signed, or the nonce is taken back by a transfer of nothing to oneself.
   */
  readonly cancelWhen?: () => Promise<boolean>;
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
  /** A cancellation was signed in place of the transaction; it is final. */
  | { readonly kind: 'cancelling' | 'cancelled' }
  /** The signer cannot pay for bytes that are signed: they stay, and are sent again. An operator has to be told. */
  | { readonly kind: 'without_funds' }
  /** Waits at the head of its line for longer than `resubmitMs`. `pooled`: some node keeps it. */
  | { readonly kind: 'stuck'; readonly pooled: boolean }
  | { readonly kind: 'included'; readonly blockNumber: number }
  | { readonly kind: 'reverted'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string }
);

/** The journal checks each signature before it stores it. An ethers Wallet is one as well. */
export type TransactionSigner = Pick<Signer, 'address' | 'signTransaction'>;

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
   * refusal came in the block), `signer_without_funds`, `message_fee_budget_exceeded` (nothing is signed), `transaction_cancelled` when the effect is
   * senseless and not there, `transaction_not_included` when the wait is over, `chain_unavailable`, `chain_disagreement`, `signer_unavailable`.
   */
  submit(intent: TransactionIntent, options: WaitOptions): Promise<SubmitResult>;
  /**
   * Waits until the transaction, or the one that replaced it at its nonce, is final. Throws `transaction_reverted`, `transaction_cancelled`,
   * `chain_not_final` when the wait is over, `chain_unavailable`, `chain_disagreement`.
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
  /** One per chain and process. */
  readonly watcher: HeadWatcher;
  /** One signature after the other, so that no more than one connection of this process waits for the lock of the nonces. */
  readonly takeTurns: TakeTurns;
}
