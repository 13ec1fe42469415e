import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { REPOSITORY } from './home.ts';
import type { Launch } from './launch.ts';

const BUNDLE_LIMIT_MS = 60_000;
const run = promisify(execFile);

/** Bundles the workflows in a process of its own; answers the file. The worker then starts faster, after each kill too, and stays smaller. */
export function bundleWorkflows(launch: Launch): Promise<string> {
  const hint = 'the message above comes from the bundler: a workflow imports what it must not, or does not parse';
  return launch.steps.run('workflows bundled', { hint }, async (step) => {
    const file = `${launch.home.data}/workflow-bundle.js`;
    await run(process.execPath, ['deploy/bundle-workflows.ts', file], { cwd: REPOSITORY, timeout: BUNDLE_LIMIT_MS });
    step.result('ahead of time');
    return file;
  });
}
