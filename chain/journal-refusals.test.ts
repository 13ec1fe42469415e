import { randomBytes, randomUUID } from 'node:crypto';

import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Wallet } from 'ethers';

import { effectKey } from '../domain/effect-key.ts';
import type { Uuid } from '../domain/ids.ts';
import { createTestDatabase, type TestDatabase } from '../test/support/database.ts';
import { revertReasonOf } from './contract-errors.ts';
import { createCoordinatorClient } from './coordinator.ts';
import { findCreation, findTransition } from './effects.ts';
import { createJournal, type Journal, type JournalEvent, type TransactionIntent, type WaitOptions } from './journal.ts';
import type { ChainLimits } from './limits.ts';
import { until } from './testing/journaling.ts';
import { type LocalChain, START_LIMIT_MS, startLocalChain, whileMining } from './testing/local-chain.ts';
import { mintCall } from './testing/mint.ts';
import { createTrade, DIGEST } from './testing/trade.ts';

const WAIT_MS = 20_000;
const FAST = { receiptPollMs: 10, receiptPollMaximumMs: 20, rebroadcastMs: 100, finalityPollMs: 20 } as const;

/** Each test drives a chain and a database; on a busy machine five seconds are not enough. */
jest.setTimeout(30_000);

let local: LocalChain;
let database: TestDatabase;
beforeAll(async () => {
  [local, database] = await Promise.all([startLocalChain(), createTestDatabase()]);
}, START_LIMIT_MS);
afterAll(async () => {
  await Promise.all([local?.stop(), database?.drop()]);
});

const options = (): WaitOptions => ({ signal: AbortSignal.timeout(WAIT_MS), heartbeat: () => undefined });

interface Setup {
  readonly journal: Journal;
  readonly signer: Wallet;
  readonly events: JournalEvent[];
}

async function setUp(given: { limits?: Partial<ChainLimits>; signer?: Wallet } = {}): Promise<Setup> {
  const signer = given.signer ?? (await local.wallet());
  const events: JournalEvent[] = [];
  const journal = createJournal({
    database: database.worker,
    chain: local.chain,
    signer,
    onEvent: (event) => events.push(event),
    limits: { ...FAST, ...given.limits },
  });
  return { journal, signer, events };
}

function mintIntent(recipient: string, settlementId: Uuid = randomUUID()): TransactionIntent {
  return {
    effectKey: effectKey(settlementId, 'timeout', 1),
    ...mintCall(local.tokens.KBOND, recipient),
    alreadyDone: () => Promise.resolve(undefined),
  };
}

const recipient = (): string => `0x${randomBytes(20).toString('hex')}`;

/** Mines until the promise settles. */
const mining = <Result>(promise: Promise<Result>): Promise<Result> =>
  whileMining(
    () => local.mine(),
    () => promise,
  );

async function rowsOf(signer: Wallet): Promise<{ nonce: number; status: string; hash: string; raw: string }[]> {
  return database.worker.transaction({ kind: 'worker' }, (transaction) =>
    transaction.query(
      'SELECT nonce, status, hash, raw FROM keystone.chain_transactions WHERE signer = $1 ORDER BY id',
      [signer.address.toLowerCase()],
    ),
  );
}

/** Waits until the account has signed so many. */
const signed = (signer: Wallet, count: number): Promise<void> =>
  until(`${count} transactions`, async () => (await rowsOf(signer)).length >= count);

describe('an effect', () => {
  it('that is on chain already is answered without signing anything', async () => {
    const trade = await createTrade(local);
    const created = await trade.create();
    const { journal, signer } = await setUp();
    const result = await journal.submit(
      {
        ...mintIntent(recipient()),
        alreadyDone: () => findCreation(local.chain, trade.settlementId),
      },
      options(),
    );
    expect(result).toMatchObject({ transactionHash: created, alreadyDone: true });
    expect(await rowsOf(signer)).toEqual([]);
    expect(await findTransition(local.chain, trade.settlementId, 'AWAITING_DEPOSITS')).toBeUndefined();
  });
});

describe('a refusal', () => {
  it('in the simulation has the meaning of the contract error and burns no nonce', async () => {
    const trade = await createTrade(local);
    await trade.create();
    const { journal, signer } = await setUp({ signer: local.owner });
    const before = await rowsOf(signer);
    const coordinator = createCoordinatorClient(local.chain);
    const attempt = (call: { to: string; data: string }) =>
      journal.submit({ ...mintIntent(recipient()), ...call }, options());
    await expect(attempt(coordinator.advance(trade.settlementId, DIGEST))).rejects.toMatchObject({
      code: 'gate_closed',
    });
    await expect(attempt(coordinator.createSettlement(trade.terms))).rejects.toMatchObject({ code: 'terms_differ' });
    await expect(attempt(coordinator.timeout(trade.settlementId))).rejects.toMatchObject({ code: 'chain_unavailable' });
    const refusal: unknown = await attempt(coordinator.execute(trade.terms, [])).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'transaction_reverted' });
    expect(revertReasonOf(refusal)?.name).toBe('InvalidOpeningCount');
    expect(await rowsOf(signer)).toEqual(before);
  });

  it('in the block is told with its reason, and the effect may be tried again', async () => {
    const trade = await createTrade(local);
    await trade.create();
    await trade.attestAll();
    const { journal, signer } = await setUp({ signer: local.owner });
    const coordinator = createCoordinatorClient(local.chain);
    const intent = { ...mintIntent(recipient()), ...coordinator.advance(trade.settlementId, DIGEST) };
    const before = (await rowsOf(signer)).length;
    // Both pass their simulation; the second one finds the settlement moved when it is executed. Nothing is mined before both are signed.
    const rival = journal.submit(
      { ...mintIntent(recipient()), ...coordinator.transition(trade.settlementId, 'ROLLED_BACK', DIGEST) },
      options(),
    );
    await signed(signer, before + 1);
    const late = journal.submit(intent, options()).catch((reason: unknown) => reason);
    await signed(signer, before + 2);
    const [, error] = await mining(Promise.all([rival, late]));
    expect(error).toMatchObject({ code: 'transaction_reverted' });
    expect(revertReasonOf(error)?.name).toBe('InvalidTransition');
    expect((await rowsOf(signer)).at(-1)?.status).toBe('reverted');
    await expect(journal.submit(intent, options())).rejects.toMatchObject({ code: 'transaction_reverted' });
  });

  it('in the block is no failure when somebody else was faster with the same effect', async () => {
    const trade = await createTrade(local);
    await trade.create();
    await trade.attestAll();
    const { journal, signer } = await setUp({ signer: local.owner });
    const call = createCoordinatorClient(local.chain).advance(trade.settlementId, DIGEST);
    const before = (await rowsOf(signer)).length;
    const rival = journal.submit({ ...mintIntent(recipient()), ...call }, options());
    await signed(signer, before + 1);
    const late = journal.submit(
      {
        ...mintIntent(recipient()),
        ...call,
        alreadyDone: () => findTransition(local.chain, trade.settlementId, 'AWAITING_DEPOSITS'),
      },
      options(),
    );
    await signed(signer, before + 2);
    const [first, second] = await mining(Promise.all([rival, late]));
    expect(second).toMatchObject({ alreadyDone: true, transactionHash: first.transactionHash });
    expect((await rowsOf(signer)).at(-1)?.status).toBe('reverted');
  });
});
