import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { toQuantity, Transaction as EthereumTransaction, type Wallet } from 'ethers';

import { effectKey } from '../domain/effect-key.ts';
import { KeystoneError } from '../domain/errors.ts';
import type { Uuid } from '../domain/ids.ts';
import { createTestDatabase, type TestDatabase } from '../test/support/database.ts';
import { revertReasonOf } from './contract-errors.ts';
import { createCoordinatorClient } from './coordinator.ts';
import { findCreation, findTransition } from './effects.ts';
import { createJournal, type Journal, type JournalEvent, type TransactionIntent, type WaitOptions } from './journal.ts';
import type { ChainLimits } from './limits.ts';
import type { Chain } from './provider.ts';
import { type LocalChain, START_LIMIT_MS, startLocalChain, whileMining } from './testing/local-chain.ts';
import { countMints, mintCall } from './testing/mint.ts';
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

async function setUp(given: { limits?: Partial<ChainLimits>; signer?: Wallet; chain?: Chain } = {}): Promise<Setup> {
  const signer = given.signer ?? (await local.wallet());
  const events: JournalEvent[] = [];
  const journal = createJournal({
    database: database.worker,
    chain: given.chain ?? local.chain,
    signer,
    onEvent: (event) => events.push(event),
    limits: { ...FAST, ...given.limits },
  });
  return { journal, signer, events };
}

