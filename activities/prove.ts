import { termsFromJson } from '../chain/terms.ts';
import type { ChainEventRow } from '../db/chain-events.ts';
import type { SettlementWork, StoredDecisions } from '../db/settlement-work.ts';
import { KeystoneError } from '../domain/errors.ts';
import { uuidToBytes32 } from '../domain/ids.ts';
import { ON_CHAIN_INDEX, type OnChainState } from '../domain/settlement-state.ts';
import { evmChainId } from '../keystone/caip.ts';
import { type ComposedDecisions, composePack, type LogPoint, type SettlementEvidence } from '../keystone/pack.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { confirmedParties } from './steps.ts';

const MILLISECONDS_PER_SECOND = 1_000;

/** The proof pack of an executed settlement, from final facts alone. As text: the bytes that were signed are what is handed out. */
export function composeSettlementPack(
  dependencies: ActivityDependencies,
  work: SettlementWork,
  decisions: StoredDecisions,
  facts: readonly ChainEventRow[],
): string {
  const pack = composePack({
    decisions: decisions.composed as unknown as ComposedDecisions,
    evidence: evidenceOf(dependencies, work, facts),
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
): SettlementEvidence {
  const { chain } = dependencies;
  const named = (name: string) => facts.filter((fact) => fact.name === name);
  const intoState = (state: OnChainState): ChainEventRow =>
    required(
      named('StateTransition').find((fact) => Number(fact.arguments['toState']) === ON_CHAIN_INDEX[state]),
      `the transition into ${state}`,
    );
  const parties = confirmedParties(work);
  return {
    chain_id: evmChainId(chain.chainId),
    coordinator: chain.coordinator,
    registry: chain.registry,
    terms: termsFromJson(work.terms).json,
    openings: parties.map((party) => ({
      party_index: 2 * party.position + 1,
      participant_id: uuidToBytes32(party.participant_id),
      wallet: party.wallet_address,
    })),
    created: pointOf(required(named('SettlementCreated')[0], 'its creation')),
    attestations: attestationsAt(named('Attested'), intoState('AWAITING_DEPOSITS')).map((fact) => ({
      ...pointOf(fact),
      party_hash: text(fact, 'partyHash'),
      attester: text(fact, 'attester'),
      status: Number(fact.arguments['status']),
      reference_hash: text(fact, 'referenceHash'),
      issued_at_s: Number(fact.arguments['issuedAt']),
    })),
    anchor: pointOf(intoState('AWAITING_DEPOSITS')),
    deposits: named('LegDeposited').map((fact) => ({
      ...pointOf(fact),
      leg_index: Number(fact.arguments['legIndex']),
    })),
    execution: pointOf(intoState('EXECUTING_SWAP')),
    payouts: [
      ...named('LegReleased').map((fact) => ({
        ...pointOf(fact),
        leg_index: Number(fact.arguments['legIndex']),
        kind: 'released' as const,
      })),
      ...creditedPayouts(work, facts),
    ],
    finalised: pointOf(intoState('FINALIZED')),
  };
}

/** What the gate saw: the latest word of each attester on each party before the escrow opened. */
function attestationsAt(attested: readonly ChainEventRow[], anchor: ChainEventRow): ChainEventRow[] {
  const latest = new Map<string, ChainEventRow>();
  for (const fact of attested) {
    const before =
      fact.block_number < anchor.block_number ||
      (fact.block_number === anchor.block_number && fact.log_index < anchor.log_index);
    if (before) latest.set(`${text(fact, 'partyHash')}/${text(fact, 'attester')}`, fact);
  }
  return [...latest.values()];
}

/** A payout that the token refused waits as a credit for the payee. A credit of a fee has another wallet and is no payout of the leg. */
function creditedPayouts(work: SettlementWork, facts: readonly ChainEventRow[]): SettlementEvidence['payouts'] {
  const parties = confirmedParties(work);
  return facts
    .filter((fact) => {
      if (fact.name !== 'PayoutCredited') return false;
      const leg = work.legs.find((candidate) => candidate.leg_index === Number(fact.arguments['legIndex']));
      const payee = parties.find((party) => party.role === leg?.payee_role);
      return payee?.wallet_address === text(fact, 'wallet');
    })
    .map((fact) => ({ ...pointOf(fact), leg_index: Number(fact.arguments['legIndex']), kind: 'credited' as const }));
}

function pointOf(fact: ChainEventRow): LogPoint {
  return {
    chain_id: evmChainId(fact.chain_id),
    tx: fact.transaction_hash,
    log_index: fact.log_index,
    block_number: fact.block_number,
    block_hash: fact.block_hash,
    block_timestamp_s: Math.floor(fact.block_timestamp.getTime() / MILLISECONDS_PER_SECOND),
  };
}

function text(fact: ChainEventRow, name: string): string {
  const value = fact.arguments[name];
  if (typeof value !== 'string') throw new KeystoneError('internal', `A ${fact.name} fact has no ${name}.`);
  return value.toLowerCase();
}

function required<Value>(value: Value | undefined, what: string): Value {
  if (value === undefined) throw new KeystoneError('chain_not_final', `The facts of the settlement lack ${what}.`);
  return value;
}
