import { readFileSync, renameSync, rmSync } from 'node:fs';

import { createExclusively } from './exclusive-file.ts';
import { isAlive, type ProcessRecord, recordProcess, waitUntil } from './processes.ts';

/** How long a new launcher waits for one that is on its way out. Milliseconds. */
const WAIT_LIMIT_MS = 20_000;

/**
 * Takes the lock of a home, so that two launchers do not fight for ports and files. A lock whose process is gone is taken over.
 * Answers how to give it back. @throws Error that names the process that has it.
 */
export async function takeLauncherLock(file: string, log: (line: string) => void): Promise<() => void> {
  const own = recordProcess('launcher', process.pid);
  if (own === undefined) throw new Error('this process cannot read its own state in /proc');
  let waitedFor: number | undefined;
  const taken = await waitUntil(() => {
    const holder = readHolder(file);
    if (holder !== undefined && isAlive(holder)) {
      if (waitedFor !== holder.pid)
        log(`another start of this home is still running (pid ${holder.pid}); waiting for it to end`);
      waitedFor = holder.pid;
      return false;
    }
    if (holder !== undefined) removeStale(file);
    return createExclusively(file, JSON.stringify(own));
  }, WAIT_LIMIT_MS);
  if (!taken) {
    throw new Error(
      `another start of this home is running (pid ${waitedFor ?? 'unknown'}): stop it, or set KEYSTONE_HOME to another folder`,
    );
  }
  return () => rmSync(file, { force: true });
}

function readHolder(file: string): ProcessRecord | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ProcessRecord;
  } catch {
    // No lock, or one that was just given back; the exclusive creation decides.
    return undefined;
  }
}

/**
 * Renamed before it is removed: of two launchers that see a stale lock only one can rename it. The slower one may get hold of the lock
 * that the faster one has just created, and puts it back.
 */
function removeStale(file: string): void {
  const aside = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, aside);
  } catch {
    // The other one was first; the exclusive creation decides.
    return;
  }
  const taken = readHolder(aside);
  if (taken !== undefined && isAlive(taken)) renameSync(aside, file);
  else rmSync(aside, { force: true });
}
