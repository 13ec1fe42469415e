import { readdirSync, readFileSync } from 'node:fs';

/** What the kernel says of processes: processor time and peak memory. */

/** Linux reports processor time in hundredths of a second on every platform that we run on (`USER_HZ`). */
const TICK_MS = 10;
const BYTES_PER_KIB = 1_024;

/**
 * Milliseconds of processor time of a process, its group and its children, ended ones included; 0 when it is gone. Every part of the
 * development stack leads a group of its own; PostgreSQL's backends leave it, but stay children.
 */
export function processorMs(pid: number): number {
  const own = readStat(pid);
  if (own === undefined) return 0;
  let ticks = own.ticks + own.childTicks;
  for (const name of readdirSync('/proc')) {
    const other = Number(name);
    if (!Number.isInteger(other) || other === pid) continue;
    const stat = readStat(other);
    if (stat !== undefined && (stat.group === pid || stat.parent === pid)) ticks += stat.ticks;
  }
  return ticks * TICK_MS;
}

interface Stat {
  readonly parent: number;
  readonly group: number;
  readonly ticks: number;
  readonly childTicks: number;
}

/** Fields of proc_pid_stat(5); the name in parentheses may hold spaces, so they are counted from its end. */
function readStat(pid: number): Stat | undefined {
  const text = readProcFile(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const at = (index: number) => Number(fields[index] ?? 0);
  return { parent: at(1), group: at(2), ticks: at(11) + at(12), childTicks: at(13) + at(14) };
}

/** Largest resident memory that the process ever had (`VmHWM`), bytes; undefined when it is gone. */
export function peakMemoryBytes(pid: number): number | undefined {
  const found = /^VmHWM:\s+(\d+) kB$/m.exec(readProcFile(`/proc/${pid}/status`) ?? '')?.[1];
  return found === undefined ? undefined : Number(found) * BYTES_PER_KIB;
}

function readProcFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // The process has ended, which is an answer.
    return undefined;
  }
}
