import { describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const RUNS = Number(process.env['KEYSTONE_FLIPS'] ?? 150);
const TIMEOUT_MS = 60_000 + RUNS * 200;

describe('one changed byte', () => {
  it(
    'anywhere in a valid pack, in a value or a name, is never valid in strict mode',
    async () => {
      const seed = Number(process.env['KEYSTONE_SEED'] ?? Date.now() % 1_000_000);
      const script = join(import.meta.dirname, 'testing', 'flip-bytes.ts');
      const { stdout } = await run(process.execPath, [script, String(seed), String(RUNS)], { timeout: TIMEOUT_MS });
      // The seed is part of the comparison, so that a failure prints it.
      expect(JSON.parse(stdout)).toEqual({ seed, runs: RUNS, survivors: [] });
    },
    TIMEOUT_MS + 5000,
  );
});
