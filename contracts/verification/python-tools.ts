import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { REPOSITORY, run, say, seconds, tail } from './command.ts';

/**
 * Slither and halmos are Python programs, which npm does not carry. They are installed once, as pinned in `requirements.txt`, into a virtual
 * environment under `node_modules/.cache`. There is no "skipped because not installed": what cannot be installed fails.
 */

const REQUIREMENTS = join(import.meta.dirname, 'requirements.txt');
const CACHE = join(REPOSITORY, 'node_modules', '.cache', 'contracts-verification');
const INSTALL_LIMIT_MS = 10 * 60_000;

export interface PythonTools {
  /** Folder with `slither`, `halmos`, `yices-smt2` and `z3`. */
  readonly bin: string;
}

function fail(step: string, detail: string): Error {
  return new Error(
    `${step} failed, so neither slither nor halmos can run. They need python3 (3.10 or later) with venv and pip, and a package index that has ` +
      `what ${REQUIREMENTS} pins.\n${detail}`,
  );
}

async function step(title: string, program: string, args: readonly string[]): Promise<void> {
  const outcome = await run({ program, args, directory: REPOSITORY, limitMs: INSTALL_LIMIT_MS }).catch((error) => {
    throw fail(title, String(error));
  });
  if (outcome.code !== 0) throw fail(title, tail(outcome));
}

/**
 * Installs the tools unless they are there.
 * @throws when they cannot be installed; the message says what is missing.
 */
export async function preparePythonTools(): Promise<PythonTools> {
  const version = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 16);
  const environment = join(CACHE, `python-${version}`);
  const ready = join(environment, 'ready');
  if (existsSync(ready)) return { bin: join(environment, 'bin') };

  const startedAt = performance.now();
  say('installing slither and halmos into node_modules/.cache (once)');
  await mkdir(CACHE, { recursive: true });
  // Scripts of a virtual environment name its path, so it is made where it stays; `ready` tells a finished one from an interrupted one.
  await rm(environment, { recursive: true, force: true });
  await step('python3 -m venv', 'python3', ['-m', 'venv', environment]);
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input', '-r', REQUIREMENTS];
  await step('pip install', join(environment, 'bin', 'python'), pip);
  await writeFile(`${ready}.tmp`, '');
  await rename(`${ready}.tmp`, ready);
  say(`installed (${seconds(performance.now() - startedAt)})`);
  return { bin: join(environment, 'bin') };
}

if (import.meta.main) say((await preparePythonTools()).bin);
