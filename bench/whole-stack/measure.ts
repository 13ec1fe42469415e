import { setTimeout as pause } from 'node:timers/promises';

import type { JsonRpcProvider } from 'ethers';
import { Client as Database } from 'pg';

import { createChainClient } from '../../dev/demo-wallet.ts';
import { countHistories, type HistoryCounts } from '../histories.ts';
import { BENCH_COUNTS, BENCH_LIMITS } from '../limits.ts';
import type { BenchRun } from '../run.ts';
import { peakMemoryBytes, processorMs } from '../process-usage.ts';
import { percentile, rounded } from '../statistics.ts';
import { createTradingClient, type SettlementSample, type TradingClient } from './client.ts';
import { chainFloor, type Floor } from './floor.ts';
import { startReceiver } from './receiver.ts';
import { type MeasuredStack, startMeasuredStack } from './stack.ts';
import { createWalletPairs, type WalletPair } from './wallets.ts';

/** Part (a): real API, worker, PostgreSQL, Temporal and chain, driven from outside. */

export interface LoadResult {
  readonly concurrency: number;
  readonly settlements: number;
  readonly seconds: number;
  readonly settlements_per_second: number;
  /** What a chain-bound engine would do at this concurrency. */
  readonly floor_settlements_per_second: number;
  readonly to_deposits_ms: { readonly p50: number; readonly p95: number; readonly floor: number };
  readonly to_final_ms: { readonly p50: number; readonly p95: number; readonly floor: number };
  /** Median over the chain's own time: 1 would be an engine without latency. */
  readonly ratio_to_floor: number;
  /** Processor time per settlement by process, ms; `load generator` is the benchmark itself. */
  readonly processor_ms: Readonly<Record<string, number>>;
  /** Database transactions per settlement, the loops that look for work included. */
  readonly database_transactions: number;
}

export interface WholeStackResult {
  readonly floor: Floor;
  readonly database: string;
  readonly chain: string;
  readonly loads: readonly LoadResult[];
  readonly histories: HistoryCounts;
  readonly peak_memory_mib: Readonly<Record<string, number>>;
}

const BYTES_PER_MIB = 1_024 ** 2;
const MS_PER_SECOND = 1_000;
const MEMORY_OF = ['api', 'worker'] as const;

export async function measureWholeStack(run: BenchRun): Promise<WholeStackResult> {
  const { say } = run;
  say('stack   starting, in a home of its own');
  const stack = await startMeasuredStack(run);
  try {
    return await measure(stack, AbortSignal.any([run.signal, stack.ended]), say);
  } finally {
    say('stack   stopping');
    await stack.stop();
  }
}

