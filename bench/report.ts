import type { HistoryCounts } from './histories.ts';
import type { Machine } from './machine.ts';
import type { OverheadLoad, OverheadResult } from './overhead/measure.ts';
import type { LoadResult, WholeStackResult } from './whole-stack/measure.ts';

/** `bench/latest.json` in the home. */
export interface BenchResult {
  readonly machine: Machine;
  readonly whole_stack: WholeStackResult | null;
  readonly overhead: OverheadResult | null;
}

/** Aims of the project, shown beside the numbers; nothing fails by them. */
const AIMS = { throughputRatio: 0.5, memoryMib: 400, events: 60, workflowTasks: 10 } as const;

type Row = readonly (string | number)[];

export function renderReport({ machine, whole_stack: wholeStack, overhead }: BenchResult): string {
  return [
    '',
    `Machine: ${machine.cores} cores (${machine.processor}), ${machine.memory_gib} GiB, load before ${machine.load_before}`,
    `Node ${machine.node}; ${machine.temporal}; commit ${machine.commit}; ${machine.measured_at}`,
    ...(wholeStack === null ? [] : renderWholeStack(wholeStack)),
    ...(overhead === null ? [] : renderOverhead(overhead)),
    '',
  ].join('\n');
}

function renderWholeStack(result: WholeStackResult): string[] {
  const { floor, loads, histories, peak_memory_mib: memory } = result;
  const columns = loads.map((load) => `concurrency ${load.concurrency}`);
  const of = (title: string, cell: (load: LoadResult) => string | number): Row => [title, ...loads.map(cell)];
  const processes = Object.keys(loads[0]?.processor_ms ?? {});
  return [
    '',
    `(a) Whole stack. PostgreSQL ${result.database}, ${result.chain}`,
    `    Floor: a block every ${floor.blockTimeMs} ms, final ${floor.finalityBlocks} blocks later; four blocks and their finality are ${floor.toFinalMs} ms on average.`,
    '',
    ...table(
      ['', ...columns],
      [
        of('settlements', (load) => load.settlements),
        of('settlements per second', (load) => load.settlements_per_second),
        of('  floor', (load) => load.floor_settlements_per_second),
        of(
          'request to deposits open, p50 / p95 ms',
          (load) => `${load.to_deposits_ms.p50} / ${load.to_deposits_ms.p95}`,
        ),
        of('  floor, mean', (load) => load.to_deposits_ms.floor),
        of('request to FINALIZED, p50 / p95 ms', (load) => `${load.to_final_ms.p50} / ${load.to_final_ms.p95}`),
        of('  floor, mean', (load) => load.to_final_ms.floor),
        of('p50 over the floor', (load) => load.ratio_to_floor),
        of('database transactions per settlement', (load) => load.database_transactions),
        ...processes.map((name) => of(`processor ms per settlement, ${name}`, (load) => load.processor_ms[name] ?? 0)),
      ],
    ),
    '',
    `    Peak memory, MiB (aim ${AIMS.memoryMib}): ${Object.entries(memory)
      .map((entry) => entry.join(' '))
      .join(', ')}`,
    `    Histories: ${renderHistories(histories)}`,
  ];
}

function renderHistories(histories: HistoryCounts): string {
  return (
    `${histories.events} events (most ${histories.most_events}, aim ${AIMS.events}), ` +
    `${histories.workflow_tasks} workflow tasks (most ${histories.most_workflow_tasks}, aim ${AIMS.workflowTasks}), ` +
    `${histories.activities} activities, ${histories.signals} signals, ${histories.history_bytes} bytes; mean of ${histories.histories}`
  );
}

function renderOverhead(result: OverheadResult): string[] {
  const histories = Object.entries(result.histories);
  return [
    '',
    '(b) Our workflow, chain and webhooks stubbed, beside a hand-written one of equal event counts; alternating blocks, medians.',
    ...result.loads.flatMap(renderLoad),
    '',
    ...histories.map(([name, counts]) => `    Histories, ${name}: ${renderHistories(counts)}`),
  ];
}

function renderLoad(load: OverheadLoad): string[] {
  const { contestants } = load;
  const of = (title: string, cell: (result: (typeof contestants)[number]) => string | number): Row => [
    title,
    ...contestants.map(cell),
  ];
  const statements = Object.keys(contestants.find((one) => Object.keys(one.statements).length > 0)?.statements ?? {});
  return [
    '',
    `    Concurrency ${load.concurrency}, ${load.rounds} blocks of ${load.settlements_per_block}`,
    '',
    ...table(
      ['per settlement', ...contestants.map((one) => one.name)],
      [
        of('wall time, ms', (one) => one.wall_ms),
        of('settlements per second', (one) => one.settlements_per_second),
        of(`throughput, ours over bare (aim ${AIMS.throughputRatio})`, (one) => load.ratios[one.name]?.throughput ?? 1),
        of('latency p50 / p95, ms', (one) => `${one.latency_p50_ms} / ${one.latency_p95_ms}`),
        of('Node processor, ms', (one) => one.node_processor_ms),
        of('Node processor, bare over ours', (one) => load.ratios[one.name]?.node_processor ?? 1),
        of('PostgreSQL processor, ms', (one) => one.postgres_processor_ms),
        of('Temporal processor, ms', (one) => one.temporal_processor_ms),
        ...statements.map((owner) => of(`SQL statements, ${owner}`, (one) => one.statements[owner] ?? 0)),
      ],
    ),
  ];
}

/** First column to the left, the others to the right. */
function table(head: Row, rows: readonly Row[]): string[] {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => String(row[column] ?? '').length)));
  const line = (row: Row) =>
    `    ${row.map((cell, column) => (column === 0 ? String(cell).padEnd(widths[0] ?? 0) : String(cell).padStart(widths[column] ?? 0))).join('   ')}`;
  return [line(head), `    ${widths.map((width) => '-'.repeat(width)).join('   ')}`, ...rows.map(line)];
}
