import { Interface } from 'ethers';

import { kbondAbi } from '../../contracts/generated/abi.ts';
import type { Chain } from '../provider.ts';

const token = Interface.from(kbondAbi);
const TRANSFER = token.getEvent('Transfer')?.topicHash ?? '';

/** Mints one base unit: an effect that happens again each time it is sent. */
export function mintCall(address: string, recipient: string): { to: string; data: string } {
  return { to: address, data: token.encodeFunctionData('mint', [recipient, 1n]) };
}

/** How often each recipient was minted to, by the chain's own logs. */
export async function countMints(local: { readonly chain: Chain }, address: string): Promise<Map<string, number>> {
  const head = await local.chain.headBlock();
  const logs = await local.chain.logs({ addresses: [address], topics: [TRANSFER], fromBlock: 0, toBlock: head.number });
  const counts = new Map<string, number>();
  for (const log of logs) {
    const recipient = `0x${log.topics[2]?.slice(26)}`;
    counts.set(recipient, (counts.get(recipient) ?? 0) + 1);
  }
  return counts;
}
