import type { Client } from '@temporalio/client';
import { Pool } from 'pg';

import { createSettlementActivities } from '../../activities/create-activities.ts';
import { untilLaterSecond } from '../../activities/open.ts';
import { createOutboxRelay } from '../../activities/outbox-relay.ts';
import type { SettlementActivities } from '../../activities/settlement-activities.ts';
import type { ScreeningProvider } from '../../compliance/provider.ts';
import { type ChainEventRow, insertChainEvents } from '../../db/chain-events.ts';
import { enqueueTemporal } from '../../db/outbox.ts';
import { settlementWorkflowId } from '../../domain/ids.ts';
import { generateSigningKey } from '../../keystone/pack.ts';
import { confirmBuyer, type SeededPlatform, seedPlatform, seedSettlement } from '../../test/support/seed-settlement.ts';
import {
  createSimulatedChains,
  type FactStore,
  type SimulatedChains,
} from '../../test/support/simulated-settlement-chain.ts';
import { BENCH_LIMITS } from '../limits.ts';
import type { Contestant, Milestones } from './contestant.ts';
import type { OverheadServers } from './servers.ts';

const CHAIN_ID = 31_337;
const OWNER_POOL_SIZE = 4;

export interface Ours {
  readonly activities: SettlementActivities;
  /** `waits`: with the rule that a decision is a second older than its block, which costs half a second on average. */
  contestant(options: { waits: boolean }): Contestant;
  close(): Promise<void>;
}

interface Setting {
  readonly servers: OverheadServers;
  readonly client: Client;
  readonly taskQueue: string;
  readonly milestones: Milestones;
  readonly say: (line: string) => void;
}

/** Our workflow, activities, outbox and relay on a real PostgreSQL; chain and screening answer at once, webhooks stay in the outbox. */
export async function createOurs(setting: Setting): Promise<Ours> {
  const { servers, milestones, say } = setting;
  const [seller, buyer] = await Promise.all([seedPlatform(servers.ownerUrl), seedPlatform(servers.ownerUrl)]);
  const chains = createSimulatedChains(servers.stub, { home: CHAIN_ID }, createFactStore());
  const owner = new Pool({
    connectionString: servers.ownerUrl,
    max: OWNER_POOL_SIZE,
    statement_timeout: BENCH_LIMITS.statementMs,
    connectionTimeoutMillis: BENCH_LIMITS.statementMs,
  });
  owner.on('error', (error) => say(`note    an idle database connection broke: ${error.message}`));
  const log = {
    info: () => undefined,
    warn: (_fields: object, message: string) => say(`note    ${message}`),
  };
  // Blocks of the benchmark exclude each other, so one switch serves both variants.
  const rule = { waits: true };
  const activities = createSettlementActivities({
    database: servers.worker,
    chains,
    providers: { entity: instantProvider('entity'), wallet: instantProvider('wallet') },
    signingKey: generateSigningKey(),
    identity: 'did:web:bench.local',
    log,
    untilLaterSecond: async (decidedAtMs, context) => {
      if (rule.waits) await untilLaterSecond(decidedAtMs, context);
    },
  });
  const context: Context = { ...setting, seller, buyer, chains, owner, log, rule };
  return {
    activities: {
      ...activities,
      open: async (input) => {
        const progress = await activities.open(input);
        milestones.reached(input.settlementId, 'opened');
        return progress;
      },
    },
    contestant: ({ waits }) => createContestant(context, waits),
    close: () => owner.end(),
  };
}

interface Context extends Setting {
  readonly seller: SeededPlatform;
  readonly buyer: SeededPlatform;
  readonly chains: SimulatedChains;
  readonly owner: Pool;
  readonly log: Parameters<typeof createOutboxRelay>[0]['log'];
  readonly rule: { waits: boolean };
}

function createContestant(context: Context, waits: boolean): Contestant {
  const { servers, client, taskQueue, seller, buyer, owner, log, rule } = context;
  let running: { stopping: AbortController; relay: Promise<void> } | undefined;
  return {
    name: waits ? 'ours, with the one-second rule' : 'ours',
    async prepare(count) {
      const seeds = Array.from({ length: count }, () =>
        seedSettlement({ database: servers.api, seller, buyer, chainId: CHAIN_ID, awaitingConfirmation: true }),
      );
      const ids = await Promise.all(seeds);
      // The relay would start them as soon as it runs; each is to start when its turn comes.
      await owner.query(`UPDATE keystone.outbox SET leased_until = 'infinity' WHERE settlement_id = ANY($1)`, [ids]);
      return ids;
    },
    begin() {
      rule.waits = waits;
      const stopping = new AbortController();
      const relay = createOutboxRelay({ database: servers.worker, client, taskQueue, log });
      running = { stopping, relay: relay.run(stopping.signal) };
    },
    async end() {
      running?.stopping.abort();
      await running?.relay;
    },
    run: (id) => settle(context, id),
    statements: () => ({
      worker: servers.worker.statementCount(),
      api: servers.api.statementCount(),
      'stub of the chain': servers.stub.statementCount(),
    }),
  };
}

async function settle({ servers, client, milestones, buyer, chains, owner }: Context, id: string): Promise<string> {
  const opened = milestones.awaitPoint(id, 'opened');
  await owner.query(
    `WITH released AS (UPDATE keystone.outbox SET leased_until = NULL WHERE settlement_id = $1 AND destination = 'temporal' RETURNING 1)
     SELECT pg_notify('keystone_outbox', 'temporal') FROM released`,
    [id],
  );
  await confirmBuyer(servers.api, buyer, id);
  await servers.api.transaction({ kind: 'tenant', environmentId: buyer.environmentId }, (transaction) =>
    enqueueTemporal(transaction, id, 'confirmation', {}),
  );
  await opened;
  await servers.stub.transaction({ kind: 'worker' }, (transaction) =>
    enqueueTemporal(transaction, id, 'chain_facts', {
      chain_id: CHAIN_ID,
      transaction_hash: `first deposit of ${id}`,
      block_number: 1,
      names: ['LegDeposited'],
    }),
  );
  await chains.depositAndExecute(id);
  const workflowId = settlementWorkflowId(id);
  await client.withDeadline(Date.now() + BENCH_LIMITS.stubbedSettlementMs, async () => {
    const outcome = (await client.workflow.getHandle(workflowId).result()) as { state?: string };
    if (outcome.state !== 'FINALIZED') throw new Error(`a settlement of ours ended as ${outcome.state ?? 'unknown'}`);
  });
  return workflowId;
}

/** Facts of a settlement together, in the transaction that wakes its workflow: one statement, as the indexer stores a block's. */
function createFactStore(): FactStore {
  const kept = new Map<string, ChainEventRow[]>();
  return {
    async keep(fact) {
      const id = fact.settlement_id ?? '';
      kept.set(id, [...(kept.get(id) ?? []), fact]);
    },
    async beforeWake(transaction, settlementId) {
      await insertChainEvents(transaction, kept.get(settlementId) ?? []);
      kept.delete(settlementId);
    },
  };
}

/** SIMULATED: passes everybody, at once. */
function instantProvider(kind: 'entity' | 'wallet'): ScreeningProvider {
  return {
    name: `stub of ${kind} screening`,
    kind,
    screen: async (request) => ({
      status: 'PASS',
      provider: 'bench',
      referenceId: request.caseId,
      reasonCode: 'CLEAR',
      policyVersion: 'bench-1',
      screenedAtMs: Date.now(),
      simulated: true,
    }),
    health: () => {
      throw new Error('the benchmark asks no provider how it is');
    },
  };
}
