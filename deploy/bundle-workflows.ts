import { renameSync, writeFileSync } from 'node:fs';

import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';

/**
 * `node deploy/bundle-workflows.ts <file>`: bundles the workflows ahead of time, for `WORKFLOW_BUNDLE_FILE` of the worker. Bundling inside
 * the worker costs it some 150 MiB at the peak and a second or two of each start. The bundle belongs to this checkout and this version of
 * the SDK: make it anew with every deployment.
 */
const [file] = process.argv.slice(2);
if (file === undefined) {
  process.stderr.write('usage: node deploy/bundle-workflows.ts <file>\n');
  process.exit(2);
}
const workflowsPath = new URL('../workflows/index.ts', import.meta.url).pathname;
const { code } = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('WARN') });
// Renamed into place: a worker that starts meanwhile must not read half of it.
writeFileSync(`${file}.new`, code);
renameSync(`${file}.new`, file);
process.stdout.write(`${file}: ${code.length} characters\n`);
