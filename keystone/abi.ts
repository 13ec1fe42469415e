/** As much of the Ethereum ABI as the evidence needs: words, event topics, calls without an ABI library. */

import { keccak_256 } from '@noble/hashes/sha3';
import { bytesToHex } from './bytes.ts';

/** `0x` + keccak256 in hexadecimal. */
export function keccak256(bytes: Uint8Array): string {
  return `0x${bytesToHex(keccak_256(bytes))}`;
}

/**
 * One 32-byte ABI word as 64 digits, without `0x`: numbers and addresses to the right; 32-byte values fill it.
 * @throws {TypeError} when the value does not fit
 */
export function abiWord(value: bigint | string): string {
  const digits = typeof value === 'bigint' ? value.toString(16) : value.toLowerCase().replace(/^0x/, '');
  if (!/^[0-9a-f]{1,64}$/.test(digits)) {
    throw new TypeError('a value does not fit one ABI word');
  }
  return digits.padStart(64, '0');
}

/** Topic 0 of an event from its signature, for example `Transfer(address,address,uint256)`. */
export function eventTopic(signature: string): string {
  return keccak256(new TextEncoder().encode(signature));
}

/** Call data of a function whose arguments are all one word each. */
export function callData(signature: string, ...words: readonly (bigint | string)[]): string {
  return eventTopic(signature).slice(0, 10) + words.map(abiWord).join('');
}

/** The topics and data that a log must have, every byte of them. */
export interface ExpectedLog {
  readonly address: string;
  readonly topics: readonly string[];
  readonly data: string;
}

/**
 * The log of an event whose arguments are all one word each.
 * @param indexed the indexed arguments in order; `plain` the others in order
 */
export function expectedLog(
  address: string,
  signature: string,
  indexed: readonly (bigint | string)[],
  plain: readonly (bigint | string)[],
): ExpectedLog {
  return {
    address: address.toLowerCase(),
    topics: [eventTopic(signature), ...indexed.map((value) => `0x${abiWord(value)}`)],
    data: `0x${plain.map(abiWord).join('')}`,
  };
}
