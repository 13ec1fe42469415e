/**
 * Chains that hold exactly what an honest settlement leaves behind. Their logs are encoded by an ABI library from the
 * event signatures, so that the verifier's own encoding is checked against a second one.
 */

import { AbiCoder, Interface } from 'ethers';
import type { ChainBlock, ChainLog, ChainReader, ChainReceipt } from '../chain-reader.ts';
import { decisionSetDigest, hashTerms } from '../pack.ts';
import type { ComposedDecisions, LogPoint, SettlementEvidence } from '../pack-types.ts';
import * as cross from './cross-chain.ts';
import * as fixture from './packs.ts';

const events = new Interface([
  'event SettlementCreated(bytes32 indexed settlementId, bytes32 termsHash)',
  'event StateTransition(bytes32 indexed settlementId, uint8 fromState, uint8 toState, bytes32 evidenceHash)',
  'event VoteCounted(bytes32 indexed settlementId, uint64 indexed chainId, uint8 kind)',
  'event RemoteOpened(bytes32 indexed settlementId, bytes32 termsHash, uint64 deadline, uint8 legBits)',
  'event RemotePrepared(bytes32 indexed settlementId)',
  'event DecisionReceived(bytes32 indexed settlementId, uint8 kind)',
  'event RemoteExecuted(bytes32 indexed settlementId)',
  'event Attested(bytes32 indexed settlementId, bytes32 indexed partyHash, address indexed attester, uint8 status, bytes32 referenceHash, uint40 issuedAt)',
  'event LegOpened(bytes32 indexed settlementId, uint256 indexed legIndex, bytes32 payerId, bytes32 payeeId, address payee)',
  'event LegDeposited(bytes32 indexed settlementId, uint256 indexed legIndex, address indexed depositor, address token, uint256 tokenId, uint256 amount)',
  'event LegReleased(bytes32 indexed settlementId, uint256 indexed legIndex, address indexed recipient, address token, uint256 tokenId, uint256 amount)',
  'event FeePaid(bytes32 indexed settlementId, uint256 indexed legIndex, address indexed recipient, address token, uint256 amount)',
  'event Transfer(address indexed from, address indexed to, uint256 value)',
  'event TransferByPartition(bytes32 indexed fromPartition, address operator, address indexed from, address indexed to, uint256 value, bytes data, bytes operatorData)',
]);
/** An ERC-721 indexes the id, under the same topic. */
const deedEvents = new Interface(['event Transfer(address indexed from, address indexed to, uint256 indexed tokenId)']);
const calls = new Interface([
  'function registry() view returns (address)',
  'function coordinator() view returns (address)',
  'function coordinatorChainId() view returns (uint64)',
  'function configurator() view returns (address)',
  'function escrow() view returns (address)',
  'function gate() view returns (address)',
  'function remoteChain(uint64) view returns (uint32, address, address, uint8)',
  'function statusOf(bytes32) view returns (tuple(bytes32, uint8, uint64, uint8, uint8, uint8))',
  'function stateOf(bytes32) view returns (uint8)',
  'function areAllPartiesCleared(bytes32) view returns (bool)',
  'function openedWallet(bytes32, uint256) view returns (address)',
]);

export interface SimulatedChain {
  readonly reader: ChainReader;
  /** by transaction hash; tests change them to lie */
  readonly receipts: Map<string, ChainReceipt>;
  readonly blocks: Map<number, ChainBlock>;
  /** answers of contract views by function name; tests change them */
  readonly views: Record<string, (args: readonly unknown[]) => string>;
  finalised: number;
  code: string;
}

/** A log at its place; its event is `Deed` for the Transfer of an ERC-721. */
type Placed = readonly [point: LogPoint, address: string, event: string, values: readonly unknown[]];

const ZERO_BYTES32 = `0x${'0'.repeat(64)}`;
const { COORDINATOR, REGISTRY, ESCROW, BOND, CASH, SELLER_WALLET, BUYER_WALLET, FEE_WALLET } = fixture;
const MESSAGE = { PREPARED: 2, EXECUTE: 3, EXECUTED: 5 } as const;

