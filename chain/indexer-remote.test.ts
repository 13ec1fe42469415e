import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { type ChainEventRow, readChainEvents } from '../db/chain-events.ts';
import type { Uuid } from '../domain/ids.ts';
import { createTestDatabase, type TestDatabase } from '../test/support/database.ts';
import { seedPlatform, seedSettlement } from '../test/support/seed-settlement.ts';
import { createCoordinatorClient } from './coordinator.ts';
import { findGatewayFact, findMessageSent, findPayout, findRefund, findVoteCounted } from './effects.ts';
import { createEscrowClient } from './escrow.ts';
import { createGatewayClient } from './gateway.ts';
import { createIndexer } from './indexer.ts';
import { createCrossTrade, type CrossTrade } from './testing/cross-trade.ts';
import { catchUp, FINALITY } from './testing/indexing.ts';
import { START_LIMIT_MS } from './testing/local-node.ts';
import { HOME_CHAIN_ID, REMOTE_CHAIN_ID, startTwoChains, type TwoChains } from './testing/two-chains.ts';

/** Each test drives two chains and a database; on a busy machine five seconds are not enough. */
jest.setTimeout(60_000);

let two: TwoChains;
let database: TestDatabase;
beforeAll(async () => {
  two = await startTwoChains();
}, START_LIMIT_MS);
afterAll(() => two?.stop());
beforeEach(async () => {
  database = await createTestDatabase();
}, START_LIMIT_MS);
afterEach(() => database?.drop());

/** A settlement in Postgres whose cash is on the other chain, and the trade of the same id for the chains. */
async function settlement(): Promise<CrossTrade> {
  const [seller, buyer] = [await seedPlatform(database.ownerUrl), await seedPlatform(database.ownerUrl)];
  const chains = { chainId: HOME_CHAIN_ID, cashChainId: REMOTE_CHAIN_ID };
  return createCrossTrade(two, {
    settlementId: await seedSettlement({ database: database.api, seller, buyer, ...chains }),
  });
}

async function indexBoth(): Promise<void> {
  for (const side of [two.home, two.remote]) {
    const { chain } = side;
    await side.mine(FINALITY);
    const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
    await catchUp(createIndexer({ database: database.worker, chain, configuration: chain.configuration, log }));
  }
}

const query = <Row extends object>(sql: string, values: readonly unknown[]): Promise<Row[]> =>
  database.worker.transaction({ kind: 'worker' }, (transaction) => transaction.query<Row>(sql, values));
const events = (id: Uuid): Promise<ChainEventRow[]> =>
  database.worker.transaction({ kind: 'worker' }, (transaction) => readChainEvents(transaction, id));
const namesOn = async (id: Uuid, chainId: number): Promise<string[]> =>
  (await events(id)).filter((event) => event.chain_id === chainId).map((event) => event.name);
const legs = async (id: Uuid): Promise<string[]> =>
  (
    await query<{ status: string }>('SELECT status FROM keystone.legs WHERE settlement_id = $1 ORDER BY leg_index', [
      id,
    ])
  ).map((leg) => leg.status);
const wakeUps = async (id: Uuid): Promise<{ chain_id: number; names: string[] }[]> =>
  (
    await query<{ payload: { chain_id: number; names: string[] } }>(
      `SELECT payload FROM keystone.outbox WHERE settlement_id = $1 AND kind = 'chain_facts' ORDER BY id`,
      [id],
    )
  ).map(({ payload }) => ({ chain_id: payload.chain_id, names: payload.names }));

/** PREPARED is voted, everything decided, and the decision delivered; nobody has paid out yet. */
async function decide(trade: CrossTrade): Promise<void> {
  const gateway = createGatewayClient(two.remote.chain);
  const coordinator = createCoordinatorClient(two.home.chain);
  const { settlementId } = trade;
  await two.remote.send(two.owner, gateway.sendVote(settlementId, await gateway.quoteVote(settlementId)));
  await two.deliver();
  const fee = await coordinator.quoteDecision(settlementId, REMOTE_CHAIN_ID);
  await two.home.send(two.owner, coordinator.sendDecision(settlementId, REMOTE_CHAIN_ID, fee));
  await two.deliver();
}

