import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { REPOSITORY } from './command.ts';

/**
 * Every known attack has a test that fails when the attack succeeds. `attack-table.json` says which; here is held that the rows are complete,
 * that each test of forge ran and passed, and that those of jest, which `npm test` runs, exist under their titles.
 */

const TABLE = join(import.meta.dirname, 'attack-table.json');
/** Attacks that the design has to withstand. A new one is a new row; none disappears. */
const ROWS = 21;

interface Row {
  readonly row: string;
  readonly forge?: readonly string[];
  readonly jest?: readonly { readonly file: string; readonly title: string }[];
}

/** @param passed Names of the forge tests that ran and passed, without their parameters. */
export function checkAttackTable(passed: ReadonlySet<string>): { summary: string; failures: string[] } {
  const rows = JSON.parse(readFileSync(TABLE, 'utf8')) as Row[];
  const failures = rows.flatMap(({ row, forge = [], jest = [] }) => [
    ...(forge.length + jest.length === 0 ? [`${row}: no test`] : []),
    ...forge.filter((name) => !passed.has(name)).map((name) => `${row}: ${name} did not run and pass`),
    ...jest
      .filter(({ file, title }) => !readFileSync(join(REPOSITORY, file), 'utf8').includes(`it('${title}'`))
      .map(({ file, title }) => `${row}: ${file} has no test '${title}'`),
  ]);
  const names = new Set(rows.map(({ row }) => row));
  if (names.size !== ROWS) failures.push(`${names.size} rows, not ${ROWS}`);
  // A test that says that it withstands an attack belongs to one.
  const claimed = new Set(rows.flatMap(({ forge = [] }) => forge));
  for (const name of passed) if (/_Attack_/.test(name) && !claimed.has(name)) failures.push(`${name} is in no row`);
  return { summary: `${names.size} attacks, ${claimed.size} tests of forge`, failures };
}
