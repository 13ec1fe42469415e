import { AbiCoder, getAddress } from 'ethers';

import type { ChainTarget } from './configuration.ts';

/** The settings of LayerZero's SendUln302 and ReceiveUln302 (ULN: ultra light node) for one pathway, and their encoding. */

/** Configuration types of the libraries. */
export const CONFIG_TYPE = { executor: 1, uln: 2 } as const;

/**
 * `optionalDVNCount`: "none". Zero would mean "LayerZero's default", which its owner can change at any time; the same holds for a zero in
 * `confirmations` or `requiredDVNCount`.
 */
const NONE = 255;

const ULN_CONFIG =
  'tuple(uint64 confirmations, uint8 requiredDVNCount, uint8 optionalDVNCount, uint8 optionalDVNThreshold, address[] requiredDVNs, address[] optionalDVNs)';
const EXECUTOR_CONFIG = 'tuple(uint32 maxMessageSize, address executor)';

/** In the order of the struct. */
export type UlnSettings = readonly [bigint, bigint, bigint, bigint, readonly string[], readonly string[]];

/** `local` is the chain whose library is set; `source` the one that the messages leave, whose finality counts, in either direction. */
export function ulnSettings(local: ChainTarget, source: ChainTarget): UlnSettings {
  const verifiers = local.verifiers
    .map((verifier) => getAddress(verifier))
    // The library demands ascending order.
    .toSorted((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1));
  return [BigInt(source.confirmations), BigInt(verifiers.length), BigInt(NONE), 0n, verifiers, []];
}

export function encodeUln(settings: UlnSettings): string {
  return AbiCoder.defaultAbiCoder().encode([ULN_CONFIG], [settings]);
}

export function encodeExecutor(maxMessageSize: number, executor: string): string {
  return AbiCoder.defaultAbiCoder().encode([EXECUTOR_CONFIG], [[maxMessageSize, getAddress(executor)]]);
}

/** What the effective configuration of a library (`endpoint.getConfig`) says once these settings are in force, for people. */
export function describeSettings([confirmations, count, , , verifiers]: UlnSettings): string {
  return describeUln(encodeUln([confirmations, count, 0n, 0n, verifiers, []]));
}

/** An encoded configuration, for people. @throws Error when it is none. */
export function describeUln(encoded: string): string {
  const [settings] = AbiCoder.defaultAbiCoder().decode([ULN_CONFIG], encoded) as unknown as [UlnSettings];
  const [confirmations, , , threshold, required, optional] = settings;
  const also = optional.length === 0 ? '' : ` and ${threshold} of ${optional.join(', ')}`;
  return `${confirmations} blocks, then all of ${required.join(', ')}${also}`;
}

/** An encoded executor configuration, for people. */
export function describeExecutor(encoded: string): string {
  const [settings] = AbiCoder.defaultAbiCoder().decode([EXECUTOR_CONFIG], encoded) as unknown as [[bigint, string]];
  const [maxMessageSize, executor] = settings;
  return `${executor}, messages up to ${maxMessageSize} bytes`;
}
