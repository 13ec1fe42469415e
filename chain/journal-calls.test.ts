import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';

import { findLiveTransaction } from '../db/chain-transactions.ts';
import { type Chain, createChain } from './provider.ts';
import { type Journaling, recipient, startJournaling, until } from './testing/journaling.ts';
import { START_LIMIT_MS } from './testing/local-chain.ts';
import { type NodeProxy, startNodeProxy } from './testing/node-proxy.ts';

jest.setTimeout(60_000);

const WAITING = 50;
/** How long nothing is mined while they wait. */
const DROUGHT_MS = 4_000;
const BLOCK_MS = 1_000;
/** Calls of the watcher must grow with time and not with the number of those who wait. */
const LEAST_RATIO = 5;

let at: Journaling;
let proxy: NodeProxy;
beforeAll(async () => {
  at = await startJournaling();
  proxy = await startNodeProxy(at.local.url);
}, START_LIMIT_MS);
/** What a test opens has to go even if it fails: the run would not end. */
const opened: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  proxy.lie(undefined);
  for (const close of opened.splice(0)) await close();
});
afterAll(async () => {
  await Promise.all([at?.stop(), proxy?.stop()]);
});

async function twoNodes(): Promise<{ chain: Chain; honest: NodeProxy }> {
  const honest = await startNodeProxy(at.local.url);
  const chain = createChain({ ...at.local.configuration, rpc_urls: [proxy.url, honest.url] });
  opened.push(
    () => chain.close(),
    () => honest.stop(),
  );
  return { chain, honest };
}

const mineForAWhile = async (): Promise<void> => {
  for (let waited = 0; waited < DROUGHT_MS; waited += BLOCK_MS) {
    await at.local.rpc('evm_mine', []);
    await sleep(BLOCK_MS);
  }
};

/** A poll of its own for each transaction, as the journal had it before: pauses from 100 ms, growing by half up to a second. */
async function pollEach(hashes: readonly string[], signal: AbortSignal): Promise<void> {
  const chain = createChain({ ...at.local.configuration, rpc_urls: [proxy.url] });
  await Promise.all(
    hashes.map(async (hash) => {
      for (let pollMs = 100; !signal.aborted; pollMs = Math.min(pollMs * 1.5, 1_000)) {
        await chain.receipt(hash);
        await sleep(pollMs);
      }
    }),
  );
  chain.close();
}

