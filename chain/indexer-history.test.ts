import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';

import { chainIsHalted, requestResume, requireChainRunning } from '../db/chain-halts.ts';
import type { Indexer, IndexRound } from './indexer.ts';
import { type CoordinatorChain, createChain, type IndexedChain } from './provider.ts';
import { catchUp, FINALITY, type Indexing, startIndexing } from './testing/indexing.ts';
import { type LocalChain, START_LIMIT_MS, startLocalChain } from './testing/local-chain.ts';
import { mintCall } from './testing/mint.ts';

/** Each test drives a chain and a database; on a busy machine five seconds are not enough. */
jest.setTimeout(60_000);

const CODE = 'chain_reorganised_beyond_finality';
/** Confirmations of the chain on which every depth is tried. */
const CONFIRMATIONS = 6;

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

/** Everything that an indexer can write. */
async function traces(): Promise<unknown[]> {
  const tables = ['chain_events', 'legs', 'outbox', 'settlement_events', 'settlements', 'chain_halts', 'chain_blocks'];
  const read = tables.map((table) =>
    indexing.query(`SELECT * FROM keystone.${table} ORDER BY 1::text, 2::text, 3::text`),
  );
  return [await indexing.cursor(), ...(await Promise.all(read))];
}

/** A block that has nothing to do with any settlement becomes final, is seen, and is replaced. Empty blocks would come back the same. */
async function takeBackWhatIsFinal(indexer: Indexer, chain: LocalChain = local): Promise<void> {
  const noise = await chain.wallet();
  const hash = await chain.send(noise, mintCall(chain.tokens.KBOND, noise.address));
  await chain.mine(FINALITY);
  await catchUp(indexer);
  await chain.rpc('anvil_reorg', [FINALITY + 1, []]);
  await chain.rpc('anvil_dropTransaction', [hash]);
  await chain.mine(FINALITY);
}

/** Rounds until the chain is halted; the failed ones before are its doubts. */
async function untilHalted(indexer: Indexer): Promise<{ doubts: number; round: IndexRound }> {
  for (let doubts = 0; doubts < 10; doubts += 1) {
    const round = await indexer.runOnce().catch(() => undefined); // A doubt; enough of them end in a halt.
    if (round !== undefined) return { doubts, round };
  }
  throw new Error('the indexer neither fails nor comes to a result');
}

const worker = <Result>(work: Parameters<typeof indexing.database.worker.transaction<Result>>[1]) =>
  indexing.database.worker.transaction({ kind: 'worker' }, work);
const attention = () =>
  indexing.query<{ attention_code: string | null; needs_attention: boolean }>(
    'SELECT needs_attention, attention_code FROM keystone.settlements ORDER BY created_at',
  );

describe('a reorganisation', () => {
  it.each(Array.from({ length: CONFIRMATIONS }, (_, index) => index + 1))(
    'of %i blocks, none of them final, leaves no trace',
    async (depth) => {
      const chain = createChain({ ...local.configuration, finality: CONFIRMATIONS });
      const trade = await indexing.settlement();
      await trade.create();
      await trade.attestAll();
      await trade.open();
      await local.mine(CONFIRMATIONS);
      const indexer = indexing.indexer({ chain });
      await catchUp(indexer);
      const deposited = await trade.deposit(0);
      await local.mine(depth - 1);
      await catchUp(indexer);
      // The deposit is `depth` blocks deep, and goes with them.
      const before = await traces();
      await local.rpc('anvil_reorg', [depth, []]);
      await local.rpc('anvil_dropTransaction', [deposited]);
      const rounds = await catchUp(indexer);
      expect(rounds.map((round) => round.kind)).toEqual(['idle']);
      expect(await traces()).toEqual(before);
      await local.mine(CONFIRMATIONS + 1);
      await catchUp(indexer);
      expect(await indexing.names(trade.settlementId)).not.toContain('LegDeposited');
      expect(await indexing.legs(trade.settlementId)).toEqual(['pending', 'pending']);
      expect(await attention()).toEqual([{ needs_attention: false, attention_code: null }]);
      chain.close();
    },
  );

  it('of one block more halts the chain: no fact is taken, and what depends on it is marked', async () => {
    const chain = createChain({ ...local.configuration, finality: CONFIRMATIONS });
    const trade = await indexing.settlement();
    const created = await trade.create();
    await local.mine(CONFIRMATIONS);
    const errors: object[] = [];
    const indexer = indexing.indexer({ chain, errors });
    await catchUp(indexer);
    const cursor = await indexing.cursor();
    await local.rpc('anvil_reorg', [CONFIRMATIONS + 1, []]);
    await local.rpc('anvil_dropTransaction', [created]);
    const next = await indexing.settlement();
    await next.create();
    await local.mine(CONFIRMATIONS);
    const { doubts, round } = await untilHalted(indexer);
    expect([doubts, round]).toEqual([2, { kind: 'halted', reason: 'reorganised' }]);
    const [halt] = await indexing.query('SELECT * FROM keystone.chain_halts');
    expect(halt).toMatchObject({
      chain_id: local.chainId,
      block_number: cursor?.block_number,
      stored_hash: cursor?.block_hash,
      chain_hash: (await local.chain.block(cursor?.block_number ?? 0))?.hash,
    });
    expect((halt as { ancestor_number: number }).ancestor_number).toBeLessThan(cursor?.block_number ?? 0);
    expect(errors).toHaveLength(1);
    for (let again = 0; again < 3; again += 1) expect((await indexer.runOnce()).kind).toBe('halted');
    expect(await indexing.cursor()).toEqual(cursor);
    expect(await indexing.names(next.settlementId)).toEqual([]);
    expect(await attention()).toEqual([
      { needs_attention: true, attention_code: CODE },
      { needs_attention: true, attention_code: CODE },
    ]);
    expect(await worker((transaction) => chainIsHalted(transaction, local.chainId))).toBe(true);
    await expect(worker((transaction) => requireChainRunning(transaction, [1, local.chainId]))).rejects.toMatchObject({
      code: CODE,
    });
    chain.close();
  });

  it('between two queries of one round stores nothing', async () => {
    await local.mine(FINALITY);
    const before = indexing.indexer();
    await catchUp(before);
    const noise = await local.wallet();
    const hash = await local.send(noise, mintCall(local.tokens.KBOND, noise.address));
    await local.mine(FINALITY);
    let flipped = false;
    const chain: CoordinatorChain = {
      ...local.chain,
      logs: async (wanted) => {
        const logs = await local.chain.logs(wanted);
        if (!flipped) {
          await local.rpc('anvil_reorg', [FINALITY + 1, []]);
          await local.rpc('anvil_dropTransaction', [hash]);
          await local.mine(FINALITY);
        }
        flipped = true;
        return logs;
      },
    };
    const start = await indexing.cursor();
    await expect(indexing.indexer({ chain }).runOnce()).rejects.toMatchObject({ code: 'chain_unavailable' });
    expect(await indexing.cursor()).toEqual(start);
  });
});

