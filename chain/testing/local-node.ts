import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { JsonRpcProvider, Network, parseEther, toQuantity, Wallet } from 'ethers';

import { startAnvil } from '../../dev/anvil.ts';
import { anyFreePort } from '../../dev/ports.ts';
import type { ContractCall } from '../contract-call.ts';

/** A chain of its own for one test file, without contracts: tests mine, reorganise, stop and restart it as they like. */

/** Blocks come only when a test asks for them. */
const NO_BLOCKS_SECONDS = 1_000_000;
/** Enough for any call of the tests, the guarded last deposit included. */
const CALL_GAS = 6_000_000n;
const MINING_PAUSE_MS = 25;
/** For `beforeAll`: the first start may have to compile the contracts. */
export const START_LIMIT_MS = 240_000;

export interface LocalNode {
  readonly chainId: number;
  readonly url: string;
  readonly provider: JsonRpcProvider;
  rpc(method: string, params?: readonly unknown[]): Promise<unknown>;
  mine(blocks?: number): Promise<void>;
  /** Moves the clock forward and mines one block with the new time. */
  pass(seconds: number): Promise<void>;
  /** A new wallet with ether, or a known one. */
  wallet(privateKey?: string): Promise<Wallet>;
  /** Sends and mines one transaction in the next nonce of the wallet; throws when it reverts. Answers its hash. */
  send(wallet: Wallet, call: ContractCall): Promise<string>;
  stop(): Promise<void>;
}

export interface LocalNodeOptions {
  readonly chainId: number;
  /** Seconds between blocks; none come by themselves unless given. */
  readonly blockTimeSeconds?: number;
}

export async function startLocalNode(options: LocalNodeOptions): Promise<LocalNode> {
  const { chainId } = options;
  const logFile = join(tmpdir(), `keystone-test-anvil-${randomBytes(6).toString('hex')}.log`);
  const anvil = await startAnvil({
    port: await anyFreePort(),
    chainId,
    blockTimeSeconds: options.blockTimeSeconds ?? NO_BLOCKS_SECONDS,
    logFile,
    log: () => undefined,
  });
  const network = Network.from(chainId);
  const provider = new JsonRpcProvider(anvil.url, network, {
    staticNetwork: network,
    batchMaxCount: 1,
    cacheTimeout: -1,
  });
  provider.pollingInterval = MINING_PAUSE_MS;
  const rpc = (method: string, params: readonly unknown[] = []): Promise<unknown> => provider.send(method, [...params]);
  const mine = async (blocks = 1): Promise<void> => {
    await rpc('anvil_mine', [toQuantity(blocks)]);
  };
  return {
    chainId,
    url: anvil.url,
    provider,
    rpc,
    mine,
    async pass(seconds) {
      await rpc('evm_increaseTime', [seconds]);
      await mine();
    },
    async wallet(privateKey) {
      const created = new Wallet(privateKey ?? Wallet.createRandom().privateKey, provider);
      await rpc('anvil_setBalance', [created.address, toQuantity(parseEther('1000'))]);
      return created;
    },
    async send(sender, call) {
      const { hash } = await sender.connect(provider).sendTransaction({ ...call, gasLimit: CALL_GAS });
      await mine();
      const receipt = await provider.getTransactionReceipt(hash);
      if (receipt?.status !== 1) throw new Error(`transaction ${hash} reverted`);
      return hash;
    },
    async stop() {
      provider.destroy();
      await anvil.stop();
      rmSync(logFile, { force: true });
    },
  };
}

/** Keeps blocks coming while `work` waits for inclusion. Each is dated at least a second after the one before it, so not for long. */
export async function whileMining<Result>(mine: () => Promise<void>, work: () => Promise<Result>): Promise<Result> {
  const stop = new AbortController();
  const miner = (async () => {
    while (!stop.signal.aborted) {
      await mine();
      await sleep(MINING_PAUSE_MS);
    }
  })();
  try {
    return await work();
  } finally {
    stop.abort();
    await miner;
  }
}
