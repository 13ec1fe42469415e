import { Transaction as EthereumTransaction } from 'ethers';

import {
  type ChainTransactionRow,
  changeStatus,
  insertTransaction,
  lockNextNonce,
  lockNonceVersions,
} from '../db/chain-transactions.ts';
import type { Transaction } from '../db/pool.ts';
import { KeystoneError } from '../domain/errors.ts';
import { bumpFees, suggestFees } from './fees.ts';
import { assertWithinBudget, eventOf, sign, type Unsigned, worstCase } from './journal-sign.ts';
import type { JournalContext } from './journal-types.ts';

const NO_DATA = '0x';

/**
 * Signs the same transaction with higher fees and stores it in place of `row`. Undefined when the fee cap or the settlement's budget forbids it, or
 * when somebody else has settled or replaced the row meanwhile.
 */
export async function replace(
  context: JournalContext,
  row: ChainTransactionRow,
): Promise<ChainTransactionRow | undefined> {
  const { gasLimit, value } = EthereumTransaction.from(row.raw);
  const call = { to: row.to_address, data: row.data, value, gasLimit };
  const replacement = await putInPlace(context, row, { ...call, isCancel: row.is_cancel });
  if (replacement !== undefined) context.emit({ kind: 'replaced', ...eventOf(replacement) });
  return replacement;
}

/**
 * Takes the nonce back: signs a transfer of nothing to oneself in its place. It is never dropped, since later nonces wait for it. Undefined as with
 * `replace`. Whichever version is included, the effect's key stays taken until that is final, so that the effect does not happen twice.
 */
export async function cancel(
  context: JournalContext,
  row: ChainTransactionRow,
): Promise<ChainTransactionRow | undefined> {
  const { chain, limits } = context;
  const transfer = { to: row.signer, data: NO_DATA, value: 0n };
  const estimate = await chain.estimateGas({ ...transfer, from: row.signer });
  const gasLimit = (estimate * limits.gasMarginPercent) / 100n;
  const cancellation = await putInPlace(context, row, { ...transfer, gasLimit, isCancel: true });
  if (cancellation !== undefined) context.emit({ kind: 'cancelling', ...eventOf(cancellation) });
  return cancellation;
}

type Replacement = Omit<Unsigned, 'nonce' | 'fees'> & { readonly isCancel: boolean };

async function putInPlace(
  context: JournalContext,
  row: ChainTransactionRow,
  wanted: Replacement,
): Promise<ChainTransactionRow | undefined> {
  const { chain, database, limits } = context;
  const previous = { maxFeeWei: BigInt(row.max_fee_per_gas), tipWei: BigInt(row.max_priority_fee_per_gas) };
  const fees = bumpFees(previous, await suggestFees(chain, limits), limits);
  if (fees === undefined) {
    context.emit({ kind: 'fee_capped', ...eventOf(row) });
    return undefined;
  }
  const unsigned = { ...wanted, nonce: row.nonce, fees };
  const signed = await sign(context, unsigned);
  return database.transaction({ kind: 'worker' }, async (transaction) => {
    if (!(await fitsBudget(context, transaction, row, unsigned))) return undefined;
    await lockNonceVersions(transaction, row);
    if (!(await changeStatus(transaction, row.id, 'signed', 'replaced'))) return undefined;
    return insertTransaction(transaction, {
      chainId: row.chain_id,
      signer: row.signer,
      nonce: row.nonce,
      effectKey: row.effect_key,
      settlementId: row.settlement_id,
      ...wanted,
      ...signed,
      ...fees,
      replaces: row.id,
      isMessage: row.is_message,
    });
  });
}

/** A cancellation always fits: it costs less than what it takes back. */
async function fitsBudget(
  context: JournalContext,
  transaction: Transaction,
  row: ChainTransactionRow,
  wanted: Unsigned & { readonly isCancel: boolean },
): Promise<boolean> {
  if (!row.is_message || wanted.isCancel || row.settlement_id === null) return true;
  await lockNextNonce(transaction, row.chain_id, row.signer, row.nonce);
  try {
    await assertWithinBudget(context, transaction, row.settlement_id, worstCase(wanted), row);
    return true;
  } catch (error) {
    if (!(error instanceof KeystoneError) || error.code !== 'message_fee_budget_exceeded') throw error;
    context.emit({ kind: 'fee_capped', ...eventOf(row) });
    return false;
  }
}
