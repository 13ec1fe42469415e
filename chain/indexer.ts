import { indexRound } from './index-round.ts';
import { ChainHalted, type Indexer, type IndexerContext, type IndexerDependencies } from './indexer-types.ts';
import { lead } from './leader.ts';
import { CHAIN_LIMITS } from './limits.ts';
import { pause } from './pause.ts';

export { ChainHalted } from './indexer-types.ts';
export type { Indexer, IndexerDependencies, IndexerLog, IndexRound } from './indexer-types.ts';

/** Turns finalised logs of our contracts into rows, leg states, notices and wake-ups of workflows. A receipt is not a fact; these rows are. */
export function createIndexer(dependencies: IndexerDependencies): Indexer {
  const limits = { ...CHAIN_LIMITS, ...dependencies.limits };
  const context: IndexerContext = {
    database: dependencies.database,
    chain: dependencies.chain,
    log: dependencies.log,
    limits,
    deploymentBlock: dependencies.configuration.deployment_block,
    cursor: undefined,
    originChecked: false,
    range: limits.rangeStart,
  };
  const runOnce = async (): ReturnType<Indexer['runOnce']> => {
    try {
      return await indexRound(context);
    } catch (error) {
      // Whatever happened, the next round believes neither its memory of the cursor nor that it is the same chain.
      context.cursor = undefined;
      context.originChecked = false;
      throw error;
    }
  };
  return {
    runOnce,
    start: (signal) =>
      lead(
        {
          database: dependencies.database,
          key: `keystone.indexer:${dependencies.chain.chainId}`,
          retryMs: limits.leaderRetryMs,
          onError: (error) => dependencies.log.warn({ err: error }, 'the indexer lost its database connection'),
        },
        signal,
        (leading) => runRounds(context, runOnce, leading),
      ),
  };
}

async function runRounds(context: IndexerContext, runOnce: Indexer['runOnce'], signal: AbortSignal): Promise<void> {
  const { limits, log } = context;
  const fields = { chain_id: context.chain.chainId };
  let failurePauseMs: number = limits.failurePauseMs;
  let behindSince: number | undefined;
  // A new leader starts from what the last one stored.
  context.cursor = undefined;
  while (!signal.aborted) {
    let pauseMs: number = limits.pollMs;
    try {
      const round = await runOnce();
      if (round.kind === 'indexed' && !round.complete) pauseMs = 0;
      failurePauseMs = limits.failurePauseMs;
      behindSince = undefined;
    } catch (error) {
      if (error instanceof ChainHalted) {
        behindSince ??= performance.now();
        // A lagging node catches up; a chain that lost its state does not.
        if (error.reason === 'started_afresh' || performance.now() - behindSince >= limits.headBehindMs) throw error;
      }
      log.warn({ ...fields, err: error }, 'a round of the indexer failed');
      pauseMs = failurePauseMs;
      failurePauseMs = Math.min(failurePauseMs * 2, limits.failurePauseMaximumMs);
    }
    if (pauseMs > 0) await pause(pauseMs, signal).catch(() => undefined); // An aborted pause ends the loop above.
  }
}
