import { processorMs } from '../process-usage.ts';
import { median, percentile, rounded } from '../statistics.ts';
import type { Contestant } from './contestant.ts';
import type { OverheadServers } from './servers.ts';

/** One uninterrupted run of one contestant. Times in ms. */
export interface Block {
  readonly workflowIds: readonly string[];
  readonly latencies: readonly number[];
  /** Of each settlement: the block's whole, divided. */
  readonly wallMs: number;
  readonly nodeMs: number;
  readonly postgresMs: number;
  readonly temporalMs: number;
  readonly statements: Readonly<Record<string, number>>;
}

export interface ContestantResult {
  readonly name: string;
  /** Medians over the blocks, per settlement. */
  readonly wall_ms: number;
  readonly settlements_per_second: number;
  readonly node_processor_ms: number;
  readonly postgres_processor_ms: number;
  readonly temporal_processor_ms: number;
  /** Over all settlements. */
  readonly latency_p50_ms: number;
  readonly latency_p95_ms: number;
  readonly statements: Readonly<Record<string, number>>;
}

const MS_PER_SECOND = 1_000;

/** Runs `settlements` of them, `concurrency` at a time. What can be prepared is not measured. */
export async function runBlock(
  contestant: Contestant,
  size: { readonly concurrency: number; readonly settlements: number },
  servers: OverheadServers,
  signal: AbortSignal,
): Promise<Block> {
  signal.throwIfAborted();
  const ids = [...(await contestant.prepare(size.settlements))];
  const latencies: number[] = [];
  const workflowIds: string[] = [];
  const before = usage(contestant, servers);
  contestant.begin();
  const lane = async () => {
    for (let id = ids.shift(); id !== undefined && !signal.aborted; id = ids.shift()) {
      const startedAt = performance.now();
      workflowIds.push(await contestant.run(id));
      latencies.push(performance.now() - startedAt);
    }
  };
  let after: ReturnType<typeof usage>;
  try {
    await Promise.all(Array.from({ length: size.concurrency }, lane));
    after = usage(contestant, servers);
  } finally {
    await contestant.end();
  }
  signal.throwIfAborted();
  const each = (field: 'at' | 'nodeMs' | 'postgresMs' | 'temporalMs') =>
    (after[field] - before[field]) / size.settlements;
  return {
    workflowIds,
    latencies,
    wallMs: each('at'),
    nodeMs: each('nodeMs'),
    postgresMs: each('postgresMs'),
    temporalMs: each('temporalMs'),
    statements: Object.fromEntries(
      Object.entries(after.statements).map(([name, count]) => [
        name,
        (count - (before.statements[name] ?? 0)) / size.settlements,
      ]),
    ),
  };
}

function usage(contestant: Contestant, { pids }: OverheadServers) {
  const own = process.cpuUsage();
  return {
    at: performance.now(),
    nodeMs: (own.user + own.system) / MS_PER_SECOND,
    postgresMs: processorMs(pids.postgres),
    temporalMs: processorMs(pids.temporal),
    statements: contestant.statements(),
  };
}

export function summarise(name: string, blocks: readonly Block[]): ContestantResult {
  const middle = (field: 'wallMs' | 'nodeMs' | 'postgresMs' | 'temporalMs') =>
    median(blocks.map((block) => block[field]));
  const latencies = blocks.flatMap((block) => block.latencies);
  const names = Object.keys(blocks[0]?.statements ?? {});
  return {
    name,
    wall_ms: rounded(middle('wallMs')),
    settlements_per_second: rounded(MS_PER_SECOND / middle('wallMs')),
    node_processor_ms: rounded(middle('nodeMs')),
    postgres_processor_ms: rounded(middle('postgresMs')),
    temporal_processor_ms: rounded(middle('temporalMs')),
    latency_p50_ms: rounded(percentile(latencies, 0.5)),
    latency_p95_ms: rounded(percentile(latencies, 0.95)),
    statements: Object.fromEntries(
      names.map((owner) => [owner, rounded(median(blocks.map((block) => block.statements[owner] ?? 0)))]),
    ),
  };
}

/** How much of the bare engine is left: its time over ours. */
export function ratio(bare: ContestantResult | undefined, ours: ContestantResult) {
  return {
    throughput: rounded((bare?.wall_ms ?? Number.NaN) / ours.wall_ms, 2),
    node_processor: rounded((bare?.node_processor_ms ?? Number.NaN) / ours.node_processor_ms, 2),
  };
}