/** Creation, attestations, anchor, execution and finalisation: the coordinator's and the registry's logs. */
function homeLogs(evidence: SettlementEvidence, settlement_id: string, decisions: ComposedDecisions): Placed[] {
  const id = evidence.terms.settlement_id;
  const terms_hash = hashTerms(COORDINATOR, fixture.HOME_CHAIN, evidence.terms);
  const digest = decisionSetDigest({
    chain: fixture.HOME_CHAIN,
    settlement_id,
    terms_hash,
    decisions: decisions.chains,
  });
  return [
    [evidence.created, COORDINATOR, 'SettlementCreated', [id, terms_hash]],
    ...evidence.attestations.map((entry): Placed => {
      const values = [id, entry.party_hash, entry.attester, 1, entry.reference_hash, entry.issued_at_s];
      return [entry, REGISTRY, 'Attested', values];
    }),
    [evidence.anchor, COORDINATOR, 'StateTransition', [id, 2, 3, digest]],
    [evidence.execution, COORDINATOR, 'StateTransition', [id, 3, 4, ZERO_BYTES32]],
    [evidence.finalised, COORDINATOR, 'StateTransition', [id, 4, 5, ZERO_BYTES32]],
  ];
}

function logsOfOneChain(): Placed[] {
  const id = fixture.terms.settlement_id;
  const bond = 500000000000000000000n;
  const cash = 125000000000n;
  const { point, SELLER_ID, BUYER_ID } = fixture;
  const at = (log_index: number): LogPoint => point(103, log_index, '5');
  return [
    ...homeLogs(fixture.settlementEvidence(), fixture.SETTLEMENT_ID, fixture.settlementDecisions()),
    [point(102, 0, '4'), BOND, 'Transfer', [SELLER_WALLET, ESCROW, bond]],
    [point(102, 1, '4'), ESCROW, 'LegOpened', [id, 0, SELLER_ID, BUYER_ID, BUYER_WALLET]],
    [point(102, 2, '4'), ESCROW, 'LegDeposited', [id, 0, SELLER_WALLET, BOND, 0, bond]],
    [at(0), CASH, 'Transfer', [BUYER_WALLET, ESCROW, cash]],
    [at(1), ESCROW, 'LegOpened', [id, 1, BUYER_ID, SELLER_ID, SELLER_WALLET]],
    [at(2), ESCROW, 'LegDeposited', [id, 1, BUYER_WALLET, CASH, 0, cash]],
    [at(4), BOND, 'Transfer', [ESCROW, BUYER_WALLET, bond]],
    [at(5), ESCROW, 'LegReleased', [id, 0, BUYER_WALLET, BOND, 0, bond]],
    [at(6), CASH, 'Transfer', [ESCROW, FEE_WALLET, 250000n]],
    [at(7), ESCROW, 'FeePaid', [id, 1, FEE_WALLET, CASH, 250000n]],
    [at(8), CASH, 'Transfer', [ESCROW, SELLER_WALLET, cash - 250000n]],
    [at(9), ESCROW, 'LegReleased', [id, 1, SELLER_WALLET, CASH, 0, cash - 250000n]],
  ];
}