async function measure(
  stack: MeasuredStack,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<WholeStackResult> {
  const [chain] = stack.file.chains;
  if (chain === undefined) throw new Error('the stack has no chain');
  const provider = createChainClient(chain);
  const receiver = await startReceiver(signal);
  const database = new Database({
    connectionString: stack.file.database_url,
    statement_timeout: BENCH_LIMITS.statementMs,
  });
  // A connection that breaks fails the query that needs it; without a listener it would end the process.
  database.on('error', (error) => say(`note    the database connection broke: ${error.message}`));
  await database.connect();
  try {
    say(`stack   equipping ${2 * BENCH_COUNTS.stackConcurrency} wallets`);
    const pairs = await createWalletPairs(chain, provider, BENCH_COUNTS.stackConcurrency);
    const client = await createTradingClient(stack.file, receiver);
    const floor = await readFloor(provider);
    const context: LoadContext = { stack, client, pairs, floor, database, signal, say };
    await runLoad(context, 1, BENCH_COUNTS.stackWarmUp, 'warm-up');
    const alone = await runLoad(context, 1, BENCH_COUNTS.stackAlone);
    const together = await runLoad(context, BENCH_COUNTS.stackConcurrency, BENCH_COUNTS.stackTogether);
    const ids = [...alone.samples, ...together.samples].map((sample) => sample.settlementId);
    await assertFinal(client, ids);
    const version = await database.query<{ server_version: string }>('SHOW server_version');
    return {
      floor,
      database: version.rows[0]?.server_version ?? 'unknown',
      chain: String(await provider.send('web3_clientVersion', [])),
      loads: [alone.result, together.result],
      histories: await countHistories(stack.file.temporal.address, ids),
      peak_memory_mib: peakMemory(stack),
    };
  } finally {
    provider.destroy();
    await Promise.all([receiver.close(), database.end()]);
  }
}

interface LoadContext {
  readonly stack: MeasuredStack;
  readonly client: TradingClient;
  readonly pairs: readonly WalletPair[];
  readonly floor: Floor;
  readonly database: Database;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

/**
 * Closed loop: `concurrency` traders, each with wallets of its own, who begin the next settlement when the last one is final. Before each
 * they wait a random part of a block's time: otherwise all would ask right after a block, and find the longest wait for the next one.
 */
async function runLoad(
  context: LoadContext,
  concurrency: number,
  settlements: number,
  title = `concurrency ${concurrency}`,
): Promise<{ result: LoadResult; samples: SettlementSample[] }> {
  const { client, pairs, floor, signal, say } = context;
  const samples: SettlementSample[] = [];
  let begun = 0;
  const before = await readUsage(context);
  const startedAt = performance.now();
  const trader = async (pair: WalletPair) => {
    while (begun < settlements && !signal.aborted) {
      const index = begun;
      begun += 1;
      await pause(Math.random() * floor.blockTimeMs, undefined, { signal });
      samples.push(await client.settle(pair, index % 2 === 0 ? 'confirmation' : 'instructions'));
      if (samples.length % Math.max(1, Math.floor(settlements / 4)) === 0 || samples.length === settlements)
        say(`stack   ${title}: ${samples.length} of ${settlements} settled`);
    }
  };
  await Promise.all(pairs.slice(0, concurrency).map(trader));
  signal.throwIfAborted();
  const seconds = (performance.now() - startedAt) / MS_PER_SECOND;
  // PostgreSQL's counters arrive up to a second late.
  await pause(MS_PER_SECOND);
  const after = await readUsage(context);
  return { samples, result: summarise({ concurrency, seconds, floor, samples, before, after }) };
}

function summarise(run: {
  concurrency: number;
  seconds: number;
  floor: Floor;
  samples: readonly SettlementSample[];
  before: Usage;
  after: Usage;
}): LoadResult {
  const { concurrency, seconds, floor, samples, before, after } = run;
  const toDeposits = samples.map((sample) => sample.toDepositsMs);
  const toFinal = samples.map((sample) => sample.toFinalMs);
  const spread = (values: readonly number[], least: number) => ({
    p50: Math.round(percentile(values, 0.5)),
    p95: Math.round(percentile(values, 0.95)),
    floor: Math.round(least),
  });
  const cycleSeconds = (floor.toFinalMs + floor.blockTimeMs / 2) / MS_PER_SECOND;
  const perSettlement = (name: string) =>
    rounded(((after.processorMs.get(name) ?? 0) - (before.processorMs.get(name) ?? 0)) / samples.length);
  return {
    concurrency,
    settlements: samples.length,
    seconds: rounded(seconds),
    settlements_per_second: rounded(samples.length / seconds, 2),
    floor_settlements_per_second: rounded(concurrency / cycleSeconds, 2),
    to_deposits_ms: spread(toDeposits, floor.toDepositsMs),
    to_final_ms: spread(toFinal, floor.toFinalMs),
    ratio_to_floor: rounded(percentile(toFinal, 0.5) / floor.toFinalMs, 2),
    processor_ms: Object.fromEntries([...after.processorMs.keys()].map((name) => [name, perSettlement(name)])),
    database_transactions: rounded((after.transactions - before.transactions) / samples.length),
  };
}

interface Usage {
  readonly processorMs: ReadonlyMap<string, number>;
  readonly transactions: number;
}

async function readUsage({ stack, database }: LoadContext): Promise<Usage> {
  const rows = await database.query<{ transactions: string }>(
    'SELECT xact_commit + xact_rollback AS transactions FROM pg_stat_database WHERE datname = current_database()',
  );
  const own = process.cpuUsage();
  const processes = [...stack.processes()].map(([name, pid]) => [name, processorMs(pid)] as const);
  return {
    processorMs: new Map([...processes, ['load generator', (own.user + own.system) / MS_PER_SECOND]]),
    transactions: Number(rows.rows[0]?.transactions ?? 0),
  };
}

async function readFloor(provider: JsonRpcProvider): Promise<Floor> {
  const [head, finalized] = await Promise.all([provider.getBlock('latest'), provider.getBlock('finalized')]);
  if (head === null || finalized === null) throw new Error('the chain has no finalised block');
  const earlier = await provider.getBlock(finalized.number);
  if (earlier === null) throw new Error('the finalised block is gone');
  const finalityBlocks = head.number - finalized.number;
  const blockTimeMs = ((head.timestamp - earlier.timestamp) * MS_PER_SECOND) / finalityBlocks;
  return chainFloor(blockTimeMs, finalityBlocks);
}

/** The webhooks said so; the API has to say the same. */
async function assertFinal(client: TradingClient, ids: readonly string[]): Promise<void> {
  const states = new Set(await Promise.all(ids.map((id) => client.stateOf(id))));
  if (states.size !== 1 || !states.has('FINALIZED')) throw new Error(`settlements ended as ${[...states].join(', ')}`);
}

function peakMemory(stack: MeasuredStack): Record<string, number> {
  const processes = stack.processes();
  return Object.fromEntries(
    MEMORY_OF.map((name) => {
      const bytes = peakMemoryBytes(processes.get(name) ?? 0);
      if (bytes === undefined) throw new Error(`the process ${name} is gone`);
      return [name, Math.round(bytes / BYTES_PER_MIB)];
    }),
  );
}
