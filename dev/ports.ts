import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createExclusively } from './exclusive-file.ts';
import { isAlive, type ProcessRecord, recordProcess } from './processes.ts';

/**
 * Free ports of 127.0.0.1. Between looking and listening somebody else may look too: another part that starts side by side, or another
 * start. So a port is claimed by a file for as long as its claimant lives: a service that was killed finds its port free when it is started
 * again, and its clients do not meet a stranger there.
 */

/** How many neighbours of a wanted port are tried before the system chooses. */
const NEIGHBOURS = 40;
/** How often the system is asked for any port. */
const ATTEMPTS = 20;

const CLAIMS = join(tmpdir(), `keystone-ports-${process.getuid?.() ?? 0}`);

/** True when nothing listens on the port of 127.0.0.1. */
export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

/** Any free port of 127.0.0.1, claimed for this process. */
export async function anyFreePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = await portOfTheSystem();
    if (claim(port)) return port;
  }
  throw new Error('every port that the system offered was claimed by another start');
}

/** The wanted port, or the next free one after it, or any: a port that is taken moves, it does not stop the start. Claimed for this process. */
export async function findPort(wanted: number): Promise<number> {
  for (let port = wanted; port < wanted + NEIGHBOURS && port <= 65_535; port += 1) {
    if ((await isPortFree(port)) && claim(port)) return port;
  }
  return anyFreePort();
}

function portOfTheSystem(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() =>
        address !== null && typeof address === 'object'
          ? resolve(address.port)
          : reject(new Error('the system gave no port')),
      );
    });
  });
}

/** Creates the claim's file; false when somebody who is alive has claimed the port. */
function claim(port: number): boolean {
  const owner = recordProcess('claim', process.pid);
  if (owner === undefined) return true;
  const file = join(CLAIMS, String(port));
  mkdirSync(CLAIMS, { recursive: true, mode: 0o700 });
  if (isStale(file)) rmSync(file, { force: true });
  return createExclusively(file, JSON.stringify(owner satisfies ProcessRecord));
}

function isStale(file: string): boolean {
  try {
    return !isAlive(JSON.parse(readFileSync(file, 'utf8')) as ProcessRecord);
  } catch {
    // Not there, or just removed by another start; the exclusive creation decides.
    return false;
  }
}
