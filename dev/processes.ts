import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/**
 * Child processes of the development stack: started in a process group of their own, so that Ctrl-C in the terminal reaches only the
 * launcher, which then stops them in order; recognisable later by pid and start time, so that leftovers of a killed launcher can be
 * ended without ever hitting a stranger that got the same pid.
 */

/** A log that has grown beyond this is moved aside (one generation is kept) when its process starts. Bytes. */
const MAX_LOG_BYTES = 16 * 1024 * 1024;
/** How long a process may take to end after its stop signal before it is killed. Milliseconds. */
const DEFAULT_STOP_LIMIT_MS = 10_000;
/** How long the kernel may take to reap a killed process. Milliseconds. */
const KILL_LIMIT_MS = 5_000;
const POLL_MS = 25;

export interface ProcessOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** The complete environment of the child; secrets travel here, never in `args`, which every user of the machine can read. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Standard output and standard error are appended here; a file, not a pipe, so that the child survives our death. */
  readonly logFile: string;
  readonly directory?: string;
  readonly userId?: number;
  readonly groupId?: number;
  /** Sent by `stop`. */
  readonly stopSignal?: NodeJS.Signals;
  readonly stopLimitMs?: number;
  readonly onSpawn?: OnSpawn | undefined;
}

/** Told of a process as soon as it exists, before it is ready: a launcher killed in between must still be able to clean up. */
export type OnSpawn = (record: ProcessRecord) => void;

export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface RunningProcess {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  /** Resolves when the process has ended, however that came about. */
  readonly exited: Promise<ProcessExit>;
  hasExited(): boolean;
  /** Sends the stop signal, and SIGKILL when that was not enough. Safe to call again. */
  stop(): Promise<void>;
}

/** What identifies a process beyond its pid, which the system gives out again. */
export interface ProcessRecord {
  readonly name: string;
  readonly pid: number;
  /** Start time in clock ticks since boot, field 22 of /proc/<pid>/stat. */
  readonly startedAt: string;
}

/** Starts a child. @throws Error when the program cannot be started at all. */
export async function startProcess(options: ProcessOptions): Promise<RunningProcess> {
  mkdirSync(dirname(options.logFile), { recursive: true });
  rotateLog(options.logFile);
  const log = openSync(options.logFile, 'a', 0o600);
  let child: ChildProcess;
  try {
    child = spawn(options.command, [...options.args], {
      detached: true,
      stdio: ['ignore', log, log],
      env: definedOnly(options.environment),
      ...(options.directory === undefined ? {} : { cwd: options.directory }),
      ...(options.userId === undefined ? {} : { uid: options.userId }),
      ...(options.groupId === undefined ? {} : { gid: options.groupId }),
    });
  } finally {
    closeSync(log);
  }
  let ended = false;
  const exited = new Promise<ProcessExit>((resolve) => {
    child.once('exit', (code, signal) => {
      ended = true;
      resolve({ code, signal });
    });
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => reject(new Error(`${options.name} cannot be started: ${error.message}`)));
  });
  const pid = child.pid;
  if (pid === undefined) throw new Error(`${options.name} was started without a pid`);
  const record = recordProcess(options.name, pid);
  if (record !== undefined) options.onSpawn?.(record);

  return {
    name: options.name,
    pid,
    logFile: options.logFile,
    exited,
    hasExited: () => ended,
    async stop() {
      if (ended) return;
      signalProcess(pid, options.stopSignal ?? 'SIGTERM');
      await Promise.race([exited, pause(options.stopLimitMs ?? DEFAULT_STOP_LIMIT_MS, undefined, { ref: false })]);
      if (!ended) {
        signalProcess(-pid, 'SIGKILL');
        await Promise.race([exited, pause(KILL_LIMIT_MS, undefined, { ref: false })]);
      }
    },
  };
}

function definedOnly(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const defined: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) if (value !== undefined) defined[name] = value;
  return defined;
}

function rotateLog(logFile: string): void {
  const size = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
  if (size > MAX_LOG_BYTES) renameSync(logFile, `${logFile}.1`);
}

/** Sends a signal; a process (or group, for a negative number) that is gone already is no error. */
function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

interface ProcessState {
  readonly startedAt: string;
  readonly parent: number;
  readonly zombie: boolean;
}

function readState(pid: number): ProcessState | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold spaces and parentheses, so the fields are counted from its end.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { zombie: fields[0] === 'Z', parent: Number(fields[1]), startedAt: fields[19] ?? '' };
  } catch {
    // No such process, which is an answer.
    return undefined;
  }
}

/** Remembers a live process so that it can be recognised later; undefined when it is gone. */
export function recordProcess(name: string, pid: number): ProcessRecord | undefined {
  const state = readState(pid);
  return state === undefined || state.zombie ? undefined : { name, pid, startedAt: state.startedAt };
}

/** Pid of a process's parent; undefined when it is gone. */
export function parentOf(pid: number): number | undefined {
  return readState(pid)?.parent;
}

/** True when exactly the recorded process, and not another with its pid, is alive. */
export function isAlive(record: ProcessRecord): boolean {
  const state = readState(record.pid);
  return state !== undefined && !state.zombie && state.startedAt === record.startedAt;
}

/** The command line of a process, its words separated by spaces; empty when it is gone. */
export function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    // Gone between two reads.
    return '';
  }
}

/**
 * Ends a process that an earlier launcher started: `signal` first, SIGKILL for it and its group after `limitMs`.
 * Does nothing when the pid belongs to somebody else by now. Answers whether there was something to end.
 */
export async function endLeftover(
  record: ProcessRecord,
  signal: NodeJS.Signals = 'SIGTERM',
  limitMs = DEFAULT_STOP_LIMIT_MS,
): Promise<boolean> {
  if (!isAlive(record)) return false;
  signalProcess(record.pid, signal);
  if (!(await waitUntil(() => !isAlive(record), limitMs))) {
    signalProcess(record.pid, 'SIGKILL');
    await waitUntil(() => !isAlive(record), KILL_LIMIT_MS);
  }
  return true;
}

/** Polls a condition; false when the time limit passed. */
export async function waitUntil(condition: () => boolean | Promise<boolean>, limitMs: number): Promise<boolean> {
  const end = Date.now() + limitMs;
  for (;;) {
    if (await condition()) return true;
    if (Date.now() >= end) return false;
    await pause(POLL_MS);
  }
}

/** Waits until a server that was just started answers; fails at once when its process ends. @throws Error that names the log. */
export async function waitUntilReady(
  server: RunningProcess,
  probe: () => Promise<boolean>,
  limitMs: number,
): Promise<void> {
  const ready = await waitUntil(async () => server.hasExited() || (await probe()), limitMs);
  if (server.hasExited()) {
    const exit = await server.exited;
    throw new Error(`${server.name} ended while starting (${describeExit(exit)}); its log: ${server.logFile}`);
  }
  if (!ready) {
    await server.stop();
    throw new Error(`${server.name} did not answer within ${limitMs / 1000} s; its log: ${server.logFile}`);
  }
}

export function describeExit(exit: ProcessExit): string {
  return exit.signal === null ? `exit code ${exit.code}` : `signal ${exit.signal}`;
}
