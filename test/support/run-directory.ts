import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createProcessRegistry, type ProcessRegistry } from '../../dev/process-registry.ts';
import { isAlive, type ProcessRecord, recordProcess } from '../../dev/processes.ts';

/** Every run of jest keeps its servers' files in a directory of its own; several runs may go on at once. */
export interface RunDirectory {
  readonly path: string;
  readonly registry: ProcessRegistry;
}

const OWNER_FILE = 'owner.json';
const PROCESSES_FILE = 'processes.json';

export function testRunsRoot(): string {
  return join(tmpdir(), `keystone-test-runs-${process.getuid?.() ?? 0}`);
}

export function createRunDirectory(): RunDirectory {
  const owner = recordProcess('jest', process.pid);
  if (owner === undefined) throw new Error('this process cannot read its own state in /proc');
  const path = join(testRunsRoot(), `${owner.pid}-${owner.startedAt}`);
  mkdirSync(path, { recursive: true });
  // PostgreSQL runs as another user when we are root, and has to get through.
  chmodSync(testRunsRoot(), 0o711);
  chmodSync(path, 0o711);
  writeFileSync(join(path, OWNER_FILE), JSON.stringify(owner));
  return { path, registry: createProcessRegistry(join(path, PROCESSES_FILE)) };
}

/** Ends the servers and removes the files of runs whose jest process is gone. */
export async function removeDeadRuns(): Promise<void> {
  if (!existsSync(testRunsRoot())) return;
  for (const name of readdirSync(testRunsRoot())) {
    const path = join(testRunsRoot(), name);
    const ownerFile = join(path, OWNER_FILE);
    // A directory without its owner file is being made by another run at this moment.
    if (!existsSync(ownerFile)) continue;
    if (isAlive(JSON.parse(readFileSync(ownerFile, 'utf8')) as ProcessRecord)) continue;
    const claimed = claim(path);
    if (claimed === undefined) continue;
    await createProcessRegistry(join(claimed, PROCESSES_FILE)).endLeftovers();
    rmSync(claimed, { recursive: true, force: true });
  }
}

/** Renames the directory, so that of two runs that start at once only one cleans it. */
function claim(path: string): string | undefined {
  const claimed = `${path}.removed-by-${process.pid}`;
  try {
    renameSync(path, claimed);
    return claimed;
  } catch {
    // The other run was first.
    return undefined;
  }
}
