/** A chain reader over Ethereum JSON-RPC, by `fetch`, with a limit on time, on size and on what an answer may look like. */

import type { ChainLog, ChainReader } from '../keystone/chain-reader.ts';

const REQUEST_TIMEOUT_MS = 10_000;
const MAX_RESPONSE_BYTES = 8_388_608;

/**
 * Every answer is foreign input, so it is read field by field. Error texts name the method and never the address: RPC
 * addresses carry access keys.
 */
export function createJsonRpcReader(url: string): ChainReader {
  let nextId = 1;
  const ask = async (method: string, params: readonly unknown[]): Promise<unknown> => {
    const id = nextId;
    nextId += 1;
    const body = JSON.stringify({ jsonrpc: '2.0', id, method, params });
    const answer = asRecord(JSON.parse(await post(url, method, body)), method);
    if (answer['error'] !== undefined) {
      const { code, message } = asRecord(answer['error'], method);
      throw new Error(`${method} failed: ${String(code)} ${String(message).slice(0, 120)}`);
    }
    if (answer['id'] !== id) {
      throw new Error(`${method}: an answer to another question`);
    }
    return answer['result'];
  };
  return {
    chainId: async () => BigInt(asHex(await ask('eth_chainId', []), 'eth_chainId')),
    call: async ({ to, data }) => asHex(await ask('eth_call', [{ to, data }, 'latest']), 'eth_call'),
    getBlock: async (block) => {
      const isHash = typeof block === 'string' && block.startsWith('0x');
      const method = isHash ? 'eth_getBlockByHash' : 'eth_getBlockByNumber';
      const tag = typeof block === 'number' ? `0x${block.toString(16)}` : block;
      const result = await ask(method, [tag, false]);
      if (result === null) {
        return undefined;
      }
      const { number, hash, timestamp } = asRecord(result, method);
      return { number: asCount(number, method), hash: asHex(hash, method), timestamp_s: asCount(timestamp, method) };
    },
    getCode: async (address) => asHex(await ask('eth_getCode', [address, 'latest']), 'eth_getCode'),
    getTransaction: async (hash) => {
      const method = 'eth_getTransactionByHash';
      const result = await ask(method, [hash]);
      if (result === null) {
        return undefined;
      }
      const { blockHash, from, to, input, hash: own } = asRecord(result, method);
      return {
        hash: asHex(own, method),
        blockHash: blockHash === null ? null : asHex(blockHash, method),
        from: asHex(from, method),
        to: to === null ? null : asHex(to, method),
        input: asHex(input, method),
      };
    },
    getTransactionReceipt: async (hash) => readReceipt(await ask('eth_getTransactionReceipt', [hash])),
  };
}

function readReceipt(result: unknown): Awaited<ReturnType<ChainReader['getTransactionReceipt']>> {
  const method = 'eth_getTransactionReceipt';
  if (result === null) {
    return undefined;
  }
  const { transactionHash, blockNumber, blockHash, status, logs } = asRecord(result, method);
  if (!Array.isArray(logs)) {
    throw new TypeError(`${method}: logs is not a list`);
  }
  return {
    transactionHash: asHex(transactionHash, method),
    blockNumber: asCount(blockNumber, method),
    blockHash: asHex(blockHash, method),
    succeeded: asHex(status, method) === '0x1',
    logs: logs.map((log: unknown) => readLog(log, method)),
  };
}

function readLog(value: unknown, method: string): ChainLog {
  const { address, topics, data, logIndex } = asRecord(value, method);
  if (!Array.isArray(topics)) {
    throw new TypeError(`${method}: topics is not a list`);
  }
  return {
    address: asHex(address, method),
    topics: topics.map((topic: unknown) => asHex(topic, method)),
    data: asHex(data, method),
    logIndex: asCount(logIndex, method),
  };
}

async function post(url: string, method: string, body: string): Promise<string> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    // A redirect could carry the question to an address that nobody named.
    redirect: 'error',
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  }).catch((error: unknown) => failureOf(error));
  if (typeof response === 'string') {
    throw new Error(`${method}: ${response}`);
  }
  if (!response.ok || response.body === null) {
    throw new Error(`${method}: the node answered with HTTP ${response.status}`);
  }
  return readLimited(response.body, method);
}

/** Only the kind of failure: the error of `fetch` may repeat the address, and with it an access key. */
function failureOf(error: unknown): string {
  const isTimeout = error instanceof Error && error.name === 'TimeoutError';
  return isTimeout ? `no answer within ${REQUEST_TIMEOUT_MS} ms` : 'the node cannot be reached';
}

async function readLimited(body: ReadableStream<Uint8Array>, method: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > MAX_RESPONSE_BYTES) {
      throw new Error(`${method}: an answer of more than ${MAX_RESPONSE_BYTES} bytes`);
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function asRecord(value: unknown, method: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError(`${method}: the answer is not an object`);
  }
  return value as Record<string, unknown>;
}

function asHex(value: unknown, method: string): string {
  if (typeof value !== 'string' || !/^0x[0-9a-fA-F]*$/.test(value)) {
    throw new TypeError(`${method}: a value is not hexadecimal`);
  }
  return value.toLowerCase();
}

function asCount(value: unknown, method: string): number {
  const count = Number(BigInt(asHex(value, method)));
  if (!Number.isSafeInteger(count)) {
    throw new TypeError(`${method}: a number beyond 2^53`);
  }
  return count;
}
