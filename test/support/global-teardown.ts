import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { createProcessRegistry } from '../../dev/process-registry.ts';
import { SERVERS_FILE_VARIABLE } from './servers.ts';

/** Ends what the global setup started and removes its files. The logs go too: a failing test has to say by itself what it saw. */
export default async function globalTeardown(): Promise<void> {
  const file = process.env[SERVERS_FILE_VARIABLE];
  if (file === undefined || file === '') return;
  const directory = dirname(file);
  await createProcessRegistry(join(directory, 'processes.json')).endLeftovers();
  rmSync(directory, { recursive: true, force: true });
}
