import { readFileSync } from 'node:fs';

/**
 * Variables whose value may come from a file instead: `<NAME>_FILE` names it, as container platforms mount secrets. A list, not a
 * pattern: KEYSTONE_SIGNING_KEY_FILE is a path in its own right.
 */
export const SECRET_VARIABLES = [
  'DATABASE_URL',
  'API_DATABASE_URL',
  'WORKER_DATABASE_URL',
  'KEYSTONE_CHAINS',
  'ENGINE_PRIVATE_KEY',
  'ORACLE_PRIVATE_KEY',
  'RELAYER_PRIVATE_KEY',
  'LSEG_API_KEY',
  'LSEG_API_SECRET',
  'CIPHEROWL_CLIENT_ID',
  'CIPHEROWL_CLIENT_SECRET',
] as const;

/**
 * The variables that files give, on top of `environment`. @throws Error that names the variable, never the content, when a file cannot
 * be read, is empty, or both forms are set: which of two secrets counts must not depend on the order of somebody's configuration.
 */
export function readSecretFiles(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const values: Record<string, string> = {};
  for (const name of SECRET_VARIABLES) {
    const file = environment[`${name}_FILE`];
    if (file === undefined || file === '') continue;
    if (environment[name] !== undefined && environment[name] !== '')
      throw new Error(`both ${name} and ${name}_FILE are set`);
    let content: string;
    try {
      content = readFileSync(file, 'utf8').trim();
    } catch (error) {
      throw new Error(
        `the file of ${name}_FILE cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`,
        { cause: error },
      );
    }
    if (content === '') throw new Error(`the file of ${name}_FILE is empty`);
    values[name] = content;
  }
  return values;
}
