import { afterEach, beforeAll, afterAll, describe, expect, it, jest } from '@jest/globals';

import { Transaction as EthereumTransaction } from 'ethers';

import { type BareChain, startBareChain } from './testing/bare-chain.ts';
import { until } from './testing/journaling.ts';
import { START_LIMIT_MS } from './testing/local-chain.ts';
import { mintCall } from './testing/mint.ts';
import { type Answer, type Lie, type NodeProxy, startNodeProxy } from './testing/node-proxy.ts';
import { type Chain, createChain, type NodeEvent } from './provider.ts';

jest.setTimeout(30_000);

const RECIPIENT = `0x${'77'.repeat(20)}`;
const OTHER_HASH = `0x${'ee'.repeat(32)}`;

let local: BareChain;
let proxies: NodeProxy[];
const opened: Chain[] = [];
beforeAll(async () => {
  local = await startBareChain();
  proxies = await Promise.all([1, 2, 3].map(() => startNodeProxy(local.url)));
  await local.mine(5);
}, START_LIMIT_MS);
afterEach(() => {
  for (const proxy of proxies) {
    proxy.lie(undefined);
    proxy.down(undefined);
  }
  for (const chain of opened.splice(0)) chain.close();
});
afterAll(async () => {
  await Promise.all([local?.stop(), ...(proxies ?? []).map((proxy) => proxy.stop())]);
});

function through(count: number, overrides: object = {}): { chain: Chain; events: NodeEvent[] } {
  const events: NodeEvent[] = [];
  const chain = createChain(
    { ...local.configuration, rpc_urls: proxies.slice(0, count).map(({ url }) => url), ...overrides },
    { onNodeEvent: (event) => events.push(event) },
  );
  opened.push(chain);
  return { chain, events };
}

const proxy = (index: number): NodeProxy => {
  const found = proxies[index];
  if (found === undefined) throw new Error('no such proxy');
  return found;
};

/** Changes fields of what a method answers. */
const changing =
  (method: string, change: (result: Record<string, unknown>, params: readonly unknown[]) => object | null): Lie =>
  (called, params, answer): Answer | undefined =>
    called === method && typeof answer.result === 'object' && answer.result !== null
      ? { result: change(answer.result as Record<string, unknown>, params) }
      : undefined;

const forging: Lie = changing('eth_getBlockByNumber', (block) => ({ ...block, hash: OTHER_HASH }));

