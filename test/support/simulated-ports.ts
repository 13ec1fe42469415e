import type {
  AttestationStatus,
  EscrowChain,
  HomeChain,
  MessageIntent,
  RemoteChain,
} from '../../activities/dependencies.ts';
import type { MessageKind } from '../../chain/coordinator.ts';
import { termsHash } from '../../chain/terms.ts';
import type { Uuid } from '../../domain/ids.ts';
import {
  deadlineMsOf,
  legBitsOn,
  reverted,
  SIMULATED,
  type SimulatedSettlement,
  ZERO_HASH,
} from './simulated-settlement.ts';
import type { World } from './simulated-world.ts';

/** SIMULATED: the ports of the steps onto the world of simulated-world.ts. */

function escrowPort(
  world: World,
  chainId: number,
  act: { execute(id: Uuid, hash: string): Promise<void>; beforeRefund(id: Uuid): Promise<void> },
): EscrowChain {
  return {
    chainId,
    escrow: SIMULATED.escrow(chainId),
    execute: (_terms, _openings, intent) =>
      world.effect(chainId, intent, (hash) => act.execute(intent.settlementId, hash)),
    refund: (_terms, openings, intent) =>
      world.effect(chainId, intent, async (hash) => {
        await act.beforeRefund(intent.settlementId);
        await world.refund(intent.settlementId, chainId, openings, hash);
      }),
    async headTimeMs() {
      world.reachable(chainId);
      return world.nowMs() + 1_000 + world.controls.headOffsetMs;
    },
  };
}

export function homePort(world: World): HomeChain {
  const { homeChainId: chainId, controls } = world;
  const here = <Result>(value: Result): Promise<Result> => {
    world.reachable(chainId);
    return Promise.resolve(value);
  };
  const setOf = (name: string) => world.hashOf(`attester set ${name}`);
  const send = (kind: MessageKind, to: number, intent: MessageIntent) =>
    world.effect(chainId, intent, (hash) =>
      world.send({ kind, settlementId: intent.settlementId, from: chainId, to }, hash),
    );
  return {
    ...escrowPort(world, chainId, {
      execute: (id, hash) => world.executeHome(id, hash),
      async beforeRefund(id) {
        if (!['ROLLED_BACK', 'TIMED_OUT'].includes(world.known(id).state)) throw reverted('RefundNotAvailable');
      },
    }),
    coordinator: SIMULATED.coordinator,
    registry: SIMULATED.registry,
    oracle: SIMULATED.oracle,
    attesterSet: setOf,
    membersOf: (set) => {
      const named = [...controls.members].find(([name]) => setOf(name) === set);
      return here(named?.[1] ?? { attesters: [SIMULATED.oracle], threshold: 1 });
    },
    termsHash: (terms) => termsHash({ chainId, coordinator: SIMULATED.coordinator }, terms),
    create: (terms, intent) =>
      world.effect(chainId, intent, (hash) =>
        world.create(
          intent.settlementId,
          terms,
          termsHash({ chainId, coordinator: SIMULATED.coordinator }, terms),
          hash,
        ),
      ),
    attest: (attestations, intent) =>
      world.effect(chainId, intent, (hash) => world.attest(intent.settlementId, SIMULATED.oracle, attestations, hash)),
    advance: (digest, intent) =>
      world.effect(chainId, intent, async (hash) => {
        await world.move(intent.settlementId, 'COMPLIANCE_CLEARED', ZERO_HASH, hash);
        await world.move(intent.settlementId, 'AWAITING_DEPOSITS', digest, hash);
      }),
    rollBack: (evidence, intent) =>
      world.effect(chainId, intent, (hash) => world.move(intent.settlementId, 'ROLLED_BACK', evidence, hash)),
    timeOut: (intent) =>
      world.effect(chainId, intent, async (hash) => {
        if (world.nowMs() + 1_000 < timeoutDueMs(world, intent.settlementId)) throw reverted('TimeoutNotDue');
        await world.move(intent.settlementId, 'TIMED_OUT', ZERO_HASH, hash);
      }),
    quoteOpen: () => here(SIMULATED.feeWei),
    sendOpen: (_terms, to, intent) => send('OPEN', to, intent),
    quoteDecision: () => here(SIMULATED.feeWei),
    sendDecision: (to, intent) => {
      const { state } = world.known(intent.settlementId);
      return send(['EXECUTING_SWAP', 'FINALIZED'].includes(state) ? 'EXECUTE' : 'ROLLBACK', to, intent);
    },
    async statusOf(id) {
      world.reachable(chainId);
      const settlement = world.find(id);
      if (settlement === undefined) return undefined;
      return {
        state: settlement.state,
        deadlineMs: deadlineMsOf(settlement),
        legBits: legBitsOn(settlement, chainId),
        depositedBits: settlement.depositedBits,
        refundedBits: settlement.refundedBits,
        executed: settlement.executed,
        preparedChains: [...settlement.prepared],
        executedChains: [...settlement.executedChains],
      };
    },
    messageGraceMs: () => here(SIMULATED.graceMs),
    gateIsOpen: (id) => here(gateIsOpen(world, world.known(id))),
    statusesOf: (id, hashes, attester) =>
      here(hashes.map((hash): AttestationStatus => world.known(id).words.get(`${hash}/${attester}`) ?? 'NONE')),
    finalBlock: () => here(world.blockNumber()),
  };
}

