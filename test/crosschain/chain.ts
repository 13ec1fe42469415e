import { FetchRequest, Interface, JsonRpcProvider, Network, toQuantity, type TransactionReceipt } from 'ethers';

import {
  complianceRegistryAbi,
  gatewayAbi,
  kbondAbi,
  keystoneEscrowAbi,
  layerZeroEndpointV2Abi,
  settlementCoordinatorAbi,
} from '../../contracts/generated/abi.ts';
import { type RunningAnvil, startAnvil } from '../../dev/anvil.ts';
import { rememberProcess } from './report.ts';

/**
 * One chain of these tests: an anvil of their own, which makes a block per transaction, whose clock stands still until a test moves it, and
 * which sends for any address without its key. Whoever a test wants to be, it is.
 */

/** Wei; more than any test spends. */
const RICH = 10n ** 24n;
/** More than the largest settlement's last deposit asks for, below what one transaction may use (EIP-7825). */
const GAS_LIMIT = 12_000_000;
const RECEIPT_LIMIT_MS = 20_000;
const RECEIPT_POLL_MS = 5;
/** A node that was stopped does not answer at all. */
const CALL_LIMIT_MS = 10_000;
const MAX_QUESTIONS = 100;

export const interfaces = {
  coordinator: new Interface(settlementCoordinatorAbi),
  gateway: new Interface(gatewayAbi),
  escrow: new Interface(keystoneEscrowAbi),
  registry: new Interface(complianceRegistryAbi),
  token: new Interface(kbondAbi),
  endpoint: new Interface(layerZeroEndpointV2Abi),
} as const;
/** Errors of what is called besides our own contracts. */
const foreignErrors = new Interface([
  'error LZ_PayloadHashNotFound(bytes32 expected, bytes32 actual)',
  'error LZ_Unauthorized()',
]);
/** How a refusal without any data is called: a token that refuses everything, or too little gas. */
export const NO_REASON = 'no reason';

export interface ChainOptions {
  readonly chainId: number;
  readonly port: number;
  readonly logFile: string;
  /** With it, the chain survives being stopped and started again. */
  readonly stateFile?: string;
}

export interface Call {
  readonly from: string;
  readonly to: string;
  readonly data: string;
  /** Wei. */
  readonly value?: bigint;
  readonly gas?: number;
}

export interface TestChain {
  readonly chainId: number;
  readonly url: string;
  readonly provider: JsonRpcProvider;
  /** For questions: those that are asked at once travel as one request. */
  readonly reader: JsonRpcProvider;
  /** Ends the process; what it had saved stays. */
  stop(): Promise<void>;
  /** Starts it again from there. */
  start(): Promise<void>;
  /** Keeps the process from doing anything, answering included, while `work` runs. */
  freeze(work: () => Promise<void>): Promise<void>;
  /** Sends as `from`. Resolves once it is in a block, whether it succeeded (status 1) or not. */
  send(call: Call): Promise<TransactionReceipt>;
  /** Sends, and resolves to the name of the error that refused it; undefined when it was accepted. */
  refusal(call: Call): Promise<string | undefined>;
  /** What would be refused now, and by which error; nothing is sent. */
  wouldRefuse(call: Call): Promise<string | undefined>;
  /** Undoes whatever `work` does to the chain. */
  pretend(work: () => Promise<void>): Promise<void>;
  fund(address: string): Promise<void>;
  /** Unix seconds of the newest block. */
  now(): Promise<number>;
  /** Moves the clock forward, and holds it there: the next block, and all after it, are at this time. */
  setClock(seconds: number): Promise<void>;
  close(): Promise<void>;
}

const network = (chainId: number): Network => Network.from(chainId);

