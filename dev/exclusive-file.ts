import { linkSync, rmSync, writeFileSync } from 'node:fs';

let created = 0;

/**
 * Creates a file with its whole content, mode 0600, or answers false when it exists already. Linked into place when complete: a process
 * that is killed in between must not leave an empty file, which would be taken for a claim of nobody or for half a key.
 */
export function createExclusively(file: string, content: string): boolean {
  created += 1;
  const unfinished = `${file}.${process.pid}-${created}.unfinished`;
  writeFileSync(unfinished, content, { mode: 0o600 });
  try {
    linkSync(unfinished, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(unfinished, { force: true });
  }
}
