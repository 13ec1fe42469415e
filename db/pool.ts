import { createHash } from 'node:crypto';

import pg from 'pg';

import { KeystoneError } from '../domain/errors.ts';
import type { Uuid } from '../domain/ids.ts';

/** Limits of the connection to Postgres. Milliseconds. */
export const DATABASE_LIMITS = {
  connectTimeoutMs: 5_000,
  statementTimeoutMs: 10_000,
  lockTimeoutMs: 5_000,
  idleInTransactionTimeoutMs: 15_000,
} as const;

// int8 columns of ours are identifiers, block numbers and nonces, never money (amounts are numeric, which stays text).
pg.types.setTypeParser(pg.types.builtins.INT8, (text) => {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError('an int8 beyond 2^53 came from the database');
  return value;
});

/** On whose behalf a transaction runs. `tenant` sees its environment's rows only; row-level security enforces it. */
export type Principal = { kind: 'tenant'; environmentId: Uuid } | { kind: 'operator' } | { kind: 'worker' };

export interface Transaction {
  /** Runs one statement; rows come back as plain objects. */
  query<Row extends object = Record<string, unknown>>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
}

export interface Database {
  /** Runs `work` in one transaction. No call to the outside belongs inside: the rows it holds would stay locked meanwhile. */
  transaction<Result>(principal: Principal, work: (transaction: Transaction) => Promise<Result>): Promise<Result>;
  /**
   * Runs one statement of the worker as a transaction of its own: one round trip instead of three, which is what most of a step's time
   * in Postgres was. A second query throws: it would not see the same snapshot, and a first one that wrote could not be undone.
   */
  statement<Result>(work: (transaction: Transaction) => Promise<Result>): Promise<Result>;
  /** One dedicated connection for LISTEN; the caller closes it. */
  connect(): Promise<pg.Client>;
  /** Statements sent so far, for the benchmark. */
  statementCount(): number;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  readonly url: string;
  readonly poolSize: number;
  readonly applicationName: string;
  /** Called for errors of idle connections: without a listener one of them would end the process. */
  readonly onError: (error: Error) => void;
}

export function createDatabase(options: DatabaseOptions): Database {
  const connection = {
    connectionString: options.url,
    application_name: options.applicationName,
    connectionTimeoutMillis: DATABASE_LIMITS.connectTimeoutMs,
    statement_timeout: DATABASE_LIMITS.statementTimeoutMs,
    lock_timeout: DATABASE_LIMITS.lockTimeoutMs,
    idle_in_transaction_session_timeout: DATABASE_LIMITS.idleInTransactionTimeoutMs,
    query_timeout: DATABASE_LIMITS.statementTimeoutMs + 1_000,
  };
  const pool = new pg.Pool({ ...connection, max: options.poolSize });
  pool.on('error', options.onError);
  // A connection that breaks while it is in use tells its own client; without a listener that, too, would end the process.
  pool.on('connect', (client) => client.on('error', options.onError));
  let statements = 0;
  const borrow = async (): Promise<Session> => {
    const client = await pool.connect().catch((error: unknown) => {
      throw new KeystoneError('database_unavailable', 'The database cannot be reached.', { cause: error });
    });
    return {
      send: async <Row extends object>(sql: string, values: readonly unknown[] = []) => {
        statements += 1;
        const answer = await client.query<Row>({ name: nameOf(sql), text: sql, values: [...values] });
        return answer.rows;
      },
      control: async (sql, values = []) => {
        statements += 1;
        await client.query(sql, [...values]);
      },
      giveBack: (broken) => client.release(broken),
    };
  };
  return {
    transaction: async (principal, work) => runTransaction(await borrow(), principal, work),
    statement: async (work) => runStatement(await borrow(), work),
    async connect() {
      const client = new pg.Client(connection);
      client.on('error', options.onError);
      await client.connect();
      return client;
    },
    statementCount: () => statements,
    close: () => pool.end(),
  };
}

/** A borrowed connection. */
interface Session {
  /** A statement of ours, prepared once per connection. */
  send<Row extends object>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
  /** What opens and ends a transaction. */
  control(sql: string, values?: readonly unknown[]): Promise<void>;
  /** With an error the pool closes it instead of handing it out again. */
  giveBack(broken: Error | undefined): void;
}

async function runTransaction<Result>(
  session: Session,
  principal: Principal,
  work: (transaction: Transaction) => Promise<Result>,
): Promise<Result> {
  let broken: Error | undefined;
  try {
    await session.control('BEGIN');
    if (principal.kind === 'tenant') {
      await session.control(`SELECT set_config('app.environment_id', $1, true)`, [principal.environmentId]);
    } else if (principal.kind === 'operator') {
      await session.control('SET LOCAL ROLE keystone_operator');
    }
    const result = await work({ query: (sql, values) => session.send(sql, values) });
    await session.control('COMMIT');
    return result;
  } catch (error) {
    await session.control('ROLLBACK').catch((rollbackError: Error) => {
      // The connection is gone: the pool must not hand it out again. The server rolls back by itself.
      broken = rollbackError;
    });
    throw error;
  } finally {
    session.giveBack(broken);
  }
}

async function runStatement<Result>(
  session: Session,
  work: (transaction: Transaction) => Promise<Result>,
): Promise<Result> {
  let broken: Error | undefined;
  let used = false;
  try {
    return await work({
      async query<Row extends object>(sql: string, values?: readonly unknown[]) {
        if (used) throw new KeystoneError('internal', 'Two statements need a transaction.');
        used = true;
        return session.send<Row>(sql, values).catch((error: unknown) => {
          // After anything but a refused statement (a time-out, a cut connection) the state of the connection is unknown.
          if (!(error instanceof pg.DatabaseError && error.severity === 'ERROR')) broken = asError(error);
          throw error;
        });
      },
    });
  } finally {
    session.giveBack(broken);
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** SQLSTATE of a database error, if it is one. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined;
}

export const UNIQUE_VIOLATION = '23505';
export const LOCK_NOT_AVAILABLE = '55P03';

const STATEMENT_NAME_LENGTH = 32;
const statementNames = new Map<string, string>();

/**
 * Statements are prepared once per connection: parsing and planning is most of what the larger reads cost. The texts are constants of
 * our query modules, so the names are few. Plans that depend on row-level security are made anew when the role changes (PostgreSQL
 * keeps the role beside the plan).
 */
function nameOf(sql: string): string {
  const known = statementNames.get(sql);
  if (known !== undefined) return known;
  const name = createHash('sha256').update(sql).digest('hex').slice(0, STATEMENT_NAME_LENGTH);
  statementNames.set(sql, name);
  return name;
}
