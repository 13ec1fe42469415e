import type { ContractCall } from '../chain/contract-call.ts';
import { createCoordinatorClient, type CoordinatorClient, type OnChainSettlement } from '../chain/coordinator.ts';
import { findAttestation, findCreation, findTransition } from '../chain/effects.ts';
import type { AlreadyDone, Journal } from '../chain/journal.ts';
import type { CoordinatorChain } from '../chain/provider.ts';
import {
  type Attestation,
  type AttesterSet,
  createRegistryClient,
  referenceHash,
  type RegistryClient,
} from '../chain/registry.ts';
import { type SettlementTerms, termsHash } from '../chain/terms.ts';
import { KeystoneError } from '../domain/errors.ts';
import { bytes32ToUuid, type Uuid } from '../domain/ids.ts';
import { ON_CHAIN_INDEX, type OnChainState } from '../domain/settlement-state.ts';
import { createEscrowChain, type MoneyStatus } from './escrow-chain.ts';
import type { AttestationInput, EffectIntent, HomeChain, HomeStatus } from './settlement-chains.ts';
import { never, submit } from './submit.ts';

/** The coordinator's chain and who signs on it. */
export interface HomeSigners {
  readonly chain: CoordinatorChain;
  /** Holds CREATOR_ROLE and ENGINE_ROLE. */
  readonly engine: Journal;
  readonly oracle: Journal;
  readonly relayer: Journal;
}

/** The coordinator's chain. `remoteChainIds`: the chains that it may be connected to. */
export function createHomeChain(dependencies: HomeSigners, remoteChainIds: readonly number[]): HomeChain {
  const { chain, engine, oracle, relayer } = dependencies;
  const coordinator = createCoordinatorClient(chain);
  const registry = createRegistryClient(chain);
  const toState = (journal: Journal, call: ContractCall, state: OnChainState, intent: EffectIntent) =>
    submit(journal, call, intent, () => transitionDone(chain, coordinator, intent.settlementId, state));
  const connections = createConnections(coordinator, remoteChainIds);
  let graceMs: number | undefined;

  return {
    ...createEscrowChain(chain, relayer, (id) => moneyOf(coordinator, id)),
    coordinator: chain.coordinator,
    registry: chain.registry,
    oracle: oracle.address,
    attesterSet: (name) => namedAttesterSet(chain, name),
    membersOf: remembered((attesterSet: string) => registry.attesterSetOf(attesterSet)),
    termsHash: (terms) => termsHash(chain, terms),
    create: (terms, intent) =>
      submit(engine, coordinator.createSettlement(terms), intent, () => creationDone(chain, coordinator, terms)),
    async attest(attestations, intent) {
      const batch = attestations.map((attestation) => toAttestation(intent.settlementId, attestation));
      return submit(oracle, registry.attestBatch(batch), intent, () =>
        attestationsDone(chain, registry, batch, oracle.address),
      );
    },
    advance: (digest, intent) =>
      toState(engine, coordinator.advance(intent.settlementId, digest), 'AWAITING_DEPOSITS', intent),
    rollBack: (evidence, intent) =>
      toState(engine, coordinator.transition(intent.settlementId, 'ROLLED_BACK', evidence), 'ROLLED_BACK', intent),
    timeOut: (intent) => toState(relayer, coordinator.timeout(intent.settlementId), 'TIMED_OUT', intent),
    quoteOpen: (terms, chainId) => coordinator.quoteOpen(terms, chainId),
    sendOpen: (terms, chainId, intent) =>
      submit(relayer, coordinator.sendOpen(terms, chainId, intent.feeWei), intent, never),
    quoteDecision: (id, chainId) => coordinator.quoteDecision(id, chainId),
    sendDecision: (chainId, intent) =>
      submit(relayer, coordinator.sendDecision(intent.settlementId, chainId, intent.feeWei), intent, never),
    async statusOf(id) {
      const settlement = await coordinator.settlementOf(id);
      return settlement === undefined ? undefined : statusFrom(settlement, await connections());
    },
    async messageGraceMs() {
      // Immutable in the contract.
      graceMs ??= await coordinator.messageGraceMs();
      return graceMs;
    },
    gateIsOpen: (id) => registry.areAllPartiesCleared(id),
    statusesOf: (id, hashes, attester) => Promise.all(hashes.map((hash) => registry.latestOf(id, hash, attester))),
    finalBlock: async () => (await chain.finalizedBlock())?.number ?? 0,
  };
}

