import { type ChainCursor, type ChainEventRow, readChainEvents, readCursor } from '../../db/chain-events.ts';
import type { Uuid } from '../../domain/ids.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { seedPlatform, seedSettlement } from '../../test/support/seed-settlement.ts';
import { createIndexer, type Indexer, type IndexRound } from '../indexer.ts';
import type { IndexerLimits } from '../indexer-limits.ts';
import type { IndexedChain } from '../provider.ts';
import type { LocalChain } from './local-chain.ts';
import { createTrade, type Trade } from './trade.ts';

/** A block is final on the local chain once two more are mined. */
export const FINALITY = 2;
const ROUNDS = 60;

export interface IndexerOverrides {
  readonly chain?: IndexedChain;
  readonly limits?: Partial<IndexerLimits>;
  /** Receives the fields of what is logged as an error. */
  readonly errors?: object[];
}

/** A fresh database beside a local chain, and questions about what the indexer wrote there. */
export interface Indexing {
  readonly database: TestDatabase;
  indexer(overrides?: IndexerOverrides): Indexer;
  /** Starts an indexer's loop; `close` stops what a failed test left running. */
  run(overrides: IndexerOverrides): { readonly ended: Promise<void>; stop(): Promise<void> };
  /** A settlement in Postgres, and the trade of the same id for the chain. */
  settlement(): Promise<Trade>;
  query<Row extends object>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
  events(id: Uuid): Promise<ChainEventRow[]>;
  names(id: Uuid): Promise<string[]>;
  legs(id: Uuid): Promise<string[]>;
  facts(id: Uuid): Promise<{ dedupe_key: string; payload: { transaction_hash: string; names: string[] } }[]>;
  notices(id: Uuid): Promise<{ payload: object; triggered_by: string }[]>;
  cursor(): Promise<ChainCursor | undefined>;
  close(): Promise<void>;
}

export async function startIndexing(local: LocalChain): Promise<Indexing> {
  const database = await createTestDatabase();
  const platforms = { seller: await seedPlatform(database.ownerUrl), buyer: await seedPlatform(database.ownerUrl) };
  const running: { stop(): Promise<void> }[] = [];
  const query = <Row extends object>(sql: string, values: readonly unknown[] = []): Promise<Row[]> =>
    database.worker.transaction({ kind: 'worker' }, (transaction) => transaction.query<Row>(sql, values));
  const events = (id: Uuid): Promise<ChainEventRow[]> =>
    database.worker.transaction({ kind: 'worker' }, (transaction) => readChainEvents(transaction, id));
  const indexer = (overrides: IndexerOverrides = {}): Indexer => createTestIndexer(local, database, overrides);
  return {
    database,
    indexer,
    run(overrides) {
      const controller = new AbortController();
      const ended = indexer(overrides).start(controller.signal);
      ended.catch(() => undefined); // The test awaits it, or has failed already.
      const stop = async (): Promise<void> => {
        controller.abort();
        await ended;
      };
      running.push({ stop });
      return { ended, stop };
    },
    async settlement() {
      const chainId = local.chain.chainId;
      return createTrade(local, {
        settlementId: await seedSettlement({ database: database.api, ...platforms, chainId }),
      });
    },
    query,
    events,
    names: async (id) => (await events(id)).map((event) => event.name),
    legs: async (id) =>
      (
        await query<{ status: string }>(
          'SELECT status FROM keystone.legs WHERE settlement_id = $1 ORDER BY leg_index',
          [id],
        )
      ).map((leg) => leg.status),
    facts: (id) =>
      query(
        `SELECT dedupe_key, payload FROM keystone.outbox WHERE settlement_id = $1 AND kind = 'chain_facts' ORDER BY id`,
        [id],
      ),
    notices: (id) =>
      query(
        `SELECT payload, triggered_by FROM keystone.settlement_events
         WHERE settlement_id = $1 AND type = 'settlement.deposit.received' ORDER BY sequence`,
        [id],
      ),
    cursor: () =>
      database.worker.transaction({ kind: 'worker' }, (transaction) => readCursor(transaction, local.chain.chainId)),
    async close() {
      await Promise.allSettled(running.map((one) => one.stop()));
      await database.drop();
    },
  };
}

function createTestIndexer(local: LocalChain, database: TestDatabase, overrides: IndexerOverrides): Indexer {
  return createIndexer({
    database: database.worker,
    chain: overrides.chain ?? local.chain,
    configuration: local.configuration,
    log: {
      info: () => undefined,
      warn: () => undefined,
      error: (fields) => overrides.errors?.push(fields),
    },
    ...(overrides.limits && { limits: overrides.limits }),
  });
}

/** Runs rounds until there is nothing new. */
export async function catchUp(indexer: Indexer): Promise<IndexRound[]> {
  const rounds: IndexRound[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const result = await indexer.runOnce();
    rounds.push(result);
    if (result.kind === 'idle') return rounds;
  }
  throw new Error('the indexer does not come to rest');
}
