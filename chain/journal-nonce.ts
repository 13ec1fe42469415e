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
import { replace } from './journal-replace.ts';
import { eventOf } from './journal-sign.ts';
import type { Inclusion, JournalContext } from './journal-types.ts';
import type { Block, Receipt } from './provider.ts';

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

/** Whether nothing can happen to the version any more. */
export function isSettled(version: ChainTransactionRow): boolean {
  return version.status === 'final' || version.status === 'cancelled';
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
  const status = statusOf(sighting, isFinal);
  const changed = await context.database
    .transaction({ kind: 'worker' }, async (transaction) => {
      const current = (await lockNonceVersions(transaction, row)).find((version) => version.id === row.id);
      if (current === undefined || isSettled(current)) return false;
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
    context.emit({ kind: status, ...eventOf(row) });
  }
}

/** A cancellation keeps its effect's key until it is final: before, a reorganisation could still include the effect. */
function statusOf({ row, receipt }: Sighting, isFinal: boolean): 'included' | 'final' | 'reverted' | 'cancelled' {
  if (row.is_cancel) return isFinal ? 'cancelled' : 'included';
  if (!receipt.succeeded) return 'reverted';
  return isFinal ? 'final' : 'included';
}

/**
 * Whether a sighted transaction is in a block that is final. One node's receipt is not enough where there are several, and a receipt of a block that
 * the chain has dropped may linger in a node's index.
 */
export async function isFinalSighting(
  context: JournalContext,
  { receipt }: Sighting,
  finalized: Block | undefined,
): Promise<boolean> {
  const { chain } = context;
  if (finalized === undefined || receipt.blockNumber > finalized.number) return false;
  if (chain.nodes.length > 1) {
    const agreed = await chain.agreedReceipt(receipt.transactionHash);
    if (agreed?.blockHash !== receipt.blockHash || agreed.succeeded !== receipt.succeeded) return false;
  }
  return (await chain.block(receipt.blockNumber))?.hash === receipt.blockHash;
}

/**
 * Where a sighted transaction stands; undefined when its block is not the chain's any more. Throws when it reverted; a cancellation has no effect that
 * could be refused.
 */
export async function inclusionOf(context: JournalContext, sighting: Sighting): Promise<Inclusion | undefined> {
  const { receipt, row } = sighting;
  const block = await context.chain.block(receipt.blockNumber);
  if (block?.hash !== receipt.blockHash) return undefined;
  if (!receipt.succeeded && !row.is_cancel) throw await revertedError(context, sighting);
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
  const request = { from: row.signer, to: row.to_address, data: row.data, value: BigInt(row.value) };
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
  if (answer.kind === 'without_funds') context.emit({ kind: 'without_funds', ...eventOf(row) });
  if (answer.kind === 'refused') context.emit({ kind: 'refused', reason: answer.reason, ...eventOf(row) });
  return answer;
}

/**
 * Whether the nonce went to a transaction that the journal never signed. Certain only when the finalised chain has used it, by every node's word, and no
 * node has a receipt for a version of ours; in that order, so that a version included in between is seen. The effect may be tried again then.
 */
export async function isNonceLost(context: JournalContext, row: ChainTransactionRow): Promise<boolean> {
  const finalized = await context.chain.finalizedBlock();
  if (finalized === undefined) return false;
  if ((await context.chain.lowestTransactionCount(row.signer, finalized.number)) <= row.nonce) return false;
  const versions = await readVersions(context, row);
  const receipts = await Promise.all(versions.map(({ hash }) => context.chain.anyReceipt(hash)));
  if (receipts.some((receipt) => receipt !== undefined)) return false;
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

/**
 * Replaces a transaction that has waited too long at the head of its line; behind others higher fees would not help it. One that no node keeps, although
 * it was sent a moment ago, has longer: the nodes may be starting.
 */
export async function replaceIfStuck(context: JournalContext, row: ChainTransactionRow): Promise<void> {
  const { chain, limits } = context;
  if (row.status !== 'signed' || row.signer !== context.signer.address.toLowerCase()) return;
  const age = Date.now() - row.created_at.getTime();
  if (age < limits.resubmitMs) return;
  if ((await chain.transactionCount(row.signer, 'latest')) !== row.nonce) return;
  const pooled = await chain.isKnown(row.hash);
  context.emit({ kind: 'stuck', pooled, ...eventOf(row) });
  if (!pooled && age < limits.notInPoolMs) return;
  const replacement = await replace(context, row);
  if (replacement !== undefined) await push(context, replacement);
}
