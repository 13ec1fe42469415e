import { type ChainTransactionRow, findTransactionByHash, listUnincludedUpTo } from '../db/chain-transactions.ts';
import { KeystoneError } from '../domain/errors.ts';
import type { BroadcastAnswer } from './broadcast.ts';
import {
  inclusionOf,
  isFinalSighting,
  isNonceLost,
  isSettled,
  liveVersion,
  push,
  readVersions,
  recordSighting,
  reopen,
  replaceIfStuck,
  sight,
} from './journal-nonce.ts';
import { cancel } from './journal-replace.ts';
import { withoutFunds } from './journal-sign.ts';
import type { Inclusion, JournalContext, TransactionIntent, WaitOptions } from './journal-types.ts';
import { pause } from './pause.ts';
import type { Block } from './provider.ts';

/** A height that is final already: whatever is missing may come at any time. */
const NOW = 0;

/**
 * Sends a stored transaction and waits until one of its nonce's versions is in a block. `lost` when the nonce went to somebody else: the
 * effect has to be looked for, and tried again. `cancelled` when the nonce was taken back.
 */
export async function awaitInclusion(
  context: JournalContext,
  row: ChainTransactionRow,
  intent: Pick<TransactionIntent, 'cancelWhen'>,
  options: WaitOptions,
): Promise<Inclusion | 'lost' | 'cancelled'> {
  const { limits } = context;
  const endsAt = performance.now() + limits.inclusionWaitMs;
  let versions: readonly ChainTransactionRow[] = [row];
  let nextPushAt = row.status === 'signed' ? 0 : performance.now() + limits.rebroadcastMs;
  let expired = 0;
  let looks = true;
  let nextOwnLookAt = performance.now() + limits.ownLookMs;
  for (;;) {
    options.heartbeat();
    options.signal.throwIfAborted();
    if (performance.now() >= nextPushAt) {
      await reopenDropped(context, versions);
      await cancelIfSenseless(context, row, intent);
      const answer = await pushLine(context, row);
      expired = answer?.kind === 'nonce_expired' ? expired + 1 : 0;
      if (expired >= limits.nonceExpiredChecks && (await isNonceLost(context, row))) return 'lost';
      versions = await readVersions(context, row);
      nextPushAt = performance.now() + limits.rebroadcastMs;
      // Ours waits no more, or its nonce is used: a receipt tells why.
      looks ||= answer === undefined || answer.kind === 'nonce_expired';
    }
    if (performance.now() >= nextOwnLookAt) {
      looks = true;
      nextOwnLookAt = performance.now() + limits.ownLookMs;
    }
    const outcome = looks ? await outcomeOf(context, versions) : undefined;
    if (outcome !== undefined) return outcome;
    if (performance.now() >= endsAt) {
      throw new KeystoneError('transaction_not_included', `Transaction ${row.hash} is not included yet.`);
    }
    const waitMs = Math.min(limits.heartbeatMs, Math.max(nextPushAt - performance.now(), 0));
    const hashes = versions.map(({ hash }) => hash);
    looks = await context.watcher.included(hashes, waitMs, options.signal);
  }
}

async function outcomeOf(
  context: JournalContext,
  versions: readonly ChainTransactionRow[],
): Promise<Inclusion | 'cancelled' | undefined> {
  const sighting = await sight(context, versions);
  if (sighting === undefined) return undefined;
  await recordSighting(context, sighting, false);
  const inclusion = await inclusionOf(context, sighting);
  return inclusion !== undefined && sighting.row.is_cancel ? 'cancelled' : inclusion;
}

/** Takes the nonce back when its effect is not wanted any more. One that was sent just now is likely to be included before that. */
async function cancelIfSenseless(
  context: JournalContext,
  row: ChainTransactionRow,
  intent: Pick<TransactionIntent, 'cancelWhen'>,
): Promise<void> {
  if (intent.cancelWhen === undefined) return;
  const versions = await readVersions(context, row);
  const live = liveVersion(versions);
  const signedAt = versions.at(-1)?.created_at.getTime() ?? Date.now();
  if (live?.status !== 'signed' || live.is_cancel || live.signer !== context.signer.address.toLowerCase()) return;
  if (Date.now() - signedAt < context.limits.cancelAfterMs) return;
  if ((await sight(context, versions)) === undefined && (await intent.cancelWhen())) await cancel(context, live);
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
  /** Height that has to be final before it is worth asking for receipts again. */
  let waitsFor = 0;
  for (;;) {
    options.heartbeat();
    options.signal.throwIfAborted();
    const finalized = await context.watcher.finalized();
    if (finalized !== undefined && finalized.number >= waitsFor) {
      const found = await finalInclusion(context, hash, versions, finalized);
      if (typeof found !== 'number') return found;
      waitsFor = found;
    }
    if (performance.now() >= nextPushAt) {
      await pushAgain(context, versions);
      versions = await versionsOf(context, hash);
      nextPushAt = performance.now() + limits.rebroadcastMs;
      waitsFor = 0;
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

/** The inclusion when it is final; else the height that has to be final first. */
async function finalInclusion(
  context: JournalContext,
  hash: string,
  versions: readonly ChainTransactionRow[],
  finalized: Block,
): Promise<Inclusion | number> {
  if (versions.length === 0) return foreignInclusion(context, hash, finalized);
  const sighting = await sight(context, versions);
  if (sighting === undefined) return NOW;
  if (!(await isFinalSighting(context, sighting, finalized))) return sighting.receipt.blockNumber;
  await recordSighting(context, sighting, true);
  const inclusion = await inclusionOf(context, sighting);
  if (inclusion === undefined) return NOW;
  if (sighting.row.is_cancel) {
    throw new KeystoneError('transaction_cancelled', `Transaction ${hash} was taken back before it was included.`);
  }
  return inclusion;
}

/** A transaction that the journal did not sign, e.g. one that `alreadyDone` found. */
async function foreignInclusion(context: JournalContext, hash: string, finalized: Block): Promise<Inclusion | number> {
  const receipt = await context.chain.receipt(hash);
  if (receipt === undefined) return NOW;
  if (receipt.blockNumber > finalized.number) return receipt.blockNumber;
  const agreed = await context.chain.agreedReceipt(hash);
  const block = await context.chain.block(receipt.blockNumber);
  if (agreed?.blockHash !== receipt.blockHash || block?.hash !== receipt.blockHash) return NOW;
  if (!receipt.succeeded)
    throw new KeystoneError('transaction_reverted', `Transaction ${hash} was refused in the block.`);
  return { ...receipt, blockTimestampMs: block.timestampMs };
}

/** While finality is awaited a reorganisation may drop the receipt: then the row waits again, and its bytes are sent. */
async function pushAgain(context: JournalContext, versions: readonly ChainTransactionRow[]): Promise<void> {
  const live = liveVersion(versions);
  if (live === undefined || isSettled(live) || (await sight(context, versions)) !== undefined) return;
  if (live.status !== 'signed') await reopen(context, live);
  await push(context, live);
}
