import { describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const RUNS = Number(process.env['KEYSTONE_FLIPS'] ?? 150);
/** Each of these is verified against both chains, which takes longer. */
const RESIGNED_RUNS = Math.ceil(RUNS / 3);
const TIMEOUT_MS = 60_000 + RUNS * 200;

/** The seed is part of what comes back, so that a failed comparison prints it. */
async function survivorsOf(script: string, runs: number): Promise<{ expected: unknown; found: unknown }> {
  const seed = Number(process.env['KEYSTONE_SEED'] ?? Date.now() % 1_000_000);
  const file = join(import.meta.dirname, 'testing', script);
  const { stdout } = await run(process.execPath, [file, String(seed), String(runs)], { timeout: TIMEOUT_MS });
  return { expected: { seed, runs, survivors: [] }, found: JSON.parse(stdout) as unknown };
}

describe('one changed byte', () => {
  it(
    'anywhere in a valid pack, in a value or a name, is never valid in strict mode',
    async () => {
      const { expected, found } = await survivorsOf('flip-bytes.ts', RUNS);
      expect(found).toEqual(expected);
    },
    TIMEOUT_MS + 5000,
  );

  it(
    'in what a pack says about its legs and chains is refuted with the chains at hand, though all of it is signed again',
    async () => {
      const { expected, found } = await survivorsOf('resigned-changes.ts', RESIGNED_RUNS);
      expect(found).toEqual(expected);
    },
    TIMEOUT_MS + 5000,
  );
});
