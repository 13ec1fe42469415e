import type { ChainEventRow } from '../db/chain-events.ts';
import { KeystoneError } from '../domain/errors.ts';
import { evmChainId } from '../keystone/caip.ts';
import type { LogPoint } from '../keystone/pack.ts';

const MILLISECONDS_PER_SECOND = 1_000;

/** Where a fact stands, as a pack says it. */
export function pointOf(fact: ChainEventRow): LogPoint {
  return {
    chain_id: evmChainId(fact.chain_id),
    tx: fact.transaction_hash,
    log_index: fact.log_index,
    block_number: fact.block_number,
    block_hash: fact.block_hash,
    block_timestamp_s: Math.floor(fact.block_timestamp.getTime() / MILLISECONDS_PER_SECOND),
  };
}

export function text(fact: ChainEventRow, name: string): string {
  const value = fact.arguments[name];
  if (typeof value !== 'string') throw new KeystoneError('internal', `A ${fact.name} fact has no ${name}.`);
  return value.toLowerCase();
}

/** The indexer of another chain may lie behind the coordinator's word: then the step is repeated. */
export function required<Value>(value: Value | undefined, what: string): Value {
  if (value === undefined) throw new KeystoneError('chain_not_final', `The facts of the settlement lack ${what}.`);
  return value;
}
