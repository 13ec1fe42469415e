import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { takeLauncherLock } from './launcher-lock.ts';
import { createSecretStore } from './secrets.ts';
import { writePrivateJson } from './stack-file.ts';
import { createSteps, StepFailed } from './steps.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'keystone-home-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

function ignore(): void {}

describe('secrets', () => {
  it('are made once, kept, and readable by their owner alone', () => {
    const secrets = createSecretStore(directory);
    const made = secrets.get('key', () => 'first');
    expect(createSecretStore(directory).get('key', () => 'second')).toBe(made);
    expect(statSync(secrets.file('key')).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory)).toEqual(['key']);
  });

  it('in stack.json are readable by their owner alone, also when the file was open to others before', () => {
    const file = join(directory, 'stack.json');
    writeFileSync(file, '{}', { mode: 0o644 });
    writePrivateJson(file, { secret: 'x' });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ secret: 'x' });
  });
});

describe('the lock of a home', () => {
  it('is taken over from a launcher that was killed', async () => {
    const file = join(directory, 'launcher.lock');
    writeFileSync(file, JSON.stringify({ name: 'launcher', pid: process.pid, startedAt: '1' }));
    const giveBack = await takeLauncherLock(file, ignore);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ pid: process.pid });
    giveBack();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('goes to one of two launchers that find the same stale lock at once, the other waits', async () => {
    const file = join(directory, 'launcher.lock');
    writeFileSync(file, JSON.stringify({ name: 'launcher', pid: process.pid, startedAt: '1' }));
    const order: string[] = [];
    const launch = async (name: string): Promise<void> => {
      const giveBack = await takeLauncherLock(file, ignore);
      order.push(`${name} in`);
      await new Promise((resolve) => setTimeout(resolve, 100));
      order.push(`${name} out`);
      giveBack();
    };
    await Promise.all([launch('a'), launch('b')]);
    expect(order.map((entry) => entry.slice(2))).toEqual(['in', 'out', 'in', 'out']);
  });
});

describe('a step', () => {
  it('that fails says what failed, the end of its log, where that is, and what to try', async () => {
    const logFile = join(directory, 'part.log');
    writeFileSync(logFile, 'first line\nlast line\n');
    const steps = createSteps(ignore, Date.now());
    const failing = steps.run('the part', { logFile, hint: 'turn it off and on' }, () =>
      Promise.reject(new Error('it broke')),
    );
    await expect(failing).rejects.toThrow(StepFailed);
    await expect(failing).rejects.toThrow(
      /FAILED {2}the part: it broke[^]*last line[^]*log: .*part\.log[^]*try: turn it off and on/,
    );
  });

  it('prints one line with what it found and how long it took', async () => {
    const written: string[] = [];
    const steps = createSteps((text) => written.push(text), Date.now());
    await steps.run('the part', { hint: '' }, (step) => Promise.resolve(step.result('port 1')));
    expect(written.join('')).toMatch(/^\[ +\d+\.\d s\] ok {6}the part: port 1 \(\d+\.\d s\)\n$/);
  });
});
