import { randomUUID } from 'node:crypto';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';

import { createTestDatabase, type TestDatabase } from '../test/support/database.ts';

/** Tables without tenants' rows. Whoever adds to this list says why. */
const WITHOUT_ROW_SECURITY = [
  'settlement_transitions', // the edges of the state machine, the same for everybody
];

/**
 * Every table, by what a tenant may read of it. A new table has to be put here, which is the moment to think about who sees it.
 * `own`: rows of its environment. `involved`: rows of settlements in which it has a party. `own_row`: the tenant itself. `everybody`: the same
 * for all tenants. `nothing`: not readable by the API at all.
 */
const READABLE: Readonly<Record<string, 'own' | 'involved' | 'own_row' | 'everybody' | 'nothing'>> = {
  audit_log: 'own',
  chain_blocks: 'nothing',
  chain_cursors: 'nothing',
  chain_events: 'involved',
  chain_halts: 'nothing',
  chain_signers: 'nothing',
  chain_transactions: 'nothing',
  clients: 'nothing',
  compliance_checks: 'own',
  compliance_decisions: 'involved',
  decisions: 'nothing',
  environments: 'own_row',
  idempotency_keys: 'own',
  instructions: 'own',
  leg_owner_details: 'own',
  legs: 'involved',
  outbox: 'nothing',
  parties: 'involved',
  party_details: 'own',
  party_wallets: 'own',
  platforms: 'own_row',
  proofs: 'involved',
  settlement_access: 'own',
  settlement_events: 'involved',
  settlement_owner_details: 'own',
  settlement_transitions: 'everybody',
  settlements: 'involved',
  signer_balances: 'nothing',
  tokens: 'everybody',
  webhook_attempts: 'own',
  webhook_deliveries: 'own',
  webhook_endpoints: 'own',
  webhook_messages: 'own',
};

/** The condition that a policy for reading has, for each kind; as PostgreSQL prints it. */
const CONDITION = {
  own: /^\(environment_id = (?:keystone\.)?current_environment\(\)\)$/,
  involved: /may_see\((?:settlement_)?id\)/,
  own_row: /current_environment\(\)/,
  everybody: /^true$/,
} as const;

