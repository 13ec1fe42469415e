import { readdirSync, readFileSync } from 'node:fs';

import { beforeAll, describe, expect, it } from '@jest/globals';
import { Worker, type WorkflowBundle } from '@temporalio/worker';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';

import { quietRuntime } from '../test/support/quiet-runtime.ts';
import { HISTORIES, settlementBundle } from '../test/support/settlement-workflow.ts';

/**
 * Recorded histories of every path, replayed against the workflows as they are now. A change that old runs could not follow goes
 * behind a version flag (workflows/versions.ts); new paths are recorded with KEYSTONE_RECORD_HISTORIES=1.
 */
const files = readdirSync(HISTORIES).filter((name) => name.endsWith('.json'));

let workflowBundle: WorkflowBundle;
beforeAll(async () => {
  quietRuntime();
  workflowBundle = await settlementBundle();
}, 60_000);

const read = (file: string): unknown => JSON.parse(readFileSync(`${HISTORIES}${file}`, 'utf8'));

describe('a recorded history', () => {
  it('exists for every path that the workflow tests walk', () => {
    expect(files.length).toBeGreaterThanOrEqual(24);
  });

  it.each(files)(
    '%s replays without a difference',
    async (file) => {
      await Worker.runReplayHistory({ workflowBundle, replayName: file }, historyFromJSON(read(file)), file);
    },
    30_000,
  );

  it('of other code does not: the test can fail', async () => {
    const [file = ''] = files.filter((name) => name.includes('stays-within'));
    const changed = JSON.stringify(read(file)).replaceAll('"name":"attest"', '"name":"attestation"');
    await expect(
      Worker.runReplayHistory(
        { workflowBundle, replayName: 'changed' },
        historyFromJSON(JSON.parse(changed)),
        'changed',
      ),
    ).rejects.toThrow();
  }, 30_000);

  it('names no machine', () => {
    for (const file of files) {
      const identities = [...JSON.stringify(read(file)).matchAll(/"identity":"([^"]*)"/g)].map((match) => match[1]);
      expect(new Set(identities)).toEqual(new Set(['test']));
      expect(JSON.stringify(read(file))).not.toMatch(/[ (]\/[a-z]+\//);
    }
  });
});
