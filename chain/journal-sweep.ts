import { type ChainTransactionRow, listUnsettled } from '../db/chain-transactions.ts';
import { KeystoneError } from '../domain/errors.ts';
import {
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
  type Sighting,
} from './journal-nonce.ts';
import type { JournalContext, SweepResult } from './journal-types.ts';
import { isDue } from './journal-wait.ts';
import type { Block } from './provider.ts';

type Counts = { -readonly [Name in keyof SweepResult]: SweepResult[Name] };

/** One pass over the rows of a chain that are not final, of whatever signer: stored bytes need no key. See `Journal.sweep`. */
export async function sweepChain(context: JournalContext): Promise<SweepResult> {
  const counts: Counts = { examined: 0, broadcast: 0, included: 0, final: 0, reverted: 0, reorganised: 0 };
  const finalized = await finalizedOrUnknown(context);
  let afterId = 0;
  for (;;) {
    const rows = await nextPage(context, afterId);
    // Lower nonces first: a later one is of no use to the node before them.
    const ordered = rows.toSorted((a, b) => a.signer.localeCompare(b.signer) || a.nonce - b.nonce);
    for (let start = 0; start < ordered.length; start += context.limits.rpcConcurrency) {
      const group = ordered.slice(start, start + context.limits.rpcConcurrency);
      await Promise.all(group.map((row) => settle(context, row, finalized, counts)));
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < context.limits.sweepRows) return counts;
    afterId = last.id;
  }
}

/** Nodes that are too few or that contradict each other settle nothing; signed bytes are sent again all the same. */
async function finalizedOrUnknown(context: JournalContext): Promise<Block | undefined> {
  try {
    return await context.chain.finalizedBlock();
  } catch (error) {
    if (context.chain.nodes.length > 1 && error instanceof KeystoneError) return undefined;
    throw error;
  }
}

function nextPage(context: JournalContext, afterId: number): Promise<ChainTransactionRow[]> {
  return context.database.transaction({ kind: 'worker' }, (transaction) =>
    listUnsettled(transaction, context.chain.chainId, {
      afterId,
      revertedWithinSeconds: context.limits.revertedWatchSeconds,
      limit: context.limits.sweepRows,
    }),
  );
}

async function settle(
  context: JournalContext,
  row: ChainTransactionRow,
  finalized: Block | undefined,
  counts: Counts,
): Promise<void> {
  counts.examined += 1;
  const versions = await readVersions(context, row);
  const sighting = await sight(context, versions);
  if (sighting !== undefined) {
    await recordSweptSighting(context, sighting, finalized, counts);
    return;
  }
  const live = liveVersion(versions);
  if (live === undefined || isSettled(live)) return;
  if (live.status !== 'signed') {
    if (await reopen(context, live)) counts.reorganised += 1;
  } else if (!isDue(context, live)) {
    return;
  }
  const answer = await push(context, live);
  counts.broadcast += 1;
  if (answer.kind === 'nonce_expired') await isNonceLost(context, live);
  else await replaceIfStuck(context, live);
}

async function recordSweptSighting(
  context: JournalContext,
  sighting: Sighting,
  finalized: Block | undefined,
  counts: Counts,
): Promise<void> {
  const isFinal = await isFinalSighting(context, sighting, finalized);
  await recordSighting(context, sighting, isFinal);
  if (!sighting.receipt.succeeded && !sighting.row.is_cancel) counts.reverted += 1;
  else if (isFinal) counts.final += 1;
  else counts.included += 1;
}
