import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { createChain, type CoordinatorChain } from './provider.ts';
import { isRecord } from './rpc.ts';
import { catchUp, FINALITY, type Indexing, startIndexing } from './testing/indexing.ts';
import { type LocalChain, START_LIMIT_MS, startLocalChain } from './testing/local-chain.ts';
import { alter, type Lie, type LyingNode, startLyingNode } from './testing/lying-node.ts';
import type { Trade } from './testing/trade.ts';

/** Each test drives a chain, a node that lies about it, and a database; on a busy machine five seconds are not enough. */
jest.setTimeout(60_000);

let local: LocalChain;
let liar: LyingNode;
let indexing: Indexing;
let lied: CoordinatorChain;
/** A settlement with one leg paid in, final. */
let trade: Trade;
let depositHash: string;

beforeAll(async () => {
  local = await startLocalChain();
  liar = await startLyingNode(local.url);
}, START_LIMIT_MS);
afterAll(async () => {
  await liar?.stop();
  await local?.stop();
});
beforeEach(async () => {
  indexing = await startIndexing(local);
  lied = createChain({ ...local.configuration, rpc_urls: [liar.url] });
  trade = await indexing.settlement();
  await trade.create();
  await trade.attestAll();
  await trade.open();
  await local.mine(FINALITY);
  await catchUp(indexing.indexer());
  depositHash = await trade.deposit(0);
  await local.mine(FINALITY);
}, START_LIMIT_MS);
afterEach(async () => {
  liar.tellTheTruth();
  lied?.close();
  await indexing?.close();
});

/** Nothing of the deposit is stored while the node lies; all of it once the same indexer hears the truth. */
async function expectNothingUntilTruth(chain: CoordinatorChain = lied): Promise<void> {
  const indexer = indexing.indexer({ chain });
  const cursor = await indexing.cursor();
  for (let round = 0; round < 4; round += 1) await expect(indexer.runOnce()).rejects.toThrow(/chain_/);
  expect(await indexing.cursor()).toEqual(cursor);
  expect(await indexing.legs(trade.settlementId)).toEqual(['pending', 'pending']);
  expect(await indexing.query('SELECT 1 FROM keystone.chain_halts')).toEqual([]);
  liar.tellTheTruth();
  await catchUp(indexer);
  expect(await indexing.legs(trade.settlementId)).toEqual(['locked', 'pending']);
}

const ofDeposit = (item: Record<string, unknown>): boolean => item['transactionHash'] === depositHash;
const isDepositLog = (log: Record<string, unknown>): boolean => ofDeposit(log) && log['logIndex'] !== '0x0';

/** The same lie in the receipts of a block. */
function inReceipts(change: Lie): Lie {
  return (result, params) =>
    Array.isArray(result)
      ? result.map((receipt: unknown) =>
          isRecord(receipt) && ofDeposit(receipt) ? { ...receipt, logs: change(receipt['logs'], params) } : receipt,
        )
      : result;
}

const dropDeposit = alter(isDepositLog, () => undefined);
const raiseAmount = alter(isDepositLog, (log) => ({ ...log, data: `${String(log['data']).slice(0, -1)}f` }));
const withoutBloom: Lie = (block) =>
  isRecord(block) && Array.isArray(block['transactions']) && block['transactions'].includes(depositHash)
    ? { ...block, logsBloom: `0x${'00'.repeat(256)}` }
    : block;

describe('a node', () => {
  it('that leaves out a log is not believed', async () => {
    liar.lie('eth_getLogs', dropDeposit);
    await expectNothingUntilTruth();
  });

  it('that leaves it out of the receipts as well is not believed: they do not hash to the root in the header', async () => {
    liar.lie('eth_getLogs', dropDeposit);
    liar.lie('eth_getBlockReceipts', inReceipts(dropDeposit));
    await expectNothingUntilTruth();
  });

  it('that hides the block behind an empty bloom is not believed: the header does not hash to its name', async () => {
    liar.lie('eth_getLogs', dropDeposit);
    liar.lie('eth_getBlockByNumber', withoutBloom);
    await expectNothingUntilTruth();
  });

  it('that states another amount, in logs and receipts alike, is not believed', async () => {
    liar.lie('eth_getLogs', raiseAmount);
    liar.lie('eth_getBlockReceipts', inReceipts(raiseAmount));
    await expectNothingUntilTruth();
  });

  it('that makes a log up is not believed', async () => {
    liar.lie('eth_getLogs', (logs) =>
      Array.isArray(logs) ? [...logs, ...logs.filter(isRecord).map((log) => ({ ...log, logIndex: '0x7f' }))] : logs,
    );
    await expectNothingUntilTruth();
  });

  it('that answers with logs of another block is not believed', async () => {
    liar.lie(
      'eth_getLogs',
      alter(isDepositLog, (log) => ({ ...log, blockHash: `0x${'ab'.repeat(32)}` })),
    );
    await expectNothingUntilTruth();
  });

  it('whose receipts vanish is waited for', async () => {
    liar.lie('eth_getBlockReceipts', () => null);
    await expectNothingUntilTruth();
  });

  it('whose headers do not follow each other is not believed', async () => {
    liar.lie('eth_getBlockByNumber', (block) =>
      isRecord(block) && Array.isArray(block['transactions']) && block['transactions'].includes(depositHash)
        ? { ...block, parentHash: `0x${'cd'.repeat(32)}` }
        : block,
    );
    await expectNothingUntilTruth();
  });

  it('that knows no receipts of whole blocks is asked for one after the other', async () => {
    liar.lack('eth_getBlockReceipts');
    await catchUp(indexing.indexer({ chain: lied }));
    expect(await indexing.legs(trade.settlementId)).toEqual(['locked', 'pending']);
    expect(liar.asked('eth_getTransactionReceipt')).toBeGreaterThan(0);
  });

  it('whose head is older tells nothing new and takes nothing back', async () => {
    await catchUp(indexing.indexer());
    const [cursor, legs] = [await indexing.cursor(), await indexing.legs(trade.settlementId)];
    const older = await local.rpc('eth_getBlockByNumber', [
      `0x${((cursor?.block_number ?? 0) - 1).toString(16)}`,
      false,
    ]);
    liar.lie('eth_getBlockByNumber', (block, [tag]) => (tag === 'finalized' ? older : block));
    const indexer = indexing.indexer({ chain: lied });
    for (let round = 0; round < 4; round += 1) expect(await indexer.runOnce()).toEqual({ kind: 'idle' });
    expect([await indexing.cursor(), await indexing.legs(trade.settlementId)]).toEqual([cursor, legs]);
  });
});

describe('of two nodes', () => {
  it('one that contradicts the other is enough to stop the round', async () => {
    const both = createChain({ ...local.configuration, rpc_urls: [local.url, liar.url] });
    liar.lie('eth_getLogs', raiseAmount);
    await expectNothingUntilTruth(both);
    both.close();
  });

  it('one that cannot prove the logs is passed over, and the other one is asked', async () => {
    const both = createChain({ ...local.configuration, rpc_urls: [liar.url, local.url] });
    liar.lie('eth_getBlockReceipts', () => null);
    await catchUp(indexing.indexer({ chain: both }));
    expect(await indexing.legs(trade.settlementId)).toEqual(['locked', 'pending']);
    both.close();
  });
});