describe('the facts of a settlement across two chains', () => {
  it('are decoded on both, move each leg on its own chain, and wake its workflow for what is news', async () => {
    const trade = await settlement();
    await trade.open();
    await trade.deposit(1);
    await trade.deposit(0);
    await decide(trade);
    const { settlementId, terms, seller, buyer } = trade;
    await indexBoth();
    expect(await legs(settlementId)).toEqual(['locked', 'locked']);
    await two.home.send(two.owner, createCoordinatorClient(two.home.chain).execute(terms, [buyer.home, null]));
    await two.remote.send(two.owner, createEscrowClient(two.remote.chain).execute(terms, [null, seller.remote]));
    const gateway = createGatewayClient(two.remote.chain);
    await two.remote.send(two.owner, gateway.sendVote(settlementId, await gateway.quoteVote(settlementId)));
    await two.deliver();
    await indexBoth();
    expect(await legs(settlementId)).toEqual(['released', 'released']);
    expect(await namesOn(settlementId, REMOTE_CHAIN_ID)).toEqual([
      'RemoteOpened',
      'RemotePrepared',
      'LegDeposited',
      'LegOpened',
      'MessageSent',
      'DecisionReceived',
      'LegReleased',
      'RemoteExecuted',
      'MessageSent',
    ]);
    const home = await events(settlementId);
    expect(home.find((event) => event.name === 'VoteCounted')?.arguments).toMatchObject({
      chainId: String(REMOTE_CHAIN_ID),
      kind: '2',
    });
    const woken = await wakeUps(settlementId);
    expect(woken.filter((fact) => fact.chain_id === REMOTE_CHAIN_ID).map((fact) => fact.names)).toEqual([
      expect.arrayContaining(['LegDeposited', 'RemotePrepared']),
      expect.arrayContaining(['LegReleased', 'RemoteExecuted']),
    ]);
    const spoken = woken.flatMap((fact) => fact.names);
    expect(spoken).toContain('StateTransition');
  });

  it('tell a credit of an execution from one of a refund, on either chain', async () => {
    const paid = await settlement();
    await paid.open();
    await paid.deposit(1);
    await paid.deposit(0);
    await decide(paid);
    const refunded = await settlement();
    await refunded.open();
    await refunded.deposit(0);
    await two.home.send(
      two.owner,
      createCoordinatorClient(two.home.chain).transition(refunded.settlementId, 'ROLLED_BACK', `0x${'00'.repeat(32)}`),
    );
    await withBrokenTokens(async () => {
      const home = createEscrowClient(two.home.chain);
      await two.home.send(two.owner, home.execute(paid.terms, [paid.buyer.home, null]));
      const remote = createEscrowClient(two.remote.chain);
      await two.remote.send(two.owner, remote.execute(paid.terms, [null, paid.seller.remote]));
      await two.home.send(two.owner, home.refund(refunded.terms, [refunded.seller.home, null]));
    });
    await indexBoth();
    expect(await namesOn(refunded.settlementId, HOME_CHAIN_ID)).toContain('PayoutCredited');
    expect(await legs(paid.settlementId)).toEqual(['released', 'released']);
    expect(await legs(refunded.settlementId)).toEqual(['rolled_back', 'pending']);
  });

  async function withBrokenTokens(work: () => Promise<void>): Promise<void> {
    const tokens = [
      [two.home, two.home.tokens.KBOND],
      [two.remote, two.remote.tokens.TUSDC],
    ] as const;
    const codes = await Promise.all(tokens.map(([side, token]) => side.provider.getCode(token)));
    for (const [side, token] of tokens) await side.rpc('anvil_setCode', [token, '0x60006000fd']);
    await work();
    for (const [index, [side, token]] of tokens.entries()) await side.rpc('anvil_setCode', [token, codes[index]]);
  }
});

describe('effects on two chains', () => {
  it('are found by whoever caused them, once they are there, and not before', async () => {
    const trade = await createCrossTrade(two);
    const { settlementId } = trade;
    const [home, remote] = [two.home.chain, two.remote.chain];
    await trade.create();
    await trade.attestAll();
    await trade.advance();
    const open = { settlementId, toChainId: REMOTE_CHAIN_ID, kinds: ['OPEN'] as const };
    expect(await findMessageSent(home, open)).toBeUndefined();
    const sent = await trade.sendOpen();
    expect(await findMessageSent(home, open)).toMatchObject({ transactionHash: sent });
    expect(await findMessageSent(home, { ...open, kinds: ['EXECUTE', 'ROLLBACK'] })).toBeUndefined();
    expect(await findGatewayFact(remote, settlementId, 'RemoteOpened')).toBeUndefined();
    await two.deliver();
    expect(await findGatewayFact(remote, settlementId, 'RemoteOpened')).toBeDefined();
    const prepared = await trade.deposit(1);
    expect(await findGatewayFact(remote, settlementId, 'RemotePrepared')).toMatchObject({ transactionHash: prepared });
    const vote = { settlementId, fromChainId: REMOTE_CHAIN_ID, kind: 'PREPARED' } as const;
    expect(await findVoteCounted(home, vote)).toBeUndefined();
    await trade.deposit(0);
    await decide(trade);
    expect(await findVoteCounted(home, vote)).toBeDefined();
    expect(await findVoteCounted(home, { ...vote, kind: 'EXECUTED' })).toBeUndefined();
    expect([await findPayout(home, settlementId), await findPayout(remote, settlementId)]).toEqual([
      undefined,
      undefined,
    ]);
    const paid = await two.remote.send(
      two.owner,
      createEscrowClient(remote).execute(trade.terms, [null, trade.seller.remote]),
    );
    expect(await findPayout(remote, settlementId)).toMatchObject({ transactionHash: paid });
    expect(await findRefund(remote, settlementId)).toBeUndefined();
  });

  it('show in the views of coordinator and gateway', async () => {
    const trade = await createCrossTrade(two);
    const { settlementId } = trade;
    const [coordinator, gateway] = [createCoordinatorClient(two.home.chain), createGatewayClient(two.remote.chain)];
    expect(await gateway.statusOf(settlementId)).toMatchObject({ phase: 'NONE', legBits: 0 });
    await trade.open();
    const connected = await coordinator.remoteChain(REMOTE_CHAIN_ID);
    expect(connected).toMatchObject({ gateway: two.remote.chain.gateway, escrow: two.remote.chain.escrow, index: 0 });
    expect(await coordinator.remoteChain(97)).toBeUndefined();
    expect(await coordinator.settlementOf(settlementId)).toMatchObject({
      homeLegBits: 1,
      remoteChainBits: 1,
      preparedBits: 0,
    });
    await trade.deposit(1);
    expect(await gateway.statusOf(settlementId)).toMatchObject({
      phase: 'PREPARED',
      legBits: 2,
      depositedBits: 2,
      deadlineMs: Math.floor(trade.deadlineMs / 1_000) * 1_000,
    });
    await trade.deposit(0);
    await decide(trade);
    expect(await coordinator.settlementOf(settlementId)).toMatchObject({
      state: 'EXECUTING_SWAP',
      preparedBits: 1,
      executedBits: 0,
      homeExecuted: false,
    });
    expect(await gateway.statusOf(settlementId)).toMatchObject({ phase: 'EXECUTE_DECIDED' });
  });
});
