import { MESSAGE_KIND, type MessageKind } from '../chain/coordinator.ts';
import { RELEASE_OUTCOME } from '../chain/escrow.ts';
import type { AttesterSet } from '../chain/registry.ts';
import { termsFromJson } from '../chain/terms.ts';
import type { ChainEventRow } from '../db/chain-events.ts';
import type { SettlementWork, StoredDecisions, WorkLeg } from '../db/settlement-work.ts';
import { uuidToBytes32 } from '../domain/ids.ts';
import type { OnChainState } from '../domain/settlement-state.ts';
import { evmChainId } from '../keystone/caip.ts';
import {
  type ComposedDecisions,
  composePack,
  type PartyOpening,
  type RemoteEvidence,
  type SettlementEvidence,
} from '../keystone/pack.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { intoState, isBefore } from './facts.ts';
import { pointOf, required, text } from './prove-facts.ts';
import { payoutsOf } from './prove-payouts.ts';
import { remoteOf } from './situation.ts';
import { openingOf, remoteChainIds } from './steps.ts';

/** The proof pack of an executed settlement, from final facts alone. As text: the bytes that were signed are what is handed out. */
export function composeSettlementPack(
  dependencies: ActivityDependencies,
  work: SettlementWork,
  decisions: StoredDecisions,
  facts: readonly ChainEventRow[],
  members: AttesterSet,
): string {
  const pack = composePack({
    decisions: decisions.composed as unknown as ComposedDecisions,
    evidence: evidenceOf(dependencies, work, facts, members),
    settlement_provider_did: dependencies.identity,
    jurisdiction_flags: [],
    signing_key: dependencies.signingKey,
  });
  return JSON.stringify(pack, undefined, 2);
}

function evidenceOf(
  dependencies: ActivityDependencies,
  work: SettlementWork,
  facts: readonly ChainEventRow[],
  members: AttesterSet,
): SettlementEvidence {
  const { home } = dependencies.chains;
  const remotes = remoteChainIds(dependencies.chains, work);
  const atHome = (state: OnChainState): ChainEventRow =>
    required(intoState(facts, home.chainId, state), `the transition into ${state}`);
  const { payouts, fees } = payoutsOf(work, facts);
  return {
    chain_id: evmChainId(home.chainId),
    coordinator: home.coordinator,
    registry: home.registry,
    terms: termsFromJson(work.terms).json,
    openings: openingsOfLegs(work),
    attester_set: { attesters: members.attesters, threshold: members.threshold },
    created: pointOf(required(named(facts, home.chainId, 'SettlementCreated')[0], 'its creation')),
    attestations: attestationsAt(named(facts, home.chainId, 'Attested'), atHome('AWAITING_DEPOSITS')).map((fact) => ({
      ...pointOf(fact),
      party_hash: text(fact, 'partyHash'),
      attester: text(fact, 'attester'),
      status: Number(fact.arguments['status']),
      reference_hash: text(fact, 'referenceHash'),
      issued_at_s: Number(fact.arguments['issuedAt']),
    })),
    anchor: pointOf(atHome('AWAITING_DEPOSITS')),
    deposits: work.legs.map((leg) => depositOf(leg, facts)),
    execution: pointOf(atHome('EXECUTING_SWAP')),
    payouts,
    ...(fees.length > 0 && { fees_paid: fees }),
    ...(remotes.length > 0 && { remotes: remotes.map((chainId) => remoteEvidence(dependencies, chainId, facts)) }),
    finalised: pointOf(atHome('FINALIZED')),
  };
}

function named(facts: readonly ChainEventRow[], chainId: number, name: string): ChainEventRow[] {
  return facts.filter((fact) => fact.chain_id === chainId && fact.name === name);
}

/** The wallets that the legs name: those became public with the deposits, other wallets of a party did not. */
function openingsOfLegs(work: SettlementWork): PartyOpening[] {
  const terms = termsFromJson(work.terms).json;
  const openings = new Map<number, PartyOpening>();
  for (const leg of work.legs) {
    for (const side of ['payer', 'payee'] as const) {
      const index = required(terms.legs[leg.leg_index], `leg ${leg.leg_index} of the terms`)[side];
      const { participantId, wallet } = openingOf(work, leg, side);
      openings.set(index, {
        party_index: index,
        participant_id: uuidToBytes32(participantId),
        wallet,
        chain_id: evmChainId(leg.chain_id),
        role: side === 'payer' ? leg.payer_role : leg.payee_role,
      });
    }
  }
  return [...openings.values()].toSorted((a, b) => a.party_index - b.party_index);
}

/** The deposit of a leg, on the leg's own chain. */
function depositOf(leg: WorkLeg, facts: readonly ChainEventRow[]): SettlementEvidence['deposits'][number] {
  const ofLeg = (name: string) =>
    named(facts, leg.chain_id, name).find((fact) => Number(fact.arguments['legIndex']) === leg.leg_index);
  const deposit = required(ofLeg('LegDeposited'), `the deposit of leg ${leg.leg_index}`);
  const opened = ofLeg('LegOpened');
  return {
    ...pointOf(deposit),
    leg_index: leg.leg_index,
    amount_minor: text(deposit, 'amount'),
    ...(opened?.transaction_hash === deposit.transaction_hash && { opened_log_index: opened.log_index }),
  };
}

function remoteEvidence(
  dependencies: ActivityDependencies,
  chainId: number,
  facts: readonly ChainEventRow[],
): RemoteEvidence {
  const { gateway, escrow } = remoteOf(dependencies, chainId);
  const homeChainId = dependencies.chains.home.chainId;
  const there = (name: string, fits: (fact: ChainEventRow) => boolean = () => true) =>
    named(facts, chainId, name).find(fits);
  const on = (name: string) => pointOf(required(there(name), `${name} of chain ${chainId}`));
  const vote = (kind: MessageKind) => {
    const counted = named(facts, homeChainId, 'VoteCounted').find(
      (fact) => Number(fact.arguments['chainId']) === chainId && isKind(fact, kind),
    );
    return pointOf(required(counted, `the vote ${kind} of chain ${chainId}`));
  };
  const released = there('CooperativeRelease', (fact) => Number(fact.arguments['outcome']) === RELEASE_OUTCOME.pay);
  const decided = there('DecisionReceived', (fact) => isKind(fact, 'EXECUTE'));
  return {
    chain_id: evmChainId(chainId),
    gateway,
    escrow,
    opened: on('RemoteOpened'),
    prepared: on('RemotePrepared'),
    ...(released === undefined
      ? { decided: pointOf(required(decided, `the decision on chain ${chainId}`)) }
      : { released: pointOf(released) }),
    executed: on('RemoteExecuted'),
    votes: { prepared: vote('PREPARED'), executed: vote('EXECUTED') },
  };
}

function isKind(fact: ChainEventRow, kind: MessageKind): boolean {
  return Number(fact.arguments['kind']) === MESSAGE_KIND[kind];
}

/** What the gate saw: the latest word of each attester on each party before the escrow opened. */
function attestationsAt(attested: readonly ChainEventRow[], anchor: ChainEventRow): ChainEventRow[] {
  const latest = new Map<string, ChainEventRow>();
  for (const fact of attested) {
    if (isBefore(fact, anchor)) latest.set(`${text(fact, 'partyHash')}/${text(fact, 'attester')}`, fact);
  }
  return [...latest.values()];
}
