import pg from 'pg';

/**
 * Gives the application's two login roles their passwords. Idempotent; run by whoever owns the database, after `migrate`.
 * Answers the connection strings of both, derived from the owner's.
 */
export async function provisionLogins(
  ownerDatabaseUrl: string,
  passwords: { api: string; worker: string },
): Promise<{ apiDatabaseUrl: string; workerDatabaseUrl: string }> {
  const client = new pg.Client({
    connectionString: ownerDatabaseUrl,
    connectionTimeoutMillis: 5_000,
    statement_timeout: 10_000,
  });
  await client.connect();
  try {
    // Two starts at once would collide on the same catalogue row ("tuple concurrently updated").
    await client.query('SELECT pg_advisory_lock($1)', [PROVISION_LOCK]);
    await client.query(`ALTER ROLE keystone_api LOGIN PASSWORD ${pg.escapeLiteral(passwords.api)}`);
    await client.query(`ALTER ROLE keystone_worker LOGIN PASSWORD ${pg.escapeLiteral(passwords.worker)}`);
  } finally {
    await client.end();
  }
  return {
    apiDatabaseUrl: withCredentials(ownerDatabaseUrl, 'keystone_api', passwords.api),
    workerDatabaseUrl: withCredentials(ownerDatabaseUrl, 'keystone_worker', passwords.worker),
  };
}

const PROVISION_LOCK = 5_402_001;

function withCredentials(url: string, user: string, password: string): string {
  const changed = new URL(url);
  changed.username = user;
  changed.password = encodeURIComponent(password);
  return changed.toString();
}
