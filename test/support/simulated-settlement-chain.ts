import { createHash, randomUUID } from 'node:crypto';

import type {
  AttestationInput,
  AttestationStatus,
  EffectIntent,
  IncludedEffect,
  SettlementChain,
} from '../../activities/dependencies.ts';
import { termsHash, type SettlementTerms } from '../../chain/terms.ts';
import { type ChainArgument, type ChainEventRow, insertChainEvents } from '../../db/chain-events.ts';
import { enqueueTemporal } from '../../db/outbox.ts';
import type { Database, Transaction } from '../../db/pool.ts';
import { type Uuid, uuidToBytes32 } from '../../domain/ids.ts';
import { ON_CHAIN_INDEX, type OnChainState } from '../../domain/settlement-state.ts';

/**
 * SIMULATED: a coordinator chain in memory, for tests of single steps and for the benchmark of our overhead, where the chain is stubbed
 * on purpose. Facts are final at once. What the real contracts do is tested against the real contracts.
 */
export interface SimulatedChain extends SettlementChain {
  /** Effects in the order of their arrival, one per effect key. */
  readonly effects: string[];
  /** Both parties pay in and the contracts swap; stores the final facts and wakes the workflow, as the indexer would. */
  depositAndExecute(settlementId: Uuid, options?: { failExecution?: boolean }): Promise<void>;
  /** Makes the next call of this effect step fail. */
  failNext(step: string, error: Error): void;
}

interface SimulatedSettlement {
  state: OnChainState;
  terms: SettlementTerms;
  statuses: Map<string, AttestationStatus>;
  legsIn: boolean;
}

const COORDINATOR = `0x${'c0'.repeat(20)}`;
const REGISTRY = `0x${'c1'.repeat(20)}`;
const ESCROW = `0x${'c2'.repeat(20)}`;
const ATTESTER = `0x${'c3'.repeat(20)}`;

/** Where the chain puts its facts: each at once, unless somebody who measures stores those of a settlement together, as the indexer does. */
export interface FactStore {
  keep(fact: ChainEventRow): Promise<void>;
  /** Called in the transaction that wakes the settlement's workflow. */
  beforeWake(transaction: Transaction, settlementId: Uuid): Promise<void>;
}

function storeAtOnce(database: Database): FactStore {
  return {
    keep: (fact) => database.transaction({ kind: 'worker' }, (transaction) => insertChainEvents(transaction, [fact])),
    beforeWake: async () => undefined,
  };
}

