import { migrate } from '../db/migrate.ts';
import { provisionLogins } from '../db/provision.ts';
import { ensureNamespace, registerSearchAttributes } from './temporal-namespace.ts';

/**
 * The job that runs before API and worker: schema, logins, Temporal namespace and search attributes. Safe to repeat, and safe when
 * several run at once. Variables: DATABASE_URL (the owner), API_DATABASE_URL and WORKER_DATABASE_URL (whose passwords the two logins
 * get), TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_RETENTION_DAYS.
 */

const DEFAULT_RETENTION_DAYS = 30;

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`${name} is not set`);
  return value;
}

/** Connection strings hold the passwords, so that each is written down once. */
function passwordOf(name: string): string {
  const password = URL.parse(required(name))?.password ?? '';
  if (password === '') throw new Error(`${name} is not a connection string with a password`);
  return decodeURIComponent(password);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const owner = required('DATABASE_URL');
const temporal = { address: required('TEMPORAL_ADDRESS'), namespace: process.env['TEMPORAL_NAMESPACE'] ?? 'default' };
const retentionDays = Number(process.env['TEMPORAL_RETENTION_DAYS'] ?? DEFAULT_RETENTION_DAYS);
if (!Number.isInteger(retentionDays) || retentionDays < 1)
  throw new Error('TEMPORAL_RETENTION_DAYS is not a number of days');

const applied = await migrate(owner, say);
say(`database schema: ${applied.length} migrations applied`);
await provisionLogins(owner, { api: passwordOf('API_DATABASE_URL'), worker: passwordOf('WORKER_DATABASE_URL') });
say('logins of API and worker provisioned');
await ensureNamespace(temporal, retentionDays);
const added = await registerSearchAttributes(temporal);
say(`Temporal namespace ${temporal.namespace}: ${added.length} search attributes added`);
