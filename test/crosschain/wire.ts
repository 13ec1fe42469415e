import { AbiCoder, getBytes, id, Interface, ZeroHash } from 'ethers';

import { layerZeroEndpointV2Abi } from '../../contracts/generated/abi.ts';
import { decodePacket, type Packet } from '../../dev/relay/packet.ts';
import type { World } from './world.ts';

/** Messages one by one, by hand: for tests that choose which is delivered when. The relay carries them in all others. */
export interface Wire {
  /** Every message sent so far, in the order in which this found them. Each is verified at once, unless a relay does that; delivering is up to the test. */
  collect(): Promise<readonly Packet[]>;
  /** The error that refused it; undefined when it was accepted. `starved`: with too little gas. `dry`: only asked, not sent. */
  deliver(
    packet: Packet,
    options?: { readonly starved?: boolean; readonly dry?: boolean },
  ): Promise<string | undefined>;
  /** Whether the receiving endpoint still keeps it. */
  isWaiting(packet: Packet): Promise<boolean>;
}

const PACKET_SENT = id('PacketSent(bytes,bytes,address)');
const endpointInterface = new Interface(layerZeroEndpointV2Abi);
const libraryInterface = new Interface(['function validatePacket(bytes packet)']);

/** @param verifies False where a relay verifies. */
export function createWire(world: World, verifies = true): Wire {
  const packets: Packet[] = [];
  const nextBlock = new Map<number, number>();
  const { stranger } = world.people;
  const sides = world.relayChains.map((relayChain) => {
    const chain = relayChain.chainId === world.home.chainId ? world.home : world.remote;
    return { chain, relayChain };
  });

  function destinationOf(packet: Packet): (typeof sides)[number] {
    const side = sides.find(({ relayChain }) => relayChain.endpointId === packet.destinationEndpointId);
    if (side === undefined) throw new Error('a message to nowhere');
    return side;
  }

  async function read({ chain, relayChain: { endpoint } }: (typeof sides)[number], head: number): Promise<void> {
    const fromBlock = nextBlock.get(chain.chainId) ?? 0;
    if (fromBlock > head) return;
    for (const log of await chain.reader.getLogs({
      address: endpoint,
      topics: [PACKET_SENT],
      fromBlock,
      toBlock: head,
    })) {
      const [encoded, options] = AbiCoder.defaultAbiCoder().decode(['bytes', 'bytes', 'address'], log.data);
      const packet = decodePacket(String(encoded), String(options));
      const { chain: to, relayChain } = destinationOf(packet);
      packets.push(packet);
      if (!verifies) continue;
      const data = libraryInterface.encodeFunctionData('validatePacket', [packet.encoded]);
      const { status } = await to.send({ from: stranger, to: relayChain.messageLibrary, data });
      if (status !== 1) throw new Error(`message ${packet.guid} is not verified`);
    }
    nextBlock.set(chain.chainId, head + 1);
  }

  return {
    async collect() {
      const heads = await Promise.all(sides.map(({ chain }) => chain.reader.getBlockNumber()));
      for (const [index, side] of sides.entries()) await read(side, heads[index] ?? 0);
      return packets;
    },
    async isWaiting(packet) {
      const { chain, relayChain } = destinationOf(packet);
      const path = [packet.receiver, packet.sourceEndpointId, packet.sender, packet.nonce];
      const data = endpointInterface.encodeFunctionData('inboundPayloadHash', path);
      return (await chain.reader.call({ to: relayChain.endpoint, data })) !== ZeroHash;
    },
    async deliver(packet, { starved = false, dry = false } = {}) {
      const { chain, relayChain } = destinationOf(packet);
      const origin = { srcEid: packet.sourceEndpointId, sender: packet.sender, nonce: packet.nonce };
      const values = [origin, packet.receiver, packet.guid, packet.message, '0x'];
      const data = endpointInterface.encodeFunctionData('lzReceive', values);
      const call = { from: stranger, to: relayChain.endpoint, data };
      return chain[dry ? 'wouldRefuse' : 'refusal'](starved ? { ...call, gas: floorGas(data) } : call);
    },
  };
}

/** The least that a node takes for a transaction with this data (EIP-7623): some thousand are left for the call, too few for any delivery. */
function floorGas(data: string): number {
  const bytes = getBytes(data);
  const tokens = bytes.reduce((sum, byte) => sum + (byte === 0 ? 1 : 4), 0);
  return 21_000 + 10 * tokens;
}
