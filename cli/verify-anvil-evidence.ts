/** For tests: the evidence of a settlement across two chains, gathered from the chains' logs alone, as anybody could. */

import { Interface } from 'ethers';
import type { ChainSide } from '../chain/testing/two-chains.ts';
import * as abi from '../contracts/generated/abi.ts';
import { type LogPoint, type RemoteEvidence, type SettlementEvidence, evmChainId } from '../keystone/pack.ts';
import type { AnvilTrade } from './verify-anvil-types.ts';

const CONTRACTS = [abi.settlementCoordinatorAbi, abi.complianceRegistryAbi, abi.keystoneEscrowAbi, abi.gatewayAbi].map(
  (contract) => Interface.from(contract),
);
const KIND = { PREPARED: 2n, EXECUTED: 5n } as const;

interface Fact {
  readonly name: string;
  readonly values: Record<string, unknown>;
  readonly point: LogPoint;
}

type Filter = (values: Fact['values']) => boolean;

/** Every event of ours that the chain has, in its order. */
async function factsOf(side: ChainSide): Promise<Fact[]> {
  const logs = await side.provider.getLogs({ fromBlock: 0, toBlock: 'latest' });
  const facts: Fact[] = [];
  for (const log of logs) {
    const event = CONTRACTS.map((each) => each.parseLog(log)).find((found) => found !== null);
    if (event !== undefined && event !== null) {
      const block = await side.provider.getBlock(log.blockNumber);
      const point: LogPoint = {
        chain_id: evmChainId(side.chainId),
        tx: log.transactionHash,
        log_index: log.index,
        block_number: log.blockNumber,
        block_hash: log.blockHash,
        block_timestamp_s: block?.timestamp ?? 0,
      };
      facts.push({ name: event.name, values: event.args.toObject(), point });
    }
  }
  return facts;
}

/** The facts of one settlement. */
function of(facts: readonly Fact[], trade: AnvilTrade, name: string, filter: Filter = () => true): Fact[] {
  return facts.filter(
    (fact) => fact.name === name && fact.values['settlementId'] === trade.terms.settlement_id && filter(fact.values),
  );
}

function one(facts: readonly Fact[], trade: AnvilTrade, name: string, filter?: Filter): LogPoint {
  const [fact] = of(facts, trade, name, filter);
  if (fact === undefined) {
    throw new Error(`the chain has no ${name}`);
  }
  return fact.point;
}

export async function evidenceOf(trade: AnvilTrade): Promise<SettlementEvidence> {
  const { two, terms, parties } = trade;
  const [home, remote] = [await factsOf(two.home), await factsOf(two.remote)];
  const into = (state: bigint): LogPoint =>
    one(home, trade, 'StateTransition', (values) => values['toState'] === state);
  return {
    chain_id: evmChainId(two.home.chainId),
    coordinator: two.home.chain.coordinator,
    registry: two.home.chain.registry,
    terms,
    openings: parties.map((party, party_index) => ({
      party_index,
      participant_id: party.id,
      wallet: party.wallet.address,
      chain_id: evmChainId(party.chain.chainId),
      role: party.role,
    })),
    attester_set: { attesters: [two.owner.address], threshold: 1 },
    created: one(home, trade, 'SettlementCreated'),
    attestations: of(home, trade, 'Attested').map(({ values, point }) => ({
      ...point,
      party_hash: String(values['partyHash']),
      attester: String(values['attester']),
      status: Number(values['status']),
      reference_hash: String(values['referenceHash']),
      issued_at_s: Number(values['issuedAt']),
    })),
    anchor: into(3n),
    ...movementsOf([...home, ...remote], trade),
    execution: into(4n),
    remotes: [remoteOf(trade, home, remote)],
    finalised: into(5n),
  };
}

/** Deposits, payouts and fees, each on the chain of its leg. */
function movementsOf(
  facts: readonly Fact[],
  trade: AnvilTrade,
): Pick<Required<SettlementEvidence>, 'deposits' | 'payouts' | 'fees_paid'> {
  const perLeg = (name: string): (LogPoint & { leg_index: number; amount_minor: string; values: Fact['values'] })[] =>
    of(facts, trade, name).map(({ values, point }) => ({
      ...point,
      leg_index: Number(values['legIndex']),
      amount_minor: String(values['amount']),
      values,
    }));
  return {
    deposits: perLeg('LegDeposited').map(({ values: _values, ...deposit }) => ({
      ...deposit,
      opened_log_index: one(facts, trade, 'LegOpened', (values) => Number(values['legIndex']) === deposit.leg_index)
        .log_index,
    })),
    payouts: perLeg('LegReleased').map(({ values: _values, ...payout }) => ({ ...payout, kind: 'released' })),
    fees_paid: perLeg('FeePaid').map(({ values, ...fee }) => ({
      ...fee,
      fee_index: 0,
      kind: 'released',
      recipient: String(values['recipient']),
    })),
  };
}

function remoteOf(trade: AnvilTrade, home: readonly Fact[], remote: readonly Fact[]): RemoteEvidence {
  const { chainId, chain } = trade.two.remote;
  const vote = (kind: bigint): LogPoint => one(home, trade, 'VoteCounted', (values) => values['kind'] === kind);
  return {
    chain_id: evmChainId(chainId),
    gateway: chain.gateway,
    escrow: chain.escrow,
    opened: one(remote, trade, 'RemoteOpened'),
    prepared: one(remote, trade, 'RemotePrepared'),
    decided: one(remote, trade, 'DecisionReceived'),
    executed: one(remote, trade, 'RemoteExecuted'),
    votes: { prepared: vote(KIND.PREPARED), executed: vote(KIND.EXECUTED) },
  };
}
