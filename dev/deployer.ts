import {
  ContractFactory,
  getCreateAddress,
  Interface,
  type InterfaceAbi,
  type Provider,
  type Signer,
  type TransactionReceipt,
} from 'ethers';

/**
 * Sends a series of deployments and calls without waiting for each other's inclusion: with a block per second, waiting after each of thirty
 * transactions would be felt by whoever waits for the stack. Nonces are counted here, gas is estimated on the pending state.
 */

const LIMITS = {
  /** One call to the node, ms. */
  callMs: 15_000,
  /** From the last transaction to its inclusion, ms. */
  inclusionMs: 120_000,
  /** Transactions of one series. */
  transactions: 200,
} as const;

/** Added to each estimate, in percent: the state may change between the estimate and the inclusion. */
const GAS_MARGIN_PERCENT = 120n;

/** Anything compiled: ours, or the published artifacts of LayerZero. */
export interface DeployableArtifact {
  readonly abi: InterfaceAbi;
  readonly bytecode: string;
}

export interface Deployer {
  readonly address: string;
  readonly provider: Provider;
  readonly chainId: number;
  readonly say: (line: string) => void;
  /** Addresses that the next deployments of this series get: 0 is the next transaction's. */
  addressAhead(transactions: number): string;
  /** Sends the creation of a contract; it exists once `settled` has resolved. */
  create(label: string, artifact: DeployableArtifact, constructorArguments: readonly unknown[]): Promise<string>;
  /** Sends a call of a contract's function. */
  call(label: string, target: CallTarget, name: string, values: readonly unknown[]): Promise<void>;
  /** Reads from a contract, with what was sent so far. */
  read(target: CallTarget, name: string, values: readonly unknown[]): Promise<unknown>;
  /** Waits until everything is included. Answers the block of the first transaction. @throws Error that names what reverted. */
  settled(): Promise<number>;
}

export interface CallTarget {
  readonly address: string;
  readonly abi: InterfaceAbi;
}

interface Sent {
  readonly label: string;
  readonly hash: string;
}

/**
 * `signer` needs a provider, and nothing else may use its nonces until the series is settled.
 * @throws Error when the node does not answer in time.
 */
export async function createDeployer(signer: Signer, onProgress?: (line: string) => void): Promise<Deployer> {
  const { provider } = signer;
  if (provider === null) throw new Error('the deploying signer is not connected to a node');
  const say = onProgress ?? ((): void => undefined);
  const address = await signer.getAddress();
  const [network, pending] = await within(
    LIMITS.callMs,
    'the chain id and the nonce of the deployer',
    // Counts what is pending too: a series that was interrupted may still be on its way.
    Promise.all([provider.getNetwork(), provider.getTransactionCount(address, 'pending')]),
  );
  let nonce = pending;
  const sent: Sent[] = [];

  async function send(label: string, transaction: { to?: string; data: string }): Promise<void> {
    if (sent.length >= LIMITS.transactions)
      throw new Error(`more than ${LIMITS.transactions} transactions in one series`);
    const gas = await within(LIMITS.callMs, `the gas of ${label}`, estimate(signer, { ...transaction, from: address }));
    const gasLimit = (gas * GAS_MARGIN_PERCENT) / 100n;
    const response = await within(
      LIMITS.callMs,
      `sending ${label}`,
      signer.sendTransaction({ ...transaction, nonce, gasLimit }),
    );
    nonce += 1;
    sent.push({ label, hash: response.hash });
  }

  return {
    address,
    provider,
    chainId: Number(network.chainId),
    say,
    addressAhead: (transactions) => getCreateAddress({ from: address, nonce: nonce + transactions }),
    async create(label, artifact, constructorArguments) {
      const created = getCreateAddress({ from: address, nonce });
      const factory = new ContractFactory(artifact.abi, artifact.bytecode);
      const { data } = await factory.getDeployTransaction(...constructorArguments);
      await send(label, { data });
      say(`${label} at ${created}`);
      return created;
    },
    async call(label, target, name, values) {
      const data = Interface.from(target.abi).encodeFunctionData(name, values);
      await send(label, { to: target.address, data });
    },
    async read(target, name, values) {
      const coder = Interface.from(target.abi);
      const question = { to: target.address, data: coder.encodeFunctionData(name, values), blockTag: 'pending' };
      const answer = await within(LIMITS.callMs, `reading ${name}`, provider.call(question));
      return coder.decodeFunctionResult(name, answer)[0] as unknown;
    },
    async settled() {
      const series = sent.splice(0);
      const giveUpAt = Date.now() + LIMITS.inclusionMs;
      const receipts = await Promise.all(series.map((one) => included(provider, one, giveUpAt)));
      return Math.min(...receipts.map((receipt) => receipt.blockNumber));
    },
  };
}

/** On the pending state, which has what this series has sent; a node that cannot do that says so in its error. */
async function estimate(signer: Signer, transaction: { from: string; to?: string; data: string }): Promise<bigint> {
  const { provider } = signer;
  const raw = provider as Partial<{ send(method: string, parameters: unknown[]): Promise<unknown> }> | null;
  if (raw?.send === undefined) throw new Error('the deploying signer is not connected by JSON-RPC');
  return BigInt(String(await raw.send('eth_estimateGas', [transaction, 'pending'])));
}

async function included(provider: Provider, sent: Sent, giveUpAt: number): Promise<TransactionReceipt> {
  const { label, hash } = sent;
  const receipt = await provider.waitForTransaction(hash, 1, Math.max(1, giveUpAt - Date.now()));
  if (receipt === null) throw new Error(`${label}: transaction ${hash} is not included`);
  if (receipt.status !== 1) throw new Error(`${label}: transaction ${hash} reverted`);
  return receipt;
}

/** @throws Error that says what was waited for, when it takes longer. */
export async function within<Value>(limitMs: number, what: string, work: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: no answer from the node in ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
