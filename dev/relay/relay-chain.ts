import {
  AbiCoder,
  FetchRequest,
  getBytes,
  id,
  Interface,
  JsonRpcProvider,
  Network,
  type TransactionReceipt,
  Wallet,
} from 'ethers';

import type { Packet } from './packet.ts';

/** One chain as the relay sees it: where packets leave, where they arrive, and the account that pays for both. */

/** Milliseconds. */
const LIMITS = { callMs: 10_000, inclusionMs: 20_000, receiptPollMs: 100 } as const;
/** Blocks per question for logs. */
const LOG_RANGE = 5_000;
const TRANSACTION_GAS = 21_000n;
/** Per token of calldata (a zero byte is one, any other byte four): EIP-2028, and the floor of EIP-7623. */
const TOKEN_GAS = { standard: 4n, floor: 10n } as const;
/** EIP-7825: what one transaction may use. */
const MAX_GAS = 16_777_216n;
/** Enough for validatePacket; it is refunded anyway. */
const VERIFY_GAS = 300_000n;

const PACKET_SENT = id('PacketSent(bytes,bytes,address)');
const ENDPOINT = new Interface([
  'function inboundPayloadHash(address receiver, uint32 sourceEndpointId, bytes32 sender, uint64 nonce) view returns (bytes32)',
  'function lazyInboundNonce(address receiver, uint32 sourceEndpointId, bytes32 sender) view returns (uint64)',
  'function lzReceive(tuple(uint32 srcEid, bytes32 sender, uint64 nonce) origin, address receiver, bytes32 guid, bytes message, bytes extraData) payable',
]);
const LIBRARY = new Interface(['function validatePacket(bytes packet)']);
const EMPTY_HASH = `0x${'00'.repeat(32)}`;

export interface RelayChain {
  readonly chainId: number;
  readonly rpcUrl: string;
  readonly endpointId: number;
  readonly endpoint: string;
  /** A SimpleMessageLib; it has to accept the relay's account as its caller. */
  readonly messageLibrary: string;
  /**
   * Which packets may be carried: those of `finalized` blocks (the default), or of blocks so many behind the head. A verifier that carries a
   * packet which a reorganisation then takes back has forged a message.
   */
  readonly confirmations?: 'finalized' | number;
  /** No packet is older. */
  readonly fromBlock?: number;
}

export type InboundState = 'sent' | 'verified' | 'delivered';

export interface SentPacket {
  readonly encoded: string;
  readonly options: string;
  readonly blockNumber: number;
  readonly transactionHash: string;
}

export interface Call {
  readonly to: string;
  readonly data: string;
  readonly gasLimit: bigint;
}

export interface ChainAccess {
  readonly chain: RelayChain;
  readonly account: string;
  /** Packets of blocks that have become final since the last call. Nothing is skipped when it throws. */
  readPackets(): Promise<SentPacket[]>;
  /** What the endpoint of this chain says of a packet that is to arrive here. */
  inboundState(packet: Packet): Promise<InboundState>;
  verifyCall(packet: Packet): Call;
  /** `gas` for the delivery itself. */
  receiveCall(packet: Packet, gas: bigint): Call;
  /** Why a delivery would be refused now; undefined when it would not. */
  refusal(packet: Packet, gas: bigint): Promise<string | undefined>;
  /** Sends all, one after the other, then waits for their inclusion. Per call whether it succeeded. */
  send(calls: readonly Call[]): Promise<boolean[]>;
  close(): void;
}

