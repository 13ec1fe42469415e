import { appendFileSync } from 'node:fs';

import type { ProcessRecord } from '../../dev/processes.ts';

/** What a test tells the person who waits, and what is to stand in the table at the end of the run. */

/** Names the file that main.ts reads at the end. */
export const REPORT_FILE = 'KEYSTONE_RING_REPORT';

/** One line at once. Standard error, which jest passes on while a test runs. */
export function say(line: string): void {
  process.stderr.write(`  ${line}\n`);
}

/** A row of the table at the end. */
export function note(what: string, result: string): void {
  const file = process.env[REPORT_FILE];
  if (file === undefined) say(`${what}: ${result}`);
  else appendFileSync(file, `${JSON.stringify([what, result])}\n`);
}

/** Names the file of processes that main.ts ends when the run was interrupted. */
export const PROCESS_FILE = 'KEYSTONE_RING_PROCESSES';

/** A run that is killed could not end its chains itself. */
export function rememberProcess(record: ProcessRecord): void {
  const file = process.env[PROCESS_FILE];
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(record)}\n`);
}
