/**
 * A chain that holds exactly what an honest settlement leaves behind. Its logs are encoded by an ABI library from the
 * event signatures, so that the verifier's own encoding is checked against a second one.
 */

import { AbiCoder, Interface } from 'ethers';
import type { ChainBlock, ChainLog, ChainReader, ChainReceipt } from '../chain-reader.ts';
import { decisionSetDigest, hashTerms } from '../pack.ts';
import type { LogPoint } from '../pack-types.ts';
import * as fixture from './packs.ts';

const events = new Interface([
  'event SettlementCreated(bytes32 indexed settlementId, bytes32 termsHash)',
  'event StateTransition(bytes32 indexed settlementId, uint8 fromState, uint8 toState, bytes32 evidenceHash)',
  'event Attested(bytes32 indexed settlementId, bytes32 indexed partyHash, address indexed attester, uint8 status, bytes32 referenceHash, uint40 issuedAt)',
  'event LegDeposited(bytes32 indexed settlementId, uint256 indexed legIndex, address indexed depositor, address token, uint256 tokenId, uint256 amount)',
  'event LegReleased(bytes32 indexed settlementId, uint256 indexed legIndex, address indexed recipient, address token, uint256 tokenId, uint256 amount)',
  'event FeePaid(bytes32 indexed settlementId, uint256 indexed legIndex, address indexed recipient, address token, uint256 amount)',
  'event Transfer(address indexed from, address indexed to, uint256 value)',
]);
const calls = new Interface([
  'function registry() view returns (address)',
  'function coordinator() view returns (address)',
  'function escrow() view returns (address)',
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
}

type Placed = readonly [point: LogPoint, address: string, event: string, values: readonly unknown[]];

function at(log_index: number): LogPoint {
  return fixture.point(103, log_index, '5');
}

function honestLogs(): Placed[] {
  const { terms, COORDINATOR, REGISTRY, ESCROW, BOND, CASH, SELLER_WALLET, BUYER_WALLET, FEE_WALLET } = fixture;
  const evidence = fixture.settlementEvidence();
  const id = terms.settlement_id;
  const decisions = fixture.settlementDecisions();
  const terms_hash = hashTerms(COORDINATOR, fixture.HOME_CHAIN, terms);
  const digest = decisionSetDigest({
    chain: fixture.HOME_CHAIN,
    settlement_id: fixture.SETTLEMENT_ID,
    terms_hash,
    decisions: decisions.chains,
  });
  const bond = 500000000000000000000n;
  const cash = 125000000000n;
  return [
    [evidence.created, COORDINATOR, 'SettlementCreated', [id, terms_hash]],
    ...evidence.attestations.map((entry): Placed => {
      const values = [id, entry.party_hash, entry.attester, 1, entry.reference_hash, entry.issued_at_s];
      return [entry, REGISTRY, 'Attested', values];
    }),
    [evidence.anchor, COORDINATOR, 'StateTransition', [id, 2, 3, digest]],
    [fixture.point(102, 0, '4'), BOND, 'Transfer', [SELLER_WALLET, ESCROW, bond]],
    [fixture.point(102, 1, '4'), ESCROW, 'LegDeposited', [id, 0, SELLER_WALLET, BOND, 0, bond]],
    [at(1), ESCROW, 'LegDeposited', [id, 1, BUYER_WALLET, CASH, 0, cash]],
    [at(2), COORDINATOR, 'StateTransition', [id, 3, 4, `0x${'0'.repeat(64)}`]],
    [at(3), BOND, 'Transfer', [ESCROW, BUYER_WALLET, bond]],
    [at(4), ESCROW, 'LegReleased', [id, 0, BUYER_WALLET, BOND, 0, bond]],
    [at(5), CASH, 'Transfer', [ESCROW, FEE_WALLET, 250000n]],
    [at(6), ESCROW, 'FeePaid', [id, 1, FEE_WALLET, CASH, 250000n]],
    [at(7), CASH, 'Transfer', [ESCROW, SELLER_WALLET, cash - 250000n]],
    [at(8), ESCROW, 'LegReleased', [id, 1, SELLER_WALLET, CASH, 0, cash - 250000n]],
    [at(9), COORDINATOR, 'StateTransition', [id, 4, 5, `0x${'0'.repeat(64)}`]],
  ];
}

function encode(type: string, value: unknown): string {
  return AbiCoder.defaultAbiCoder().encode([type], [value]);
}

export function simulatedChain(): SimulatedChain {
  const receipts = new Map<string, ChainReceipt>();
  const blocks = new Map<number, ChainBlock>();
  for (const [point, address, event, values] of honestLogs()) {
    const encoded = events.encodeEventLog(event, values);
    const log: ChainLog = { address, topics: encoded.topics, data: encoded.data, logIndex: point.log_index };
    const known = receipts.get(point.tx);
    receipts.set(point.tx, {
      transactionHash: point.tx,
      blockNumber: point.block_number,
      blockHash: point.block_hash,
      succeeded: true,
      logs: [...(known?.logs ?? []), log],
    });
    const { block_number: number, block_hash: hash, block_timestamp_s: timestamp_s } = point;
    blocks.set(number, { number, hash, timestamp_s });
  }
  const chain: SimulatedChain = {
    receipts,
    blocks,
    finalised: 110,
    views: {
      registry: () => encode('address', fixture.REGISTRY),
      coordinator: () => encode('address', fixture.COORDINATOR),
      escrow: () => encode('address', fixture.ESCROW),
      stateOf: () => encode('uint8', 5),
      areAllPartiesCleared: () => encode('bool', true),
      openedWallet: (args) => encode('address', args[1] === 1n ? fixture.SELLER_WALLET : fixture.BUYER_WALLET),
    },
    reader: {
      chainId: () => Promise.resolve(11155111n),
      getTransactionReceipt: (hash) => Promise.resolve(receipts.get(hash)),
      getTransaction: () => Promise.resolve(undefined),
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
