import { createServer } from 'node:net';

/** How many neighbours of a wanted port are tried before the system chooses. */
const NEIGHBOURS = 20;

/** True when nothing listens on the port of 127.0.0.1. */
export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

/** Any free port of 127.0.0.1. */
export function anyFreePort(): Promise<number> {
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

/** The wanted port, or the next free one after it, or any: a port that is taken moves, it does not stop the start. */
export async function findPort(wanted: number): Promise<number> {
  for (let port = wanted; port < wanted + NEIGHBOURS && port <= 65_535; port += 1) {
    if (await isPortFree(port)) return port;
  }
  return anyFreePort();
}
