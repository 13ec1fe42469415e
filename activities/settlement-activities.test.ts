import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';

import { type ScreeningOutcome, type ScreeningProvider, ScreeningUnavailable } from '../compliance/provider.ts';
import { KeystoneError } from '../domain/errors.ts';
import type { Uuid } from '../domain/ids.ts';
import { generateSigningKey } from '../keystone/pack.ts';
import { createTestDatabase, type TestDatabase } from '../test/support/database.ts';
import { createSimulatedChain, type SimulatedChain } from '../test/support/simulated-settlement-chain.ts';
import { type SeededPlatform, seedPlatform, seedSettlement } from '../test/support/seed-settlement.ts';
import { createSettlementActivities } from './create-activities.ts';
import { UNEXPECTED_ATTEMPTS } from './retry.ts';
import type { SettlementActivities } from './settlement-activities.ts';

const CHAIN_ID = 31_337;
let db: TestDatabase;
let seller: SeededPlatform;
let buyer: SeededPlatform;
let chain: SimulatedChain;
let activities: SettlementActivities;
let answers: Partial<Record<'entity' | 'wallet', () => Promise<ScreeningOutcome>>>;
let asked: string[];

const outcome = (status: ScreeningOutcome['status'], kind: string): ScreeningOutcome => ({
  status,
  provider: 'test',
  referenceId: `reference of ${kind}`,
  reasonCode: `${status}_CODE`,
  policyVersion: 'test-1',
  screenedAtMs: Date.now(),
  simulated: true,
});

function provider(kind: 'entity' | 'wallet'): ScreeningProvider {
  return {
    name: `test ${kind}`,
    kind,
    screen: (request) => {
      asked.push(request.caseId);
      return (answers[kind] ?? (async () => outcome('PASS', kind)))();
    },
    health: () => {
      throw new Error('not asked here');
    },
  };
}

beforeAll(async () => {
  db = await createTestDatabase();
  [seller, buyer] = await Promise.all([seedPlatform(db.ownerUrl), seedPlatform(db.ownerUrl)]);
}, 60_000);
afterAll(() => db.drop());
beforeEach(() => {
  answers = {};
  asked = [];
  chain = createSimulatedChain(db.worker, CHAIN_ID);
  activities = createSettlementActivities({
    database: db.worker,
    chain,
    providers: { entity: provider('entity'), wallet: provider('wallet') },
    signingKey: generateSigningKey(),
    identity: 'did:web:test.local',
    log: { info: () => undefined, warn: () => undefined },
  });
});

/** Runs one activity as a worker would. */
async function run<Name extends keyof SettlementActivities>(
  name: Name,
  input: Parameters<SettlementActivities[Name]>[0],
  attempt = 1,
): Promise<Awaited<ReturnType<SettlementActivities[Name]>>> {
  const environment = new MockActivityEnvironment({ attempt }, { logger: new DefaultLogger('ERROR') });
  return environment.run(activities[name] as never, input as never) as never;
}

const seed = (options: { awaitingConfirmation?: boolean; deadlineMs?: number } = {}) =>
  seedSettlement({ database: db.api, seller, buyer, chainId: CHAIN_ID, ...options });

async function row(id: Uuid): Promise<Record<string, unknown>> {
  const rows = await db.worker.transaction({ kind: 'worker' }, (transaction) =>
    transaction.query('SELECT * FROM keystone.settlements WHERE id = $1', [id]),
  );
  return rows[0] ?? {};
}

async function eventsOf(id: Uuid): Promise<string[]> {
  const rows = await db.worker.transaction({ kind: 'worker' }, (transaction) =>
    transaction.query<{ type: string }>(
      'SELECT type FROM keystone.settlement_events WHERE settlement_id = $1 ORDER BY sequence',
      [id],
    ),
  );
  return rows.map((event) => event.type);
}

describe('the steps of a happy settlement', () => {
  it('leave a finalised row, one event per state, a proof, and nothing twice when each is repeated', async () => {
    const settlementId = await seed();
    for (const step of ['register', 'screen', 'attest', 'open'] as const) {
      await run(step, { settlementId });
      await run(step, { settlementId }, 2);
    }
    await chain.depositAndExecute(settlementId);
    expect(await run('finalise', { settlementId })).toMatchObject({ state: 'FINALIZED', executionDue: false });
    expect(await run('finalise', { settlementId })).toMatchObject({ state: 'FINALIZED' });

    expect(await eventsOf(settlementId)).toEqual([
      'settlement.state.awaiting_confirmation',
      'settlement.confirmation_required',
      'settlement.state.instructed',
      'settlement.state.compliance_checking',
      'settlement.compliance.cleared',
      'settlement.state.compliance_cleared',
      'settlement.state.awaiting_deposits',
      'settlement.state.executing_swap',
      'settlement.state.finalized',
    ]);
    expect(chain.effects).toEqual([`${settlementId}:register:1`, `${settlementId}:attest:1`, `${settlementId}:open:1`]);
    expect(asked).toHaveLength(4);
    const proofs = await db.worker.transaction({ kind: 'worker' }, (transaction) =>
      transaction.query<{ pack: string }>('SELECT pack FROM keystone.proofs WHERE settlement_id = $1', [settlementId]),
    );
    expect(JSON.parse(proofs[0]?.pack ?? '{}')).toMatchObject({ kind: 'settlement', settlement_id: settlementId });
  });

  it('anchor the digest of one set of signatures, whoever retries', async () => {
    const settlementId = await seed();
    for (const step of ['register', 'screen', 'attest'] as const) await run(step, { settlementId });
    chain.failNext('open', new KeystoneError('chain_unavailable', 'The chain cannot be reached.'));
    await expect(run('open', { settlementId })).rejects.toMatchObject({
      type: 'chain_unavailable',
      nonRetryable: false,
    });
    const before = await db.worker.transaction({ kind: 'worker' }, (transaction) =>
      transaction.query<{ digest: string }>('SELECT digest FROM keystone.decisions WHERE settlement_id = $1', [
        settlementId,
      ]),
    );
    await run('open', { settlementId }, 2);
    expect((await row(settlementId))['decision_digest']).toBe(before[0]?.digest);
  });
});

