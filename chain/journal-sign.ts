import { Transaction as EthereumTransaction } from 'ethers';

import {
  type ChainTransactionRow,
  changeStatus,
  findLiveTransaction,
  insertTransaction,
  lockNextNonce,
  lockNonceVersions,
  storeNextNonce,
} from '../db/chain-transactions.ts';
import { KeystoneError } from '../domain/errors.ts';
import { classifyBroadcastError } from './broadcast.ts';
import { decodeRevert, isRevert, revertError } from './contract-errors.ts';
import { bumpFees, type Fees, suggestFees } from './fees.ts';
import type { JournalContext, JournalEvent, TransactionIntent } from './journal-types.ts';
import type { CallRequest } from './provider.ts';
import { RpcError, rpcErrorToKeystone } from './rpc.ts';

interface Prepared {
  readonly request: CallRequest;
  readonly gasLimit: bigint;
  readonly fees: Fees;
  readonly onChainNonce: number;
}

interface Unsigned {
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
  const { chain, database, signer } = context;
  const prepared = await prepare(context, intent);
  const stored = await database.transaction({ kind: 'worker' }, async (transaction) => {
    const address = signer.address.toLowerCase();
    const nonce = await lockNextNonce(transaction, chain.chainId, address, prepared.onChainNonce);
    const live = await findLiveTransaction(transaction, chain.chainId, intent.effectKey);
    if (live !== undefined) return { row: live, isNew: false };
    const signed = await sign(context, { ...prepared.request, ...prepared, value: intent.value ?? 0n, nonce });
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
      replaces: null,
    });
    await storeNextNonce(transaction, chain.chainId, address, nonce + 1);
    await intent.inTransaction?.(transaction);
    return { row, isNew: true };
  });
  if (stored.isNew) context.emit({ kind: 'signed', ...eventOf(stored.row) });
  return stored.row;
}

/** Everything that has to be asked before the nonce is taken, in one round trip. */
async function prepare(context: JournalContext, intent: TransactionIntent): Promise<Prepared> {
  const { chain, limits, signer } = context;
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
    chain.transactionCount(signer.address, 'latest'),
    chain.balance(signer.address),
  ]);
  const wanted = (gas * limits.gasMarginPercent) / 100n;
  const gasLimit = wanted > limits.maximumGas ? limits.maximumGas : wanted;
  // A transaction that cannot be paid for would hold up every later nonce, so it is not even signed.
  if (balance < gasLimit * fees.maxFeeWei + (intent.value ?? 0n)) throw withoutFunds(context);
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

async function sign(context: JournalContext, unsigned: Unsigned): Promise<{ raw: string; hash: string }> {
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

/**
 * Signs the same transaction with higher fees and stores it in place of `row`. Undefined when the cap forbids it, or when somebody else has
 * settled or replaced the row meanwhile.
 */
export async function replace(
  context: JournalContext,
  row: ChainTransactionRow,
): Promise<ChainTransactionRow | undefined> {
  const { chain, database, limits } = context;
  const previous = { maxFeeWei: BigInt(row.max_fee_per_gas), tipWei: BigInt(row.max_priority_fee_per_gas) };
  const fees = bumpFees(previous, await suggestFees(chain, limits), limits);
  if (fees === undefined) {
    context.emit({ kind: 'fee_capped', ...eventOf(row) });
    return undefined;
  }
  const { gasLimit, value } = EthereumTransaction.from(row.raw);
  const { nonce, to_address: to, data } = row;
  const signed = await sign(context, { nonce, to, data, value, gasLimit, fees });
  const replacement = await database.transaction({ kind: 'worker' }, async (transaction) => {
    await lockNonceVersions(transaction, row);
    if (!(await changeStatus(transaction, row.id, 'signed', 'replaced'))) return undefined;
    return insertTransaction(transaction, {
      chainId: row.chain_id,
      signer: row.signer,
      nonce,
      effectKey: row.effect_key,
      settlementId: row.settlement_id,
      to,
      data,
      ...signed,
      ...fees,
      replaces: row.id,
    });
  });
  if (replacement !== undefined) context.emit({ kind: 'replaced', ...eventOf(replacement) });
  return replacement;
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
