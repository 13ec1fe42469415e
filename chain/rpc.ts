import { FetchRequest, type JsonRpcProvider } from 'ethers';

import { KeystoneError } from '../domain/errors.ts';
import { CHAIN_LIMITS } from './limits.ts';

/** A node answered, and the answer is an error. Transport failures are `chain_unavailable` at once and never look like this. */
export class RpcError extends Error {
  readonly rpcCode: number;
  /** `0x…` when the node hands over what the contract reverted with; else undefined. */
  readonly data: string | undefined;

  constructor(rpcCode: number, message: string, data: string | undefined) {
    super(message);
    this.name = 'RpcError';
    this.rpcCode = rpcCode;
    this.data = data;
  }
}

/** Sends one JSON-RPC call. Throws RpcError when the node answers with an error, `chain_unavailable` when it does not answer. */
export type RpcSend = (method: string, params: readonly unknown[]) => Promise<unknown>;

/** A request to the node that gives up in time: without the limit a silent node would hold its caller for five minutes. */
export function rpcRequest(url: string): FetchRequest {
  const request = new FetchRequest(url);
  request.timeout = CHAIN_LIMITS.rpcTimeoutMs;
  return request;
}

/**
 * Calls go to the provider's transport directly: its own `send` rewrites the node's errors by guessing from their text, and puts the
 * request, URL included, into the message.
 */
export function createRpcSend(provider: JsonRpcProvider, chainId: number, url: string): RpcSend {
  const scrub = createScrubber(url);
  let id = 0;
  return async (method, params) => {
    id += 1;
    const answers = await provider
      ._send({ jsonrpc: '2.0', id, method, params: [...params] })
      .catch((error: unknown) => {
        throw unavailable(chainId, method, scrub(describe(error)));
      });
    const answer: unknown = answers[0];
    if (!isRecord(answer)) throw unavailable(chainId, method, 'the answer is not a JSON-RPC object');
    if (isRecord(answer['error'])) throw rpcErrorOf(answer['error'], scrub);
    if (!('result' in answer)) throw unavailable(chainId, method, 'the answer has no result');
    return answer['result'];
  };
}

/** The public sentence names the chain and the call; the cause is for engineers. Neither holds the URL. */
export function unavailable(chainId: number, method: string, reason: string): KeystoneError {
  return new KeystoneError('chain_unavailable', `Chain ${chainId} did not answer ${method}.`, {
    cause: new Error(reason),
  });
}

/** An error that a node answered where none is expected, as a KeystoneError. Others pass through. */
export function rpcErrorToKeystone(chainId: number, method: string, error: unknown): unknown {
  return error instanceof RpcError ? unavailable(chainId, method, `${error.rpcCode}: ${error.message}`) : error;
}

function rpcErrorOf(error: Record<string, unknown>, scrub: (text: string) => string): RpcError {
  const code = typeof error['code'] === 'number' ? error['code'] : 0;
  const message = typeof error['message'] === 'string' ? error['message'] : 'no message';
  return new RpcError(code, scrub(message), revertData(error['data']));
}

/** Nodes differ: `data` is the bytes, a text that ends in them, or an object around them. */
function revertData(data: unknown): string | undefined {
  if (typeof data === 'string') return /0x(?:[0-9a-fA-F]{2})*$/.exec(data)?.[0];
  return isRecord(data) ? revertData(data['data'] ?? data['result']) : undefined;
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown failure';
  // ethers' own message repeats the request; the short one does not.
  const short: unknown = 'shortMessage' in error ? error.shortMessage : undefined;
  const code: unknown = 'code' in error ? error.code : undefined;
  return `${typeof short === 'string' ? short : error.message}${typeof code === 'string' ? ` (${code})` : ''}`;
}

/** RPC addresses carry API keys in path, query or user part; none of those may reach a log. */
function createScrubber(url: string): (text: string) => string {
  const parsed = new URL(url);
  const path = parsed.pathname === '/' ? '' : parsed.pathname;
  const secrets = [url, `${path}${parsed.search}`, path, parsed.search, parsed.username, parsed.password]
    .filter((part) => part.length > 1)
    .toSorted((a, b) => b.length - a.length);
  return (text) =>
    secrets.reduce((cleaned, secret) => cleaned.replaceAll(secret, '…'), text).slice(0, CHAIN_LIMITS.rpcErrorLength);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