describe('a step that is woken for nothing', () => {
  it('does not register a settlement that still waits for a confirmation', async () => {
    const settlementId = await seed({ awaitingConfirmation: true });
    expect(await run('register', { settlementId })).toMatchObject({ state: 'AWAITING_CONFIRMATION' });
    expect(chain.effects).toEqual([]);
    expect((await row(settlementId))['registered_on_chain']).toBe(false);
  });

  it('does not finalise without final facts', async () => {
    const settlementId = await seed();
    for (const step of ['register', 'screen', 'attest', 'open'] as const) await run(step, { settlementId });
    expect(await run('finalise', { settlementId })).toMatchObject({ state: 'AWAITING_DEPOSITS', executionDue: false });
  });
});

describe('screening', () => {
  it('holds while a provider is down, keeps what was answered, and asks only for the rest', async () => {
    const settlementId = await seed();
    await run('register', { settlementId });
    answers.wallet = async () => {
      throw new ScreeningUnavailable('test wallet', 'NETWORK');
    };
    await expect(run('screen', { settlementId })).rejects.toMatchObject({
      type: 'screening_unavailable',
      nonRetryable: false,
    });
    expect(await row(settlementId)).toMatchObject({ state: 'COMPLIANCE_CHECKING', needs_attention: false });
    answers.wallet = async () => outcome('PASS', 'wallet');
    asked = [];
    await run('screen', { settlementId }, 2);
    expect(asked.every((caseId) => caseId.includes(':wallet:'))).toBe(true);
    expect(asked).toHaveLength(2);
  });

  it('attests a flag, waits, and lifts it by a new Pass that carries the decision', async () => {
    const settlementId = await seed();
    answers.entity = async () => outcome('FLAGGED', 'entity');
    for (const step of ['register', 'screen'] as const) await run(step, { settlementId });
    expect(await run('attest', { settlementId })).toMatchObject({ outcome: 'flagged' });
    expect(await run('attest', { settlementId })).toMatchObject({ outcome: 'flagged' });
    expect((await eventsOf(settlementId)).filter((type) => type === 'settlement.compliance.flagged')).toHaveLength(1);
    expect(await run('open', { settlementId })).toMatchObject({ outcome: 'flagged' });
    await decide(settlementId, 'approve');
    expect(await run('attest', { settlementId })).toMatchObject({ outcome: 'cleared' });
    expect(chain.effects.at(-1)).toBe(`${settlementId}:attest:2`);
    expect(await run('open', { settlementId })).toMatchObject({ outcome: 'opened', state: 'AWAITING_DEPOSITS' });
  });

  it('fails a settlement for a failed check or a rejected flag', async () => {
    answers.wallet = async () => outcome('FAIL', 'wallet');
    const failed = await seed();
    for (const step of ['register', 'screen'] as const) await run(step, { settlementId: failed });
    expect(await run('attest', { settlementId: failed })).toMatchObject({ outcome: 'failed' });
    expect(await run('conclude', { settlementId: failed, reason: 'compliance_failed' })).toMatchObject({
      state: 'ROLLED_BACK',
      endingCode: 'compliance_failed',
    });
    answers.wallet = async () => outcome('FLAGGED', 'wallet');
    const rejected = await seed();
    for (const step of ['register', 'screen', 'attest'] as const) await run(step, { settlementId: rejected });
    await decide(rejected, 'reject');
    expect(await run('attest', { settlementId: rejected })).toMatchObject({ outcome: 'failed' });
  });
});

async function decide(settlementId: Uuid, decision: 'approve' | 'reject'): Promise<void> {
  await db.api.transaction({ kind: 'operator' }, (transaction) =>
    transaction.query(
      `INSERT INTO keystone.compliance_decisions (id, settlement_id, round, decision, decided_by) VALUES (gen_random_uuid(), $1, 1, $2, 'operator:test')`,
      [settlementId, decision],
    ),
  );
}

