import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { type JsonRpcProvider, parseEther, toQuantity, Wallet } from 'ethers';

import { startAnvil } from '../../dev/anvil.ts';
import { deployKeystone, deployTestTokens } from '../../dev/deploy-contracts.ts';
import { anyFreePort } from '../../dev/ports.ts';
import type { CoordinatorChainConfiguration } from '../../domain/configuration.ts';
import { type CoordinatorChain, createChain } from '../provider.ts';

/** A chain of its own for one test file, with our contracts: tests mine, reorganise and restart it as they like. */

const CHAIN_ID = 31_338;
/** Blocks come only when a test asks for them. */
const NO_BLOCKS_SECONDS = 1_000_000;
/** Enough for any call of the tests, the guarded last deposit included. */
const CALL_GAS = 6_000_000n;
const MINING_PAUSE_MS = 25;
/** For `beforeAll`: the first start may have to compile the contracts. */
export const START_LIMIT_MS = 60_000;

export interface LocalChain {
  readonly url: string;
  readonly chain: CoordinatorChain;
  readonly configuration: CoordinatorChainConfiguration;
  readonly attesterSet: string;
  /** Has every role and attests. */
  readonly owner: Wallet;
  readonly tokens: { readonly KBOND: string; readonly TUSDC: string };
  rpc(method: string, params?: readonly unknown[]): Promise<unknown>;
  mine(blocks?: number): Promise<void>;
  /** A new wallet with ether. */
  wallet(): Promise<Wallet>;
  /** Sends and mines one transaction in the next nonce of the wallet; throws when it reverts. Answers its hash. */
  send(wallet: Wallet, call: { to: string; data: string }): Promise<string>;
  stop(): Promise<void>;
}

export interface LocalChainOptions {
  /** Seconds between blocks; none come by themselves unless given. */
  readonly blockTimeSeconds?: number;
  readonly chainId?: number;
}

export async function startLocalChain(options: LocalChainOptions = {}): Promise<LocalChain> {
  const chainId = options.chainId ?? CHAIN_ID;
  const logFile = join(tmpdir(), `keystone-test-anvil-${randomBytes(6).toString('hex')}.log`);
  const anvil = await startAnvil({
    port: await anyFreePort(),
    chainId,
    blockTimeSeconds: options.blockTimeSeconds ?? NO_BLOCKS_SECONDS,
    logFile,
    log: () => undefined,
  });
  const zero = `0x${'00'.repeat(20)}`;
  const base = {
    chain_id: chainId,
    kind: 'coordinator' as const,
    rpc_urls: [anvil.url],
    deployment_block: 0,
    finality: 'finalized' as const,
  };
  const bare = createChain({ ...base, coordinator: zero, escrow: zero, registry: zero, attester_sets: {} });
  bare.provider.pollingInterval = MINING_PAUSE_MS;
  const rpc = (method: string, params: readonly unknown[] = []): Promise<unknown> =>
    bare.provider.send(method, [...params]);
  const mine = async (blocks = 1): Promise<void> => {
    await rpc('anvil_mine', [toQuantity(blocks)]);
  };
  const wallet = (): Promise<Wallet> => fundedWallet(bare.provider);
  const owner = await wallet();
  const { deployed, tokens } = await whileMining(mine, async () => ({
    deployed: await deployKeystone({
      signer: owner,
      creator: owner.address,
      engine: owner.address,
      attesters: [owner.address],
    }),
    tokens: await deployTestTokens(owner),
  })).catch(async (error: unknown) => {
    // Nobody else knows of this process yet, and a test run does not end while it lives.
    bare.close();
    await anvil.stop();
    throw error;
  });
  const configuration: CoordinatorChainConfiguration = {
    ...base,
    coordinator: deployed.coordinator,
    escrow: deployed.escrow,
    registry: deployed.registry,
    attester_sets: { default: deployed.attesterSet },
    deployment_block: deployed.deploymentBlock,
  };
  const chain = createChain(configuration);
  return {
    url: anvil.url,
    chain,
    configuration,
    attesterSet: deployed.attesterSet,
    owner,
    tokens: { KBOND: tokens.KBOND.toLowerCase(), TUSDC: tokens.TUSDC.toLowerCase() },
    rpc,
    mine,
    wallet,
    async send(sender, call) {
      const response = await sender.sendTransaction({ ...call, gasLimit: CALL_GAS });
      await mine();
      if ((await chain.receipt(response.hash))?.succeeded !== true)
        throw new Error(`transaction ${response.hash} reverted`);
      return response.hash;
    },
    async stop() {
      chain.close();
      bare.close();
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

async function fundedWallet(provider: JsonRpcProvider): Promise<Wallet> {
  const created = new Wallet(Wallet.createRandom().privateKey, provider);
  await provider.send('anvil_setBalance', [created.address, toQuantity(parseEther('1000'))]);
  return created;
}