describe('waiting for inclusion', () => {
  it(`of ${WAITING} transactions asks the node at least ${LEAST_RATIO} times less often than a poll for each`, async () => {
    const stop = new AbortController();
    const hashes = Array.from({ length: WAITING }, (_, index) => `0x${index.toString(16).padStart(64, '0')}`);
    const before = proxy.total();
    const polling = pollEach(hashes, stop.signal);
    await mineForAWhile();
    stop.abort();
    await polling;
    const polled = proxy.total() - before;

    const chain = createChain({ ...at.local.configuration, rpc_urls: [proxy.url] });
    const limits = {
      receiptPollMs: 100,
      receiptPollMaximumMs: 1_000,
      rebroadcastMs: 3_000,
      ownLookMs: 15_000,
      heartbeatMs: 1_000,
    };
    const { journal } = await at.setUp({ chain: { ...chain, broadcast: () => Promise.resolve() }, limits });
    const intents = Array.from({ length: WAITING }, () => at.intent(recipient()));
    const leaving = new AbortController();
    const options = { signal: leaving.signal, heartbeat: () => undefined };
    const submitted = Promise.allSettled(intents.map((intent) => journal.submit(intent, options)));
    const isSigned = async (): Promise<boolean> => {
      const found = await Promise.all(
        intents.map(({ effectKey }) =>
          at.database.worker.transaction({ kind: 'worker' }, (transaction) =>
            findLiveTransaction(transaction, chain.chainId, effectKey),
          ),
        ),
      );
      return found.every((row) => row !== undefined);
    };
    while (!(await isSigned())) await sleep(50);
    const signed = proxy.total();
    await mineForAWhile();
    const watched = proxy.total() - signed;
    leaving.abort();
    await submitted;
    chain.close();
    console.info(
      `calls while ${WAITING} transactions wait ${DROUGHT_MS / 1_000} s: ${polled} by polls, ${watched} by one watcher, ratio ${(polled / watched).toFixed(1)}`,
    );
    expect(watched * LEAST_RATIO).toBeLessThan(polled);
  });

  it('ends within a block’s time of being mined, without a look of its own', async () => {
    const { journal, signer } = await at.setUp({
      limits: { rebroadcastMs: 60_000, ownLookMs: 60_000, receiptPollMs: 50, receiptPollMaximumMs: 50 },
      chain: { ...at.local.chain },
    });
    const submitted = journal.submit(at.intent(recipient()), at.options());
    await at.pooledVersions(signer, 1);
    await sleep(200);
    await at.local.mine();
    const minedAt = performance.now();
    await submitted;
    expect(performance.now() - minedAt).toBeLessThan(1_000);
  });

  it.each([
    ['is looked for block by block', 32, true],
    ['makes everybody look, when they are too many', 2, false],
  ])('ends when its block came between two looks at the head: it %s', async (_, watchedBlocks, blockByBlock) => {
    const asked: unknown[] = [];
    const chain: Chain = {
      ...at.local.chain,
      transactionsOf: (tag) => {
        asked.push(tag);
        return at.local.chain.transactionsOf(tag);
      },
    };
    const { journal, signer } = await at.setUp({
      limits: { rebroadcastMs: 60_000, ownLookMs: 60_000, watchedBlocks },
      chain,
    });
    const address = recipient();
    const submitted = journal.submit(at.intent(address), at.options());
    await at.pooledVersions(signer, 1);
    await until('a look at the head', () => Promise.resolve(asked.length > 0));
    await at.local.mine(10);
    await submitted;
    expect(asked.some((tag) => typeof tag === 'number')).toBe(blockByBlock);
    expect(await at.mintsTo(address)).toBe(1);
  });
});

describe('a journal over several nodes', () => {
  it('does not take a nonce for lost on the word of one lying node', async () => {
    const { chain, honest } = await twoNodes();
    proxy.lie((method) => {
      if (method === 'eth_getTransactionCount') return { result: '0xff' };
      if (method === 'eth_getTransactionReceipt') return { result: null };
      if (method === 'eth_sendRawTransaction') return { error: { code: -32_000, message: 'nonce too low' } };
      return undefined;
    });
    honest.lie((method) =>
      method === 'eth_sendRawTransaction' ? { error: { code: -32_000, message: 'nonce too low' } } : undefined,
    );
    const { journal, signer, events } = await at.setUp({ chain });
    const address = recipient();
    const leaving = new AbortController();
    const submitted = journal
      .submit(at.intent(address), { signal: leaving.signal, heartbeat: () => undefined })
      .catch((error: unknown) => error);
    await sleep(1_500);
    expect(events.map((event) => event.kind)).not.toContain('nonce_lost');
    expect((await at.rowsOf(signer)).map((row) => [row.nonce, row.status])).toEqual([[0, 'signed']]);
    leaving.abort();
    await submitted;
  });

  it('settles a transaction, and says that it is final, only when the nodes agree on its receipt', async () => {
    const { chain, honest } = await twoNodes();
    const { journal, signer } = await at.setUp({ chain, limits: { finalityWaitMs: 1_000 } });
    const { transactionHash } = await at.mining(journal.submit(at.intent(recipient()), at.options()));
    await at.local.mine(4);
    honest.lie((method) => (method === 'eth_getTransactionReceipt' ? { result: null } : undefined));
    await expect(journal.waitFinal(transactionHash, at.options())).rejects.toMatchObject({ code: 'chain_not_final' });
    await journal.sweep();
    expect((await at.rowsOf(signer))[0]?.status).toBe('included');
    honest.lie(undefined);
    await journal.waitFinal(transactionHash, at.options());
    expect((await at.rowsOf(signer))[0]?.status).toBe('final');
  });
});
