import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { createProcessRegistry } from './process-registry.ts';
import {
  endLeftover,
  isAlive,
  type ProcessOptions,
  recordProcess,
  startProcess,
  waitUntil,
  waitUntilReady,
} from './processes.ts';
import { createSupervisor } from './supervisor.ts';

const LIMIT_MS = 10_000;
const IGNORES_SIGTERM =
  "process.on('SIGTERM', () => {}); process.stdout.write('ready\\n'); setInterval(() => {}, 1000)";
const WAITS = 'setInterval(() => {}, 1000)';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'keystone-processes-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

function program(code: string, changes: Partial<ProcessOptions> = {}): ProcessOptions {
  return {
    name: 'program',
    command: process.execPath,
    args: ['-e', code],
    environment: { PATH: process.env['PATH'] },
    logFile: join(directory, 'program.log'),
    ...changes,
  };
}

describe('a child process', () => {
  it('inherits nothing of our environment but what it is given', async () => {
    const print = 'process.stdout.write(JSON.stringify(process.env))';
    const child = await startProcess(program(print, { environment: { GIVEN: 'yes' } }));
    await child.exited;
    expect(JSON.parse(readFileSync(child.logFile, 'utf8'))).toEqual({ GIVEN: 'yes' });
  });

  it('is killed when it ignores its stop signal', async () => {
    const child = await startProcess(program(IGNORES_SIGTERM, { stopLimitMs: 200 }));
    await waitUntil(() => readFileSync(child.logFile, 'utf8').includes('ready'), LIMIT_MS);
    await child.stop();
    expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('that dies while starting is reported at once, with the path of its log and not after the time limit', async () => {
    const child = await startProcess(program('process.exit(3)'));
    const began = Date.now();
    await expect(waitUntilReady(child, () => Promise.resolve(false), LIMIT_MS)).rejects.toThrow(
      `program ended while starting (exit code 3); its log: ${child.logFile}`,
    );
    expect(Date.now() - began).toBeLessThan(LIMIT_MS / 2);
  });

  it('that cannot be started at all is an error that names it', async () => {
    await expect(startProcess(program('', { command: join(directory, 'missing') }))).rejects.toThrow(
      'program cannot be started',
    );
  });
});

describe('a leftover', () => {
  it('is ended when it is the recorded process', async () => {
    const child = await startProcess(program(WAITS));
    const record = recordProcess('program', child.pid);
    if (record === undefined) throw new Error('the child is gone');
    expect(await endLeftover(record)).toBe(true);
    expect(isAlive(record)).toBe(false);
  });

  it('is left alone when its pid belongs to another process by now', async () => {
    const stranger = spawn(process.execPath, ['-e', WAITS], { stdio: 'ignore' });
    const record = recordProcess('program', stranger.pid ?? 0);
    if (record === undefined) throw new Error('the stranger is gone');
    expect(await endLeftover({ ...record, startedAt: '1' })).toBe(false);
    expect(isAlive(record)).toBe(true);
    stranger.kill('SIGKILL');
  });

  it('is found again through the file by the next launcher', async () => {
    const file = join(directory, 'processes.json');
    const first = createProcessRegistry(file);
    const child = await startProcess(program(WAITS, { onSpawn: first.remember }));
    expect(await createProcessRegistry(file).endLeftovers()).toEqual(['program']);
    expect((await child.exited).signal).toBe('SIGINT');
    expect(await createProcessRegistry(file).endLeftovers()).toEqual([]);
  });

  it('in a file that cannot be read does not stop the start', async () => {
    const file = join(directory, 'processes.json');
    writeFileSync(file, '[{"name": "half');
    expect(await createProcessRegistry(file).endLeftovers()).toEqual([]);
  });
});

describe('the supervisor', () => {
  it('starts a process again that was killed, and not one that it stopped itself', async () => {
    const lines: string[] = [];
    const pids: number[] = [];
    const supervisor = createSupervisor((line) => lines.push(line));
    const launch = () => startProcess(program(WAITS, { onSpawn: ({ pid }) => pids.push(pid) }));
    const first = await supervisor.start('program', launch);
    process.kill(first.pid, 'SIGKILL');
    expect(await waitUntil(() => lines.some((line) => line.includes('is back')), LIMIT_MS)).toBe(true);
    await supervisor.stopAll();
    expect(pids).toHaveLength(2);
    expect(pids.map((pid) => recordProcess('program', pid))).toEqual([undefined, undefined]);
  });
});