function mintIntent(recipient: string, settlementId: Uuid = randomUUID()): TransactionIntent {
  return {
    effectKey: effectKey(settlementId, 'execute', 1),
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

const mintsTo = async (address: string): Promise<number> =>
  (await countMints(local, local.tokens.KBOND)).get(address) ?? 0;

async function rowsOf(signer: Wallet): Promise<{ nonce: number; status: string; hash: string; raw: string }[]> {
  return database.worker.transaction({ kind: 'worker' }, (transaction) =>
    transaction.query(
      'SELECT nonce, status, hash, raw FROM keystone.chain_transactions WHERE signer = $1 ORDER BY id',
      [signer.address.toLowerCase()],
    ),
  );
}

/** The journal of a process that dies between storing the bytes and sending them. */
function mutedChain(): Chain {
  return {
    ...local.chain,
    broadcast: () => Promise.reject(new KeystoneError('chain_unavailable', 'the process died here')),
  };
}

describe('submit', () => {
  it('makes the effect happen once, however often and however parallel it is asked for', async () => {
    const { journal, signer } = await setUp();
    const address = recipient();
    const intent = mintIntent(address);
    const results = await mining(Promise.all([1, 2, 3].map(() => journal.submit(intent, options()))));
    const again = await journal.submit(intent, options());
    expect(new Set([...results, again].map((result) => result.transactionHash)).size).toBe(1);
    expect(await mintsTo(address)).toBe(1);
    expect(await rowsOf(signer)).toHaveLength(1);
  });

  it('answers what is on chain already without signing anything', async () => {
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

  it('sends the same bytes after a restart between storing and sending', async () => {
    const address = recipient();
    const intent = mintIntent(address);
    const dead = await setUp({ chain: mutedChain() });
    await expect(dead.journal.submit(intent, options())).rejects.toMatchObject({ code: 'chain_unavailable' });
    const [stored] = await rowsOf(dead.signer);
    const { journal } = await setUp({ signer: dead.signer });
    const result = await mining(journal.submit(intent, options()));
    expect(result.transactionHash).toBe(stored?.hash);
    expect(await mintsTo(address)).toBe(1);
  });

  it('takes bytes that the node knows already for sent', async () => {
    const address = recipient();
    const { journal, signer } = await setUp();
    const intent = mintIntent(address);
    const first = journal.submit(intent, options());
    await sleep(150);
    const [row] = await rowsOf(signer);
    await expect(local.chain.broadcast(row?.raw ?? '')).rejects.toThrow(/already/);
    const second = journal.submit(intent, options());
    const [a, b] = await mining(Promise.all([first, second]));
    expect(a.transactionHash).toBe(b.transactionHash);
  });

  it('runs parallel effects of one signer, also from two processes, over nonces without a gap', async () => {
    const one = await setUp();
    const two = await setUp({ signer: one.signer });
    const addresses = Array.from({ length: 12 }, recipient);
    await mining(
      Promise.all(
        addresses.map((address, index) => (index % 2 === 0 ? one : two).journal.submit(mintIntent(address), options())),
      ),
    );
    expect(await Promise.all(addresses.map(mintsTo))).toEqual(addresses.map(() => 1));
    const nonces = (await rowsOf(one.signer)).map((row) => row.nonce).toSorted((a, b) => a - b);
    expect(nonces).toEqual(addresses.map((_, index) => index));
  });

  it('sends along what a dead process stored at a lower nonce', async () => {
    const dead = await setUp({ chain: mutedChain() });
    const lost = recipient();
    await expect(dead.journal.submit(mintIntent(lost), options())).rejects.toMatchObject({ code: 'chain_unavailable' });
    const { journal } = await setUp({ signer: dead.signer });
    await mining(journal.submit(mintIntent(recipient()), options()));
    expect(await mintsTo(lost)).toBe(1);
  });

  it('stores what belongs to the signed row with it, or neither', async () => {
    const { journal, signer } = await setUp();
    const refused = {
      ...mintIntent(recipient()),
      inTransaction: () => Promise.reject(new KeystoneError('settlement_closed', 'ended')),
    };
    await expect(journal.submit(refused, options())).rejects.toMatchObject({ code: 'settlement_closed' });
    expect(await rowsOf(signer)).toEqual([]);
    await mining(journal.submit(mintIntent(recipient()), options()));
    expect((await rowsOf(signer)).map((row) => row.nonce)).toEqual([0]);
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
    const refusal: unknown = await attempt(coordinator.execute(trade.terms)).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'transaction_reverted' });
    expect(revertReasonOf(refusal)?.name).toBe('LegsMissing');
    expect(await rowsOf(signer)).toEqual(before);
  });

  it('in the block is told with its reason, and the effect may be tried again', async () => {
    const trade = await createTrade(local);
    await trade.create();
    await trade.attestAll();
    const { journal, signer } = await setUp({ signer: local.owner });
    const coordinator = createCoordinatorClient(local.chain);
    const intent = { ...mintIntent(recipient()), ...coordinator.advance(trade.settlementId, DIGEST) };
    // Both pass their simulation; the second one finds the settlement moved when it is executed. Nothing is mined before both are signed.
    const rival = journal.submit(
      { ...mintIntent(recipient()), ...coordinator.transition(trade.settlementId, 'ROLLED_BACK', DIGEST) },
      options(),
    );
    await sleep(150);
    const late = journal.submit(intent, options()).catch((reason: unknown) => reason);
    for (let look = 0; look < 100 && (await rowsOf(signer)).length < 2; look += 1) await sleep(20);
    const [, error] = await mining(Promise.all([rival, late]));
    expect(error).toMatchObject({ code: 'transaction_reverted' });
    expect(revertReasonOf(error)?.name).toBe('InvalidTransition');
    expect((await rowsOf(signer)).at(-1)?.status).toBe('reverted');
    await expect(journal.submit(intent, options())).rejects.toMatchObject({ code: 'transaction_reverted' });
  });
});

describe('a signer', () => {
  it('that cannot pay is told before anything is signed', async () => {
    const { journal, signer } = await setUp();
    await local.rpc('anvil_setBalance', [signer.address, toQuantity(1_000n)]);
    await expect(journal.submit(mintIntent(recipient()), options())).rejects.toMatchObject({
      code: 'signer_without_funds',
    });
    expect(await rowsOf(signer)).toEqual([]);
  });

  it('that ran out of funds after signing goes on with the same bytes once it has some', async () => {
    const dead = await setUp({ chain: mutedChain() });
    const address = recipient();
    const intent = mintIntent(address);
    await expect(dead.journal.submit(intent, options())).rejects.toMatchObject({ code: 'chain_unavailable' });
    await local.rpc('anvil_setBalance', [dead.signer.address, toQuantity(1_000n)]);
    const { journal } = await setUp({ signer: dead.signer });
    await expect(journal.submit(intent, options())).rejects.toMatchObject({ code: 'signer_without_funds' });
    await local.rpc('anvil_setBalance', [dead.signer.address, toQuantity(10n ** 20n)]);
    await mining(journal.submit(intent, options()));
    expect(await mintsTo(address)).toBe(1);
    expect(await rowsOf(dead.signer)).toHaveLength(1);
  });

  it('whose nonce somebody else used tries the effect again at the next one', async () => {
    const dead = await setUp({ chain: mutedChain() });
    const address = recipient();
    const intent = mintIntent(address);
    await expect(dead.journal.submit(intent, options())).rejects.toMatchObject({ code: 'chain_unavailable' });
    await local.send(dead.signer, mintCall(local.tokens.TUSDC, address));
    await local.mine(4);
    const { journal, events } = await setUp({ signer: dead.signer });
    await mining(journal.submit(intent, options()));
    expect(events.map((event) => event.kind)).toContain('nonce_lost');
    expect(await mintsTo(address)).toBe(1);
    expect((await rowsOf(dead.signer)).map((row) => [row.nonce, row.status])).toEqual([
      [0, 'replaced'],
      [1, 'included'],
    ]);
  });
});

describe('a stuck transaction', () => {
  it('is replaced with at least 10 % more of both fees, and whichever is included counts once', async () => {
    const { journal, signer } = await setUp({ limits: { resubmitMs: 200 } });
    const address = recipient();
    const submitted = journal.submit(mintIntent(address), options());
    await sleep(500);
    const result = await mining(submitted);
    const rows = await rowsOf(signer);
    expect(rows.length).toBeGreaterThanOrEqual(2);
    const versions = rows.map((row) => EthereumTransaction.from(row.raw));
    for (const [index, version] of versions.slice(1).entries()) {
      const previous = versions[index];
      expect(version.nonce).toBe(previous?.nonce);
      expect((version.maxFeePerGas ?? 0n) * 10n).toBeGreaterThanOrEqual((previous?.maxFeePerGas ?? 0n) * 11n);
      expect((version.maxPriorityFeePerGas ?? 0n) * 10n).toBeGreaterThanOrEqual(
        (previous?.maxPriorityFeePerGas ?? 0n) * 11n,
      );
    }
    expect(rows.filter((row) => row.status === 'included').map((row) => row.hash)).toEqual([result.transactionHash]);
    expect(rows.filter((row) => row.status === 'replaced')).toHaveLength(rows.length - 1);
    expect(await mintsTo(address)).toBe(1);
  });

  it('is not replaced beyond the cap', async () => {
    const { journal, events, signer } = await setUp({
      limits: { resubmitMs: 50, feeCapFloorWei: 0n, feeCapMultiple: 1n },
    });
    const submitted = journal.submit(mintIntent(recipient()), options());
    await sleep(400);
    await mining(submitted);
    expect(events.map((event) => event.kind)).toContain('fee_capped');
    expect(await rowsOf(signer)).toHaveLength(1);
  });
});

describe('finality', () => {
  it('is not said before the block is final', async () => {
    const { journal, signer } = await setUp({ limits: { finalityWaitMs: 300 } });
    const pending = journal.submit(mintIntent(recipient()), options());
    await sleep(100);
    await local.mine();
    const { transactionHash, blockNumber } = await pending;
    await expect(journal.waitFinal(transactionHash, options())).rejects.toMatchObject({ code: 'chain_not_final' });
    expect((await rowsOf(signer))[0]?.status).toBe('included');
    await local.mine(3);
    expect(await journal.waitFinal(transactionHash, options())).toMatchObject({ transactionHash, blockNumber });
    expect((await rowsOf(signer))[0]?.status).toBe('final');
  });

  it('comes to a transaction that a reorganisation had dropped, by the same bytes', async () => {
    const { journal, signer, events } = await setUp();
    const address = recipient();
    const pending = journal.submit(mintIntent(address), options());
    await sleep(100);
    await local.mine();
    const { transactionHash, blockHash } = await pending;
    await local.rpc('anvil_reorg', [1, []]);
    await local.rpc('anvil_dropTransaction', [transactionHash]);
    expect(await local.chain.receipt(transactionHash)).toBeUndefined();
    expect(await journal.sweep()).toMatchObject({ reorganised: 1, broadcast: 1 });
    expect((await rowsOf(signer))[0]?.status).toBe('signed');
    const final = await mining(journal.waitFinal(transactionHash, options()));
    expect(final.transactionHash).toBe(transactionHash);
    expect(final.blockHash).not.toBe(blockHash);
    expect(events.map((event) => event.kind)).toContain('reorganised');
    expect(await mintsTo(address)).toBe(1);
  });

  it('is recorded by a sweep, which is safe beside another one', async () => {
    const { journal, signer } = await setUp();
    await mining(journal.submit(mintIntent(recipient()), options()));
    await local.mine(4);
    await Promise.all([journal.sweep(), journal.sweep()]);
    expect((await rowsOf(signer)).map((row) => row.status)).toEqual(['final']);
    expect((await journal.sweep()).broadcast).toBe(0);
  });
});

describe('a node', () => {
  it('that is away leaves no address in the error', async () => {
    const { createChain } = await import('./provider.ts');
    const away = createChain({
      ...local.configuration,
      rpc_urls: ['http://user:pass1234@127.0.0.1:9/v3/secret-key?token=abc'],
    });
    const error: unknown = await away.headBlock().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'chain_unavailable' });
    const text = `${String(error)} ${String((error as Error).cause)} ${JSON.stringify(error)}`;
    expect(text).not.toMatch(/secret-key|pass1234|abc/);
    away.close();
  });

  it('of another chain is refused', async () => {
    const { createChain } = await import('./provider.ts');
    const other = createChain({ ...local.configuration, chain_id: 1 });
    await expect(other.checkChainId()).rejects.toMatchObject({ code: 'configuration_invalid' });
    await expect(local.chain.checkChainId()).resolves.toBeUndefined();
    other.close();
  });
});
