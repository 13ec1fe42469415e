import { findLiveTransaction } from '../db/chain-transactions.ts';
import { KeystoneError } from '../domain/errors.ts';
import { headWatcherOf } from './head-watcher.ts';
import { signAndStore } from './journal-sign.ts';
import { sweepChain } from './journal-sweep.ts';
import type {
  Journal,
  JournalContext,
  JournalDependencies,
  SubmitResult,
  TransactionIntent,
  WaitOptions,
} from './journal-types.ts';
import { awaitFinality, awaitInclusion } from './journal-wait.ts';
import { CHAIN_LIMITS } from './limits.ts';
import { createTurns } from './turns.ts';

export type * from './journal-types.ts';

/**
 * The journal of one signer on one chain. A transaction is stored, signed, before its bytes are sent, so that a process that dies at any
 * instant leaves either nothing or bytes that the next one sends again: the effect happens once. Several processes may share a signer; its nonces are
 * given out under a lock in Postgres.
 */
export function createJournal(dependencies: JournalDependencies): Journal {
  const limits = { ...CHAIN_LIMITS, ...dependencies.limits };
  const context: JournalContext = {
    database: dependencies.database,
    chain: dependencies.chain,
    signer: dependencies.signer,
    limits,
    emit: dependencies.onEvent ?? (() => undefined),
    watcher: headWatcherOf(dependencies.chain, limits),
    takeTurns: createTurns(),
  };
  return {
    address: dependencies.signer.address.toLowerCase(),
    chainId: dependencies.chain.chainId,
    submit: (intent, options) => submit(context, intent, options),
    waitFinal: (hash, options) => awaitFinality(context, hash, options),
    sweep: () => sweepChain(context),
  };
}

async function submit(context: JournalContext, intent: TransactionIntent, options: WaitOptions): Promise<SubmitResult> {
  const { chain, database, limits } = context;
  for (let attempt = 1; attempt <= limits.submitAttempts; attempt += 1) {
    options.signal.throwIfAborted();
    const stored = await database.transaction({ kind: 'worker' }, (transaction) =>
      findLiveTransaction(transaction, chain.chainId, intent.effectKey),
    );
    if (stored === undefined) {
      const done = await intent.alreadyDone();
      if (done !== undefined) return { ...done, alreadyDone: true };
      if ((await intent.cancelWhen?.()) === true) throw senseless(intent);
    }
    const row = stored ?? (await signAndStore(context, intent));
    const outcome = await awaitInclusion(context, row, intent, options).catch((error: unknown) =>
      byOthers(intent, error),
    );
    if (outcome === 'lost') continue;
    if (outcome === 'cancelled') {
      const done = await intent.alreadyDone();
      if (done === undefined) throw senseless(intent);
      return { ...done, alreadyDone: true };
    }
    return 'alreadyDone' in outcome ? outcome : { ...outcome, alreadyDone: false };
  }
  throw new KeystoneError(
    'transaction_not_included',
    'The nonces of the signer were taken by somebody else each time.',
  );
}

/** A contract that refuses in the block may do so because somebody was faster: then the effect is there, and nothing is wrong. */
async function byOthers(intent: TransactionIntent, error: unknown): Promise<SubmitResult> {
  const isRefusal = error instanceof KeystoneError && error.code === 'transaction_reverted';
  const done = isRefusal ? await intent.alreadyDone() : undefined;
  if (done === undefined) throw error;
  return { ...done, alreadyDone: true };
}

function senseless(intent: TransactionIntent): KeystoneError {
  return new KeystoneError('transaction_cancelled', `The effect ${intent.effectKey} has become senseless.`);
}
