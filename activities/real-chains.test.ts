import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type { Wallet } from 'ethers';

import { depositTransactions } from '../chain/deposit.ts';
import { createIndexer, type Indexer } from '../chain/indexer.ts';
import { createJournal, type Journal } from '../chain/journal.ts';
import type { IndexedChain } from '../chain/provider.ts';
import { termsFromJson } from '../chain/terms.ts';
import { START_LIMIT_MS, whileMining } from '../chain/testing/local-node.ts';
import { tokenInterface } from '../chain/testing/trade.ts';
import { startTwoChains, type TwoChains } from '../chain/testing/two-chains.ts';
import { createJsonRpcReader } from '../cli/json-rpc.ts';
import type { ScreeningProvider } from '../compliance/provider.ts';
import type { Uuid } from '../domain/ids.ts';
import { generateSigningKey, trustedKeysFile, verifyPack } from '../keystone/pack.ts';
import { screeningOutcome } from '../test/support/activity-stage.ts';
import { createTestDatabase, type TestDatabase } from '../test/support/database.ts';
import { type SeededPlatform, seedPlatform, seedSettlement } from '../test/support/seed-settlement.ts';
import { createSettlementActivities } from './create-activities.ts';
import { createSettlementChains } from './create-chains.ts';
import type { SettlementActivities } from './settlement-activities.ts';
import { loadWork, openingOf } from './steps.ts';

/** The steps against the real contracts: two chains with LayerZero endpoints, journals, indexers and PostgreSQL; only Temporal is left out. */

const HOUR_MS = 3_600_000;
const ROUNDS = 40;
const signingKey = generateSigningKey();

let two: TwoChains;
let db: TestDatabase;
let platforms: { seller: SeededPlatform; buyer: SeededPlatform };
let activities: SettlementActivities;
let indexers: Indexer[];
let wallets: { seller: Wallet; buyer: Wallet };

beforeAll(async () => {
  [two, db] = await Promise.all([startTwoChains(), createTestDatabase()]);
  platforms = { seller: await seedPlatform(db.ownerUrl), buyer: await seedPlatform(db.ownerUrl) };
  wallets = { seller: await two.wallet(), buyer: await two.wallet() };
  const relayer = await two.wallet();
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const journal = (chain: IndexedChain, signer: Wallet): Journal =>
    createJournal({ database: db.worker, chain, signer });
  const { home, remote, owner } = two;
  const roles = journal(home.chain, owner);
  activities = createSettlementActivities({
    database: db.worker,
    chains: createSettlementChains({
      home: { chain: home.chain, engine: roles, oracle: roles, relayer: journal(home.chain, relayer) },
      remotes: [{ chain: remote.chain, relayer: journal(remote.chain, relayer) }],
    }),
    providers: { entity: passes('entity'), wallet: passes('wallet') },
    signingKey,
    identity: 'did:web:test.local',
    log,
    limits: { factWaitMs: 0 },
  });
  indexers = [home.chain, remote.chain].map((chain) =>
    createIndexer({ database: db.worker, chain, configuration: chain.configuration, log }),
  );
}, START_LIMIT_MS);

afterAll(async () => {
  await two.stop();
  await db.drop();
});

function passes(kind: 'entity' | 'wallet'): ScreeningProvider {
  return {
    name: `test ${kind}`,
    kind,
    screen: async () => screeningOutcome('PASS', kind),
    health: () => {
      throw new Error('not asked here');
    },
  };
}

const mineBoth = async () => {
  await Promise.all([two.home.mine(), two.remote.mine()]);
};

/** Everything that was sent lands, becomes final and is indexed. */
async function settleDown(options: { deliver?: boolean } = {}): Promise<void> {
  if (options.deliver !== false) await two.deliver();
  await Promise.all([two.home.mine(3), two.remote.mine(3)]);
  for (const indexer of indexers) {
    for (let round = 0; round < ROUNDS; round += 1) {
      const { kind } = await indexer.runOnce();
      if (kind === 'idle') break;
    }
  }
}

/** Repeats a step as Temporal would until it answers; failures that must not be repeated are thrown. */
async function run<Name extends keyof SettlementActivities>(
  name: Name,
  input: Parameters<SettlementActivities[Name]>[0],
  options: { deliver?: boolean } = {},
): Promise<Awaited<ReturnType<SettlementActivities[Name]>>> {
  for (let attempt = 1; attempt <= ROUNDS; attempt += 1) {
    const environment = new MockActivityEnvironment(
      { attempt, scheduledTimestampMs: Date.now() },
      { logger: new DefaultLogger('ERROR') },
    );
    try {
      return await whileMining<never>(mineBoth, () => environment.run(activities[name] as never, input as never));
    } catch (error) {
      if ((error as { nonRetryable?: boolean }).nonRetryable !== false) throw error;
    }
    await settleDown(options);
  }
  throw new Error(`${name} did not come to an end`);
}

