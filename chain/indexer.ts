import { indexRound } from './index-round.ts';
import type { Indexer, IndexerContext, IndexerDependencies } from './indexer-types.ts';
import { lead } from './leader.ts';
import { INDEXER_LIMITS } from './indexer-limits.ts';
import { pause } from './pause.ts';

export type { Indexer, IndexerDependencies, IndexerLog, IndexRound } from './indexer-types.ts';

/**
 * Turns finalised logs of our contracts into rows, leg states, notices and wake-ups of workflows. A receipt is not a fact; these rows are. A chain that
 * takes back what was final is halted (`keystone.chain_halts`) until an operator resumes it; the indexers of other chains go on.
 */
export function createIndexer(dependencies: IndexerDependencies): Indexer {
  const limits = { ...INDEXER_LIMITS, ...dependencies.limits };
  const context: IndexerContext = {
    database: dependencies.database,
    chain: dependencies.chain,
    log: dependencies.log,
    limits,
    deploymentBlock: dependencies.configuration.deployment_block,
    cursor: undefined,
    originChecked: false,
    isHalted: false,
    headersAre: undefined,
    suspicion: undefined,
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
  let failurePauseMs: number = limits.failurePauseMs;
  // A new leader starts from what the last one stored.
  context.cursor = undefined;
  while (!signal.aborted) {
    let pauseMs: number = limits.pollMs;
    try {
      const round = await runOnce();
      if (round.kind === 'indexed' && !round.complete) pauseMs = 0;
      if (round.kind === 'halted') pauseMs = limits.haltedPollMs;
      failurePauseMs = limits.failurePauseMs;
    } catch (error) {
      log.warn({ chain_id: context.chain.chainId, err: error }, 'a round of the indexer failed');
      pauseMs = failurePauseMs;
      failurePauseMs = Math.min(failurePauseMs * 2, limits.failurePauseMaximumMs);
    }
    if (pauseMs > 0) await pause(pauseMs, signal).catch(() => undefined); // An aborted pause ends the loop above.
  }
}
