import { randomUUID } from 'node:crypto';

import { Client } from 'pg';

/** Milliseconds. */
const LIMITS = { connectMs: 5_000, statementMs: 10_000 } as const;

export const ENVIRONMENT_SLUG = 'development';

export const PLATFORM_SCOPES = [
  'settlements:read',
  'settlements:write',
  'instructions:read',
  'instructions:write',
  'templates:read',
  'platform:read',
  'platform:webhooks:manage',
] as const;

export const OPERATOR_SCOPES = [...PLATFORM_SCOPES, 'compliance:decide', 'ops:read', 'ops:write'] as const;

export interface PlatformSeed {
  readonly slug: string;
  readonly name: string;
  readonly clientId: string;
}

export interface Seed {
  /** `iss` of the tokens; together with the client id it decides whose token one is. */
  readonly issuer: string;
  readonly platforms: readonly PlatformSeed[];
  readonly operatorClientId: string;
}

/**
 * Creates the platforms, each with its environment `development`, and the clients. Safe to repeat; what exists keeps its id.
 * Runs as the owner of the schema: no role of the application may write these tables.
 */
export async function seedPlatforms(ownerDatabaseUrl: string, seed: Seed): Promise<void> {
  const client = new Client({
    connectionString: ownerDatabaseUrl,
    connectionTimeoutMillis: LIMITS.connectMs,
    statement_timeout: LIMITS.statementMs,
  });
  await client.connect();
  try {
    await client.query('BEGIN');
    for (const platform of seed.platforms) await seedPlatform(client, seed.issuer, platform);
    await seedClient(client, {
      issuer: seed.issuer,
      clientId: seed.operatorClientId,
      kind: 'operator',
      environmentId: null,
      scopes: OPERATOR_SCOPES,
    });
    await client.query('COMMIT');
  } finally {
    // Closing rolls an unfinished transaction back.
    await client.end();
  }
}

async function seedPlatform(client: Client, issuer: string, platform: PlatformSeed): Promise<void> {
  const platformId = await idOf(
    client,
    `INSERT INTO keystone.platforms (id, slug, name) VALUES ($1, $2, $3)
     ON CONFLICT (slug) DO UPDATE SET name = excluded.name RETURNING id`,
    [randomUUID(), platform.slug, platform.name],
  );
  const environmentId = await idOf(
    client,
    `INSERT INTO keystone.environments (id, platform_id, slug, name) VALUES ($1, $2, $3, 'Development')
     ON CONFLICT (platform_id, slug) DO UPDATE SET name = excluded.name RETURNING id`,
    [randomUUID(), platformId, ENVIRONMENT_SLUG],
  );
  await seedClient(client, {
    issuer,
    clientId: platform.clientId,
    kind: 'platform',
    environmentId,
    scopes: PLATFORM_SCOPES,
  });
}

interface ClientRow {
  readonly issuer: string;
  readonly clientId: string;
  readonly kind: 'platform' | 'operator';
  readonly environmentId: string | null;
  readonly scopes: readonly string[];
}

async function seedClient(client: Client, row: ClientRow): Promise<void> {
  await client.query(
    `INSERT INTO keystone.clients (issuer, client_id, kind, environment_id, scopes) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (issuer, client_id) DO UPDATE
       SET kind = excluded.kind, environment_id = excluded.environment_id, scopes = excluded.scopes`,
    [row.issuer, row.clientId, row.kind, row.environmentId, row.scopes],
  );
}

async function idOf(client: Client, sql: string, values: readonly string[]): Promise<string> {
  const answer = await client.query<{ id: string }>(sql, [...values]);
  const id = answer.rows[0]?.id;
  if (id === undefined)
    throw new Error('the row that was just written cannot be seen: is this the owner of the schema?');
  return id;
}