describe('a halted chain', () => {
  /** A leg was paid in and final; then the chain took it back. */
  async function haltAfterDeposit() {
    const trade = await indexing.settlement();
    await trade.create();
    await trade.attestAll();
    await trade.open();
    await local.mine(FINALITY);
    const indexer = indexing.indexer();
    await catchUp(indexer);
    const hash = await trade.deposit(0);
    await local.mine(FINALITY);
    await catchUp(indexer);
    expect(await indexing.legs(trade.settlementId)).toEqual(['locked', 'pending']);
    const raw = String(await local.rpc('eth_getRawTransactionByHash', [hash]));
    await local.rpc('anvil_reorg', [FINALITY + 1, []]);
    await local.rpc('anvil_dropTransaction', [hash]);
    await local.mine(FINALITY + 1);
    await untilHalted(indexer);
    return { trade, indexer, raw };
  }

  const askToResume = () =>
    worker((transaction) =>
      requestResume(transaction, { chainId: local.chainId, by: 'operator:ada', reason: 'the node is right' }),
    );

  it('goes on when an operator says so: what is gone is taken back, and what comes again counts again', async () => {
    const { trade, indexer, raw } = await haltAfterDeposit();
    expect(await askToResume()).toBe(true);
    expect(await indexer.runOnce()).toMatchObject({ kind: 'resumed', events: 2, settlements: 1 });
    await catchUp(indexer);
    expect(await indexing.legs(trade.settlementId)).toEqual(['pending', 'pending']);
    expect(await indexing.names(trade.settlementId)).not.toContain('LegDeposited');
    // The settlement had rested on the deposit: somebody has to look at it.
    expect(await attention()).toEqual([{ needs_attention: true, attention_code: CODE }]);
    expect(await worker((transaction) => chainIsHalted(transaction, local.chainId))).toBe(false);
    const woken = (await indexing.facts(trade.settlementId)).length;
    await local.chain.broadcast(raw);
    await local.mine(FINALITY + 1);
    await catchUp(indexer);
    expect(await indexing.legs(trade.settlementId)).toEqual(['locked', 'pending']);
    expect(await indexing.facts(trade.settlementId)).toHaveLength(woken + 1);
  });

  it('leaves no mark on settlements that only had to wait', async () => {
    const indexer = indexing.indexer();
    await takeBackWhatIsFinal(indexer);
    await indexing.settlement();
    await untilHalted(indexer);
    expect(await attention()).toEqual([{ needs_attention: true, attention_code: CODE }]);
    await askToResume();
    await catchUp(indexer);
    expect(await attention()).toEqual([{ needs_attention: false, attention_code: null }]);
  });

  it('stays halted for every process, and a range that another indexer still holds is not stored', async () => {
    await local.mine(FINALITY);
    const first = indexing.indexer();
    await catchUp(first);
    await local.mine(1);
    const late: IndexedChain = {
      ...local.chain,
      logs: async (wanted) => {
        const logs = await local.chain.logs(wanted);
        await indexing.query(
          `INSERT INTO keystone.chain_halts (chain_id, reason, block_number, stored_hash) VALUES ($1, 'reorganised', 1, '0x')`,
          [local.chainId],
        );
        return logs;
      },
    };
    const cursor = await indexing.cursor();
    expect((await indexing.indexer({ chain: late }).runOnce()).kind).toBe('superseded');
    expect(await indexing.cursor()).toEqual(cursor);
    expect((await indexing.indexer().runOnce()).kind).toBe('halted');
  });

  it('does not stop the others, nor mark settlements that have nothing on it', async () => {
    const other = await startLocalChain({ chainId: 31_339 });
    try {
      // The other chain is one that only holds legs.
      const remote = createChain({
        kind: 'remote',
        chain_id: other.chainId,
        rpc_urls: [other.url],
        finality: 'finalized',
        gateway: other.configuration.coordinator,
        escrow: other.configuration.escrow,
        deployment_block: other.configuration.deployment_block,
      });
      const there = indexing.indexer({ chain: remote });
      await takeBackWhatIsFinal(there, other);
      const trade = await indexing.settlement();
      await untilHalted(there);
      expect(await attention()).toEqual([{ needs_attention: false, attention_code: null }]);
      await trade.create();
      await local.mine(FINALITY);
      await catchUp(indexing.indexer());
      expect(await indexing.names(trade.settlementId)).toHaveLength(2);
      remote.close();
    } finally {
      await other.stop();
    }
  });
});