describe('finality', () => {
  it('is the lowest block that all nodes call final, when they say the same of it', async () => {
    const { chain } = through(2);
    const agreed = await chain.finalizedBlock();
    expect(agreed).toMatchObject({ number: (await local.chain.finalizedBlock())?.number });
    const older = await local.chain.block(1);
    proxy(1).lie((method, params) =>
      method === 'eth_getBlockByNumber' && params[0] === 'finalized'
        ? { result: { number: '0x1', hash: older?.hash, parentHash: older?.parentHash, timestamp: '0x1' } }
        : undefined,
    );
    expect(await chain.finalizedBlock()).toMatchObject({ number: 1, hash: older?.hash });
  });

  it('is nobody’s word when nodes say different things of the same height: the chain pauses, once told, until they agree', async () => {
    const { chain, events } = through(2);
    proxy(1).lie(forging);
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await expect(chain.finalizedBlock()).rejects.toMatchObject({ code: 'chain_disagreement' });
    }
    expect(chain.isPaused()).toBe(true);
    expect(events).toEqual([
      {
        kind: 'disagreement',
        chainId: chain.chainId,
        about: 'block',
        opinions: { 'node 1': expect.stringMatching(/^0x/), 'node 2': OTHER_HASH },
      },
    ]);
    proxy(1).lie(undefined);
    await expect(chain.finalizedBlock()).resolves.toBeDefined();
    expect(chain.isPaused()).toBe(false);
    expect(events.at(-1)).toMatchObject({ kind: 'agreement' });
  });

  it('is contradicted by a node that lies only about a height below its own', async () => {
    const { chain } = through(2);
    const target = (await local.chain.finalizedBlock())?.number ?? 0;
    // Node 1 lies behind by one block, node 2 forges exactly that one.
    const behind = await local.chain.block(target - 1);
    proxy(0).lie((method, params) =>
      method === 'eth_getBlockByNumber' && params[0] === 'finalized'
        ? {
            result: {
              number: `0x${(target - 1).toString(16)}`,
              hash: behind?.hash,
              parentHash: behind?.parentHash,
              timestamp: '0x1',
            },
          }
        : undefined,
    );
    proxy(1).lie(
      changing('eth_getBlockByNumber', (block, [tag]) =>
        tag === 'finalized' ? block : { ...block, hash: OTHER_HASH },
      ),
    );
    await expect(chain.finalizedBlock()).rejects.toMatchObject({ code: 'chain_disagreement' });
  });

  it('waits while one of two nodes is away, and reads of the head do not', async () => {
    const { chain, events } = through(2);
    proxy(0).down('refuse');
    await expect(chain.headBlock()).resolves.toMatchObject({ number: (await local.chain.headBlock()).number });
    await expect(chain.finalizedBlock()).rejects.toMatchObject({ code: 'chain_unavailable' });
    expect(events.map((event) => event.kind)).toEqual(['node_down']);
    proxy(0).down(undefined);
    await expect(chain.finalizedBlock()).resolves.toBeDefined();
    expect(events.map((event) => event.kind)).toEqual(['node_down', 'node_up']);
  });

  it('comes from the rest as long as they are the named minimum', async () => {
    proxy(2).down('refuse');
    await expect(through(3).chain.finalizedBlock()).resolves.toBeDefined();
    proxy(1).down('refuse');
    await expect(through(3).chain.finalizedBlock()).rejects.toMatchObject({ code: 'chain_unavailable' });
    await expect(through(3, { minimum_nodes: 1 }).chain.finalizedBlock()).resolves.toBeDefined();
  });
});

describe('a receipt', () => {
  it('is agreed on by all nodes, unknown while one lacks it, and refused when they contradict each other', async () => {
    const sender = await local.wallet();
    const { hash } = await sender.sendTransaction(mintCall(local.token, RECIPIENT));
    await local.mine(4);
    const { chain } = through(2);
    expect(await chain.agreedReceipt(hash)).toMatchObject({ transactionHash: hash, succeeded: true });
    const method = 'eth_getTransactionReceipt';
    proxy(1).lie(changing(method, () => null));
    expect(await chain.agreedReceipt(hash)).toBeUndefined();
    expect(await chain.anyReceipt(hash)).toMatchObject({ transactionHash: hash });
    proxy(1).lie(undefined);
    proxy(0).lie(changing(method, () => null));
    expect(await chain.anyReceipt(hash)).toMatchObject({ transactionHash: hash });
    proxy(0).lie(undefined);
    proxy(1).lie(changing(method, (receipt) => ({ ...receipt, status: '0x0' })));
    await expect(chain.agreedReceipt(hash)).rejects.toMatchObject({ code: 'chain_disagreement' });
  });

  it('and a nonce are not overlooked or made up by one lying node', async () => {
    const sender = await local.wallet();
    const { chain } = through(2);
    proxy(0).lie((method) => (method === 'eth_getTransactionCount' ? { result: '0xff' } : undefined));
    expect(await chain.lowestTransactionCount(sender.address, 'latest')).toBe(0);
  });
});

