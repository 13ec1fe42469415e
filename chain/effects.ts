import { AbiCoder, type Interface } from 'ethers';

import { type Uuid, uuidToBytes32 } from '../domain/ids.ts';
import { ON_CHAIN_INDEX, type OnChainState } from '../domain/settlement-state.ts';
import { coordinatorInterface, MESSAGE_KIND, type MessageKind } from './coordinator.ts';
import { escrowInterface } from './escrow.ts';
import { gatewayInterface } from './gateway.ts';
import type { AlreadyDone } from './journal-types.ts';
import { CHAIN_LIMITS } from './limits.ts';
import type { Chain, ChainLog, CoordinatorChain, IndexedChain, LogQuery, RemoteChain } from './provider.ts';
import { type Attestation, COMPLIANCE_STATUS, registryInterface } from './registry.ts';
import { RpcError, unavailable } from './rpc.ts';

/**
 * Answers to "is the effect on chain already?", for `TransactionIntent.alreadyDone`. They look for the effect's log, newest blocks first, and are
 * meant to be asked only after a view has said that the effect is there: looking for a log that does not exist reads the whole history.
 */

/** The transaction that created the settlement. */
export function findCreation(chain: CoordinatorChain, settlementId: Uuid): Promise<AlreadyDone | undefined> {
  const topics = [topicOf(coordinatorInterface, 'SettlementCreated'), uuidToBytes32(settlementId)];
  return findLog(chain, { addresses: [chain.coordinator], topics }, () => true);
}

/** The transaction that brought the settlement into a state, e.g. the one that anchored the decisions (AWAITING_DEPOSITS). */
export function findTransition(
  chain: CoordinatorChain,
  settlementId: Uuid,
  to: OnChainState,
): Promise<AlreadyDone | undefined> {
  const topics = [topicOf(coordinatorInterface, 'StateTransition'), uuidToBytes32(settlementId)];
  return findLog(chain, { addresses: [chain.coordinator], topics }, (log) => {
    const [, toState]: unknown[] = AbiCoder.defaultAbiCoder().decode(['uint8', 'uint8', 'bytes32'], log.data).toArray();
    return toState === BigInt(ON_CHAIN_INDEX[to]);
  });
}

/** The transaction in which the attester said exactly this (status and reference) about the party. */
export function findAttestation(
  chain: CoordinatorChain,
  attestation: Attestation,
  attester: string,
): Promise<AlreadyDone | undefined> {
  const topics = [
    topicOf(registryInterface, 'Attested'),
    uuidToBytes32(attestation.settlementId),
    attestation.partyHash.toLowerCase(),
    `0x${attester.toLowerCase().replace(/^0x/, '').padStart(64, '0')}`,
  ];
  return findLog(chain, { addresses: [chain.registry], topics }, (log) => {
    const decoded: unknown[] = AbiCoder.defaultAbiCoder().decode(['uint8', 'bytes32', 'uint40'], log.data).toArray();
    return (
      decoded[0] === BigInt(COMPLIANCE_STATUS[attestation.status]) &&
      decoded[1] === attestation.referenceHash.toLowerCase()
    );
  });
}

/** The newest message about the settlement, of one of these kinds, that left `chain` for another one, whoever sent it. */
export function findMessageSent(
  chain: IndexedChain,
  message: { settlementId: Uuid; toChainId: number; kinds: readonly MessageKind[] },
): Promise<AlreadyDone | undefined> {
  const [contract, address] =
    chain.kind === 'coordinator'
      ? ([coordinatorInterface, chain.coordinator] as const)
      : ([gatewayInterface, chain.gateway] as const);
  const topics = [topicOf(contract, 'MessageSent'), uuidToBytes32(message.settlementId), wordOf(message.toChainId)];
  return findLog(chain, { addresses: [address], topics }, (log) => {
    const kind: unknown = AbiCoder.defaultAbiCoder().decode(['uint8', 'bytes32'], log.data)[0];
    return message.kinds.some((name) => kind === BigInt(MESSAGE_KIND[name]));
  });
}

