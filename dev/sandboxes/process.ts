import type { RunningServer } from './loopback-server.ts';

/** Reads a required variable. Ends the process with a line that names it when it is missing. */
export function requiredVariable(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') {
    process.stderr.write(`${name} is not set\n`);
    process.exit(2);
  }
  return value;
}

/** `PORT`, 0 for a free one. */
export function portVariable(): number {
  const port = Number(process.env['PORT'] ?? '0');
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    process.stderr.write('PORT is not a port\n');
    process.exit(2);
  }
  return port;
}

/** Runs a server as a process: one line when it listens, a clean end at SIGTERM or SIGINT, exit code 1 when it cannot start. */
export async function runServer(
  name: string,
  start: () => Promise<Pick<RunningServer, 'url' | 'close'>>,
): Promise<void> {
  let server: Pick<RunningServer, 'url' | 'close'>;
  try {
    server = await start();
  } catch (error) {
    process.stderr.write(`${name} cannot start: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
  process.stdout.write(`${name} listening on ${server.url}\n`);
  let closing = false;
  const end = (): void => {
    // A second signal while closing changes nothing.
    if (closing) return;
    closing = true;
    server.close().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
}
