import { Transaction as EthereumTransaction } from 'ethers';

import {
  type ChainTransactionRow,
  findLiveTransaction,
  insertTransaction,
  lockNextNonce,
  type NonceKey,
  spentOnMessages,
  storeNextNonce,
} from '../db/chain-transactions.ts';
import type { Transaction } from '../db/pool.ts';
import { KeystoneError } from '../domain/errors.ts';
import type { Uuid } from '../domain/ids.ts';
import { classifyBroadcastError } from './broadcast.ts';
import { decodeRevert, isRevert, revertError } from './contract-errors.ts';
import { type Fees, suggestFees } from './fees.ts';
import type { JournalContext, JournalEvent, TransactionIntent } from './journal-types.ts';
import type { CallRequest } from './provider.ts';
import { RpcError, rpcErrorToKeystone } from './rpc.ts';

interface Prepared {
  readonly request: CallRequest;
  readonly gasLimit: bigint;
  readonly fees: Fees;
  readonly onChainNonce: number;
}

export interface Unsigned {
  readonly nonce: number;
  readonly to: string;
  readonly data: string;
  readonly value: bigint;
  readonly gasLimit: bigint;
  readonly fees: Fees;
}

/**
 * Simulates the intent, then takes a nonce, signs and stores the row in one database transaction. A refused simulation takes no nonce. When
 * another process was faster, its row is the answer.
 */
export async function signAndStore(context: JournalContext, intent: TransactionIntent): Promise<ChainTransactionRow> {
  const prepared = await prepare(context, intent);
  const stored = await context.takeTurns(() => store(context, intent, prepared));
  if (stored.isNew) context.emit({ kind: 'signed', ...eventOf(stored.row) });
  return stored.row;
}

/**
 * The only call to the outside that runs inside a transaction is the signature, when a key management service makes it: the nonce that it covers must be
 * nobody else's until the row is stored. It has a time limit, and this process holds no second connection meanwhile.
 */
async function store(
  context: JournalContext,
  intent: TransactionIntent,
  prepared: Prepared,
): Promise<{ row: ChainTransactionRow; isNew: boolean }> {
  const { chain, database, signer } = context;
  const value = intent.value ?? 0n;
  const isMessage = value > 0n;
  return database.transaction({ kind: 'worker' }, async (transaction) => {
    const address = signer.address.toLowerCase();
    const nonce = await lockNextNonce(transaction, chain.chainId, address, prepared.onChainNonce);
    const live = await findLiveTransaction(transaction, chain.chainId, intent.effectKey);
    if (live !== undefined) return { row: live, isNew: false };
    if (isMessage && intent.settlementId !== undefined) {
      await assertWithinBudget(context, transaction, intent.settlementId, worstCase({ ...prepared, value }));
    }
    const signed = await sign(context, { ...prepared.request, ...prepared, value, nonce });
    const row = await insertTransaction(transaction, {
      chainId: chain.chainId,
      signer: address,
      nonce,
      effectKey: intent.effectKey,
      settlementId: intent.settlementId ?? null,
      to: prepared.request.to,
      data: prepared.request.data,
      ...signed,
      ...prepared.fees,
      value,
      gasLimit: prepared.gasLimit,
      replaces: null,
      isMessage,
      isCancel: false,
    });
    await storeNextNonce(transaction, chain.chainId, address, nonce + 1);
    await intent.inTransaction?.(transaction);
    return { row, isNew: true };
  });
}

/** Most that a transaction can cost, wei. */
export function worstCase(transaction: { value: bigint; gasLimit: bigint; fees: Fees }): bigint {
  return transaction.value + transaction.gasLimit * transaction.fees.maxFeeWei;
}

