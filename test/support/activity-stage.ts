import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';

import { createSettlementActivities } from '../../activities/create-activities.ts';
import type { ActivityDependencies } from '../../activities/dependencies.ts';
import type { SettlementActivities } from '../../activities/settlement-activities.ts';
import type { StepLimits } from '../../activities/step-limits.ts';
import type { ScreeningOutcome, ScreeningProvider } from '../../compliance/provider.ts';
import type { Uuid } from '../../domain/ids.ts';
import { generateSigningKey } from '../../keystone/pack.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { createSimulatedChains, type SimulatedChains } from './simulated-settlement-chain.ts';
import { type SeededPlatform, type SeedOptions, seedPlatform, seedSettlement } from './seed-settlement.ts';

export const HOME_CHAIN = 31_337;
export const REMOTE_CHAIN = 43_113;

/** The activities on a real PostgreSQL and simulated chains, run one by one as a worker would. */
export interface ActivityStage {
  readonly db: TestDatabase;
  /** New with every `reset`, as are the answers and the questions. */
  chains: SimulatedChains;
  answers: Partial<Record<'entity' | 'wallet', () => Promise<ScreeningOutcome>>>;
  /** Case ids in the order in which providers were asked. */
  asked: string[];
  reset(options?: { limits?: Partial<StepLimits> }): void;
  run<Name extends keyof SettlementActivities>(
    name: Name,
    input: Parameters<SettlementActivities[Name]>[0],
    attempt?: number,
    dueSinceMs?: number,
  ): Promise<Awaited<ReturnType<SettlementActivities[Name]>>>;
  /** Several steps of one settlement, one after the other. */
  walk(settlementId: Uuid, ...steps: readonly ('register' | 'screen' | 'attest' | 'open')[]): Promise<void>;
  seed(options?: Partial<SeedOptions>): Promise<Uuid>;
  row(id: Uuid): Promise<Record<string, unknown>>;
  eventsOf(id: Uuid): Promise<string[]>;
  proofOf(id: Uuid): Promise<Record<string, unknown> | undefined>;
  close(): Promise<void>;
}

export const screeningOutcome = (status: ScreeningOutcome['status'], kind: string): ScreeningOutcome => ({
  status,
  provider: 'test',
  referenceId: `reference of ${kind}`,
  reasonCode: `${status}_CODE`,
  policyVersion: 'test-1',
  screenedAtMs: Date.now(),
  simulated: true,
});

export async function createActivityStage(): Promise<ActivityStage> {
  const db = await createTestDatabase();
  const [seller, buyer]: SeededPlatform[] = await Promise.all([seedPlatform(db.ownerUrl), seedPlatform(db.ownerUrl)]);
  if (seller === undefined || buyer === undefined) throw new Error('the platforms were not seeded');
  const query = <Row extends object>(text: string, id: Uuid) =>
    db.worker.transaction({ kind: 'worker' }, (transaction) => transaction.query<Row>(text, [id]));
  let activities: SettlementActivities | undefined;

  const provider = (kind: 'entity' | 'wallet'): ScreeningProvider => ({
    name: `test ${kind}`,
    kind,
    screen: (request) => {
      stage.asked.push(request.caseId);
      return (stage.answers[kind] ?? (async () => screeningOutcome('PASS', kind)))();
    },
    health: () => {
      throw new Error('not asked here');
    },
  });

  const stage: ActivityStage = {
    db,
    chains: createSimulatedChains(db.worker, { home: HOME_CHAIN, remotes: [REMOTE_CHAIN] }),
    answers: {},
    asked: [],
    reset(options = {}) {
      stage.answers = {};
      stage.asked = [];
      stage.chains = createSimulatedChains(db.worker, { home: HOME_CHAIN, remotes: [REMOTE_CHAIN] });
      const dependencies: ActivityDependencies = {
        database: db.worker,
        chains: stage.chains,
        providers: { entity: provider('entity'), wallet: provider('wallet') },
        signingKey: generateSigningKey(),
        identity: 'did:web:test.local',
        log: { info: () => undefined, warn: () => undefined },
        // Simulated facts are final at once: what is not there will not come by waiting.
        limits: { factWaitMs: 0, ...options.limits },
      };
      activities = createSettlementActivities(dependencies);
    },
    async run(name, input, attempt = 1, dueSinceMs = Date.now()) {
      const environment = new MockActivityEnvironment(
        { attempt, scheduledTimestampMs: dueSinceMs },
        { logger: new DefaultLogger('ERROR') },
      );
      return environment.run(activities?.[name] as never, input as never) as never;
    },
    async walk(settlementId, ...steps) {
      for (const step of steps) await stage.run(step, { settlementId });
    },
    seed: (options = {}) => seedSettlement({ database: db.api, seller, buyer, chainId: HOME_CHAIN, ...options }),
    async row(id) {
      return (await query<Record<string, unknown>>('SELECT * FROM keystone.settlements WHERE id = $1', id))[0] ?? {};
    },
    async eventsOf(id) {
      const rows = await query<{ type: string }>(
        'SELECT type FROM keystone.settlement_events WHERE settlement_id = $1 ORDER BY sequence',
        id,
      );
      return rows.map((event) => event.type);
    },
    async proofOf(id) {
      const rows = await query<{ pack: string }>('SELECT pack FROM keystone.proofs WHERE settlement_id = $1', id);
      return rows[0] === undefined ? undefined : (JSON.parse(rows[0].pack) as Record<string, unknown>);
    },
    close: () => db.drop(),
  };
  stage.reset();
  return stage;
}