function timeoutDueMs(world: World, id: Uuid): number {
  const settlement = world.known(id);
  const complete =
    settlement.state === 'AWAITING_DEPOSITS' && settlement.depositedBits === legBitsOn(settlement, world.homeChainId);
  return deadlineMsOf(settlement) + (complete ? SIMULATED.graceMs : 0);
}

/** Enough Passes for every party, and nothing else from anybody. */
function gateIsOpen(world: World, settlement: SimulatedSettlement): boolean {
  const members = [...world.controls.members].find(
    ([name]) => world.hashOf(`attester set ${name}`) === settlement.terms.params.attesterSet,
  )?.[1] ?? { attesters: [SIMULATED.oracle], threshold: 1 };
  return settlement.terms.params.partyHashes.every((hash) => {
    const words = members.attesters.map((attester) => settlement.words.get(`${hash}/${attester}`) ?? 'NONE');
    if (words.includes('FAIL') || words.includes('FLAGGED')) return false;
    return words.filter((word) => word === 'PASS').length >= members.threshold;
  });
}

export function remotePort(world: World, chainId: number): RemoteChain {
  return {
    ...escrowPort(world, chainId, {
      async execute(id, hash) {
        const remote = world.remoteOf(id, chainId);
        if (remote.phase !== 'EXECUTE_DECIDED') throw reverted('NothingToExecute');
        await world.payOut(id, chainId, hash);
        remote.phase = 'EXECUTED';
        await world.fact(id, chainId, SIMULATED.gateway(chainId), 'RemoteExecuted', {}, hash);
      },
      async beforeRefund(id) {
        const remote = world.remoteOf(id, chainId);
        const past = world.nowMs() + 1_000 >= deadlineMsOf(world.known(id));
        if (remote.phase === 'OPEN' && past) {
          remote.phase = 'ROLLED_BACK';
          const args = { reason: '2' };
          await world.fact(
            id,
            chainId,
            SIMULATED.gateway(chainId),
            'RemoteRolledBack',
            args,
            world.hashOf(`own ${id}`),
          );
        } else if (remote.phase !== 'ROLLED_BACK') throw reverted('RefundNotAvailable');
      },
    }),
    gateway: SIMULATED.gateway(chainId),
    async statusOf(id) {
      world.reachable(chainId);
      const settlement = world.find(id);
      const remote = settlement?.remotes.get(chainId);
      if (settlement === undefined || remote === undefined) {
        return { phase: 'NONE', deadlineMs: 0, legBits: 0, depositedBits: 0, refundedBits: 0 };
      }
      const opened = remote.phase !== 'NONE';
      return {
        ...remote,
        deadlineMs: opened ? deadlineMsOf(settlement) : 0,
        legBits: opened ? legBitsOn(settlement, chainId) : 0,
      };
    },
    async quoteVote() {
      world.reachable(chainId);
      return SIMULATED.feeWei;
    },
    sendVote: (intent) =>
      world.effect(chainId, intent, (hash) => {
        const { phase } = world.remoteOf(intent.settlementId, chainId);
        const kind = phase === 'EXECUTED' ? 'EXECUTED' : 'PREPARED';
        if (phase !== 'PREPARED' && phase !== 'EXECUTED') throw reverted('NothingToVote');
        return world.send({ kind, settlementId: intent.settlementId, from: chainId, to: world.homeChainId }, hash);
      }),
  };
}
