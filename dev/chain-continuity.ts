import { Client } from 'pg';

/** Whether a chain is still the one that the database knows, and what to do when it is not. */

/** Milliseconds. */
const LIMITS = { connectMs: 5_000, statementMs: 10_000, rpcMs: 10_000 } as const;

/** Tables that hold what was read from or sent to one chain; each has a column `chain_id`. */
const CHAIN_TABLES = [
  'chain_cursors',
  'chain_blocks',
  'chain_events',
  'chain_transactions',
  'chain_signers',
  'signer_balances',
  'chain_halts',
  'tokens',
] as const;

export interface ChainDatabase {
  readonly ownerDatabaseUrl: string;
  readonly chainId: number;
}

/**
 * One sentence about why the chain is not the one that the indexer has followed, or undefined when all is well. A local chain that
 * lost its state begins again at block 0, or goes back to an older state and then grows other blocks.
 */
export async function findDiscontinuity(database: ChainDatabase, rpcUrl: string): Promise<string | undefined> {
  const cursor = await withOwner(database.ownerDatabaseUrl, async (client) => {
    const answer = await client.query<{ block_number: string; block_hash: string; origin_hash: string }>(
      'SELECT block_number::text, block_hash, origin_hash FROM keystone.chain_cursors WHERE chain_id = $1',
      [database.chainId],
    );
    return answer.rows[0];
  });
  if (cursor === undefined) return undefined;
  const [origin, block] = await Promise.all([
    readBlockHash(rpcUrl, 0n),
    readBlockHash(rpcUrl, BigInt(cursor.block_number)),
  ]);
  if (origin?.toLowerCase() !== cursor.origin_hash.toLowerCase())
    return 'the chain begins with another block than before';
  if (block === undefined) return `the chain has no block ${cursor.block_number}, which was indexed before`;
  if (block.toLowerCase() !== cursor.block_hash.toLowerCase()) {
    return `block ${cursor.block_number} of the chain is not the one that was indexed before`;
  }
  return undefined;
}

/** Forgets everything that was read from or sent to the chain. Open settlements on it cannot finish any more. */
export async function forgetChain(database: ChainDatabase): Promise<{ openSettlements: number }> {
  return withOwner(database.ownerDatabaseUrl, async (client) => {
    await client.query('BEGIN');
    for (const table of CHAIN_TABLES) {
      await client.query(`DELETE FROM keystone.${table} WHERE chain_id = $1`, [database.chainId]);
    }
    const open = await client.query<{ total: number }>(
      `SELECT count(*)::int AS total FROM keystone.settlements
       WHERE state NOT IN ('FINALIZED', 'ROLLED_BACK', 'TIMED_OUT') AND coordinator_chain_id = $1`,
      [database.chainId],
    );
    await client.query('COMMIT');
    return { openSettlements: open.rows[0]?.total ?? 0 };
  });
}

async function withOwner<Result>(url: string, work: (client: Client) => Promise<Result>): Promise<Result> {
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: LIMITS.connectMs,
    statement_timeout: LIMITS.statementMs,
  });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function readBlockHash(rpcUrl: string, number: bigint): Promise<string | undefined> {
  const body = { jsonrpc: '2.0', id: 1, method: 'eth_getBlockByNumber', params: [`0x${number.toString(16)}`, false] };
  const response = await fetch(rpcUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(LIMITS.rpcMs),
  });
  const answer = (await response.json()) as { result?: { hash: string } | null };
  return answer.result?.hash;
}
