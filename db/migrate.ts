import { runner } from 'node-pg-migrate';

/** Name of the table that remembers which migrations ran. */
const MIGRATIONS_TABLE = 'keystone_migrations';

/**
 * Brings the database to the newest schema. Safe when several processes start at once: one migrates, the others wait for the
 * advisory lock and then find nothing to do.
 */
export async function migrate(
  ownerDatabaseUrl: string,
  log: (line: string) => void = () => undefined,
): Promise<string[]> {
  const applied = await runner({
    databaseUrl: ownerDatabaseUrl,
    dir: new URL('./migrations/', import.meta.url).pathname,
    direction: 'up',
    migrationsTable: MIGRATIONS_TABLE,
    checkOrder: true,
    singleTransaction: true,
    advisoryLockMode: 'wait',
    log: () => undefined,
  });
  const names = applied.map((migration) => migration.name);
  for (const name of names) log(`migrated ${name}`);
  return names;
}
