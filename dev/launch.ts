import type { Home } from './home.ts';
import type { ProcessRegistry } from './process-registry.ts';
import { type OnSpawn, type RunningProcess, startProcess, waitUntilReady } from './processes.ts';
import type { SecretStore } from './secrets.ts';
import type { Steps } from './steps.ts';
import type { Supervisor } from './supervisor.ts';

/** What every part of the start needs. */
export interface Launch {
  readonly home: Home;
  readonly secrets: SecretStore;
  readonly steps: Steps;
  readonly supervisor: Supervisor;
  readonly registry: ProcessRegistry;
  /** The environment that we were started with: what it names replaces an embedded part. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Milliseconds. */
const LIMITS = { startMs: 60_000, probeMs: 2_000, stopMs: 15_000 } as const;

export interface NodeService {
  readonly name: string;
  /** Path of the entry file, relative to the repository, which is the working directory. */
  readonly entry: string;
  /** On top of PATH and HOME. The child inherits nothing else: a variable of the developer's shell must not configure it. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly ready: () => Promise<boolean>;
}

/** Starts one of our own programs under the supervisor and waits until it is ready. */
export function startNodeService(launch: Launch, directory: string, service: NodeService): Promise<RunningProcess> {
  return launch.supervisor.start(service.name, async () => {
    const running = await startProcess({
      name: service.name,
      command: process.execPath,
      args: [service.entry],
      directory,
      environment: {
        PATH: process.env['PATH'],
        HOME: process.env['HOME'],
        NODE_ENV: 'development',
        LOG_LEVEL: process.env['LOG_LEVEL'],
        ...service.environment,
      },
      logFile: launch.home.log(service.name),
      stopLimitMs: LIMITS.stopMs,
      onSpawn: onSpawn(launch),
    });
    await waitUntilReady(running, service.ready, LIMITS.startMs);
    return running;
  });
}

export function onSpawn(launch: Launch): OnSpawn {
  return (record) => launch.registry.remember(record);
}

/** A probe: does the address answer with one of the 2xx? */
export function answersAt(url: string): () => Promise<boolean> {
  return async () => {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(LIMITS.probeMs) });
      await response.body?.cancel();
      return response.ok;
    } catch {
      // Not yet: the caller asks again until its time limit.
      return false;
    }
  };
}

/** The value of a variable; empty counts as not set. */
export function variable(launch: Launch, name: string): string | undefined {
  const value = launch.environment[name];
  return value === '' ? undefined : value;
}
