import type { CoordinatorClient } from '../chain/coordinator.ts';
import { createCoordinatorClient } from '../chain/coordinator.ts';
import { findAttestation, findCreation, findTransition } from '../chain/effects.ts';
import { createEscrowClient } from '../chain/escrow.ts';
import type { AlreadyDone, Journal } from '../chain/journal.ts';
import type { ContractCall } from '../chain/contract-call.ts';
import type { CoordinatorChain } from '../chain/provider.ts';
import { type Attestation, createRegistryClient, referenceHash, type RegistryClient } from '../chain/registry.ts';
import { type SettlementTerms, termsHash } from '../chain/terms.ts';
import { KeystoneError } from '../domain/errors.ts';
import { bytes32ToUuid, type Uuid } from '../domain/ids.ts';
import { ON_CHAIN_INDEX, type OnChainState } from '../domain/settlement-state.ts';
import type { AttestationInput, EffectIntent, IncludedEffect, SettlementChain } from './dependencies.ts';

interface SettlementChainDependencies {
  readonly chain: CoordinatorChain;
  /** Holds CREATOR_ROLE and ENGINE_ROLE. */
  readonly engine: Journal;
  readonly attester: Journal;
}

/** The coordinator chain through the journals of its two signers. */
export function createSettlementChain(dependencies: SettlementChainDependencies): SettlementChain {
  const { chain, engine, attester } = dependencies;
  const coordinator = createCoordinatorClient(chain);
  const registry = createRegistryClient(chain);
  const escrow = createEscrowClient(chain);

  const engineToState = (call: ContractCall, state: OnChainState, intent: EffectIntent) =>
    submit(engine, call, intent, () => transitionDone(chain, coordinator, intent.settlementId, state));

  return {
    chainId: chain.chainId,
    coordinator: chain.coordinator,
    registry: chain.registry,
    escrow: chain.escrow,
    attester: attester.address,
    attesterSet: (name) => namedAttesterSet(chain, name),
    termsHash: (terms) => termsHash(chain, terms),
    create: (terms, intent) =>
      submit(engine, coordinator.createSettlement(terms), intent, () => creationDone(chain, coordinator, terms)),
    async attest(attestations, intent) {
      const batch = attestations.map((attestation) => toAttestation(intent.settlementId, attestation));
      return submit(attester, registry.attestBatch(batch), intent, () =>
        attestationsDone(chain, registry, batch, attester.address),
      );
    },
    advance: (digest, intent) =>
      engineToState(coordinator.advance(intent.settlementId, digest), 'AWAITING_DEPOSITS', intent),
    rollBack: (evidence, intent) =>
      engineToState(coordinator.transition(intent.settlementId, 'ROLLED_BACK', evidence), 'ROLLED_BACK', intent),
    timeOut: (intent) => engineToState(coordinator.timeout(intent.settlementId), 'TIMED_OUT', intent),
    execute: (terms, intent) => engineToState(coordinator.execute(terms), 'EXECUTING_SWAP', intent),
    refund: (terms, intent) => submit(engine, escrow.refund(terms), intent, async () => undefined),
    stateOf: (id) => coordinator.stateOf(id),
    allLegsIn: (id) => coordinator.allLegsDeposited(id),
    gateIsOpen: (id) => registry.areAllPartiesCleared(id),
    statusesOf: (id, hashes) => Promise.all(hashes.map((hash) => registry.latestOf(id, hash, attester.address))),
    finalBlock: async () => (await chain.finalizedBlock())?.number ?? 0,
    headTimeMs: async () => (await chain.headBlock()).timestampMs,
  };
}

async function submit(
  journal: Journal,
  call: ContractCall,
  intent: EffectIntent,
  alreadyDone: () => Promise<AlreadyDone | undefined>,
): Promise<IncludedEffect> {
  const { effectKey, settlementId, context, inTransaction } = intent;
  const result = await journal.submit(
    {
      effectKey,
      settlementId,
      to: call.to,
      data: call.data,
      alreadyDone,
      ...(inTransaction !== undefined && { inTransaction }),
    },
    { signal: context.signal, heartbeat: context.heartbeat },
  );
  return { transactionHash: result.transactionHash, blockNumber: result.blockNumber };
}

function namedAttesterSet(chain: CoordinatorChain, name: string): string {
  const set = chain.configuration.attester_sets[name];
  if (set === undefined)
    throw new KeystoneError('configuration_invalid', `Chain ${chain.chainId} has no attester set named ${name}.`);
  return set;
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