/** Wants the signer's lock, so that two messages of a settlement do not both take what is left. `exceptNonce`: its versions do not count. */
export async function assertWithinBudget(
  context: JournalContext,
  transaction: Transaction,
  settlementId: Uuid,
  wantedWei: bigint,
  exceptNonce?: NonceKey,
): Promise<void> {
  const { chain, limits } = context;
  const budget = BigInt(chain.configuration.message_fee_budget_wei ?? limits.messageFeeBudgetWei);
  const spent = await spentOnMessages(transaction, settlementId, chain.chainId, exceptNonce);
  if (spent + wantedWei <= budget) return;
  throw new KeystoneError(
    'message_fee_budget_exceeded',
    `The messages of this settlement would cost more than its budget on chain ${chain.chainId}.`,
    { cause: new Error(`spent ${spent} wei, wanted ${wantedWei} wei, budget ${budget} wei`) },
  );
}

/** Everything that has to be asked before the nonce is taken, in one round trip. */
async function prepare(context: JournalContext, intent: TransactionIntent): Promise<Prepared> {
  const { chain, limits, signer } = context;
  if (chain.isPaused()) {
    throw new KeystoneError('chain_disagreement', `The nodes of chain ${chain.chainId} contradict each other.`);
  }
  const request: CallRequest = {
    to: intent.to.toLowerCase(),
    data: intent.data,
    from: signer.address.toLowerCase(),
    value: intent.value ?? 0n,
  };
  const refused = (error: unknown): never => {
    throw simulationError(context, error);
  };
  const [, gas, fees, onChainNonce, balance] = await Promise.all([
    chain.call(request).catch(refused),
    chain.estimateGas(request).catch(refused),
    suggestFees(chain, limits),
    chain.lowestTransactionCount(signer.address, 'latest'),
    chain.balance(signer.address),
  ]);
  const wanted = (gas * limits.gasMarginPercent) / 100n;
  const gasLimit = wanted > limits.maximumGas ? limits.maximumGas : wanted;
  // A transaction that cannot be paid for would hold up every later nonce, so it is not even signed.
  if (balance < worstCase({ value: intent.value ?? 0n, gasLimit, fees })) throw withoutFunds(context);
  return { request, gasLimit, fees, onChainNonce };
}

function simulationError(context: JournalContext, error: unknown): unknown {
  if (isRevert(error)) return revertError(decodeRevert(error.data));
  if (error instanceof RpcError && classifyBroadcastError(error.message).kind === 'without_funds') {
    return withoutFunds(context);
  }
  return rpcErrorToKeystone(context.chain.chainId, 'eth_call', error);
}

export function withoutFunds(context: JournalContext): KeystoneError {
  return new KeystoneError(
    'signer_without_funds',
    `The signer ${context.signer.address} cannot pay for gas on chain ${context.chain.chainId}.`,
  );
}

export async function sign(context: JournalContext, unsigned: Unsigned): Promise<{ raw: string; hash: string }> {
  const { chain, signer } = context;
  const raw = await signer.signTransaction({
    type: 2,
    chainId: chain.chainId,
    nonce: unsigned.nonce,
    to: unsigned.to,
    data: unsigned.data,
    value: unsigned.value,
    gasLimit: unsigned.gasLimit,
    maxFeePerGas: unsigned.fees.maxFeeWei,
    maxPriorityFeePerGas: unsigned.fees.tipWei,
  });
  const parsed = EthereumTransaction.from(raw);
  // A stored transaction of somebody else, or of another nonce, could never be included and would block the signer for good.
  if (
    parsed.hash === null ||
    parsed.from?.toLowerCase() !== signer.address.toLowerCase() ||
    parsed.nonce !== unsigned.nonce
  ) {
    throw new KeystoneError('configuration_invalid', 'A signer signed something else than it was asked to.');
  }
  return { raw, hash: parsed.hash.toLowerCase() };
}

/** The part of a journal event that names the transaction. */
export function eventOf(row: ChainTransactionRow): Omit<JournalEvent & { kind: 'signed' }, 'kind'> {
  return {
    chainId: row.chain_id,
    signer: row.signer,
    nonce: row.nonce,
    effectKey: row.effect_key,
    transactionHash: row.hash,
  };
}
