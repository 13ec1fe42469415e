import { Client, Connection } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Worker } from '@temporalio/worker';

import { quietRuntime } from '../../test/support/quiet-runtime.ts';
import { countWorkflows, type HistoryCounts } from '../histories.ts';
import { BENCH_COUNTS, BENCH_LIMITS } from '../limits.ts';
import type { BenchRun } from '../run.ts';
import { bareActivities, createBareContestant, createBareSinks } from './bare.ts';
import { type Block, type ContestantResult, ratio, runBlock, summarise } from './block.ts';
import { type Contestant, createMilestones } from './contestant.ts';
import { createOurs } from './ours.ts';
import { type OverheadServers, startOverheadServers } from './servers.ts';

/** Part (b): our workflow beside a hand-written one of equal event counts, in one process, against the same servers, in alternating blocks. */
export interface OverheadResult {
  readonly loads: readonly OverheadLoad[];
  readonly histories: Readonly<Record<string, HistoryCounts>>;
}

export interface OverheadLoad {
  readonly concurrency: number;
  readonly settlements_per_block: number;
  readonly rounds: number;
  readonly contestants: readonly ContestantResult[];
  /** Of the medians over the blocks, bare over ours: 1 would be no overhead. */
  readonly ratios: Readonly<Record<string, { readonly throughput: number; readonly node_processor: number }>>;
}

const TASK_QUEUE = 'bench';
/** As worker.ts sets them. */
const WORKER = { activities: 100, cachedWorkflows: 500 } as const;
/** Histories that are counted of each contestant. */
const COUNTED_HISTORIES = 40;

export async function measureOverhead(run: BenchRun): Promise<OverheadResult> {
  run.say('engine  starting PostgreSQL and Temporal');
  const servers = await startOverheadServers(run);
  try {
    return await withWorker(run, servers);
  } finally {
    run.say('engine  stopping');
    await servers.stop();
  }
}

async function withWorker(run: BenchRun, servers: OverheadServers): Promise<OverheadResult> {
  quietRuntime();
  const address = servers.temporalAddress;
  const [connection, native] = await Promise.all([
    Connection.connect({ address, connectTimeout: BENCH_LIMITS.requestMs }),
    NativeConnection.connect({ address }),
  ]);
  const client = new Client({ connection });
  const milestones = createMilestones(BENCH_LIMITS.stubbedSettlementMs);
  const ours = await createOurs({ servers, client, taskQueue: TASK_QUEUE, milestones, say: run.say });
  const worker = await Worker.create({
    connection: native,
    taskQueue: TASK_QUEUE,
    workflowBundle: await bundleWorkflowCode({
      workflowsPath: new URL('./workflows.ts', import.meta.url).pathname,
      logger: new DefaultLogger('WARN'),
    }),
    activities: { ...ours.activities, ...bareActivities },
    sinks: createBareSinks(milestones),
    maxConcurrentActivityTaskExecutions: WORKER.activities,
    maxCachedWorkflows: WORKER.cachedWorkflows,
  });
  const contestants = [
    createBareContestant(client, TASK_QUEUE, milestones),
    ours.contestant({ waits: false }),
    ours.contestant({ waits: true }),
  ];
  try {
    return await worker.runUntil(() => compare(run, servers, client, contestants));
  } finally {
    await ours.close();
    await Promise.all([connection.close(), native.close()]);
  }
}

function keyOf(contestant: Contestant, concurrency: number): string {
  return `${concurrency} ${contestant.name}`;
}

async function compare(
  run: BenchRun,
  servers: OverheadServers,
  client: Client,
  contestants: readonly Contestant[],
): Promise<OverheadResult> {
  const sizes = [
    { concurrency: 1, settlements: BENCH_COUNTS.overheadAlone },
    { concurrency: BENCH_COUNTS.overheadConcurrency, settlements: BENCH_COUNTS.overheadTogether },
  ];
  run.say('engine  warm-up');
  const warmUp = { concurrency: BENCH_COUNTS.overheadConcurrency, settlements: BENCH_COUNTS.overheadWarmUp };
  for (const contestant of contestants) await runBlock(contestant, warmUp, servers, run.signal);

  const blocks = new Map<string, Block[]>();
  const begunAt = performance.now();
  let rounds = 0;
  for (let round = 0; round < BENCH_COUNTS.rounds; round += 1) {
    if (round >= BENCH_COUNTS.leastRounds && performance.now() - begunAt > BENCH_LIMITS.roundsMs) break;
    rounds = round + 1;
    run.say(`engine  round ${round + 1} of ${BENCH_COUNTS.rounds}`);
    // Everybody is first in turn, so that nobody always follows the heaviest.
    const order = contestants.map((_, index) => contestants[(index + round) % contestants.length]);
    for (const size of sizes) {
      for (const contestant of order) {
        if (contestant === undefined) continue;
        const key = keyOf(contestant, size.concurrency);
        blocks.set(key, [...(blocks.get(key) ?? []), await runBlock(contestant, size, servers, run.signal)]);
      }
    }
  }
  const histories: Record<string, HistoryCounts> = {};
  for (const contestant of contestants) {
    const ids = sizes.flatMap(({ concurrency }) =>
      (blocks.get(keyOf(contestant, concurrency)) ?? []).flatMap((block) => block.workflowIds),
    );
    histories[contestant.name] = await countWorkflows(client, ids.slice(0, COUNTED_HISTORIES));
  }
  const loads = sizes.map(({ concurrency, settlements }): OverheadLoad => {
    const results = contestants.map((contestant) =>
      summarise(contestant.name, blocks.get(keyOf(contestant, concurrency)) ?? []),
    );
    return {
      concurrency,
      settlements_per_block: settlements,
      rounds,
      contestants: results,
      ratios: Object.fromEntries(results.slice(1).map((result) => [result.name, ratio(results[0], result)])),
    };
  });
  return { loads, histories };
}
