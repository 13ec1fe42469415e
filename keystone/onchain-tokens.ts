/** The tokens' own words: an escrow's event is the escrow's word, the token's Transfer is the money. */

import { abiWord, expectedLog } from './abi.ts';
import { type ChainLog, isExactly } from './chain-reader.ts';
import type { LegTerm } from './pack-types.ts';

export const TRANSFER_EVENT = 'Transfer(address,address,uint256)';
/** ERC-1400: partition, operator, from, to, value, data, operator data; partition, from and to are indexed. */
const PARTITION_EVENT = 'TransferByPartition(bytes32,address,address,address,uint256,bytes,bytes)';

/** One movement of a leg's token, to be found anywhere in one receipt. */
export interface Movement {
  readonly leg: LegTerm;
  readonly from: string;
  readonly to: string;
  /** base units */
  readonly amount: bigint;
}

/** Whether a log is the token's word for a movement: emitter, both accounts, and the exact amount, id or partition. */
export function isMovement(log: ChainLog, movement: Movement): boolean {
  const { leg, from, to, amount } = movement;
  if (leg.token_standard === 'ERC-721') {
    return isExactly(log, expectedLog(leg.token, TRANSFER_EVENT, [from, to, BigInt(leg.token_id)], []));
  }
  if (leg.token_standard !== 'ERC-1400') {
    return isExactly(log, expectedLog(leg.token, TRANSFER_EVENT, [from, to], [amount]));
  }
  // Who operates, and what data came along, is not agreed in the terms: the second word of the data is the amount.
  const { topics } = expectedLog(leg.token, PARTITION_EVENT, [leg.partition, from, to], []);
  return (
    log.address.toLowerCase() === leg.token &&
    log.topics.length === topics.length &&
    log.topics.every((topic, index) => topic.toLowerCase() === topics[index]) &&
    log.data.slice(2 + 64, 2 + 128).toLowerCase() === abiWord(amount)
  );
}

/** What a movement is called in a report. */
export function movementEvent(leg: LegTerm): string {
  return leg.token_standard === 'ERC-1400' ? PARTITION_EVENT : TRANSFER_EVENT;
}
