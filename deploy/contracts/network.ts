import { setTimeout as pause } from 'node:timers/promises';

import {
  type ContractDeployTransaction,
  ContractFactory,
  getCreateAddress,
  Interface,
  type InterfaceAbi,
  type Signer,
} from 'ethers';

/** One network: reading from it, and sending one transaction at a time that is waited for. */

/** Milliseconds. */
const LIMITS = { callMs: 30_000, inclusionMs: 600_000, pollMs: 500 } as const;
/** Added to each estimate, in percent. */
const GAS_MARGIN_PERCENT = 120n;

export interface Target {
  readonly address: string;
  readonly abi: InterfaceAbi;
}

export interface Creation {
  readonly abi: InterfaceAbi;
  readonly bytecode: string;
  readonly values: readonly unknown[];
}

export interface Network {
  readonly chainId: number;
  readonly deployer: string;
  read(target: Target, name: string, values: readonly unknown[]): Promise<unknown>;
  /** As `read`, undefined when the contract refuses: for questions that revert when nothing is there. */
  tryRead(target: Target, name: string, values: readonly unknown[]): Promise<unknown>;
  hasCode(address: string): Promise<boolean>;
  blockNumber(): Promise<number>;
  /** Waits until nothing of the deployer is under way, then answers its next nonce. */
  settledNonce(): Promise<number>;
  addressAt(nonce: number): string;
  /** Resolves when it is included. @throws Error when it reverts. */
  create(label: string, creation: Creation, nonce: number): Promise<void>;
  call(label: string, target: Target, name: string, values: readonly unknown[]): Promise<void>;
}

export interface NetworkOptions {
  /** Connected to the network's node. */
  readonly signer: Signer;
  /** Blocks on top of a transaction before the next one is sent. */
  readonly waitConfirmations?: number;
}

export async function connectNetwork(options: NetworkOptions): Promise<Network> {
  const { signer, waitConfirmations = 1 } = options;
  const { provider } = signer;
  if (provider === null) throw new Error('the deploying account is not connected to a node');
  const deployer = await signer.getAddress();
  const { chainId } = await within('the chain id', provider.getNetwork());

  async function send(label: string, transaction: { to?: string; data: string; nonce: number }): Promise<void> {
    const estimate = await within(`the gas of ${label}`, signer.estimateGas({ ...transaction, from: deployer }));
    const gasLimit = (estimate * GAS_MARGIN_PERCENT) / 100n;
    const sent = await within(`sending ${label}`, signer.sendTransaction({ ...transaction, gasLimit }));
    const receipt = await provider?.waitForTransaction(sent.hash, waitConfirmations, LIMITS.inclusionMs);
    if (receipt?.status !== 1) throw new Error(`${label}: transaction ${sent.hash} was not included, or reverted`);
  }

  async function read(target: Target, name: string, values: readonly unknown[]): Promise<unknown> {
    const coder = Interface.from(target.abi);
    const call = { to: target.address, data: coder.encodeFunctionData(name, values) };
    const answer = coder.decodeFunctionResult(name, await within(`reading ${name}`, signer.call(call)));
    return answer.length === 1 ? (answer[0] as unknown) : answer;
  }

  const network: Network = {
    chainId: Number(chainId),
    deployer,
    read,
    async tryRead(target, name, values) {
      try {
        return await read(target, name, values);
      } catch (error) {
        // A refusal of the contract is the answer "not there"; a node that fails is not.
        if ((error as { code?: string }).code === 'CALL_EXCEPTION') return undefined;
        throw error;
      }
    },
    hasCode: async (address) => (await within('the code of a contract', provider.getCode(address))) !== '0x',
    blockNumber: () => within('the height of the chain', provider.getBlockNumber()),
    async settledNonce() {
      const giveUpAt = Date.now() + LIMITS.inclusionMs;
      for (;;) {
        const [pending, latest] = await Promise.all([
          within('the pending nonce', provider.getTransactionCount(deployer, 'pending')),
          within('the nonce', provider.getTransactionCount(deployer, 'latest')),
        ]);
        if (pending === latest) return latest;
        if (Date.now() > giveUpAt) throw new Error(`transactions of ${deployer} are stuck on chain ${chainId}`);
        await pause(LIMITS.pollMs);
      }
    },
    addressAt: (nonce) => getCreateAddress({ from: deployer, nonce }),
    async create(label, creation, nonce) {
      const factory = new ContractFactory(creation.abi, creation.bytecode);
      const { data }: ContractDeployTransaction = await factory.getDeployTransaction(...creation.values);
      await send(label, { data, nonce });
    },
    async call(label, target, name, values) {
      const data = Interface.from(target.abi).encodeFunctionData(name, values);
      await send(label, { to: target.address, data, nonce: await network.settledNonce() });
    },
  };
  return network;
}

async function within<Value>(what: string, work: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: no answer in ${LIMITS.callMs} ms`)), LIMITS.callMs);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
