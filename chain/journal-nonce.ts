import {
  type ChainTransactionRow,
  changeStatus,
  listNonceVersions,
  lockNonceVersions,
  markBroadcast,
  type NonceKey,
  reopenTransaction,
  settleNonce,
} from '../db/chain-transactions.ts';
import { sqlState, UNIQUE_VIOLATION } from '../db/pool.ts';
import { KeystoneError } from '../domain/errors.ts';
import { type BroadcastAnswer, broadcastRaw } from './broadcast.ts';
import { ContractRevert, decodeRevert, isRevert, type RevertReason } from './contract-errors.ts';
import { eventOf, replace } from './journal-sign.ts';
import type { Inclusion, JournalContext } from './journal-types.ts';
import type { Receipt } from './provider.ts';

/** What is known about one nonce: which of its versions is in which block. */
export interface Sighting {
  readonly row: ChainTransactionRow;
  readonly receipt: Receipt;
}

export function readVersions(context: JournalContext, key: NonceKey): Promise<ChainTransactionRow[]> {
  return context.database.transaction({ kind: 'worker' }, (transaction) => listNonceVersions(transaction, key));
}

/** The version that still counts, if any; `versions` come newest first. */
export function liveVersion(versions: readonly ChainTransactionRow[]): ChainTransactionRow | undefined {
  return versions.find((version) => version.status !== 'replaced');
}

/** Looks for a receipt of any version: an old one may be included although a newer one was sent. */
export async function sight(
  context: JournalContext,
  versions: readonly ChainTransactionRow[],
): Promise<Sighting | undefined> {
  const receipts = await Promise.all(versions.map((row) => context.chain.receipt(row.hash)));
  for (const [index, receipt] of receipts.entries()) {
    const row = versions[index];
    if (receipt !== undefined && row !== undefined) return { row, receipt };
  }
  return undefined;
}

/** Writes down where a nonce was included. Never takes `final` back. */
export async function recordSighting(context: JournalContext, sighting: Sighting, isFinal: boolean): Promise<void> {
  const { row, receipt } = sighting;
  const status = receipt.succeeded ? (isFinal ? 'final' : 'included') : 'reverted';
  const changed = await context.database
    .transaction({ kind: 'worker' }, async (transaction) => {
      const current = (await lockNonceVersions(transaction, row)).find((version) => version.id === row.id);
      if (current === undefined || current.status === 'final') return false;
      if (current.status === status && current.block_hash === receipt.blockHash) return false;
      await settleNonce(transaction, row, { status, blockNumber: receipt.blockNumber, blockHash: receipt.blockHash });
      return true;
    })
    .catch((error: unknown) => {
      // A reverted transaction that a reorganisation let succeed, while the effect was tried again: the newer one keeps the effect key.
      if (sqlState(error) === UNIQUE_VIOLATION) return false;
      throw error;
    });
  if (!changed) return;
  if (status === 'reverted') {
    context.emit({ kind: 'reverted', reason: (await revertReason(context, sighting)).name, ...eventOf(row) });
  } else if (status === 'included') {
    context.emit({ kind: 'included', blockNumber: receipt.blockNumber, ...eventOf(row) });
  } else {
    context.emit({ kind: 'final', ...eventOf(row) });
  }
}

/** Where a sighted transaction stands; undefined when its block is not the chain's any more. Throws when it reverted. */
export async function inclusionOf(context: JournalContext, sighting: Sighting): Promise<Inclusion | undefined> {
  const { receipt } = sighting;
  const block = await context.chain.block(receipt.blockNumber);
  if (block?.hash !== receipt.blockHash) return undefined;
  if (!receipt.succeeded) throw await revertedError(context, sighting);
  return {
    transactionHash: receipt.transactionHash,
    blockNumber: receipt.blockNumber,
    blockHash: receipt.blockHash,
    blockTimestampMs: block.timestampMs,
  };
}

async function revertedError(context: JournalContext, sighting: Sighting): Promise<KeystoneError> {
  const reason = await revertReason(context, sighting);
  return new KeystoneError('transaction_reverted', `The contract refused in the block: ${reason.name}.`, {
    cause: new ContractRevert(reason),
  });
}

/** Receipts do not carry the reason, so the call is run again: on the state before the block, then on the state after it. */
async function revertReason(context: JournalContext, { row, receipt }: Sighting): Promise<RevertReason> {
  const request = { from: row.signer, to: row.to_address, data: row.data };
  for (const block of [receipt.blockNumber - 1, receipt.blockNumber]) {
    try {
      await context.chain.call(request, block);
    } catch (error) {
      if (isRevert(error)) return decodeRevert(error.data);
      // The node keeps no state of that block: the reason stays unknown, the revert itself is certain.
      if (error instanceof KeystoneError) break;
    }
  }
  return { name: 'unknown', arguments: [] };
}

/** Sends stored bytes and counts it. `without_funds` and `refused` are for the caller to judge. */
export async function push(context: JournalContext, row: ChainTransactionRow): Promise<BroadcastAnswer> {
  const answer = await broadcastRaw(context.chain, row.raw);
  await context.database.transaction({ kind: 'worker' }, (transaction) => markBroadcast(transaction, [row.id]));
  if (answer.kind === 'accepted') context.emit({ kind: 'broadcast', ...eventOf(row) });
  if (answer.kind === 'refused') context.emit({ kind: 'refused', reason: answer.reason, ...eventOf(row) });
  return answer;
}

/**
 * Whether the nonce went to a transaction that the journal never signed. Certain only when the finalised chain has used it and no version
 * of ours has a receipt; in that order, so that a version included in between is seen. The effect may be tried again then.
 */
export async function isNonceLost(context: JournalContext, row: ChainTransactionRow): Promise<boolean> {
  const finalized = await context.chain.finalizedBlock();
  if (finalized === undefined) return false;
  if ((await context.chain.transactionCount(row.signer, finalized.number)) <= row.nonce) return false;
  if ((await sight(context, await readVersions(context, row))) !== undefined) return false;
  const lost = await context.database.transaction({ kind: 'worker' }, async (transaction) => {
    const live = liveVersion(await lockNonceVersions(transaction, row));
    return live !== undefined && changeStatus(transaction, live.id, 'signed', 'replaced');
  });
  if (lost) context.emit({ kind: 'nonce_lost', ...eventOf(row) });
  return lost;
}

/** The block of an included or reverted transaction is gone. */
export async function reopen(context: JournalContext, row: ChainTransactionRow): Promise<boolean> {
  const reopened = await context.database.transaction({ kind: 'worker' }, (transaction) =>
    reopenTransaction(transaction, row),
  );
  if (reopened) context.emit({ kind: 'reorganised', ...eventOf(row) });
  return reopened;
}

/** Replaces a transaction that has waited too long at the head of its line; behind others higher fees would not help it. */
export async function replaceIfStuck(context: JournalContext, row: ChainTransactionRow): Promise<void> {
  if (row.status !== 'signed' || row.signer !== context.signer.address.toLowerCase()) return;
  if (Date.now() - row.created_at.getTime() < context.limits.resubmitMs) return;
  if ((await context.chain.transactionCount(row.signer, 'latest')) !== row.nonce) return;
  const replacement = await replace(context, row);
  if (replacement !== undefined) await push(context, replacement);
}