describe('row-level security', () => {
  let database: TestDatabase;
  let owner: pg.Client;
  const mine = randomUUID();
  const theirs = randomUUID();

  beforeAll(async () => {
    database = await createTestDatabase();
    owner = new pg.Client({ connectionString: database.ownerUrl });
    await owner.connect();
    for (const [index, id] of [mine, theirs].entries()) {
      await owner.query('INSERT INTO keystone.platforms (id, slug, name) VALUES ($1, $2, $2)', [
        id,
        `platform-${index}`,
      ]);
      await owner.query(
        `INSERT INTO keystone.environments (id, platform_id, slug, name) VALUES ($1, $1, 'development', 'd')`,
        [id],
      );
      await owner.query(
        `INSERT INTO keystone.webhook_endpoints (id, environment_id, url, events, secret) VALUES (gen_random_uuid(), $1, 'https://x.test', '{*}', 's')`,
        [id],
      );
    }
  }, 60_000);
  afterAll(async () => {
    await owner.end();
    await database.drop();
  });

  async function tables(): Promise<{ name: string; enabled: boolean; forced: boolean; policies: number }[]> {
    const answer = await owner.query(
      `SELECT c.relname AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
         (SELECT count(*)::int FROM pg_policy p WHERE p.polrelid = c.oid) AS policies
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'keystone' AND c.relkind IN ('r', 'p')`,
    );
    return answer.rows;
  }

  it('is enabled, forced and has a policy on every table that is not on the list of exceptions', async () => {
    const all = await tables();
    const bare = all
      .filter((table) => !(table.enabled && table.forced && table.policies > 0))
      .map((table) => table.name);
    expect(bare.toSorted()).toEqual(WITHOUT_ROW_SECURITY);
    expect(all.length).toBeGreaterThan(20);
  });

  it('lets a tenant read of each table what the list above says, by exactly one policy', async () => {
    const answer = await owner.query(
      `SELECT c.relname AS name, has_table_privilege('keystone_api', c.oid, 'SELECT') AS readable, c.relrowsecurity AS enabled,
         coalesce((SELECT array_agg(pg_get_expr(p.polqual, p.polrelid)) FROM pg_policy p
                   WHERE p.polrelid = c.oid AND p.polcmd IN ('r', '*') AND 'keystone_api'::regrole = ANY (p.polroles)), '{}') AS conditions
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'keystone' AND c.relkind IN ('r', 'p')`,
    );
    expect(new Set(answer.rows.map((row) => row.name))).toEqual(new Set(Object.keys(READABLE)));
    for (const { name, readable, enabled, conditions } of answer.rows) {
      const kind = READABLE[name as string] ?? 'nothing';
      if (kind === 'nothing') {
        expect([name, readable]).toEqual([name, false]);
      } else if (enabled) {
        expect([name, readable, conditions]).toEqual([name, true, [expect.stringMatching(CONDITION[kind])]]);
      }
    }
  });

  it('has no table owned by, and no inherited membership for, a role that the processes log in as', async () => {
    const owned = await owner.query(
      `SELECT relname FROM pg_class WHERE pg_get_userbyid(relowner) IN ('keystone_api', 'keystone_worker', 'keystone_operator')`,
    );
    expect(owned.rows).toEqual([]);
    // An inherited role brings its policies along: with the operator's, every tenant would see every row.
    const inherited = await owner.query(
      `SELECT 1 FROM pg_auth_members WHERE member IN ('keystone_api'::regrole, 'keystone_worker'::regrole) AND inherit_option`,
    );
    expect(inherited.rows).toEqual([]);
  });

  it('makes a query that forgot its tenant fail instead of seeing nothing or everything', async () => {
    const forgetful = (await tables()).map((table) => table.name);
    const outcomes: Record<string, unknown> = {};
    for (const table of forgetful) {
      outcomes[table] = await database.api
        .transaction({ kind: 'worker' }, (transaction) => transaction.query(`SELECT 1 FROM keystone.${table} LIMIT 1`))
        .catch((error: unknown) => (error instanceof pg.DatabaseError ? error.code : error));
    }
    // A policy is asked per row, so an empty table has nothing to refuse; those with rows must.
    for (const table of ['environments', 'platforms', 'webhook_endpoints']) {
      expect([table, outcomes[table]]).toEqual([table, expect.stringMatching(/^(?:42704|22P02)$/)]);
    }
    for (const table of forgetful) {
      const outcome = outcomes[table];
      const leaked =
        Array.isArray(outcome) && outcome.length > 0 && !['settlement_transitions', 'tokens'].includes(table);
      expect([table, leaked]).toEqual([table, false]);
    }
  });

  it('shows a tenant its own rows, an operator all of them, and lets nobody write for another', async () => {
    const count = async (principal: Parameters<typeof database.api.transaction>[0]) =>
      (
        await database.api.transaction(principal, (transaction) =>
          transaction.query('SELECT 1 FROM keystone.webhook_endpoints'),
        )
      ).length;
    expect(await count({ kind: 'tenant', environmentId: mine })).toBe(1);
    expect(await count({ kind: 'operator' })).toBe(2);
    const foreign = database.api.transaction({ kind: 'tenant', environmentId: mine }, (transaction) =>
      transaction.query(
        `INSERT INTO keystone.webhook_endpoints (id, environment_id, url, events, secret) VALUES (gen_random_uuid(), $1, 'https://y.test', '{*}', 's')`,
        [theirs],
      ),
    );
    await expect(foreign).rejects.toMatchObject({ code: '42501' });
  });

  it('keeps the tenant of one transaction out of the next on the same connection', async () => {
    await database.api.transaction({ kind: 'tenant', environmentId: mine }, (transaction) =>
      transaction.query('SELECT 1'),
    );
    const next = database.api.transaction({ kind: 'worker' }, (transaction) =>
      transaction.query('SELECT 1 FROM keystone.webhook_endpoints'),
    );
    await expect(next).rejects.toMatchObject({ code: expect.stringMatching(/^(?:42704|22P02)$/) });
  });

  it('lets the API neither read the outbox nor change what was recorded', async () => {
    const tenant = { kind: 'tenant', environmentId: mine } as const;
    for (const sql of [
      'SELECT 1 FROM keystone.outbox',
      'DELETE FROM keystone.settlements',
      "UPDATE keystone.settlement_events SET payload = '{}'",
      'DELETE FROM keystone.audit_log',
      "UPDATE keystone.party_details SET wallet_address = '0x0000000000000000000000000000000000000000'",
      "UPDATE keystone.party_wallets SET wallet_address = '0x0000000000000000000000000000000000000001'",
      'DELETE FROM keystone.party_wallets',
      "UPDATE keystone.settlements SET fee_mode = 'split'",
      'UPDATE keystone.legs SET amount = 1',
      'SELECT 1 FROM keystone.clients',
    ]) {
      await expect(database.api.transaction(tenant, (transaction) => transaction.query(sql))).rejects.toMatchObject({
        code: '42501',
      });
    }
  });
});