describe('ending without a swap', () => {
  it('is decided by the row lock before registration, without a word to the chain', async () => {
    const settlementId = await seed({ awaitingConfirmation: true });
    expect(await run('conclude', { settlementId, reason: 'deadline' })).toMatchObject({
      state: 'TIMED_OUT',
      endingCode: 'deadline_passed',
    });
    expect(await run('conclude', { settlementId, reason: 'aborted' })).toMatchObject({ state: 'TIMED_OUT' });
    expect(chain.effects).toEqual([]);
  });

  it('goes through the contract after registration', async () => {
    const settlementId = await seed({ deadlineMs: Date.now() - 1_000 });
    await run('register', { settlementId });
    expect(await run('conclude', { settlementId, reason: 'deadline' })).toMatchObject({ state: 'TIMED_OUT' });
    expect(chain.effects).toContain(`${settlementId}:timeout:1`);
  });

  it('is decided by Postgres after all when the signed registration was refused in a final block', async () => {
    const settlementId = await seed();
    await db.worker.transaction({ kind: 'worker' }, async (transaction) => {
      await transaction.query('UPDATE keystone.settlements SET registered_on_chain = true WHERE id = $1', [
        settlementId,
      ]);
      await transaction.query(
        `INSERT INTO keystone.chain_transactions (chain_id, signer, nonce, effect_key, settlement_id, to_address, data, raw, hash,
           max_fee_per_gas, max_priority_fee_per_gas, status, block_number)
         VALUES ($1, '0xsigner', 900, $2, $3, '0x', '0x', '0x', $2, 1, 1, 'signed', 1)`,
        [CHAIN_ID, `${settlementId}:register:1`, settlementId],
      );
    });
    await expect(run('conclude', { settlementId, reason: 'deadline' })).rejects.toMatchObject({
      type: 'transaction_not_included',
    });
    await db.worker.transaction({ kind: 'worker' }, (transaction) =>
      transaction.query(`UPDATE keystone.chain_transactions SET status = 'reverted' WHERE settlement_id = $1`, [
        settlementId,
      ]),
    );
    expect(await run('conclude', { settlementId, reason: 'deadline' })).toMatchObject({ state: 'TIMED_OUT' });
  });

  it('yields to a swap that the contracts executed first', async () => {
    const settlementId = await seed();
    for (const step of ['register', 'screen', 'attest', 'open'] as const) await run(step, { settlementId });
    await chain.depositAndExecute(settlementId);
    expect(await run('conclude', { settlementId, reason: 'aborted' })).toMatchObject({ state: 'FINALIZED' });
    expect(chain.effects).not.toContain(`${settlementId}:rollback:1`);
  });
});

describe('an execution that did not happen by itself', () => {
  it('is made up for at the deadline, since both sides have paid', async () => {
    const settlementId = await seed({ deadlineMs: Date.now() - 1_000 });
    for (const step of ['register', 'screen', 'attest', 'open'] as const) await run(step, { settlementId });
    await chain.depositAndExecute(settlementId, { failExecution: true });
    expect(await run('conclude', { settlementId, reason: 'deadline' })).toMatchObject({ state: 'FINALIZED' });
    expect(chain.effects.at(-1)).toBe(`${settlementId}:execute:1`);
  });

  it('is reported as due, called, and then finalised', async () => {
    const settlementId = await seed();
    for (const step of ['register', 'screen', 'attest', 'open'] as const) await run(step, { settlementId });
    await chain.depositAndExecute(settlementId, { failExecution: true });
    expect(await run('finalise', { settlementId })).toMatchObject({ state: 'AWAITING_DEPOSITS', executionDue: true });
    await run('execute', { settlementId });
    expect(await run('finalise', { settlementId })).toMatchObject({ state: 'FINALIZED', executionDue: false });
  });
});

describe('errors', () => {
  it("park with attention when a person has to look, and the attention goes with the next progress, an operator's retry included", async () => {
    const settlementId = await seed();
    chain.failNext('register', new KeystoneError('transaction_reverted', 'The contract refused: LegNotHere.'));
    await expect(run('register', { settlementId }, 3)).rejects.toMatchObject({
      type: 'transaction_reverted',
      nonRetryable: true,
    });
    expect(await row(settlementId)).toMatchObject({ needs_attention: true, attention_code: 'transaction_reverted' });
    await run('register', { settlementId }, 1);
    expect(await row(settlementId)).toMatchObject({ needs_attention: false, attention_code: null });
  });

  it('that nobody thought of are repeated a few times before they park', async () => {
    const settlementId = await seed();
    chain.failNext('register', new TypeError('a surprise'));
    await expect(run('register', { settlementId }, 1)).rejects.toMatchObject({ type: 'internal', nonRetryable: false });
    chain.failNext('register', new TypeError('a surprise'));
    const failure = run('register', { settlementId }, UNEXPECTED_ATTEMPTS);
    await expect(failure).rejects.toBeInstanceOf(ApplicationFailure);
    await expect(failure).rejects.toMatchObject({ nonRetryable: true });
  });
});
