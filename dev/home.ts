import { chmodSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where the development stack keeps its files: `.keystone/` in the checkout, or `KEYSTONE_HOME`. */
export interface Home {
  readonly path: string;
  readonly logs: string;
  readonly data: string;
  readonly secrets: string;
  readonly runs: string;
  /** Path of a file directly in the home. */
  file(name: string): string;
  log(name: string): string;
}

export const REPOSITORY = fileURLToPath(new URL('../', import.meta.url));

/** The paths only; nothing is created. */
export function locateHome(): Home {
  const configured = process.env['KEYSTONE_HOME'];
  const path = configured === undefined || configured === '' ? join(REPOSITORY, '.keystone') : resolve(configured);
  return {
    path,
    logs: join(path, 'logs'),
    data: join(path, 'data'),
    secrets: join(path, 'secrets'),
    runs: join(path, 'runs'),
    file: (name) => join(path, name),
    log: (name) => join(path, 'logs', `${name}.log`),
  };
}

export function createHome(): Home {
  const home = locateHome();
  for (const directory of [home.path, home.logs, home.data, home.secrets, home.runs])
    mkdirSync(directory, { recursive: true });
  // Others may pass through (PostgreSQL does not run as root) but not look around; secrets are for us alone.
  for (const directory of [home.path, home.data]) chmodSync(directory, 0o711);
  for (const directory of [home.logs, home.secrets, home.runs]) chmodSync(directory, 0o700);
  return home;
}

/** Forgets what the stack has stored, but keeps keys and credentials: scripts may hold them. Nothing may be running. */
export function forgetData(home: Home): void {
  for (const path of [home.data, home.file('deployment.json'), home.file('stack.json')]) {
    rmSync(path, { recursive: true, force: true });
  }
  mkdirSync(home.data, { mode: 0o711 });
}

/** Gives each start logs of its own; those of the start before are kept as `<name>.log.previous`. Nothing may be running. */
export function setLogsAside(home: Home): void {
  for (const name of readdirSync(home.logs)) {
    // Not the log of the tests, which may be running beside.
    if (name.endsWith('.log') && !name.startsWith('test-')) {
      renameSync(join(home.logs, name), join(home.logs, `${name}.previous`));
    }
  }
}
