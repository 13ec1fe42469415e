import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { findChainTransition } from '../db/chain-events.ts';
import { ON_CHAIN_INDEX } from '../domain/settlement-state.ts';
import { createCoordinatorClient } from './coordinator.ts';
import { type IndexedChain, createChain } from './provider.ts';
import { RpcError } from './rpc.ts';
import { catchUp, FINALITY, type Indexing, startIndexing } from './testing/indexing.ts';
import { type LocalChain, START_LIMIT_MS, startLocalChain } from './testing/local-chain.ts';
import { createTrade } from './testing/trade.ts';

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

describe('facts', () => {
  it('of a settlement are stored decoded, in order, with the legs and one message for each transaction', async () => {
    const trade = await indexing.settlement();
    await trade.create();
    await trade.attestAll();
    await trade.open();
    const first = await trade.deposit(0);
    const last = await trade.deposit(1);
    await local.mine(FINALITY);
    await catchUp(indexing.indexer());
    const events = await indexing.events(trade.settlementId);
    expect(events.map((event) => event.name)).toEqual([
      'SettlementCreated',
      'StateTransition',
      ...trade.terms.params.partyHashes.map(() => 'Attested'),
      'StateTransition',
      'StateTransition',
      'LegDeposited',
      'LegOpened',
      'LegDeposited',
      'LegOpened',
      'StateTransition',
      'LegReleased',
      'LegReleased',
      'StateTransition',
    ]);
    const deposit = events.find((event) => event.name === 'LegDeposited');
    expect(deposit?.arguments).toMatchObject({
      legIndex: '0',
      depositor: trade.parties[0].wallet,
      token: local.tokens.KBOND,
      amount: (500n * 10n ** 18n).toString(),
    });
    expect(deposit?.block_timestamp.getTime()).toBe((await local.chain.block(deposit?.block_number ?? 0))?.timestampMs);
    expect(await indexing.legs(trade.settlementId)).toEqual(['released', 'released']);
    const facts = await indexing.facts(trade.settlementId);
    const own = facts.filter((fact) => [first, last].includes(fact.payload.transaction_hash));
    expect(own.map((fact) => fact.dedupe_key)).toEqual(
      [first, last].map((hash) => `facts:${local.chain.chainId}:${hash}:${trade.settlementId}`),
    );
    expect(own[1]?.payload.names).toEqual(['LegDeposited', 'LegOpened', 'StateTransition', 'LegReleased']);
    const finalised = await indexing.database.worker.transaction({ kind: 'worker' }, (transaction) =>
      findChainTransition(transaction, trade.settlementId, ON_CHAIN_INDEX.FINALIZED),
    );
    expect(finalised?.transaction_hash).toBe(last);
  });

  it('exist only once their block is final', async () => {
    const trade = await indexing.settlement();
    await trade.create();
    const running = indexing.indexer();
    await catchUp(running);
    expect(await indexing.names(trade.settlementId)).toEqual([]);
    await local.mine(FINALITY - 1);
    await catchUp(running);
    expect(await indexing.names(trade.settlementId)).toEqual([]);
    await local.mine();
    await catchUp(running);
    expect(await indexing.names(trade.settlementId)).toEqual(['SettlementCreated', 'StateTransition']);
  });

  it('wait for the configured number of confirmations where nodes know no finality', async () => {
    const trade = await indexing.settlement();
    await trade.create();
    const chain = createChain({ ...local.configuration, finality: 5 });
    const running = indexing.indexer({ chain });
    await local.mine(4);
    await catchUp(running);
    expect(await indexing.names(trade.settlementId)).toEqual([]);
    await local.mine();
    await catchUp(running);
    expect(await indexing.names(trade.settlementId)).not.toEqual([]);
    chain.close();
  });

  it('of a deposit tell every platform once, from the chain', async () => {
    const trade = await indexing.settlement();
    await trade.create();
    await trade.attestAll();
    await trade.open();
    const transactionHash = await trade.deposit(1);
    await local.mine(FINALITY);
    await catchUp(indexing.indexer());
    expect(await indexing.notices(trade.settlementId)).toEqual([
      {
        triggered_by: `chain:${local.chain.chainId}`,
        payload: { leg_index: 1, transaction_hash: transactionHash, chain_id: local.chain.chainId },
      },
    ]);
    expect(await indexing.legs(trade.settlementId)).toEqual(['pending', 'locked']);
  });

  it('of a refund roll the leg back', async () => {
    const trade = await indexing.settlement();
    await trade.create();
    await trade.attestAll();
    await trade.open();
    await trade.deposit(0);
    const zero = `0x${'00'.repeat(32)}`;
    await local.send(
      local.owner,
      createCoordinatorClient(local.chain).transition(trade.settlementId, 'ROLLED_BACK', zero),
    );
    await trade.refund(0);
    await local.mine(FINALITY);
    await catchUp(indexing.indexer());
    expect(await indexing.legs(trade.settlementId)).toEqual(['rolled_back', 'pending']);
    expect((await indexing.names(trade.settlementId)).slice(-2)).toEqual(['StateTransition', 'LegRefunded']);
  });

  it('of settlements that are not ours are kept without one, and wake nobody', async () => {
    const foreign = await createTrade(local, { settlementId: randomUUID() });
    const hash = await foreign.create();
    await local.mine(FINALITY);
    await catchUp(indexing.indexer());
    const rows = await indexing.query<{ settlement_id: string | null }>(
      'SELECT settlement_id FROM keystone.chain_events WHERE transaction_hash = $1',
      [hash],
    );
    expect(rows).toEqual([{ settlement_id: null }, { settlement_id: null }]);
    expect(await indexing.facts(foreign.settlementId)).toEqual([]);
  });
});

