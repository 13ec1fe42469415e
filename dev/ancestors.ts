import { commandLine, isAlive, parentOf, type ProcessRecord, recordProcess } from './processes.ts';

/** How far up the commands that started us are looked for: npm, its shell, the bootstrap. */
const MAX_ANCESTORS = 4;
const POLL_MS = 500;

/**
 * Calls `onLost` once when a command that started us (npm, its shell, the bootstrap) has died without stopping us: `kill -9` of
 * `npm start` must not leave a stack behind that nobody can stop.
 */
export function watchAncestors(onLost: () => void): void {
  const ancestors = startingCommands();
  const timer = setInterval(() => {
    if (ancestors.every(isAlive)) return;
    clearInterval(timer);
    onLost();
  }, POLL_MS);
  timer.unref();
}

function startingCommands(): ProcessRecord[] {
  const found: ProcessRecord[] = [];
  let pid = process.ppid;
  while (found.length < MAX_ANCESTORS && /bootstrap\.mjs|\bnpm\b/.test(commandLine(pid))) {
    const record = recordProcess('ancestor', pid);
    const parent = parentOf(pid);
    if (record === undefined || parent === undefined) break;
    found.push(record);
    pid = parent;
  }
  return found;
}
