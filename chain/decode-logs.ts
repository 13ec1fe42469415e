import { type Interface, type ParamType, Result } from 'ethers';

import type { ChainArgument, ChainEventRow } from '../db/chain-events.ts';
import { bytes32ToUuid } from '../domain/ids.ts';
import { coordinatorInterface } from './coordinator.ts';
import { escrowInterface } from './escrow.ts';
import { gatewayInterface } from './gateway.ts';
import type { ChainLog, IndexedChain } from './provider.ts';
import { registryInterface } from './registry.ts';

/**
 * Decodes a log of one of our contracts. `settlement_id` is what the log claims: the caller keeps it only for settlements of ours. Undefined
 * for a log that the contract's ABI does not explain.
 */
export function decodeLog(chain: IndexedChain, log: ChainLog, blockTimestampMs: number): ChainEventRow | undefined {
  const contract = contractAt(chain, log.address);
  const parsed = contract?.parseLog({ topics: [...log.topics], data: log.data });
  if (parsed === undefined || parsed === null) return undefined;
  const values: unknown[] = parsed.args.toArray();
  const decoded = Object.fromEntries(
    parsed.fragment.inputs.map((input: ParamType, index) => [input.name, toArgument(values[index])]),
  );
  const settlement = decoded['settlementId'];
  return {
    chain_id: chain.chainId,
    block_number: log.blockNumber,
    block_hash: log.blockHash,
    log_index: log.logIndex,
    transaction_hash: log.transactionHash,
    contract: log.address,
    name: parsed.name,
    settlement_id: typeof settlement === 'string' ? (bytes32ToUuid(settlement) ?? null) : null,
    arguments: decoded,
    block_timestamp: new Date(blockTimestampMs),
  };
}

function contractAt(chain: IndexedChain, address: string): Interface | undefined {
  if (chain.kind === 'coordinator' && address === chain.coordinator) return coordinatorInterface;
  if (chain.kind === 'coordinator' && address === chain.registry) return registryInterface;
  if (chain.kind === 'remote' && address === chain.gateway) return gatewayInterface;
  return address === chain.escrow ? escrowInterface : undefined;
}

/** Integers become decimal strings: JSON numbers would lose the low digits of an amount. */
function toArgument(value: unknown): ChainArgument {
  if (typeof value === 'boolean') return value;
  if (value instanceof Result) return value.toArray().map((item: unknown) => toArgument(item));
  const text = String(value);
  return /^0x[0-9a-fA-F]*$/.test(text) ? text.toLowerCase() : text;
}
