import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';

import type { CoordinatorChain } from './provider.ts';
import { catchUp, FINALITY, type Indexing, startIndexing } from './testing/indexing.ts';
import { type LocalChain, START_LIMIT_MS, startLocalChain } from './testing/local-chain.ts';

/** Each test drives a chain and a database; on a busy machine five seconds are not enough. */
jest.setTimeout(30_000);

let local: LocalChain;
let indexing: Indexing;
beforeAll(async () => {
  local = await startLocalChain();
}, START_LIMIT_MS);
afterAll(() => local?.stop());
beforeEach(async () => {
  indexing = await startIndexing(local);
}, START_LIMIT_MS);
afterEach(() => indexing?.close());

describe('a reorganisation', () => {
  it('of blocks that were not final is never seen', async () => {
    await local.mine(FINALITY + 2);
    const running = indexing.indexer();
    await catchUp(running);
    const trade = await indexing.settlement();
    await trade.create();
    await catchUp(running);
    await local.rpc('anvil_reorg', [1, []]);
    await local.mine(FINALITY + 1);
    const rounds = await catchUp(running);
    expect(rounds.map((round) => round.kind)).not.toContain('reorganised');
    const attention = await indexing.query<{ needs_attention: boolean }>(
      'SELECT needs_attention FROM keystone.settlements',
    );
    expect(attention).toEqual([{ needs_attention: false }]);
  });

  it('of final blocks orphans their events, raises attention, and wakes again when they come back', async () => {
    await local.mine(FINALITY + 2);
    const errors: object[] = [];
    const running = indexing.indexer({ errors });
    await catchUp(running);
    const trade = await indexing.settlement();
    const hash = await trade.create();
    await local.mine(FINALITY);
    await catchUp(running);
    expect(await indexing.names(trade.settlementId)).toHaveLength(2);
    const raw = String(await local.rpc('eth_getRawTransactionByHash', [hash]));
    await local.rpc('anvil_reorg', [FINALITY + 1, []]);
    await local.rpc('anvil_dropTransaction', [hash]);
    await local.mine(FINALITY + 1);
    const rounds = await catchUp(running);
    expect(rounds.map((round) => round.kind)).toContain('reorganised');
    expect(errors).toHaveLength(1);
    expect(await indexing.names(trade.settlementId)).toEqual([]);
    const [row] = await indexing.query(
      'SELECT needs_attention, attention_code FROM keystone.settlements WHERE id = $1',
      [trade.settlementId],
    );
    expect(row).toEqual({ needs_attention: true, attention_code: 'finality_broken' });
    const before = (await indexing.facts(trade.settlementId)).length;
    await local.chain.broadcast(raw);
    await local.mine(FINALITY + 1);
    await catchUp(running);
    expect(await indexing.names(trade.settlementId)).toHaveLength(2);
    expect(await indexing.facts(trade.settlementId)).toHaveLength(before + 1);
  });

  it('between two queries of one round stores nothing', async () => {
    await local.mine(FINALITY);
    const before = indexing.indexer();
    await catchUp(before);
    await local.mine(FINALITY + 1);
    let flipped = false;
    const chain: CoordinatorChain = {
      ...local.chain,
      logs: async (wanted) => {
        const logs = await local.chain.logs(wanted);
        if (!flipped) await local.rpc('anvil_reorg', [FINALITY + 1, []]);
        flipped = true;
        return logs;
      },
    };
    const start = await indexing.cursor();
    await expect(indexing.indexer({ chain }).runOnce()).rejects.toMatchObject({ code: 'chain_unavailable' });
    expect(await indexing.cursor()).toEqual(start);
  });
});

describe('a chain', () => {
  it('that was started afresh halts the indexer with a message that says so', async () => {
    await local.mine(FINALITY);
    await catchUp(indexing.indexer());
    const fresh = await startLocalChain();
    try {
      await fresh.mine(100);
      const running = indexing.indexer({ chain: { ...fresh.chain, ...addressesOf(local.chain) } });
      await expect(running.runOnce()).rejects.toMatchObject({
        reason: 'started_afresh',
        code: 'configuration_invalid',
      });
      await expect(running.start(AbortSignal.timeout(5_000))).rejects.toThrow(/started afresh/);
    } finally {
      await fresh.stop();
    }
  });

  it('whose head fell behind the cursor halts the indexer after a while', async () => {
    await local.mine(FINALITY);
    await catchUp(indexing.indexer());
    const old = await local.chain.block(1);
    const behind: CoordinatorChain = {
      ...local.chain,
      headBlock: async () => old ?? local.chain.headBlock(),
      finalizedBlock: () => Promise.resolve(old),
    };
    await expect(indexing.indexer({ chain: behind }).runOnce()).rejects.toMatchObject({ reason: 'head_behind' });
    const limits = { headBehindMs: 100, failurePauseMs: 20 };
    await expect(indexing.indexer({ chain: behind, limits }).start(AbortSignal.timeout(5_000))).rejects.toThrow(
      /ends at block 1/,
    );
  });
});

function addressesOf({
  coordinator,
  registry,
  escrow,
}: CoordinatorChain): Pick<CoordinatorChain, 'coordinator' | 'registry' | 'escrow'> {
  return { coordinator, registry, escrow };
}
