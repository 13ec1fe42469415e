import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { watchAncestors } from '../dev/ancestors.ts';
import { createHome } from '../dev/home.ts';
import { takeLauncherLock } from '../dev/launcher-lock.ts';
import { createProcessRegistry } from '../dev/process-registry.ts';
import { writePrivateJson } from '../dev/stack-file.ts';
import { createSteps } from '../dev/steps.ts';
import { BENCH_LIMITS } from './limits.ts';
import { describeMachine } from './machine.ts';
import { measureOverhead } from './overhead/measure.ts';
import { type BenchResult, renderReport } from './report.ts';
import type { BenchRun } from './run.ts';
import { measureWholeStack } from './whole-stack/measure.ts';

/**
 * `npm run bench`: (a) settlements through the whole stack, beside what the chain alone costs; (b) our settlement workflow beside a
 * hand-written one of equal event counts. Nothing fails for being slow: the numbers depend on the machine. The result is printed and
 * kept as `bench/latest.json` in the home.
 *
 *   --only stack | overhead   one part
 */

const EXIT = { ok: 0, failed: 1, usage: 2 } as const;
const PARTS = ['stack', 'overhead'] as const;

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { only: { type: 'string' } }, strict: true });
  if (values.only !== undefined && !PARTS.some((part) => part === values.only)) {
    process.stderr.write(`usage: npm run bench -- [--only ${PARTS.join(' | ')}]\n`);
    return EXIT.usage;
  }
  const startedAtMs = Number(process.env['KEYSTONE_STARTED_AT_MS'] ?? Date.now());
  const { say } = createSteps((text) => process.stdout.write(text), startedAtMs);
  const home = createHome();
  const directory = join(home.path, 'bench');
  mkdirSync(directory, { recursive: true, mode: 0o711 });
  const giveBack = await takeLauncherLock(join(directory, 'bench.lock'), say);
  const registry = createProcessRegistry(join(directory, 'processes.json'));
  const run: BenchRun = { directory, logs: home.logs, registry, signal: giveUpSignal(), say };
  try {
    const ended = await registry.endLeftovers();
    if (ended.length > 0) say(`note    an earlier run was killed; ended what it left running: ${ended.join(', ')}`);
    const machine = await describeMachine(say);
    say(`bench   ${machine.cores} cores, ${machine.memory_gib} GiB, load ${machine.load_before}, Node ${machine.node}`);
    const result: BenchResult = {
      machine,
      whole_stack: values.only === 'overhead' ? null : await measureWholeStack(run),
      overhead: values.only === 'stack' ? null : await measureOverhead(run),
    };
    const file = join(directory, 'latest.json');
    writePrivateJson(file, result);
    process.stdout.write(renderReport(result));
    say(`kept    ${file}`);
    return EXIT.ok;
  } finally {
    await registry.endLeftovers();
    for (const part of ['stack', 'servers']) rmSync(join(directory, part), { recursive: true, force: true });
    giveBack();
  }
}

/** Aborts at the time limit, at Ctrl-C, at a termination, and when the command that started us dies. */
function giveUpSignal(): AbortSignal {
  const interrupted = new AbortController();
  const stop = (reason: string) => interrupted.abort(new Error(reason));
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => stop(`ended by ${name}`));
  watchAncestors(() => stop('the command that started the benchmark is gone'));
  setTimeout(() => stop(`given up after ${BENCH_LIMITS.runMs / 60_000} minutes`), BENCH_LIMITS.runMs).unref();
  return interrupted.signal;
}

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return EXIT.failed;
});
// Nothing is left to do; a connection that a library keeps open must not keep us.
process.exit();
