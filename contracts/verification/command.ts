import { spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout, and the folder of the contracts in it. */
export const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));
export const CONTRACTS = join(REPOSITORY, 'contracts');

/** Output beyond this is dropped from its beginning: a fuzzer that goes wild must not fill the memory. */
const MAX_OUTPUT_CHARACTERS = 16 * 1024 * 1024;
const KILL_GRACE_MS = 2_000;

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  /** Where it runs; the contracts folder unless told. */
  readonly directory?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Put before PATH, for the programs that the command starts itself. */
  readonly path?: readonly string[];
  readonly limitMs: number;
}

export interface Outcome {
  /** undefined when the time limit or a signal ended it. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
  readonly timedOut: boolean;
}

function collect(stream: NodeJS.ReadableStream): () => string {
  let text = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    text = (text + chunk).slice(-MAX_OUTPUT_CHARACTERS);
  });
  return () => text;
}

/** The whole group: forge starts compilers and halmos starts solvers, which would go on computing after their parent's end. */
function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // Already gone, which is what was wanted.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

// A signal ends this process without its exit handlers, which end the groups that it has started.
process.once('SIGTERM', () => process.exit(143));
process.once('SIGINT', () => process.exit(130));

/**
 * Runs a program to its end or to its time limit; never throws for what the program does.
 * @throws when the program cannot be started.
 */
export async function run(command: Command): Promise<Outcome> {
  const startedAt = performance.now();
  const path = [...(command.path ?? []), join(REPOSITORY, 'node_modules', '.bin'), process.env['PATH'] ?? ''];
  const child = spawn(command.program, [...command.args], {
    cwd: command.directory ?? CONTRACTS,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: { ...process.env, ...command.environment, PATH: path.join(delimiter), NO_COLOR: '1', FORCE_COLOR: '0' },
  });
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  let timedOut = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (child.pid !== undefined) killGroup(child.pid, signal);
  };
  const timer = setTimeout(() => {
    timedOut = true;
    stop('SIGTERM');
    setTimeout(() => stop('SIGKILL'), KILL_GRACE_MS).unref();
  }, command.limitMs);
  // The terminal's Ctrl-C reaches only our own group.
  const interrupted = (): void => stop('SIGKILL');
  process.once('exit', interrupted);
  try {
    const code = await new Promise<number | undefined>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (status) => resolve(status ?? undefined));
    });
    return { code, stdout: stdout(), stderr: stderr(), ms: Math.round(performance.now() - startedAt), timedOut };
  } finally {
    clearTimeout(timer);
    process.removeListener('exit', interrupted);
  }
}

/** The last lines of what a program said, for a message about its failure. */
export function tail(outcome: Outcome, lines = 20): string {
  return `${outcome.stdout}\n${outcome.stderr}`.trim().split('\n').slice(-lines).join('\n');
}

/** `12.3 s` */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** One line on standard output. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
