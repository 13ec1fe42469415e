import { execFile } from 'node:child_process';
import { cpus, loadavg, totalmem } from 'node:os';
import { promisify } from 'node:util';

import { temporalVersion } from '../dev/temporal-binary.ts';
import { findTemporal } from '../dev/temporal-server.ts';
import { rounded } from './statistics.ts';

const BYTES_PER_GIB = 1_024 ** 3;

/** What the numbers were measured on. */
export interface Machine {
  readonly measured_at: string;
  readonly cores: number;
  readonly processor: string;
  readonly memory_gib: number;
  /** One-minute load before the run: others who use the machine make every number worse. */
  readonly load_before: number;
  readonly node: string;
  readonly temporal: string;
  readonly commit: string;
}

export async function describeMachine(log: (line: string) => void): Promise<Machine> {
  const binary = await findTemporal({ log });
  return {
    measured_at: new Date().toISOString(),
    cores: cpus().length,
    processor: cpus()[0]?.model ?? 'unknown',
    memory_gib: rounded(totalmem() / BYTES_PER_GIB),
    load_before: rounded(loadavg()[0] ?? 0, 2),
    node: process.versions.node,
    temporal: await temporalVersion(binary),
    commit: await commit(),
  };
}

async function commit(): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)('git', ['rev-parse', '--short', 'HEAD'], { timeout: 5_000 });
    return stdout.trim();
  } catch {
    // Not a clone, or no git: the numbers are good all the same.
    return 'unknown';
  }
}
