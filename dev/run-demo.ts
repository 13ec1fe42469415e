import { spawn } from 'node:child_process';
import { join } from 'node:path';

import { REPOSITORY } from './home.ts';
import type { Launch } from './launch.ts';

/** The trades at once take 90 s at most, and the webhooks, the proofs and the verifier have limits of their own. Milliseconds. */
const DEMO_LIMIT_MS = 240_000;

/** Runs the demo as a program of its own, which knows nothing but `stack.json`. Answers its exit code. */
export function runDemo(launch: Launch): Promise<number> {
  launch.steps.say('demo    settling three trades, one of them across two chains');
  const child = spawn(process.execPath, [join(REPOSITORY, 'dev/demo.ts')], {
    cwd: REPOSITORY,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], KEYSTONE_HOME: launch.home.path },
    timeout: DEMO_LIMIT_MS,
  });
  // A stop in the middle of the demo ends it with us.
  const endWithUs = (): void => {
    child.kill('SIGTERM');
  };
  process.once('exit', endWithUs);
  return new Promise((resolve) => {
    const done = (code: number): void => {
      process.off('exit', endWithUs);
      resolve(code);
    };
    child.once('error', () => done(1));
    child.once('exit', (code) => done(code ?? 1));
  });
}
