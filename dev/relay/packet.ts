import { dataLength, dataSlice, getAddress, keccak256, toBigInt, toNumber } from 'ethers';

import { bytes32ToUuid } from '../../domain/ids.ts';

/** What a LayerZero endpoint emits as `PacketSent`, taken apart. Format: PacketV1Codec and ExecutorOptions of lz-evm-protocol-v2. */

/** Kinds of our messages by number; `MessageKind` in contracts/src/messaging/MessageCodec.sol. */
export const MESSAGE_NAMES = ['OPEN', 'PREPARED', 'EXECUTE', 'ROLLBACK', 'EXECUTED'] as const;
export type MessageName = (typeof MESSAGE_NAMES)[number];

/** Byte offsets: version, nonce, source endpoint id, sender, destination endpoint id, receiver, guid, message. */
const OFFSETS = { nonce: 1, source: 9, sender: 13, destination: 45, receiver: 49, guid: 81, message: 113 } as const;
const OPTIONS_TYPE_3 = 3;
const EXECUTOR_WORKER = 1;
const RECEIVE_OPTION = 1;
/** Words of our message: version, kind, settlement. */
const MESSAGE_HEADER_BYTES = 96;

export interface Packet {
  /** 0x and 32 bytes; names the packet everywhere. */
  readonly guid: string;
  readonly nonce: bigint;
  readonly sourceEndpointId: number;
  /** 32 bytes. */
  readonly sender: string;
  readonly destinationEndpointId: number;
  /** Address of the receiving contract. */
  readonly receiver: string;
  readonly message: string;
  /** keccak256(guid, message): what the receiving endpoint stores once the packet is verified. */
  readonly payloadHash: string;
  /** The packet as emitted. */
  readonly encoded: string;
  /** Gas that the sender bought for the delivery. */
  readonly receiveGas: bigint;
  /** Undefined for a message that is not one of ours. */
  readonly content: { readonly name: MessageName; readonly settlementId: string } | undefined;
}

/** @throws Error when the bytes are no packet. */
export function decodePacket(encoded: string, options: string): Packet {
  if (dataLength(encoded) < OFFSETS.message) throw new Error('a packet is shorter than its header');
  const message = dataSlice(encoded, OFFSETS.message);
  return {
    guid: dataSlice(encoded, OFFSETS.guid, OFFSETS.message),
    nonce: toBigInt(dataSlice(encoded, OFFSETS.nonce, OFFSETS.source)),
    sourceEndpointId: toNumber(dataSlice(encoded, OFFSETS.source, OFFSETS.sender)),
    sender: dataSlice(encoded, OFFSETS.sender, OFFSETS.destination),
    destinationEndpointId: toNumber(dataSlice(encoded, OFFSETS.destination, OFFSETS.receiver)),
    receiver: getAddress(dataSlice(encoded, OFFSETS.receiver + 12, OFFSETS.guid)),
    message,
    payloadHash: keccak256(dataSlice(encoded, OFFSETS.guid)),
    encoded,
    receiveGas: receiveGasOf(options),
    content: contentOf(message),
  };
}

/** Sum of the gas of all receive options; zero when the sender bought none. */
function receiveGasOf(options: string): bigint {
  if (dataLength(options) < 2 || toNumber(dataSlice(options, 0, 2)) !== OPTIONS_TYPE_3) return 0n;
  let gas = 0n;
  let cursor = 2;
  while (cursor + 4 <= dataLength(options)) {
    const worker = toNumber(dataSlice(options, cursor, cursor + 1));
    const size = toNumber(dataSlice(options, cursor + 1, cursor + 3));
    const type = toNumber(dataSlice(options, cursor + 3, cursor + 4));
    if (worker === EXECUTOR_WORKER && type === RECEIVE_OPTION) {
      gas += toBigInt(dataSlice(options, cursor + 4, cursor + 20));
    }
    cursor += 3 + size;
  }
  return gas;
}

function contentOf(message: string): Packet['content'] {
  if (dataLength(message) < MESSAGE_HEADER_BYTES) return undefined;
  const name = MESSAGE_NAMES[Number(toBigInt(dataSlice(message, 32, 64))) - 1];
  const settlementId = bytes32ToUuid(dataSlice(message, 64, MESSAGE_HEADER_BYTES));
  return name === undefined || settlementId === undefined ? undefined : { name, settlementId };
}