/** The transaction in which the coordinator counted a chain's vote. */
export function findVoteCounted(
  chain: CoordinatorChain,
  vote: { settlementId: Uuid; fromChainId: number; kind: 'PREPARED' | 'EXECUTED' },
): Promise<AlreadyDone | undefined> {
  const topics = [
    topicOf(coordinatorInterface, 'VoteCounted'),
    uuidToBytes32(vote.settlementId),
    wordOf(vote.fromChainId),
  ];
  return findLog(
    chain,
    { addresses: [chain.coordinator], topics },
    (log) => BigInt(log.data) === BigInt(MESSAGE_KIND[vote.kind]),
  );
}

/** What a gateway says once about a settlement. */
export type GatewayFact =
  | 'RemoteOpened'
  | 'RemotePrepared'
  | 'DecisionReceived'
  | 'RemoteExecuted'
  | 'RemoteRolledBack'
  | 'CooperativeRelease';

/** The transaction in which a gateway emitted the event. */
export function findGatewayFact(
  chain: RemoteChain,
  settlementId: Uuid,
  name: GatewayFact,
): Promise<AlreadyDone | undefined> {
  const topics = [topicOf(gatewayInterface, name), uuidToBytes32(settlementId)];
  return findLog(chain, { addresses: [chain.gateway], topics }, () => true);
}

/** The transaction that paid this chain's legs out. A payout that the token refused is a credit; a refund's credits are not looked at. */
export async function findPayout(chain: IndexedChain, settlementId: Uuid): Promise<AlreadyDone | undefined> {
  if (chain.kind === 'remote') return findGatewayFact(chain, settlementId, 'RemoteExecuted');
  return (
    (await findEscrowEvent(chain, settlementId, 'LegReleased')) ??
    (await findEscrowEvent(chain, settlementId, 'PayoutCredited'))
  );
}

/** The newest transaction that handed legs of this chain back; ask only for a settlement that has failed. */
export async function findRefund(chain: Chain, settlementId: Uuid): Promise<AlreadyDone | undefined> {
  return (
    (await findEscrowEvent(chain, settlementId, 'LegRefunded')) ??
    (await findEscrowEvent(chain, settlementId, 'PayoutCredited'))
  );
}

function findEscrowEvent(chain: Chain, settlementId: Uuid, name: string): Promise<AlreadyDone | undefined> {
  const topics = [topicOf(escrowInterface, name), uuidToBytes32(settlementId)];
  return findLog(chain, { addresses: [chain.escrow], topics }, () => true);
}

/** A number as an indexed argument. */
function wordOf(value: number): string {
  return `0x${value.toString(16).padStart(64, '0')}`;
}

function topicOf(contract: Interface, name: string): string {
  const event = contract.getEvent(name);
  if (event === null) throw new TypeError(`the ABI has no event ${name}`);
  return event.topicHash;
}

/** Newest log that fits, looked for backwards to the deployment, in a bounded number of bounded queries. */
async function findLog(
  chain: Chain,
  filter: Pick<LogQuery, 'addresses' | 'topics'>,
  fits: (log: ChainLog) => boolean,
): Promise<AlreadyDone | undefined> {
  let toBlock = (await chain.headBlock()).number;
  for (let query = 0; query < CHAIN_LIMITS.effectSearchQueries; query += 1) {
    const fromBlock = Math.max(chain.configuration.deployment_block, toBlock - CHAIN_LIMITS.effectSearchBlocks + 1);
    const logs = await chain.logs({ ...filter, fromBlock, toBlock }).catch((error: unknown) => {
      throw error instanceof RpcError ? unavailable(chain.chainId, 'eth_getLogs', error.message) : error;
    });
    const log = logs.findLast(fits);
    if (log !== undefined) return toInclusion(chain, log);
    if (fromBlock <= chain.configuration.deployment_block) return undefined;
    toBlock = fromBlock - 1;
  }
  return undefined;
}

async function toInclusion(chain: Chain, log: ChainLog): Promise<AlreadyDone | undefined> {
  const block = await chain.block(log.blockNumber);
  if (block?.hash !== log.blockHash) return undefined;
  return {
    transactionHash: log.transactionHash,
    blockNumber: log.blockNumber,
    blockHash: log.blockHash,
    blockTimestampMs: block.timestampMs,
  };
}