function logsAcrossChains(): { home: Placed[]; remote: Placed[] } {
  const { terms, DEED, FUND, PARTITION, GATEWAY, REMOTE_ESCROW, DEPOSIT_WALLET, remotePoint, FEE } = cross;
  const { point, SELLER_ID, BUYER_ID } = fixture;
  const evidence = cross.evidence();
  const id = terms.settlement_id;
  const bond = 500000000000000000000n;
  const paid = BigInt(cross.legs[1]?.amount_minor ?? 0);
  const fee = BigInt(FEE);
  const participant = (index: number): string =>
    evidence.openings.find((opening) => opening.party_index === index)?.participant_id ?? '';
  const [remote] = evidence.remotes ?? [];
  if (remote === undefined) {
    throw new Error('the fixture has no remote chain');
  }
  const deposited = (block: number): LogPoint => remotePoint(block, 1, block === 5003 ? 'b2' : 'b3');
  const paidOut = (log_index: number): LogPoint => remotePoint(5013, log_index, 'b5');
  const units = (from: string, to: string): unknown[] => [PARTITION, REMOTE_ESCROW, from, to, 40, '0x', '0x1234'];
  return {
    home: [
      ...homeLogs(evidence, cross.SETTLEMENT_ID, cross.packInput().decisions),
      [point(103, 0, 'a4'), BOND, 'Transfer', [SELLER_WALLET, ESCROW, bond]],
      [point(103, 1, 'a4'), ESCROW, 'LegOpened', [id, 0, SELLER_ID, BUYER_ID, BUYER_WALLET]],
      [point(103, 2, 'a4'), ESCROW, 'LegDeposited', [id, 0, SELLER_WALLET, BOND, 0, bond]],
      [point(104, 0, 'a5'), DEED, 'Deed', [SELLER_WALLET, ESCROW, 7]],
      [point(104, 1, 'a5'), ESCROW, 'LegOpened', [id, 2, SELLER_ID, BUYER_ID, BUYER_WALLET]],
      [point(104, 2, 'a5'), ESCROW, 'LegDeposited', [id, 2, SELLER_WALLET, DEED, 7, 1]],
      [remote.votes.prepared, COORDINATOR, 'VoteCounted', [id, 43113, MESSAGE.PREPARED]],
      [point(111, 0, 'a7'), BOND, 'Transfer', [ESCROW, BUYER_WALLET, bond]],
      [point(111, 1, 'a7'), ESCROW, 'LegReleased', [id, 0, BUYER_WALLET, BOND, 0, bond]],
      [point(111, 2, 'a7'), DEED, 'Deed', [ESCROW, BUYER_WALLET, 7]],
      [point(111, 3, 'a7'), ESCROW, 'LegReleased', [id, 2, BUYER_WALLET, DEED, 7, 1]],
      [remote.votes.executed, COORDINATOR, 'VoteCounted', [id, 43113, MESSAGE.EXECUTED]],
    ],
    remote: [
      [
        remote.opened,
        GATEWAY,
        'RemoteOpened',
        [id, hashTerms(COORDINATOR, fixture.HOME_CHAIN, terms), terms.deadline_s, 0b1010],
      ],
      [remotePoint(5003, 0, 'b2'), FUND, 'TransferByPartition', units(SELLER_WALLET, REMOTE_ESCROW)],
      [deposited(5003), REMOTE_ESCROW, 'LegOpened', [id, 3, participant(3), participant(7), BUYER_WALLET]],
      [remotePoint(5003, 2, 'b2'), REMOTE_ESCROW, 'LegDeposited', [id, 3, SELLER_WALLET, FUND, 0, 40]],
      [remotePoint(5004, 0, 'b3'), CASH, 'Transfer', [DEPOSIT_WALLET, REMOTE_ESCROW, paid]],
      [deposited(5004), REMOTE_ESCROW, 'LegOpened', [id, 1, participant(8), participant(3), SELLER_WALLET]],
      [remote.prepared, GATEWAY, 'RemotePrepared', [id]],
      [remotePoint(5004, 3, 'b3'), REMOTE_ESCROW, 'LegDeposited', [id, 1, DEPOSIT_WALLET, CASH, 0, paid]],
      [remotePoint(5012, 0, 'b4'), GATEWAY, 'DecisionReceived', [id, MESSAGE.EXECUTE]],
      [paidOut(0), CASH, 'Transfer', [REMOTE_ESCROW, FEE_WALLET, fee]],
      [paidOut(1), REMOTE_ESCROW, 'FeePaid', [id, 1, FEE_WALLET, CASH, fee]],
      [paidOut(2), CASH, 'Transfer', [REMOTE_ESCROW, SELLER_WALLET, paid - fee]],
      [paidOut(3), REMOTE_ESCROW, 'LegReleased', [id, 1, SELLER_WALLET, CASH, 0, paid - fee]],
      [paidOut(4), FUND, 'TransferByPartition', units(REMOTE_ESCROW, BUYER_WALLET)],
      [paidOut(5), REMOTE_ESCROW, 'LegReleased', [id, 3, BUYER_WALLET, FUND, 0, 40]],
      [remote.executed, GATEWAY, 'RemoteExecuted', [id]],
    ],
  };
}

