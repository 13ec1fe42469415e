import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import { readSecretFiles } from './secret-files.ts';

/** `node deploy/run.ts <entry>`: takes the secrets out of their files, then runs the entry in this process, which gets the signals. */

const entry = process.argv[2];
if (entry === undefined) {
  process.stderr.write('usage: node deploy/run.ts <entry file>\n');
  process.exit(2);
}
try {
  Object.assign(process.env, readSecretFiles(process.env));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
await import(pathToFileURL(resolve(entry)).href);
