import { createHash, randomUUID } from 'node:crypto';

import type { AttestationStatus, EffectIntent, IncludedEffect, LegOpenings } from '../../activities/dependencies.ts';
import { MESSAGE_KIND, type MessageKind } from '../../chain/coordinator.ts';
import { walletOf } from '../../chain/terms-of-work.ts';
import type { SettlementTerms } from '../../chain/terms.ts';
import type { ChainArgument } from '../../db/chain-events.ts';
import { enqueueTemporal } from '../../db/outbox.ts';
import type { Database } from '../../db/pool.ts';
import { readSettlementWork } from '../../db/settlement-work.ts';
import { type Uuid, uuidToBytes32 } from '../../domain/ids.ts';
import { ON_CHAIN_INDEX, type OnChainState } from '../../domain/settlement-state.ts';
import {
  allExecuted,
  allPrepared,
  type FactStore,
  legBitsOn,
  legsIn,
  newSettlement,
  reverted,
  SIMULATED,
  type SimulatedMessage,
  type SimulatedSettlement,
  ZERO_HASH,
} from './simulated-settlement.ts';

const STATUS_CODES = { NONE: 0, PASS: 1, FLAGGED: 2, FAIL: 3 } as const;

/** What the two ports are made of. */
export type World = ReturnType<typeof createWorld>;

