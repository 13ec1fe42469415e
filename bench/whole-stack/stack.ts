import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { REPOSITORY } from '../../dev/home.ts';
import { type RunningProcess, startProcess, waitUntilReady } from '../../dev/processes.ts';
import { readStackFile, type StackFile } from '../../dev/stack-file.ts';
import { BENCH_LIMITS } from '../limits.ts';
import type { BenchRun } from '../run.ts';

/** The stack of `npm start` in a home of its own, without the demo. */
export interface MeasuredStack {
  readonly file: StackFile;
  /** Aborts when the stack ends by itself: nothing would be announced any more. */
  readonly ended: AbortSignal;
  /** Process ids by name, of now. */
  processes(): ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

/** What the launcher says when everything answers. */
const READY = 'ready   Ctrl-C';
/** Variables that would put the load on somebody's own servers, or keys into ours. */
const FOREIGN =
  /^(DATABASE_URL|TEMPORAL_(ADDRESS|NAMESPACE|TASK_QUEUE)|RPC_URL_|KEYSTONE_(?!CACHE)|OIDC_|LSEG_|CIPHEROWL_|PLATFORM_|OPERATOR_|ENGINE_|ORACLE_|RELAYER_|MESSAGE_|TEMPLATE_FEES|NODE_OPTIONS|LOG_LEVEL)/;

/** Starts it in an empty home below the run's directory. */
export async function startMeasuredStack({ directory, logs, registry, signal }: BenchRun): Promise<MeasuredStack> {
  const home = join(directory, 'stack');
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  const logFile = join(logs, 'bench-stack.log');
  rmSync(logFile, { force: true });
  const inherited = Object.entries(process.env).filter(([name]) => !FOREIGN.test(name));
  const launcher = await startProcess({
    name: 'stack',
    command: process.execPath,
    args: ['dev/start.ts', '--no-demo'],
    directory: REPOSITORY,
    environment: { ...Object.fromEntries(inherited), KEYSTONE_HOME: home },
    logFile,
    stopLimitMs: BENCH_LIMITS.stackStopMs,
    onSpawn: registry.remember,
  });
  // A run that is given up while the stack starts must not wait for it.
  const giveUp = () => void launcher.stop();
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    await waitUntilReady(
      launcher,
      async () => readFileSync(logFile, 'utf8').includes(READY),
      BENCH_LIMITS.stackStartMs,
    );
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
  return runningStack(home, launcher);
}

function runningStack(home: string, launcher: RunningProcess): MeasuredStack {
  const ended = new AbortController();
  void launcher.exited.then(() => ended.abort(new Error(`the stack has ended; its log: ${launcher.logFile}`)));
  return {
    file: readStackFile(join(home, 'stack.json')),
    ended: ended.signal,
    processes: () =>
      new Map(readStackFile(join(home, 'stack.json')).processes.map(({ name, pid }) => [name, pid] as const)),
    async stop() {
      await launcher.stop();
      rmSync(home, { recursive: true, force: true });
    },
  };
}
