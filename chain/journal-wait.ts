import { type ChainTransactionRow, findTransactionByHash, listUnincludedUpTo } from '../db/chain-transactions.ts';
import { KeystoneError } from '../domain/errors.ts';
import type { BroadcastAnswer } from './broadcast.ts';
import {
  inclusionOf,
  isNonceLost,
  liveVersion,
  push,
  readVersions,
  recordSighting,
  reopen,
  replaceIfStuck,
  sight,
} from './journal-nonce.ts';
import { withoutFunds } from './journal-sign.ts';
import type { Inclusion, JournalContext, WaitOptions } from './journal-types.ts';
import { pause } from './pause.ts';
import type { Block } from './provider.ts';

/**
 * Sends a stored transaction and waits until one of its nonce's versions is in a block. `lost` when the nonce went to somebody else: the
 * effect has to be looked for, and tried again.
 */
export async function awaitInclusion(
  context: JournalContext,
  row: ChainTransactionRow,
  options: WaitOptions,
): Promise<Inclusion | 'lost'> {
  const { limits } = context;
  const endsAt = performance.now() + limits.inclusionWaitMs;
  let versions: readonly ChainTransactionRow[] = [row];
  let nextPushAt = row.status === 'signed' ? 0 : performance.now() + limits.rebroadcastMs;
  let pollMs = limits.receiptPollMs;
  let expired = 0;
  for (;;) {
    options.heartbeat();
    options.signal.throwIfAborted();
    if (performance.now() >= nextPushAt) {
      await reopenDropped(context, versions);
      const answer = await pushLine(context, row);
      expired = answer?.kind === 'nonce_expired' ? expired + 1 : 0;
      if (expired >= limits.nonceExpiredChecks && (await isNonceLost(context, row))) return 'lost';
      versions = await readVersions(context, row);
      nextPushAt = performance.now() + limits.rebroadcastMs;
    }
    const sighting = await sight(context, versions);
    if (sighting !== undefined) {
      await recordSighting(context, sighting, false);
      const inclusion = await inclusionOf(context, sighting);
      if (inclusion !== undefined) return inclusion;
    }
    if (performance.now() >= endsAt) {
      throw new KeystoneError('transaction_not_included', `Transaction ${row.hash} is not included yet.`);
    }
    await pause(pollMs, options.signal);
    pollMs = Math.min(pollMs * 1.5, limits.receiptPollMaximumMs);
  }
}

/** Called when no version has a receipt: a row that says `included` has lost its block to a reorganisation. */
async function reopenDropped(context: JournalContext, versions: readonly ChainTransactionRow[]): Promise<void> {
  const live = liveVersion(versions);
  if (live?.status === 'included') await reopen(context, live);
}

/**
 * Sends whatever of this signer waits up to this nonce: a transaction that a dead process stored and never sent would hold up ours. Answers
 * what the node said about ours, or undefined when ours does not wait any more.
 */
async function pushLine(context: JournalContext, row: ChainTransactionRow): Promise<BroadcastAnswer | undefined> {
  const waiting = await context.database.transaction({ kind: 'worker' }, (transaction) =>
    listUnincludedUpTo(transaction, row, context.limits.rebroadcastBatch),
  );
  let own: BroadcastAnswer | undefined;
  for (const other of waiting) {
    if (other.nonce === row.nonce) own = await pushOwn(context, other);
    else if (isDue(context, other)) await push(context, other);
  }
  return own;
}

async function pushOwn(context: JournalContext, row: ChainTransactionRow): Promise<BroadcastAnswer> {
  const answer = await push(context, row);
  if (answer.kind === 'without_funds') throw withoutFunds(context);
  if (answer.kind === 'refused') {
    throw new KeystoneError('transaction_not_included', `The node of chain ${row.chain_id} refuses a transaction.`, {
      cause: new Error(answer.reason),
    });
  }
  if (answer.kind !== 'nonce_expired') await replaceIfStuck(context, row);
  return answer;
}

/** Whether bytes were sent so long ago that nodes may have dropped them. A process that died meanwhile may not have sent them at all. */
export function isDue(context: JournalContext, row: ChainTransactionRow): boolean {
  if (row.last_broadcast_at === null) return true;
  return Date.now() - row.last_broadcast_at.getTime() >= context.limits.rebroadcastMs;
}

/** Waits for finality of a transaction or of the version that was included in its place. See `Journal.waitFinal`. */
export async function awaitFinality(
  context: JournalContext,
  transactionHash: string,
  options: WaitOptions,
): Promise<Inclusion> {
  const { limits } = context;
  const hash = transactionHash.toLowerCase();
  const endsAt = performance.now() + limits.finalityWaitMs;
  let nextPushAt = performance.now() + limits.rebroadcastMs;
  let versions = await versionsOf(context, hash);
  for (;;) {
    options.heartbeat();
    options.signal.throwIfAborted();
    const inclusion = await finalInclusion(context, hash, versions, await context.chain.finalizedBlock());
    if (inclusion !== undefined) return inclusion;
    if (performance.now() >= nextPushAt) {
      await pushAgain(context, versions);
      versions = await versionsOf(context, hash);
      nextPushAt = performance.now() + limits.rebroadcastMs;
    }
    if (performance.now() >= endsAt) {
      throw new KeystoneError('chain_not_final', `Transaction ${hash} is not final yet.`);
    }
    await pause(limits.finalityPollMs, options.signal);
  }
}

async function versionsOf(context: JournalContext, hash: string): Promise<ChainTransactionRow[]> {
  const row = await context.database.transaction({ kind: 'worker' }, (transaction) =>
    findTransactionByHash(transaction, hash),
  );
  return row === undefined ? [] : readVersions(context, row);
}

async function finalInclusion(
  context: JournalContext,
  hash: string,
  versions: readonly ChainTransactionRow[],
  finalized: Block | undefined,
): Promise<Inclusion | undefined> {
  if (finalized === undefined) return undefined;
  if (versions.length === 0) return foreignInclusion(context, hash, finalized);
  const sighting = await sight(context, versions);
  if (sighting === undefined || sighting.receipt.blockNumber > finalized.number) return undefined;
  const block = await context.chain.block(sighting.receipt.blockNumber);
  if (block?.hash !== sighting.receipt.blockHash) return undefined;
  await recordSighting(context, sighting, true);
  return inclusionOf(context, sighting);
}

/** A transaction that the journal did not sign, e.g. one that `alreadyDone` found. */
async function foreignInclusion(
  context: JournalContext,
  hash: string,
  finalized: Block,
): Promise<Inclusion | undefined> {
  const receipt = await context.chain.receipt(hash);
  if (receipt === undefined || receipt.blockNumber > finalized.number) return undefined;
  const block = await context.chain.block(receipt.blockNumber);
  if (block?.hash !== receipt.blockHash) return undefined;
  if (!receipt.succeeded)
    throw new KeystoneError('transaction_reverted', `Transaction ${hash} was refused in the block.`);
  return { ...receipt, blockTimestampMs: block.timestampMs };
}

/** While finality is awaited a reorganisation may drop the receipt: then the row waits again, and its bytes are sent. */
async function pushAgain(context: JournalContext, versions: readonly ChainTransactionRow[]): Promise<void> {
  const live = liveVersion(versions);
  if (live === undefined || live.status === 'final' || (await sight(context, versions)) !== undefined) return;
  if (live.status !== 'signed') await reopen(context, live);
  await push(context, live);
}
