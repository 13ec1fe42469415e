/** The narrow window through which verification looks at a chain. Implementations do the I/O and its time limits. */

import type { ExpectedLog } from './abi.ts';

export interface ChainLog {
  readonly address: string;
  readonly topics: readonly string[];
  readonly data: string;
  /** index within the block */
  readonly logIndex: number;
}

export interface ChainReceipt {
  readonly transactionHash: string;
  readonly blockNumber: number;
  readonly blockHash: string;
  readonly succeeded: boolean;
  readonly logs: readonly ChainLog[];
}

export interface ChainTransaction {
  readonly hash: string;
  /** null while pending */
  readonly blockHash: string | null;
  readonly from: string;
  readonly to: string | null;
  readonly input: string;
}

export interface ChainBlock {
  readonly number: number;
  readonly hash: string;
  /** seconds since epoch */
  readonly timestamp_s: number;
}

/**
 * All hexadecimal text may be in any case. Each promise settles within the implementation's time limit and rejects when
 * the chain could not be asked; `undefined` means that the chain answered and has no such thing.
 */
export interface ChainReader {
  readonly chainId: () => Promise<bigint>;
  readonly getTransactionReceipt: (hash: string) => Promise<ChainReceipt | undefined>;
  readonly getTransaction: (hash: string) => Promise<ChainTransaction | undefined>;
  readonly getBlock: (block: number | string) => Promise<ChainBlock | undefined>;
  /** hexadecimal; `0x` where there is no contract */
  readonly getCode: (address: string) => Promise<string>;
  /** hexadecimal return data; rejects when the call reverts */
  readonly call: (call: { readonly to: string; readonly data: string }) => Promise<string>;
}

/** The chain could not be asked. Kept apart from every other error: it opens a question, a mistake of ours must not. */
export class ChainUnavailable extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ChainUnavailable';
  }
}

/** The reader with each receipt and block asked for once, and every failure turned into {@link ChainUnavailable}. */
export function guarded(reader: ChainReader): ChainReader {
  return {
    chainId: async () => available(reader.chainId()),
    call: async (call) => available(reader.call(call)),
    getCode: remembered(reader.getCode),
    getTransaction: remembered(reader.getTransaction),
    getTransactionReceipt: remembered(reader.getTransactionReceipt),
    getBlock: remembered(reader.getBlock),
  };
}

async function available<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw new ChainUnavailable(error instanceof Error ? error.message : String(error));
  }
}

function remembered<K, V>(ask: (key: K) => Promise<V>): (key: K) => Promise<V> {
  const answers = new Map<K, Promise<V>>();
  return (key) => {
    const answer = answers.get(key) ?? available(ask(key));
    answers.set(key, answer);
    return answer;
  };
}

/** Whether a log is exactly the expected one: emitter, every topic, every byte of data. */
export function isExactly(log: ChainLog, expected: ExpectedLog): boolean {
  return (
    log.address.toLowerCase() === expected.address &&
    log.data.toLowerCase() === expected.data &&
    log.topics.length === expected.topics.length &&
    log.topics.every((topic, index) => topic.toLowerCase() === expected.topics[index])
  );
}