describe('a broadcast', () => {
  it('reaches every node', async () => {
    const second = await startBareChain();
    try {
      const { chain } = through(1, { rpc_urls: [local.url, second.url] });
      const sender = await local.wallet();
      await second.fund(sender.address);
      const raw = await signedMint(sender);
      await chain.broadcast(raw);
      // It is done as soon as one node has the bytes; the other gets them all the same.
      for (const node of [local.chain, second.chain]) await until('known', () => node.isKnown(hashOf(raw)));
    } finally {
      await second.stop();
    }
  });

  it('succeeds when any node takes it, at once although another is silent', async () => {
    const { chain } = through(2);
    proxy(0).lie((method) =>
      method === 'eth_sendRawTransaction' ? { error: { code: -32_000, message: 'txpool is full' } } : undefined,
    );
    await chain.broadcast(await signedMint(await local.wallet()));
    proxy(0).lie(undefined);
    proxy(0).down('silence');
    const startedAt = performance.now();
    await chain.broadcast(await signedMint(await local.wallet()));
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  it('that all refuse says what says most', async () => {
    const { chain } = through(3);
    const saying =
      (message: string): Lie =>
      (method) =>
        method === 'eth_sendRawTransaction' ? { error: { code: -32_000, message } } : undefined;
    proxy(0).lie(saying('txpool is full'));
    proxy(1).lie(saying('nonce too low'));
    proxy(2).down('refuse');
    const raw = await signedMint(await local.wallet());
    await expect(chain.broadcast(raw)).rejects.toThrow('nonce too low');
    proxy(0).lie(saying('transaction already imported'));
    await expect(chain.broadcast(raw)).rejects.toThrow('already imported');
  });
});

describe('a node', () => {
  it('that is away leaves no address in errors and events', async () => {
    const { chain, events } = through(1, {
      rpc_urls: ['http://user:pass1234@127.0.0.1:9/v3/secret-key?token=abc', 'http://127.0.0.1:9/v3/another-key'],
    });
    const error: unknown = await chain.headBlock().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'chain_unavailable' });
    const text = `${String(error)} ${String((error as Error).cause)} ${JSON.stringify([error, events])}`;
    expect(text).not.toMatch(/secret-key|another-key|pass1234|abc/);
  });
});

describe('a node of another chain', () => {
  it('is refused at the start', async () => {
    proxy(1).lie((method) => (method === 'eth_chainId' ? { result: '0x1' } : undefined));
    const { chain, events } = through(2);
    await expect(chain.checkChainId()).rejects.toMatchObject({ code: 'configuration_invalid' });
    expect(events).toEqual([{ kind: 'wrong_chain', chainId: chain.chainId, node: 'node 2' }]);
  });

  it('that was away at the start is not asked for anything else when it comes back', async () => {
    const { chain, events } = through(2);
    proxy(0).down('refuse');
    await chain.checkChainId();
    proxy(0).down(undefined);
    proxy(0).lie((method) => (method === 'eth_chainId' ? { result: '0x1' } : undefined));
    const before = proxy(0).total() - (proxy(0).calls.get('eth_chainId') ?? 0);
    await expect(chain.headBlock()).resolves.toBeDefined();
    await chain.broadcast(await signedMint(await local.wallet()));
    await expect(chain.finalizedBlock()).rejects.toMatchObject({ code: 'chain_unavailable' });
    expect(proxy(0).total() - (proxy(0).calls.get('eth_chainId') ?? 0)).toBe(before);
    expect(events.map((event) => event.kind)).toContain('wrong_chain');
  });

  it('does not hold up a start when no more than some are away', async () => {
    proxy(0).down('refuse');
    await expect(through(2).chain.checkChainId()).resolves.toBeUndefined();
    proxy(1).down('refuse');
    await expect(through(2).chain.checkChainId()).rejects.toMatchObject({ code: 'chain_unavailable' });
  });
});

async function signedMint(sender: Awaited<ReturnType<BareChain['wallet']>>): Promise<string> {
  return sender.signTransaction({
    ...mintCall(local.token, RECIPIENT),
    type: 2,
    chainId: local.chain.chainId,
    nonce: 0,
    gasLimit: 200_000n,
    maxFeePerGas: 10n ** 10n,
    maxPriorityFeePerGas: 10n ** 9n,
  });
}

function hashOf(raw: string): string {
  return EthereumTransaction.from(raw).hash ?? '';
}
