import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Wallet } from 'ethers';

import { hashesToItsName } from './header-hash.ts';
import { readHeader, readReceipts } from './index-blocks.ts';
import { bloomOf, mayContain, receiptsRoot } from './receipts-root.ts';
import { createRpcSend } from './rpc.ts';
import { type LocalNode, START_LIMIT_MS, startLocalNode } from './testing/local-node.ts';

jest.setTimeout(60_000);

/** Emits its calldata's first word as an event without a name, with the sender's gas price as topic: PUSH0 CALLDATALOAD … LOG1. */
const EMITTER = `0x${'e1'.repeat(20)}`;
const EMITTER_CODE = '0x5f355f523a60205fa100';
const GAS = 80_000n;

let node: LocalNode;
let sender: Wallet;
const reader = () => ({ name: 'node 1', send: createRpcSend(node.provider, node.chainId, node.url) });
beforeAll(async () => {
  node = await startLocalNode({ chainId: 31_340 });
  sender = await node.wallet();
  await node.rpc('anvil_setCode', [EMITTER, EMITTER_CODE]);
}, START_LIMIT_MS);
afterAll(() => node?.stop());

/** A block with this many transactions, every third without a log, every fifth of the old type. */
async function blockOf(count: number) {
  const nonce = await sender.getNonce();
  for (let index = 0; index < count; index += 1) {
    const fees = index % 5 === 0 ? { type: 0, gasPrice: 3_000_000_000n } : { type: 2 };
    const data =
      index % 3 === 0 ? { to: sender.address } : { to: EMITTER, data: `0x${String(index).padStart(64, '0')}` };
    await sender.sendTransaction({ ...data, ...fees, nonce: nonce + index, gasLimit: GAS });
  }
  await node.mine();
  const number = await node.provider.getBlockNumber();
  const header = await readHeader(reader(), node.chainId, number);
  if (header === undefined) throw new Error('there is no such block');
  return { number, header, ...(await readReceipts(reader(), node.chainId, header, 4)) };
}

describe('what we compute of a block is what the chain put into its header', () => {
  // One level of the trie, several, and indexes whose keys are longer than a byte (from 128 on).
  it.each([0, 1, 2, 16, 17, 130])('with %i transactions', async (count) => {
    const { header, receipts, logs } = await blockOf(count);
    expect([receipts.length, logs.length]).toEqual([count, count - Math.ceil(count / 3)]);
    expect(receiptsRoot(receipts)).toBe(header.receiptsRoot);
    expect(bloomOf(logs)).toBe(header.logsBloom);
    expect(header.isProved).toBe(true);
  });

  it('and no longer so once a log, a topic, an order or a status is another one', async () => {
    const { header, receipts } = await blockOf(4);
    const [first, second, ...rest] = receipts;
    if (first === undefined || second === undefined) throw new Error('receipts are missing');
    const other = (change: object) => receiptsRoot([first, { ...second, ...change }, ...rest]);
    expect(other({})).toBe(header.receiptsRoot);
    expect(other({ logs: [] })).not.toBe(header.receiptsRoot);
    expect(other({ logs: second.logs.map((log) => ({ ...log, topics: [] })) })).not.toBe(header.receiptsRoot);
    expect(other({ succeeded: false })).not.toBe(header.receiptsRoot);
    expect(receiptsRoot([second, first, ...rest])).not.toBe(header.receiptsRoot);
  });

  it('for every field of the header', async () => {
    const { number } = await blockOf(1);
    const header = (await node.rpc('eth_getBlockByNumber', [`0x${number.toString(16)}`, false])) as Record<
      string,
      unknown
    >;
    expect(hashesToItsName(header)).toBe(true);
    for (const name of [
      'logsBloom',
      'receiptsRoot',
      'stateRoot',
      'parentHash',
      'requestsHash',
      'timestamp',
      'gasUsed',
    ]) {
      const text = String(header[name]);
      const changed = `${text.slice(0, -1)}${text.endsWith('7') ? '8' : '7'}`;
      expect([name, hashesToItsName({ ...header, [name]: changed })]).toEqual([name, false]);
    }
    expect(hashesToItsName({ ...header, number: undefined })).toBe(false);
  });
});

describe('a bloom', () => {
  it('never denies what is in the block, and nearly always what is not', async () => {
    const { header } = await blockOf(2);
    expect(mayContain(header.logsBloom, EMITTER)).toBe(true);
    const strangers = Array.from({ length: 200 }, (_, index) => `0x${(index + 1).toString(16).padStart(40, '0')}`);
    expect(strangers.filter((address) => mayContain(header.logsBloom, address)).length).toBeLessThan(5);
  });
});

describe('receipts of a type that only their own chain knows', () => {
  it('have no root that we could compute', () => {
    expect(receiptsRoot([{ type: 126, succeeded: true, cumulativeGasUsed: 1n, logs: [] }])).toBeUndefined();
  });
});