/** SIMULATED: all contracts of all chains, in memory. */
export function createWorld(database: Database, homeChainId: number, store: FactStore) {
  const settlements = new Map<string, SimulatedSettlement>();
  const done = new Map<string, IncludedEffect>();
  const failures = new Map<string, Error>();
  const cut = new Map<number, Error>();
  let block = 1;
  let logIndex = 0;
  // Salted, so that two simulated chains in one database do not claim the same blocks.
  const salt = randomUUID();
  const hashOf = (text: string) => `0x${createHash('sha256').update(`${salt} ${text}`).digest('hex')}`;

  const find = (id: Uuid) => settlements.get(id);
  const known = (id: Uuid): SimulatedSettlement => {
    const settlement = find(id);
    if (settlement === undefined) throw new Error('the simulated coordinator does not know the settlement');
    return settlement;
  };
  const remoteOf = (id: Uuid, chainId: number) => {
    const remote = known(id).remotes.get(chainId);
    if (remote === undefined) throw new Error(`the simulated settlement has no legs on chain ${chainId}`);
    return remote;
  };
  const reachable = (chainId: number) => {
    const error = cut.get(chainId);
    if (error !== undefined) throw error;
  };
  const nowMs = () => Date.now() + controls.clockOffsetMs;

  async function fact(
    id: Uuid,
    chainId: number,
    contract: string,
    name: string,
    args: Record<string, ChainArgument>,
    hash: string,
  ): Promise<void> {
    logIndex += 1;
    await store.keep({
      chain_id: chainId,
      block_number: block,
      block_hash: hashOf(`block ${chainId} ${block}`),
      log_index: logIndex,
      transaction_hash: hash,
      contract,
      name,
      settlement_id: id,
      arguments: { settlementId: uuidToBytes32(id), ...args },
      block_timestamp: new Date(nowMs() + 2_000),
    });
  }

  async function move(id: Uuid, to: OnChainState, evidenceHash: string, hash: string): Promise<void> {
    const settlement = known(id);
    const args = { fromState: `${ON_CHAIN_INDEX[settlement.state]}`, toState: `${ON_CHAIN_INDEX[to]}`, evidenceHash };
    settlement.state = to;
    await fact(id, homeChainId, SIMULATED.coordinator, 'StateTransition', args, hash);
  }

  /** One effect per key: a repeated call answers what the first one did. */
  async function effect(
    chainId: number,
    intent: EffectIntent,
    happen: (hash: string) => Promise<void>,
  ): Promise<IncludedEffect> {
    reachable(chainId);
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
    controls.effects.push(intent.effectKey);
    return included;
  }

  async function create(id: Uuid, terms: SettlementTerms, termsHash: string, hash: string): Promise<void> {
    const work = await database.statement((transaction) => readSettlementWork(transaction, id));
    const payees = (work?.legs ?? []).map((leg) => {
      const party = work?.parties.find(({ role }) => role === leg.payee_role);
      if (party === undefined) throw new Error('a leg of the simulated settlement has no payee');
      return walletOf(party, leg.chain_id, 'receive');
    });
    settlements.set(id, newSettlement(terms, payees, homeChainId));
    await fact(id, homeChainId, SIMULATED.coordinator, 'SettlementCreated', { termsHash }, hash);
  }

  async function send(message: SimulatedMessage, hash: string): Promise<void> {
    const contract = message.from === homeChainId ? SIMULATED.coordinator : SIMULATED.gateway(message.from);
    const args = { chainId: `${message.to}`, kind: `${MESSAGE_KIND[message.kind]}`, guid: hashOf(randomUUID()) };
    await fact(message.settlementId, message.from, contract, 'MessageSent', args, hash);
    controls.inTransit.push(message);
    if (!controls.holdMessages) await controls.deliver();
  }

  /** What the receiving contract does, in whatever order and however often messages come. */
  async function land({ kind, settlementId: id, from, to }: SimulatedMessage): Promise<void> {
    block += 1;
    const hash = hashOf(`message ${randomUUID()}`);
    const settlement = known(id);
    const code = { kind: `${MESSAGE_KIND[kind]}` };
    if (kind === 'PREPARED' || kind === 'EXECUTED') {
      const counted = kind === 'PREPARED' ? settlement.prepared : settlement.executedChains;
      const inTime = kind === 'EXECUTED' || settlement.state === 'AWAITING_DEPOSITS';
      const counts = inTime && !counted.has(from);
      if (counts) counted.add(from);
      const name = counts ? 'VoteCounted' : 'VoteIgnored';
      await fact(id, homeChainId, SIMULATED.coordinator, name, { chainId: `${from}`, ...code }, hash);
      await decideIfDue(id, hash);
      return;
    }
    const remote = remoteOf(id, to);
    const at = (name: string, args: Record<string, ChainArgument>) =>
      fact(id, to, SIMULATED.gateway(to), name, args, hash);
    if (kind === 'OPEN' && remote.phase === 'NONE') {
      remote.phase = 'OPEN';
      await at('RemoteOpened', { termsHash: ZERO_HASH, deadline: '0', legBits: `${legBitsOn(settlement, to)}` });
    } else if (kind === 'EXECUTE' && remote.phase === 'PREPARED') {
      remote.phase = 'EXECUTE_DECIDED';
      await at('DecisionReceived', code);
    } else if (kind === 'ROLLBACK' && ['NONE', 'OPEN', 'PREPARED'].includes(remote.phase)) {
      const reason = remote.phase === 'NONE' ? '4' : '1';
      remote.phase = 'ROLLED_BACK';
      await at('DecisionReceived', code);
      await at('RemoteRolledBack', { reason });
    } else await at('MessageIgnored', code);
  }

  async function decideIfDue(id: Uuid, hash: string): Promise<void> {
    const settlement = known(id);
    const homeBits = legBitsOn(settlement, homeChainId);
    const complete = settlement.depositedBits === homeBits;
    if (settlement.state === 'AWAITING_DEPOSITS' && complete && allPrepared(settlement)) {
      await move(id, 'EXECUTING_SWAP', ZERO_HASH, hash);
      if (homeBits === 0) settlement.executed = true;
    }
    if (settlement.state === 'EXECUTING_SWAP' && allExecuted(settlement)) await move(id, 'FINALIZED', ZERO_HASH, hash);
  }

  async function payOut(id: Uuid, chainId: number, hash: string): Promise<void> {
    const settlement = known(id);
    for (const index of legsIn(legBitsOn(settlement, chainId))) {
      const leg = settlement.terms.params.legs[index];
      if (leg === undefined) continue;
      const shared = { legIndex: `${index}`, token: leg.token.toLowerCase(), tokenId: '0' };
      let rest = leg.amount;
      for (const fee of leg.fees) {
        rest -= fee.amount;
        const paid = { ...shared, recipient: fee.recipient.toLowerCase(), amount: `${fee.amount}` };
        await fact(id, chainId, SIMULATED.escrow(chainId), 'FeePaid', paid, hash);
      }
      const recipient = settlement.payees[index]?.wallet ?? '';
      await fact(
        id,
        chainId,
        SIMULATED.escrow(chainId),
        'LegReleased',
        { ...shared, recipient, amount: `${rest}` },
        hash,
      );
    }
  }

  async function executeHome(id: Uuid, hash: string): Promise<void> {
    const settlement = known(id);
    if (settlement.executed) throw reverted('NothingToExecute');
    if (settlement.depositedBits !== legBitsOn(settlement, homeChainId)) throw reverted('LegsMissing');
    if (!allPrepared(settlement)) throw reverted('VotesMissing');
    if (settlement.state === 'AWAITING_DEPOSITS') await move(id, 'EXECUTING_SWAP', ZERO_HASH, hash);
    await payOut(id, homeChainId, hash);
    settlement.executed = true;
    if (allExecuted(settlement)) await move(id, 'FINALIZED', ZERO_HASH, hash);
  }

  async function refund(id: Uuid, chainId: number, openings: LegOpenings, hash: string): Promise<void> {
    const settlement = known(id);
    const money = chainId === homeChainId ? settlement : remoteOf(id, chainId);
    const asked = openings.reduce((bits, opening, index) => (opening === null ? bits : bits | (1 << index)), 0);
    const due = money.depositedBits & ~money.refundedBits;
    if (due === 0) throw reverted('NothingToRefund');
    if ((asked & due) !== due) throw reverted('the payers of all legs have to be opened');
    money.refundedBits = money.depositedBits;
    for (const index of legsIn(due)) {
      await fact(id, chainId, SIMULATED.escrow(chainId), 'LegRefunded', { legIndex: `${index}` }, hash);
    }
  }

  async function attest(
    id: Uuid,
    attester: string,
    words: readonly { partyHash: string; status: Exclude<AttestationStatus, 'NONE'>; reference: string }[],
    hash: string,
  ): Promise<void> {
    for (const { partyHash, status, reference } of words) {
      known(id).words.set(`${partyHash}/${attester}`, status);
      const args = {
        partyHash,
        attester,
        status: `${STATUS_CODES[status]}`,
        referenceHash: hashOf(reference),
        issuedAt: `${Math.floor(Date.now() / 1_000)}`,
      };
      await fact(id, homeChainId, SIMULATED.registry, 'Attested', args, hash);
    }
  }

  async function deposit(id: Uuid, chainId: number, hash: string, failExecution: boolean): Promise<string[]> {
    const settlement = known(id);
    const bits = legBitsOn(settlement, chainId);
    for (const index of legsIn(bits)) {
      const leg = settlement.terms.params.legs[index];
      const paid = { legIndex: `${index}`, depositor: SIMULATED.oracle, token: leg?.token.toLowerCase() ?? '' };
      const args = { ...paid, tokenId: '0', amount: `${leg?.amount}` };
      await fact(id, chainId, SIMULATED.escrow(chainId), 'LegDeposited', args, hash);
      await fact(id, chainId, SIMULATED.escrow(chainId), 'LegOpened', { legIndex: `${index}` }, hash);
    }
    if (chainId !== homeChainId) {
      const remote = remoteOf(id, chainId);
      if (remote.phase !== 'OPEN') throw reverted('DepositsNotOpen');
      remote.depositedBits = bits;
      remote.phase = 'PREPARED';
      await fact(id, chainId, SIMULATED.gateway(chainId), 'RemotePrepared', {}, hash);
      return ['LegDeposited', 'LegOpened', 'RemotePrepared'];
    }
    if (settlement.state !== 'AWAITING_DEPOSITS') throw reverted('DepositsNotOpen');
    settlement.depositedBits = bits;
    if (!allPrepared(settlement)) return ['LegDeposited', 'LegOpened'];
    if (failExecution) {
      await fact(id, chainId, SIMULATED.escrow(chainId), 'ExecutionFailed', { reason: '0x' }, hash);
      return ['LegDeposited', 'LegOpened', 'ExecutionFailed'];
    }
    await executeHome(id, hash);
    return ['LegDeposited', 'LegOpened', 'StateTransition'];
  }

  async function wake(id: Uuid, chainId: number, hash: string, names: string[]): Promise<void> {
    await database.transaction({ kind: 'worker' }, async (transaction) => {
      await store.beforeWake(transaction, id);
      const payload = { chain_id: chainId, transaction_hash: hash, block_number: block, names };
      await enqueueTemporal(transaction, id, 'chain_facts', payload, { dedupeKey: `facts:${chainId}:${hash}:${id}` });
    });
  }

  const controls = {
    effects: [] as string[],
    inTransit: [] as SimulatedMessage[],
    holdMessages: false,
    members: new Map([['default', { attesters: [SIMULATED.oracle], threshold: 1 }]]),
    clockOffsetMs: 0,
    headOffsetMs: 0,
    async deliver(kinds?: readonly MessageKind[]) {
      const landing = controls.inTransit.filter(({ kind }) => kinds === undefined || kinds.includes(kind));
      for (const message of landing) {
        controls.inTransit.splice(controls.inTransit.indexOf(message), 1);
        await land(message);
      }
    },
    drop: () => void controls.inTransit.splice(0),
    async deposit(id: Uuid, chainId: number, options: { failExecution?: boolean } = {}) {
      block += 1;
      const hash = hashOf(`deposit ${chainId} ${id}`);
      await wake(id, chainId, hash, await deposit(id, chainId, hash, options.failExecution === true));
    },
    depositAndExecute: (id: Uuid, options?: { failExecution?: boolean }) => controls.deposit(id, homeChainId, options),
    async attestAs(attester: string, id: Uuid, status: Exclude<AttestationStatus, 'NONE'>) {
      block += 1;
      const hash = hashOf(`attestation of ${attester} ${randomUUID()}`);
      const words = known(id).terms.params.partyHashes.map((partyHash) => ({ partyHash, status, reference: hash }));
      await attest(id, attester, words, hash);
      await wake(id, homeChainId, hash, ['Attested']);
    },
    async endByStranger(id: Uuid) {
      block += 1;
      await move(id, 'TIMED_OUT', ZERO_HASH, hashOf(`stranger ${id}`));
    },
    failNext: (step: string, error: Error) => void failures.set(step, error),
    cutOff(chainId: number, error: Error | undefined) {
      if (error === undefined) cut.delete(chainId);
      else cut.set(chainId, error);
    },
  };

  return {
    homeChainId,
    controls,
    find,
    known,
    remoteOf,
    reachable,
    nowMs,
    blockNumber: () => block,
    hashOf,
    fact,
    move,
    effect,
    create,
    send,
    payOut,
    executeHome,
    refund,
    attest,
  };
}
