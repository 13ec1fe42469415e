import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** How many neighbours of a wanted port are tried before the system chooses, and how many of the system's choices. */
const NEIGHBOURS = 20;
/** Between finding a port and listening on it lie seconds in which another start must not find the same one. Milliseconds. */
const CLAIM_MS = 60_000;

const CLAIMS = join(tmpdir(), `keystone-ports-${process.getuid?.() ?? 0}`);

/** True when nothing listens on the port of 127.0.0.1. */
export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

/** Any free port of 127.0.0.1. */
export async function anyFreePort(): Promise<number> {
  for (let attempt = 0; attempt < NEIGHBOURS; attempt += 1) {
    const port = await portOfTheSystem();
    if (claim(port)) return port;
  }
  throw new Error('every port that the system offered was claimed by another start');
}

/** The wanted port, or the next free one after it, or any: a port that is taken moves, it does not stop the start. */
export async function findPort(wanted: number): Promise<number> {
  for (let port = wanted; port < wanted + NEIGHBOURS && port <= 65_535; port += 1) {
    if ((await isPortFree(port)) && claim(port)) return port;
  }
  return anyFreePort();
}

/** Two starts at once, or two parts of one that start side by side, would both find the same port free. */
function claim(port: number): boolean {
  mkdirSync(CLAIMS, { recursive: true, mode: 0o700 });
  const file = join(CLAIMS, String(port));
  forgetOldClaim(file);
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function forgetOldClaim(file: string): void {
  try {
    const old = Date.now() - statSync(file).mtimeMs > CLAIM_MS;
    if (old || !isRunning(Number(readFileSync(file, 'utf8')))) rmSync(file, { force: true });
  } catch (error) {
    // Nobody claims it, or its claimant has just withdrawn.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // A process of somebody else answers EPERM; it lives.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
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
