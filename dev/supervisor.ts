import { setTimeout as pause } from 'node:timers/promises';

import { describeExit, type RunningProcess } from './processes.ts';

/** Milliseconds. */
const BACKOFF = { firstMs: 500, maximumMs: 15_000, factor: 2, forgetAfterMs: 60_000 } as const;

export interface Supervisor {
  /** Starts a process, waits until it is ready, and from then on restarts it whenever it ends by itself. */
  start<Process extends RunningProcess>(name: string, launch: () => Promise<Process>): Promise<Process>;
  /** Stops everything, in the reverse order of the start. Nothing is restarted any more. */
  stopAll(): Promise<void>;
}

interface Supervised {
  readonly name: string;
  current: RunningProcess;
}

/** Keeps the processes of the stack alive. `log` gets a line per death and restart. */
export function createSupervisor(log: (line: string) => void): Supervisor {
  const supervised: Supervised[] = [];
  const stopping = new AbortController();

  async function watch(entry: Supervised, launch: () => Promise<RunningProcess>): Promise<void> {
    let delayMs: number = BACKOFF.firstMs;
    while (!stopping.signal.aborted) {
      const readyAt = Date.now();
      const exit = await entry.current.exited;
      if (stopping.signal.aborted) return;
      if (Date.now() - readyAt > BACKOFF.forgetAfterMs) delayMs = BACKOFF.firstMs;
      log(
        `${entry.name} ended (${describeExit(exit)}); starting it again in ${delayMs / 1000} s; its log: ${entry.current.logFile}`,
      );
      delayMs = await restart(entry, launch, delayMs);
    }
  }

  /** Tries until it starts; answers the delay that the next death begins with. */
  async function restart(
    entry: Supervised,
    launch: () => Promise<RunningProcess>,
    firstDelayMs: number,
  ): Promise<number> {
    let delayMs = firstDelayMs;
    for (;;) {
      // Aborted when everything stops, which the next line looks at.
      await pause(delayMs, undefined, { signal: stopping.signal }).catch(() => undefined);
      if (stopping.signal.aborted) return delayMs;
      delayMs = Math.min(delayMs * BACKOFF.factor, BACKOFF.maximumMs);
      try {
        const next = await launch();
        entry.current = next;
        // A stop that came while the process was starting has not seen it.
        if (stopping.signal.aborted) await next.stop();
        else log(`${entry.name} is back (pid ${next.pid})`);
        return delayMs;
      } catch (error) {
        if (stopping.signal.aborted) return delayMs;
        log(
          `${entry.name} does not start (${error instanceof Error ? error.message : String(error)}); again in ${delayMs / 1000} s`,
        );
      }
    }
  }

  return {
    async start(name, launch) {
      // Parts start side by side: when one fails, everything is stopped while others have not begun yet.
      if (stopping.signal.aborted) throw new Error(`${name} is not started: everything is being stopped`);
      const first = await launch();
      if (stopping.signal.aborted) await first.stop();
      const entry: Supervised = { name, current: first };
      supervised.push(entry);
      watch(entry, launch).catch((error: unknown) => log(`watching ${name} failed: ${String(error)}`));
      return first;
    },
    async stopAll() {
      stopping.abort();
      for (const entry of supervised.toReversed()) await entry.current.stop();
    },
  };
}