describe('a node', () => {
  it('that once names another final block halts nothing', async () => {
    await local.mine(FINALITY);
    let lost = 2;
    const chain: IndexedChain = {
      ...local.chain,
      finalizedBlock: async () => {
        const block = await local.chain.finalizedBlock();
        lost -= 1;
        return block === undefined || lost < 0 ? block : { ...block, hash: `0x${'ee'.repeat(32)}` };
      },
    };
    await catchUp(indexing.indexer());
    const indexer = indexing.indexer({ chain });
    for (let round = 0; round < 2; round += 1) await expect(indexer.runOnce()).rejects.toThrow(/chain_unavailable/);
    expect((await indexer.runOnce()).kind).toBe('idle');
    expect(await indexing.query('SELECT 1 FROM keystone.chain_halts')).toEqual([]);
  });

  it('whose head stays behind the cursor halts the chain after a while, and catching up lifts that by itself', async () => {
    await local.mine(FINALITY);
    await catchUp(indexing.indexer());
    const old = await local.chain.block(1);
    let isBehind = true;
    const chain: IndexedChain = {
      ...local.chain,
      headBlock: async () => (isBehind && old !== undefined ? old : local.chain.headBlock()),
      finalizedBlock: async () => (isBehind ? old : local.chain.finalizedBlock()),
      block: async (tag) => (isBehind && typeof tag === 'number' && tag > 1 ? undefined : local.chain.block(tag)),
    };
    const patient = indexing.indexer({ chain });
    for (let round = 0; round < 5; round += 1) await expect(patient.runOnce()).rejects.toThrow(/chain_unavailable/);
    const indexer = indexing.indexer({ chain, limits: { headBehindMs: 0 } });
    const { round } = await untilHalted(indexer);
    expect(round).toEqual({ kind: 'halted', reason: 'head_behind' });
    expect((await indexer.runOnce()).kind).toBe('halted');
    isBehind = false;
    expect((await indexer.runOnce()).kind).toBe('resumed');
    expect((await indexer.runOnce()).kind).toBe('idle');
  });
});

describe('a chain that was started afresh', () => {
  it('is halted for good: its loop goes on quietly, and no request resumes it', async () => {
    await local.mine(FINALITY);
    await catchUp(indexing.indexer());
    const fresh = await startLocalChain();
    try {
      await fresh.mine(100);
      const errors: object[] = [];
      const chain = { ...fresh.chain, ...addressesOf(local.chain) };
      const running = indexing.run({ chain, errors, limits: { failurePauseMs: 10, haltedPollMs: 20, pollMs: 20 } });
      const isHalted = () => worker((transaction) => chainIsHalted(transaction, local.chainId));
      for (let wait = 0; wait < 200 && !(await isHalted()); wait += 1) await sleep(25);
      expect(await indexing.query('SELECT reason FROM keystone.chain_halts')).toEqual([{ reason: 'started_afresh' }]);
      await worker((transaction) =>
        requestResume(transaction, { chainId: local.chainId, by: 'operator:ada', reason: 'hope' }),
      );
      for (let wait = 0; wait < 200 && errors.length < 2; wait += 1) await sleep(25);
      expect(errors).toHaveLength(2);
      expect(await isHalted()).toBe(true);
      await running.stop();
    } finally {
      await fresh.stop();
    }
  });
});

function addressesOf({
  coordinator,
  registry,
  escrow,
}: CoordinatorChain): Pick<CoordinatorChain, 'coordinator' | 'registry' | 'escrow'> {
  return { coordinator, registry, escrow };
}
