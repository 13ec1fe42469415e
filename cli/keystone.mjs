#!/usr/bin/env node
// Starts the `keystone` command under the pinned Node. This file is plain JavaScript without dependencies, because it is
// the part that runs on whatever Node the system has (18 and later); everything after it may use what Node 24 offers.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = dirname(fileURLToPath(import.meta.url));
const pinned = join(folder, '..', 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');

if (existsSync(pinned)) {
  const main = join(folder, 'main.ts');
  const child = spawn(pinned, [main, ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => child.kill(signal));
  }
  child.on('error', (error) => {
    process.stderr.write(`keystone: the pinned Node did not start: ${error.message}\n`);
    process.exitCode = 70;
  });
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (signal ? constants.signals[signal] : 0);
  });
} else {
  process.stderr.write('keystone: the pinned Node is not installed here. Run `npm ci` in the checkout first.\n');
  process.exitCode = 70;
}