/** Starts the chain. @throws Error when anvil does not come up. */
export async function startChain(options: ChainOptions): Promise<TestChain> {
  const start = (): Promise<RunningAnvil> =>
    startAnvil({
      port: options.port,
      chainId: options.chainId,
      logFile: options.logFile,
      log: () => undefined,
      onSpawn: rememberProcess,
      ...(options.stateFile !== undefined && { stateFile: options.stateFile }),
    });
  let anvil = await start();
  const request = new FetchRequest(anvil.url);
  request.timeout = CALL_LIMIT_MS;
  const connect = (batchMaxCount: number): JsonRpcProvider =>
    new JsonRpcProvider(request, network(options.chainId), {
      staticNetwork: network(options.chainId),
      cacheTimeout: -1,
      batchMaxCount,
      batchStallTime: 1,
    });
  const [provider, reader] = [connect(1), connect(MAX_QUESTIONS)];
  provider.pollingInterval = RECEIPT_POLL_MS;
  async function prepare(): Promise<void> {
    await provider.send('evm_setIntervalMining', [0]);
    await provider.send('evm_setAutomine', [true]);
    await provider.send('anvil_autoImpersonateAccount', [true]);
  }

  async function now(): Promise<number> {
    const block = (await reader.send('eth_getBlockByNumber', ['latest', false])) as { timestamp: string };
    return Number(block.timestamp);
  }

  async function setClock(seconds: number): Promise<void> {
    // Every block takes the time of the one before, whoever sends: a relay must not move the clock either.
    await provider.send('anvil_setBlockTimestampInterval', [0]);
    const newest = await now();
    if (seconds <= newest) return;
    await provider.send('evm_setNextBlockTimestamp', [seconds]);
    // Views have to see the time too, and a chain without a transaction makes no block.
    await provider.send('evm_mine', []);
  }

  const encode = ({ from, to, data, value = 0n, gas = GAS_LIMIT }: Call): Record<string, string> => ({
    from,
    to,
    data,
    value: toQuantity(value),
    gas: toQuantity(gas),
  });

  async function send(call: Call): Promise<TransactionReceipt> {
    const hash = String(await provider.send('eth_sendTransaction', [encode(call)]));
    const until = Date.now() + RECEIPT_LIMIT_MS;
    while (Date.now() < until) {
      const receipt = await provider.getTransactionReceipt(hash);
      if (receipt !== null) return receipt;
      await new Promise((resolve) => setTimeout(resolve, RECEIPT_POLL_MS));
    }
    throw new Error(`chain ${options.chainId} has not included ${hash}`);
  }

  async function wouldRefuse(call: Call): Promise<string | undefined> {
    try {
      await reader.send('eth_call', [encode(call), 'latest']);
      return undefined;
    } catch (error) {
      const { code, info } = error as { code?: string; info?: { error?: { data?: unknown } } };
      // A node that does not answer has refused nothing.
      if (code === 'TIMEOUT' || code === 'NETWORK_ERROR') throw error;
      return errorName(info?.error?.data);
    }
  }

  /** Asked again of the state that the refused transaction has left as it was. */
  async function refusal(call: Call): Promise<string | undefined> {
    if ((await send(call)).status === 1) return undefined;
    const reason = await wouldRefuse(call);
    if (reason === undefined) throw new Error(`a transaction to ${call.to} was refused, and asked again it is not`);
    return reason;
  }

  await prepare();
  return {
    chainId: options.chainId,
    url: anvil.url,
    provider,
    reader,
    stop: () => anvil.stop(),
    async start() {
      anvil = await start();
      await prepare();
      // A node that starts takes the time of day; its blocks are to follow the last one.
      await setClock((await now()) + 1);
    },
    async freeze(work) {
      process.kill(anvil.pid, 'SIGSTOP');
      try {
        await work();
      } finally {
        process.kill(anvil.pid, 'SIGCONT');
      }
    },
    send,
    refusal,
    wouldRefuse,
    async pretend(work) {
      const snapshot: unknown = await provider.send('evm_snapshot', []);
      try {
        await work();
      } finally {
        await provider.send('evm_revert', [snapshot]);
        // Undoing lets the clock run again.
        await setClock(await now());
      }
    },
    async fund(address) {
      await provider.send('anvil_setBalance', [address, toQuantity(RICH)]);
    },
    now,
    setClock,
    async close() {
      provider.destroy();
      reader.destroy();
      await anvil.stop();
    },
  };
}

/** Name of a custom error; its selector when none of ours has it. */
function errorName(data: unknown): string {
  if (typeof data !== 'string' || data === '0x') return NO_REASON;
  for (const contract of [...Object.values(interfaces), foreignErrors]) {
    const parsed = contract.parseError(data);
    if (parsed !== null) return parsed.name;
  }
  return data.slice(0, 10);
}

const LOG_RANGE = 2_000;

/** What an escrow's logs say about one leg. */
export interface LegFact {
  readonly event: 'LegDeposited' | 'LegReleased' | 'LegRefunded' | 'PayoutCredited' | 'FeePaid';
  readonly settlementId: string;
  readonly legIndex: number;
  readonly wallet: string;
  readonly amount: bigint;
}

/** Every fact about a leg in the logs of an escrow, oldest first. */
export async function legFacts(chain: TestChain, escrow: string): Promise<LegFact[]> {
  const head = await chain.provider.getBlockNumber();
  const facts: LegFact[] = [];
  for (let fromBlock = 0; fromBlock <= head; fromBlock += LOG_RANGE) {
    const toBlock = Math.min(head, fromBlock + LOG_RANGE - 1);
    for (const log of await chain.provider.getLogs({ address: escrow, fromBlock, toBlock })) {
      const parsed = interfaces.escrow.parseLog(log);
      if (parsed === null || !/^(Leg(Deposited|Released|Refunded)|PayoutCredited|FeePaid)$/.test(parsed.name)) continue;
      const values: readonly unknown[] = parsed.args.toArray();
      facts.push({
        event: parsed.name as LegFact['event'],
        settlementId: String(values[0]),
        legIndex: Number(values[1]),
        wallet: String(values[2]),
        amount: BigInt(String(values.at(-1))),
      });
    }
  }
  return facts;
}