export function createSimulatedChain(
  database: Database,
  chainId: number,
  facts: FactStore = storeAtOnce(database),
): SimulatedChain {
  const settlements = new Map<string, SimulatedSettlement>();
  const done = new Map<string, IncludedEffect>();
  const effects: string[] = [];
  const failures = new Map<string, Error>();
  let block = 1;
  let logIndex = 0;

  // Salted, so that two simulated chains in one database do not claim the same blocks.
  const salt = randomUUID();
  const hashOf = (text: string) => `0x${createHash('sha256').update(`${salt} ${text}`).digest('hex')}`;
  const known = (id: Uuid) => {
    const settlement = settlements.get(id);
    if (settlement === undefined) throw new Error('the simulated coordinator does not know the settlement');
    return settlement;
  };

  async function fact(
    id: Uuid,
    contract: string,
    name: string,
    args: Record<string, ChainArgument>,
    transactionHash: string,
  ): Promise<void> {
    logIndex += 1;
    await facts.keep({
      chain_id: chainId,
      block_number: block,
      block_hash: hashOf(`block ${block}`),
      log_index: logIndex,
      transaction_hash: transactionHash,
      contract,
      name,
      settlement_id: id,
      arguments: { settlementId: uuidToBytes32(id), ...args },
      block_timestamp: new Date(Date.now() + 2_000),
    });
  }

  async function move(id: Uuid, to: OnChainState, evidenceHash: string, transactionHash: string): Promise<void> {
    const settlement = known(id);
    const from = settlement.state;
    settlement.state = to;
    await fact(
      id,
      COORDINATOR,
      'StateTransition',
      { fromState: `${ON_CHAIN_INDEX[from]}`, toState: `${ON_CHAIN_INDEX[to]}`, evidenceHash },
      transactionHash,
    );
  }

  /** One effect per key: a repeated call answers what the first one did. */
  async function effect(
    intent: EffectIntent,
    happen: (transactionHash: string) => Promise<void>,
  ): Promise<IncludedEffect> {
    const step = intent.effectKey.split(':')[1] ?? '';
    const failure = failures.get(step);
    failures.delete(step);
    if (failure !== undefined) throw failure;
    const before = done.get(intent.effectKey);
    if (before !== undefined) return before;
    if (intent.inTransaction !== undefined) await database.transaction({ kind: 'worker' }, intent.inTransaction);
    block += 1;
    const included = { transactionHash: hashOf(intent.effectKey), blockNumber: block };
    await happen(included.transactionHash);
    done.set(intent.effectKey, included);
    effects.push(intent.effectKey);
    return included;
  }

  const chain: SimulatedChain = {
    chainId,
    coordinator: COORDINATOR,
    registry: REGISTRY,
    escrow: ESCROW,
    attester: ATTESTER,
    effects,
    attesterSet: () => hashOf('attester set'),
    termsHash: (terms) => termsHash({ chainId, coordinator: COORDINATOR }, terms),
    create: (terms, intent) =>
      effect(intent, async (hash) => {
        settlements.set(intent.settlementId, {
          state: 'COMPLIANCE_CHECKING',
          terms,
          statuses: new Map(),
          legsIn: false,
        });
        await fact(intent.settlementId, COORDINATOR, 'SettlementCreated', { termsHash: chain.termsHash(terms) }, hash);
      }),
    attest: (attestations, intent) => effect(intent, (hash) => attest(intent.settlementId, attestations, hash)),
    advance: (digest, intent) =>
      effect(intent, async (hash) => {
        await move(intent.settlementId, 'COMPLIANCE_CLEARED', `0x${'0'.repeat(64)}`, hash);
        await move(intent.settlementId, 'AWAITING_DEPOSITS', digest, hash);
      }),
    rollBack: (evidence, intent) => effect(intent, (hash) => move(intent.settlementId, 'ROLLED_BACK', evidence, hash)),
    timeOut: (intent) => effect(intent, (hash) => move(intent.settlementId, 'TIMED_OUT', `0x${'0'.repeat(64)}`, hash)),
    execute: (_terms, intent) => effect(intent, (hash) => swap(intent.settlementId, hash)),
    refund: (_terms, intent) => effect(intent, async () => undefined),
    stateOf: async (id) => settlements.get(id)?.state,
    allLegsIn: async (id) => known(id).legsIn,
    gateIsOpen: async (id) =>
      [...known(id).statuses.values()].every((status) => status === 'PASS') && known(id).statuses.size > 0,
    statusesOf: async (id, hashes) => hashes.map((hash) => known(id).statuses.get(hash) ?? 'NONE'),
    finalBlock: async () => block,
    headTimeMs: async () => Date.now() + 1_000,
    async depositAndExecute(id, options = {}) {
      const hash = hashOf(`deposit ${id}`);
      const { legs } = known(id).terms.params;
      for (const [index, leg] of legs.entries()) {
        await fact(
          id,
          ESCROW,
          'LegDeposited',
          {
            legIndex: `${index}`,
            depositor: ATTESTER,
            token: leg.token.toLowerCase(),
            tokenId: '0',
            amount: leg.amount.toString(),
          },
          hash,
        );
      }
      known(id).legsIn = true;
      if (options.failExecution === true) await fact(id, ESCROW, 'ExecutionFailed', { reason: '0x' }, hash);
      else await swap(id, hash);
      await wake(
        id,
        hash,
        options.failExecution === true ? ['LegDeposited', 'ExecutionFailed'] : ['LegDeposited', 'StateTransition'],
      );
    },
    failNext: (step, error) => void failures.set(step, error),
  };

  async function attest(id: Uuid, attestations: readonly AttestationInput[], hash: string): Promise<void> {
    const { statuses } = known(id);
    const codes = { NONE: 0, PASS: 1, FLAGGED: 2, FAIL: 3 };
    for (const attestation of attestations) {
      statuses.set(attestation.partyHash, attestation.status);
      await fact(
        id,
        REGISTRY,
        'Attested',
        {
          partyHash: attestation.partyHash,
          attester: ATTESTER,
          status: `${codes[attestation.status]}`,
          referenceHash: hashOf(attestation.reference),
          issuedAt: `${Math.floor(Date.now() / 1_000)}`,
        },
        hash,
      );
    }
  }

  async function swap(id: Uuid, hash: string): Promise<void> {
    await move(id, 'EXECUTING_SWAP', `0x${'0'.repeat(64)}`, hash);
    for (const [index, leg] of known(id).terms.params.legs.entries()) {
      await fact(
        id,
        ESCROW,
        'LegReleased',
        {
          legIndex: `${index}`,
          recipient: ATTESTER,
          token: leg.token.toLowerCase(),
          tokenId: '0',
          amount: leg.amount.toString(),
        },
        hash,
      );
    }
    await move(id, 'FINALIZED', `0x${'0'.repeat(64)}`, hash);
  }

  async function wake(id: Uuid, hash: string, names: string[]): Promise<void> {
    await database.transaction({ kind: 'worker' }, async (transaction) => {
      await facts.beforeWake(transaction, id);
      await enqueueTemporal(
        transaction,
        id,
        'chain_facts',
        { transaction_hash: hash, block_number: block, names },
        { dedupeKey: `facts:${chainId}:${hash}:${id}` },
      );
    });
  }

  return chain;
}