/** 500 KBOND at home against 125,000 TUSDC elsewhere, an hour from now by the chain's clock, open for deposits. */
async function openTrade(): Promise<Uuid> {
  const settlementId = await seedSettlement({
    database: db.api,
    ...platforms,
    chainId: two.home.chainId,
    cashChainId: two.remote.chainId,
    tokens: { bond: two.home.tokens.KBOND, cash: two.remote.tokens.TUSDC },
    wallets: { seller: wallets.seller.address, buyer: wallets.buyer.address },
    depositWallet: false,
    deadlineMs: (await two.home.chain.headBlock()).timestampMs + HOUR_MS,
  });
  for (const step of ['register', 'screen', 'attest'] as const) await run(step, { settlementId });
  expect(await run('open', { settlementId })).toMatchObject({ state: 'AWAITING_DEPOSITS', outcome: 'opened' });
  return settlementId;
}

async function deposit(settlementId: Uuid, legIndex: 0 | 1): Promise<void> {
  const work = await loadWork(db.worker, settlementId);
  const leg = work.legs[legIndex];
  if (leg === undefined) throw new Error('there is no such leg');
  const side = legIndex === 0 ? two.home : two.remote;
  const payer = legIndex === 0 ? wallets.seller : wallets.buyer;
  const mint = tokenInterface.encodeFunctionData('mint', [payer.address, BigInt(leg.amount)]);
  await side.send(payer, { to: leg.token_address, data: mint });
  const transactions = depositTransactions({
    coordinator: two.home.chain,
    terms: termsFromJson(work.terms),
    legIndex,
    payer: openingOf(work, leg, 'payer'),
    payee: openingOf(work, leg, 'payee'),
  });
  for (const { to, data } of transactions) await side.send(payer, { to, data });
  await settleDown({ deliver: false });
}

const legStatuses = async (id: Uuid) => (await loadWork(db.worker, id)).legs.map((leg) => leg.status);

describe('the steps on two real chains', () => {
  it('settle a bond at home against cash elsewhere, and prove it from both chains', async () => {
    const settlementId = await openTrade();
    await deposit(settlementId, 1);
    expect(await run('finalise', { settlementId })).toMatchObject({ state: 'AWAITING_DEPOSITS', carryDue: true });
    expect(await run('carry', { settlementId })).toMatchObject({ state: 'AWAITING_DEPOSITS' });
    await deposit(settlementId, 0);
    expect(await run('finalise', { settlementId })).toMatchObject({ state: 'EXECUTING_SWAP', carryDue: true });
    expect(await run('carry', { settlementId })).toMatchObject({ state: 'FINALIZED', carryDue: false });
    expect(await legStatuses(settlementId)).toEqual(['released', 'released']);

    const proofs = await db.worker.transaction({ kind: 'worker' }, (transaction) =>
      transaction.query<{ pack: string }>('SELECT pack FROM keystone.proofs WHERE settlement_id = $1', [settlementId]),
    );
    const { home, remote } = two;
    const report = await verifyPack(proofs[0]?.pack ?? '', {
      trusted_keys: trustedKeysFile(
        [{ kid: signingKey.kid, public_key_b64: signingKey.public_key_b64, name: 'test' }],
        [
          {
            chain_id: `eip155:${home.chainId}`,
            coordinator: home.chain.coordinator,
            registry: home.chain.registry,
            escrow: home.chain.escrow,
          },
          { chain_id: `eip155:${remote.chainId}`, gateway: remote.chain.gateway, escrow: remote.chain.escrow },
        ],
      ),
      readers: {
        [`eip155:${home.chainId}`]: createJsonRpcReader(home.url),
        [`eip155:${remote.chainId}`]: createJsonRpcReader(remote.url),
      },
    });
    expect(report.checks.filter(({ status }) => status === 'refuted')).toEqual([]);
    expect(report.verdict).toBe('valid');
  }, 120_000);

  it('carry a swap whose last deposit is on the other chain', async () => {
    const settlementId = await openTrade();
    await deposit(settlementId, 0);
    await deposit(settlementId, 1);
    expect(await run('carry', { settlementId })).toMatchObject({ state: 'FINALIZED' });
    expect(await legStatuses(settlementId)).toEqual(['released', 'released']);
  }, 120_000);

  it('time out at home when the home leg is missing, and give the other chain its money back', async () => {
    const settlementId = await openTrade();
    await deposit(settlementId, 1);
    await two.pass(HOUR_MS / 1_000);
    expect(await run('conclude', { settlementId, reason: 'deadline' })).toMatchObject({
      state: 'TIMED_OUT',
      endingCode: 'deadline_passed',
      carryDue: true,
    });
    expect(await run('carry', { settlementId })).toMatchObject({ state: 'TIMED_OUT', carryDue: false });
    await settleDown();
    expect(await legStatuses(settlementId)).toEqual(['pending', 'rolled_back']);
    expect(await run('finalise', { settlementId })).toMatchObject({ carryDue: false });
  }, 120_000);

  it('roll back by an operator’s word, and give both chains their money back', async () => {
    const settlementId = await openTrade();
    await deposit(settlementId, 0);
    await deposit(settlementId, 1);
    expect(await run('conclude', { settlementId, reason: 'aborted' }, { deliver: false })).toMatchObject({
      state: 'ROLLED_BACK',
      endingCode: 'aborted',
    });
    await run('carry', { settlementId });
    await settleDown();
    expect(await legStatuses(settlementId)).toEqual(['rolled_back', 'rolled_back']);
  }, 120_000);
});
