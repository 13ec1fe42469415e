import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ContractFactory, parseEther, toQuantity, Wallet } from 'ethers';

import { loadArtifact } from '../../contracts/build.ts';
import { startAnvil } from '../../dev/anvil.ts';
import { anyFreePort } from '../../dev/ports.ts';
import type { RemoteChainConfiguration } from '../../domain/configuration.ts';
import { createChain, type RemoteChain } from '../provider.ts';

/** A chain with one token that anybody mints and nothing else of ours: enough for transactions, nonces, fees and nodes. */
export interface BareChain {
  readonly url: string;
  readonly chain: RemoteChain;
  readonly configuration: RemoteChainConfiguration;
  /** Lower-case address. */
  readonly token: string;
  rpc(method: string, params?: readonly unknown[]): Promise<unknown>;
  mine(blocks?: number): Promise<void>;
  /** A new wallet with 1,000 ether. */
  wallet(): Promise<Wallet>;
  fund(address: string, wei?: bigint): Promise<void>;
  stop(): Promise<void>;
}

export interface BareChainOptions {
  /** Seconds between blocks; none come by themselves unless given. */
  readonly blockTimeSeconds?: number;
  readonly chainId?: number;
}

const CHAIN_ID = 31_339;
const NO_BLOCKS_SECONDS = 1_000_000;
const ZERO = `0x${'00'.repeat(20)}`;
const DEPLOYMENT_GAS = 3_000_000n;
const DEPLOYMENT_FEES = { maxFeePerGas: 10n ** 10n, maxPriorityFeePerGas: 10n ** 9n } as const;

export async function startBareChain(options: BareChainOptions = {}): Promise<BareChain> {
  const logFile = join(tmpdir(), `keystone-test-anvil-${randomBytes(6).toString('hex')}.log`);
  const anvil = await startAnvil({
    port: await anyFreePort(),
    chainId: options.chainId ?? CHAIN_ID,
    blockTimeSeconds: options.blockTimeSeconds ?? NO_BLOCKS_SECONDS,
    logFile,
    log: () => undefined,
  });
  const configuration: RemoteChainConfiguration = {
    kind: 'remote',
    chain_id: options.chainId ?? CHAIN_ID,
    rpc_urls: [anvil.url],
    escrow: ZERO,
    gateway: ZERO,
    deployment_block: 0,
    finality: 'finalized',
  };
  const chain = createChain(configuration);
  const rpc = (method: string, params: readonly unknown[] = []): Promise<unknown> =>
    chain.provider.send(method, [...params]);
  const mine = async (blocks = 1): Promise<void> => {
    await rpc('anvil_mine', [toQuantity(blocks)]);
  };
  const fund = async (address: string, wei = parseEther('1000')): Promise<void> => {
    await rpc('anvil_setBalance', [address, toQuantity(wei)]);
  };
  const wallet = async (): Promise<Wallet> => {
    const created = new Wallet(Wallet.createRandom().privateKey, chain.provider);
    await fund(created.address);
    return created;
  };
  const stop = async (): Promise<void> => {
    chain.close();
    await anvil.stop();
    rmSync(logFile, { force: true });
  };
  try {
    const token = await deployToken(await wallet(), mine);
    return { url: anvil.url, chain, configuration, token, rpc, mine, wallet, fund, stop };
  } catch (error) {
    // Nobody else knows of this process yet, and a test run does not end while it lives.
    await stop();
    throw error;
  }
}

async function deployToken(deployer: Wallet, mine: () => Promise<void>): Promise<string> {
  const { abi, bytecode } = await loadArtifact('KBOND');
  const factory = new ContractFactory(abi, bytecode, deployer);
  const contract = await factory.deploy({ nonce: 0, gasLimit: DEPLOYMENT_GAS, ...DEPLOYMENT_FEES });
  await mine();
  return (await contract.getAddress()).toLowerCase();
}