export function connectChain(chain: RelayChain, privateKey: string): ChainAccess {
  const provider = createProvider(chain);
  const wallet = new Wallet(privateKey, provider);
  let nextBlock = chain.fromBlock ?? 0;

  async function lastFinalBlock(): Promise<number> {
    const confirmations = chain.confirmations ?? 'finalized';
    if (confirmations === 'finalized') return (await provider.getBlock('finalized'))?.number ?? -1;
    return (await provider.getBlockNumber()) - confirmations;
  }

  async function ask(name: string, values: readonly unknown[]): Promise<unknown> {
    const data = ENDPOINT.encodeFunctionData(name, values);
    return ENDPOINT.decodeFunctionResult(name, await provider.call({ to: chain.endpoint, data }))[0] as unknown;
  }

  return {
    chain,
    account: wallet.address,
    async readPackets() {
      const end = await lastFinalBlock();
      const found: SentPacket[] = [];
      let cursor = nextBlock;
      while (cursor <= end) {
        const toBlock = Math.min(end, cursor + LOG_RANGE - 1);
        const filter = { address: chain.endpoint, topics: [PACKET_SENT], fromBlock: cursor, toBlock };
        for (const log of await provider.getLogs(filter)) {
          const [encoded, options] = AbiCoder.defaultAbiCoder().decode(['bytes', 'bytes', 'address'], log.data);
          const { blockNumber, transactionHash } = log;
          found.push({ encoded: String(encoded), options: String(options), blockNumber, transactionHash });
        }
        cursor = toBlock + 1;
      }
      nextBlock = cursor;
      return found;
    },
    async inboundState(packet) {
      const path = [packet.receiver, packet.sourceEndpointId, packet.sender];
      const [hash, lazyNonce] = await Promise.all([
        ask('inboundPayloadHash', [...path, packet.nonce]),
        ask('lazyInboundNonce', path),
      ]);
      if (hash !== EMPTY_HASH) return 'verified';
      // A nonce that the endpoint has passed and whose hash is gone was executed.
      return packet.nonce <= BigInt(String(lazyNonce)) ? 'delivered' : 'sent';
    },
    verifyCall(packet) {
      const data = LIBRARY.encodeFunctionData('validatePacket', [packet.encoded]);
      return { to: chain.messageLibrary, data, gasLimit: VERIFY_GAS };
    },
    receiveCall(packet, gas) {
      const origin = [packet.sourceEndpointId, packet.sender, packet.nonce];
      const values = [origin, packet.receiver, packet.guid, packet.message, '0x'];
      const data = ENDPOINT.encodeFunctionData('lzReceive', values);
      return { to: chain.endpoint, data, gasLimit: gasLimitOf(data, gas) };
    },
    async refusal(packet, gas) {
      const { to, data, gasLimit } = this.receiveCall(packet, gas);
      try {
        await provider.call({ to, data, gasLimit, from: wallet.address });
        return undefined;
      } catch (error) {
        const { data: reason, shortMessage } = error as { data?: unknown; shortMessage?: string };
        return typeof reason === 'string' && reason !== '0x' ? `reverts with ${reason.slice(0, 10)}` : shortMessage;
      }
    },
    send: (calls) => sendAll(provider, wallet, chain.chainId, calls),
    close: () => provider.destroy(),
  };
}

/** An executor hands the endpoint what was bought; a delivery that is a transaction of its own pays for itself and its bytes on top. */
function gasLimitOf(data: string, gas: bigint): bigint {
  const bytes = getBytes(data);
  const zeros = bytes.filter((byte) => byte === 0).length;
  const tokens = BigInt(zeros + (bytes.length - zeros) * 4);
  const wanted = TRANSACTION_GAS + TOKEN_GAS.standard * tokens + gas;
  // Below the floor a node does not even take the transaction.
  const floor = TRANSACTION_GAS + TOKEN_GAS.floor * tokens;
  const limit = wanted < floor ? floor : wanted;
  return limit > MAX_GAS ? MAX_GAS : limit;
}

function createProvider(chain: RelayChain): JsonRpcProvider {
  const network = Network.from(chain.chainId);
  const request = new FetchRequest(chain.rpcUrl);
  request.timeout = LIMITS.callMs;
  return new JsonRpcProvider(request, network, { staticNetwork: network, batchMaxCount: 1, cacheTimeout: -1 });
}

async function sendAll(
  provider: JsonRpcProvider,
  wallet: Wallet,
  chainId: number,
  calls: readonly Call[],
): Promise<boolean[]> {
  if (calls.length === 0) return [];
  const [first, fees] = await Promise.all([wallet.getNonce('pending'), provider.getFeeData()]);
  const { maxFeePerGas, maxPriorityFeePerGas } = fees;
  const hashes: string[] = [];
  for (const [index, call] of calls.entries()) {
    const price = { type: 2, maxFeePerGas: (maxFeePerGas ?? 1n) * 2n, maxPriorityFeePerGas };
    const raw = await wallet.signTransaction({ ...call, ...price, chainId, nonce: first + index });
    hashes.push(String(await provider.send('eth_sendRawTransaction', [raw])));
  }
  const giveUpAt = Date.now() + LIMITS.inclusionMs;
  const receipts: (TransactionReceipt | null)[] = [];
  for (const hash of hashes) receipts.push(await receiptOf(provider, hash, giveUpAt));
  return receipts.map((receipt) => receipt?.status === 1);
}

/** Null when it is not included in time: the next round looks at the endpoint again. */
async function receiptOf(
  provider: JsonRpcProvider,
  hash: string,
  giveUpAt: number,
): Promise<TransactionReceipt | null> {
  for (;;) {
    const receipt = await provider.getTransactionReceipt(hash);
    if (receipt !== null || Date.now() > giveUpAt) return receipt;
    await new Promise((resolve) => setTimeout(resolve, LIMITS.receiptPollMs));
  }
}