function encode(types: readonly string[], ...values: readonly unknown[]): string {
  return AbiCoder.defaultAbiCoder().encode(types, values);
}

const homeViews: SimulatedChain['views'] = {
  registry: () => encode(['address'], REGISTRY),
  coordinator: () => encode(['address'], COORDINATOR),
  configurator: () => encode(['address'], fixture.ZERO_WALLET),
  escrow: () => encode(['address'], ESCROW),
  remoteChain: () => encode(['uint32', 'address', 'address', 'uint8'], 40106, cross.GATEWAY, cross.REMOTE_ESCROW, 0),
  stateOf: () => encode(['uint8'], 5),
  areAllPartiesCleared: () => encode(['bool'], true),
  openedWallet: (args) => encode(['address'], args[1] === 1n ? SELLER_WALLET : BUYER_WALLET),
};

const remoteViews: SimulatedChain['views'] = {
  coordinator: () => encode(['address'], COORDINATOR),
  coordinatorChainId: () => encode(['uint64'], 11155111),
  configurator: () => encode(['address'], fixture.ZERO_WALLET),
  escrow: () => encode(['address'], cross.REMOTE_ESCROW),
  gate: () => encode(['address'], cross.GATEWAY),
  statusOf: () =>
    encode(
      ['bytes32', 'uint8', 'uint64', 'uint8', 'uint8', 'uint8'],
      hashTerms(COORDINATOR, fixture.HOME_CHAIN, cross.terms),
      4,
      cross.terms.deadline_s,
      0b1010,
      0b1010,
      0,
    ),
};

/** The chain of the settlement of packs.ts. */
export function simulatedChain(): SimulatedChain {
  return chainOf(11155111n, 110, logsOfOneChain(), { ...homeViews });
}

/** The two chains of the settlement of cross-chain.ts. */
export function simulatedChains(): { readonly home: SimulatedChain; readonly remote: SimulatedChain } {
  const logs = logsAcrossChains();
  return {
    home: chainOf(11155111n, 130, logs.home, { ...homeViews }),
    remote: chainOf(43113n, 5030, logs.remote, { ...remoteViews }),
  };
}

function chainOf(
  number: bigint,
  finalised: number,
  logs: readonly Placed[],
  views: SimulatedChain['views'],
): SimulatedChain {
  const receipts = new Map<string, ChainReceipt>();
  const blocks = new Map<number, ChainBlock>();
  for (const [point, address, event, values] of logs) {
    const encoded =
      event === 'Deed' ? deedEvents.encodeEventLog('Transfer', values) : events.encodeEventLog(event, values);
    const log: ChainLog = { address, topics: encoded.topics, data: encoded.data, logIndex: point.log_index };
    const known = receipts.get(point.tx);
    receipts.set(point.tx, {
      transactionHash: point.tx,
      blockNumber: point.block_number,
      blockHash: point.block_hash,
      succeeded: true,
      logs: [...(known?.logs ?? []), log],
    });
    blocks.set(point.block_number, {
      number: point.block_number,
      hash: point.block_hash,
      timestamp_s: point.block_timestamp_s,
    });
  }
  const chain: SimulatedChain = {
    receipts,
    blocks,
    finalised,
    code: '0x60',
    views,
    reader: {
      chainId: () => Promise.resolve(number),
      getTransactionReceipt: (hash) => Promise.resolve(receipts.get(hash)),
      getTransaction: () => Promise.resolve(undefined),
      getCode: () => Promise.resolve(chain.code),
      getBlock: (block) =>
        Promise.resolve(
          block === 'finalized'
            ? { number: chain.finalised, hash: `0x${'f'.repeat(64)}`, timestamp_s: 0 }
            : blocks.get(Number(block)),
        ),
      call: ({ data }) => {
        const parsed = calls.parseTransaction({ data });
        const view = chain.views[parsed?.name ?? ''];
        return view === undefined
          ? Promise.reject(new Error('reverted'))
          : Promise.resolve(view([...(parsed?.args ?? [])]));
      },
    },
  };
  return chain;
}