/** Sets are content-addressed and never change, so each is asked for once. A failure is not remembered. */
function remembered(ask: (attesterSet: string) => Promise<AttesterSet>): (attesterSet: string) => Promise<AttesterSet> {
  const known = new Map<string, AttesterSet>();
  return async (attesterSet) => {
    const members = known.get(attesterSet) ?? (await ask(attesterSet));
    known.set(attesterSet, members);
    return members;
  };
}

/** Bits of the coordinator's chain masks, by chain id. Fixed once the coordinator is frozen, so they are asked for once. */
function createConnections(
  coordinator: CoordinatorClient,
  remoteChainIds: readonly number[],
): () => Promise<ReadonlyMap<number, number>> {
  let known: ReadonlyMap<number, number> | undefined;
  return async () => {
    if (known !== undefined) return known;
    const found = await Promise.all(remoteChainIds.map((chainId) => coordinator.remoteChain(chainId)));
    const entries = remoteChainIds.flatMap((chainId, position) => {
      const connected = found[position];
      return connected === undefined ? [] : [[chainId, connected.index] as const];
    });
    // A chain that is configured and not connected yet may be so soon: only a complete answer is kept.
    const bits = new Map(entries);
    if (bits.size === remoteChainIds.length) known = bits;
    return bits;
  };
}

function statusFrom(settlement: OnChainSettlement, bits: ReadonlyMap<number, number>): HomeStatus {
  const chainsIn = (mask: number) => [...bits].flatMap(([chainId, bit]) => ((mask >> bit) % 2 === 1 ? [chainId] : []));
  return {
    state: settlement.state,
    deadlineMs: settlement.deadlineMs,
    legBits: settlement.homeLegBits,
    depositedBits: settlement.depositedBits,
    refundedBits: settlement.refundedBits,
    executed: settlement.homeExecuted,
    preparedChains: chainsIn(settlement.preparedBits),
    executedChains: chainsIn(settlement.executedBits),
  };
}

async function moneyOf(coordinator: CoordinatorClient, id: Uuid): Promise<MoneyStatus> {
  const settlement = await coordinator.settlementOf(id);
  if (settlement === undefined) return { executed: false, depositedBits: 0, refundedBits: 0 };
  const { homeExecuted, depositedBits, refundedBits } = settlement;
  return { executed: homeExecuted, depositedBits, refundedBits };
}

function namedAttesterSet(chain: CoordinatorChain, name: string): string {
  const set = chain.configuration.attester_sets[name];
  if (set === undefined)
    throw new KeystoneError('configuration_invalid', `Chain ${chain.chainId} has no attester set named ${name}.`);
  return set.toLowerCase();
}

/** A settlement of our id under other terms is not our effect: it parks for an operator instead of being taken for one. */
async function creationDone(
  chain: CoordinatorChain,
  coordinator: CoordinatorClient,
  terms: SettlementTerms,
): Promise<AlreadyDone | undefined> {
  const settlementId = bytes32ToUuid(terms.params.settlementId);
  if (settlementId === undefined) throw new KeystoneError('internal', 'Terms carry an id that is none of ours.');
  const onChain = await coordinator.settlementOf(settlementId);
  if (onChain === undefined) return undefined;
  if (onChain.termsHash !== termsHash(chain, terms)) {
    throw new KeystoneError('terms_differ', 'The chain holds other terms under the id of this settlement.');
  }
  return findCreation(chain, settlementId);
}

/** Looks for the log only when the state says that it can be there: looking for a missing one reads the whole history. */
async function transitionDone(
  chain: CoordinatorChain,
  coordinator: CoordinatorClient,
  settlementId: Uuid,
  state: OnChainState,
): Promise<AlreadyDone | undefined> {
  const current = await coordinator.stateOf(settlementId);
  if (current === undefined || ON_CHAIN_INDEX[current] < ON_CHAIN_INDEX[state]) return undefined;
  return findTransition(chain, settlementId, state);
}

/** Asks the cheap view first: on a long chain, looking for logs that are not there would cost hundreds of queries. */
async function attestationsDone(
  chain: CoordinatorChain,
  registry: RegistryClient,
  batch: readonly Attestation[],
  attester: string,
): Promise<AlreadyDone | undefined> {
  const latest = await Promise.all(batch.map((one) => registry.latestOf(one.settlementId, one.partyHash, attester)));
  if (batch.some((attestation, index) => latest[index] !== attestation.status)) return undefined;
  const found = await Promise.all(batch.map((attestation) => findAttestation(chain, attestation, attester)));
  return found.some((inclusion) => inclusion === undefined) ? undefined : found.at(-1);
}

function toAttestation(settlementId: Uuid, attestation: AttestationInput): Attestation {
  return {
    settlementId,
    partyHash: attestation.partyHash,
    status: attestation.status,
    referenceHash: referenceHash(attestation.reference),
  };
}
