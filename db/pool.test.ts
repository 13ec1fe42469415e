import { randomUUID } from 'node:crypto';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { createTestDatabase, type TestDatabase } from '../test/support/database.ts';

describe('a single statement', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  }, 60_000);
  afterAll(() => database.drop());

  const insert = (token: string) =>
    database.worker.statement((transaction) =>
      transaction.query(
        `INSERT INTO keystone.audit_log (actor, action, resource_type, resource_id) VALUES ('system:test', 'pool.test', 'test', $1)`,
        [token],
      ),
    );
  const inserted = (token: string) =>
    database.worker.transaction({ kind: 'worker' }, (transaction) =>
      transaction.query(`SELECT 1 FROM keystone.audit_log WHERE resource_id = $1`, [token]),
    );

  it('is committed by itself, in one round trip', async () => {
    const token = randomUUID();
    const before = database.worker.statementCount();
    await insert(token);
    expect(database.worker.statementCount() - before).toBe(1);
    expect(await inserted(token)).toHaveLength(1);
  });

  it('is the only one: a second would see another snapshot', async () => {
    await expect(
      database.worker.statement(async (transaction) => {
        await transaction.query('SELECT 1');
        return transaction.query('SELECT 2');
      }),
    ).rejects.toMatchObject({ code: 'internal' });
  });

  it('that Postgres refuses leaves a connection that works', async () => {
    for (let attempt = 0; attempt < 10; attempt += 1) {
      await expect(
        database.worker.statement((transaction) => transaction.query('SELECT * FROM keystone.no_such_table')),
      ).rejects.toMatchObject({ code: '42P01' });
    }
    expect(await database.worker.statement((transaction) => transaction.query('SELECT 1 AS one'))).toEqual([
      { one: 1 },
    ]);
  });

  it('that loses its connection does not hand the broken connection to the next one', async () => {
    await expect(
      database.worker.statement((transaction) => transaction.query('SELECT pg_terminate_backend(pg_backend_pid())')),
    ).rejects.toThrow();
    expect(await database.worker.statement((transaction) => transaction.query('SELECT 1 AS one'))).toEqual([
      { one: 1 },
    ]);
  });
});