describe('an indexer', () => {
  it('that runs twice at once, or again after a restart, stores everything once', async () => {
    const trade = await indexing.settlement();
    await trade.create();
    await trade.attestAll();
    await trade.open();
    await trade.deposit(0);
    await local.mine(FINALITY);
    const rivals = [1, 2, 3].map(() => indexing.indexer({ limits: { rangeStart: 3, rangeMaximum: 3 } }));
    await Promise.all(rivals.map((rival) => catchUp(rival)));
    await catchUp(indexing.indexer());
    expect(await indexing.names(trade.settlementId)).toHaveLength(2 + 4 + 2 + 2);
    expect(await indexing.notices(trade.settlementId)).toHaveLength(1);
    const facts = await indexing.facts(trade.settlementId);
    expect(new Set(facts.map((fact) => fact.dedupe_key)).size).toBe(facts.length);
  });

  it('that was overtaken stores nothing and leaves the cursor where the faster one put it', async () => {
    const running = indexing.indexer();
    await local.mine(FINALITY);
    await catchUp(running);
    const trade = await indexing.settlement();
    await trade.create();
    await local.mine(FINALITY);
    const slow: IndexedChain = {
      ...local.chain,
      logs: async (wanted) => {
        const logs = await local.chain.logs(wanted);
        await local.mine(FINALITY);
        await catchUp(running);
        return logs;
      },
    };
    expect((await indexing.indexer({ chain: slow }).runOnce()).kind).toBe('superseded');
    const finalized = await local.chain.finalizedBlock();
    expect(await indexing.cursor()).toMatchObject({ block_number: finalized?.number, block_hash: finalized?.hash });
    expect(await indexing.names(trade.settlementId)).toHaveLength(2);
  });

  it('asks for less when the node refuses a range or there are too many logs', async () => {
    const trade = await indexing.settlement();
    await trade.create();
    await trade.attestAll();
    await local.mine(FINALITY);
    const asked: number[] = [];
    const chain: IndexedChain = {
      ...local.chain,
      logs: (wanted) => {
        const size = wanted.toBlock - wanted.fromBlock + 1;
        asked.push(size);
        return size > 4
          ? Promise.reject(new RpcError(-32_005, 'query returned more than 10000 results', undefined))
          : local.chain.logs(wanted);
      },
    };
    await catchUp(indexing.indexer({ chain, limits: { logsPerRange: 3 } }));
    expect(await indexing.names(trade.settlementId)).toHaveLength(2 + 4);
    expect(Math.max(...asked)).toBeGreaterThan(4);
    expect(asked).toContain(1);
  });

  it('leads alone: a second one waits until the first one is gone', async () => {
    const limits = { pollMs: 20, leaderRetryMs: 50 };
    let secondAsked = 0;
    const counting: IndexedChain = {
      ...local.chain,
      finalizedBlock: () => {
        secondAsked += 1;
        return local.chain.finalizedBlock();
      },
    };
    const leading = indexing.run({ limits });
    await sleep(200);
    const waiting = indexing.run({ limits, chain: counting });
    await sleep(300);
    expect(secondAsked).toBe(0);
    await leading.stop();
    await sleep(300);
    expect(secondAsked).toBeGreaterThan(0);
    await waiting.stop();
  });

  it('turns finality into facts within about one poll', async () => {
    const trade = await indexing.settlement();
    await trade.create();
    const running = indexing.run({ limits: { pollMs: 100 } });
    // Once it has a cursor it leads, and what is measured is the poll alone.
    while ((await indexing.cursor()) === undefined) await sleep(25);
    await local.mine(FINALITY);
    const minedAt = performance.now();
    while ((await indexing.names(trade.settlementId)).length === 0 && performance.now() - minedAt < 3_000)
      await sleep(5);
    const elapsed = performance.now() - minedAt;
    await running.stop();
    // Ten polls and more: what would be wrong is a pause of another kind, the shortest of which is two seconds.
    expect(elapsed).toBeLessThan(2_000);
  });
});
