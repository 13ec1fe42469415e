import { setTimeout as pause } from 'node:timers/promises';

import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ApplicationFailure } from '@temporalio/common';

import { ScreeningUnavailable } from '../compliance/provider.ts';
import { KeystoneError } from '../domain/errors.ts';
import type { Uuid } from '../domain/ids.ts';
import {
  type ActivityStage,
  createActivityStage,
  HOME_CHAIN,
  screeningOutcome as outcome,
} from '../test/support/activity-stage.ts';
import { UNEXPECTED_ATTEMPTS } from './retry.ts';

let stage: ActivityStage;
beforeAll(async () => {
  stage = await createActivityStage();
}, 60_000);
afterAll(() => stage.close());
beforeEach(() => stage.reset());

const run: ActivityStage['run'] = (...call) => stage.run(...call);
const seed: ActivityStage['seed'] = (options) => stage.seed(options);
const row: ActivityStage['row'] = (id) => stage.row(id);
const eventsOf: ActivityStage['eventsOf'] = (id) => stage.eventsOf(id);

describe('the steps of a happy settlement', () => {
  it('leave a finalised row, one event per state, a proof, and nothing twice when each is repeated', async () => {
    const settlementId = await seed();
    for (const step of ['register', 'screen', 'attest', 'open'] as const) {
      await run(step, { settlementId });
      await run(step, { settlementId }, 2);
    }
    await stage.chains.depositAndExecute(settlementId);
    expect(await run('finalise', { settlementId })).toMatchObject({ state: 'FINALIZED', carryDue: false });
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
    expect(stage.chains.effects).toEqual([
      `${settlementId}:register:1`,
      `${settlementId}:attest:1`,
      `${settlementId}:open:1`,
    ]);
    expect(stage.asked).toHaveLength(4);
    const proofs = await stage.db.worker.transaction({ kind: 'worker' }, (transaction) =>
      transaction.query<{ pack: string }>('SELECT pack FROM keystone.proofs WHERE settlement_id = $1', [settlementId]),
    );
    expect(JSON.parse(proofs[0]?.pack ?? '{}')).toMatchObject({ kind: 'settlement', settlement_id: settlementId });
  });

  it('anchor the digest of one set of signatures, whoever retries', async () => {
    const settlementId = await seed();
    for (const step of ['register', 'screen', 'attest'] as const) await run(step, { settlementId });
    stage.chains.failNext('open', new KeystoneError('chain_unavailable', 'The chain cannot be reached.'));
    await expect(run('open', { settlementId })).rejects.toMatchObject({
      type: 'chain_unavailable',
      nonRetryable: false,
    });
    const before = await stage.db.worker.transaction({ kind: 'worker' }, (transaction) =>
      transaction.query<{ digest: string }>('SELECT digest FROM keystone.decisions WHERE settlement_id = $1', [
        settlementId,
      ]),
    );
    await run('open', { settlementId }, 2);
    expect((await row(settlementId))['decision_digest']).toBe(before[0]?.digest);
  });

  it('anchor nothing while the newest block is not younger than the decision, however late it is here', async () => {
    const settlementId = await seed();
    for (const step of ['register', 'screen', 'attest'] as const) await run(step, { settlementId });
    stage.chains.headOffsetMs = -60_000;
    const opening = run('open', { settlementId });
    await pause(1_500);
    expect(stage.chains.effects).not.toContain(`${settlementId}:open:1`);
    stage.chains.headOffsetMs = 0;
    expect(await opening).toMatchObject({ state: 'AWAITING_DEPOSITS' });
    expect(stage.chains.effects).toContain(`${settlementId}:open:1`);
  });
});

describe('a step that is woken for nothing', () => {
  it('does not register a settlement that still waits for a confirmation', async () => {
    const settlementId = await seed({ awaitingConfirmation: true });
    expect(await run('register', { settlementId })).toMatchObject({ state: 'AWAITING_CONFIRMATION' });
    expect(stage.chains.effects).toEqual([]);
    expect((await row(settlementId))['registered_on_chain']).toBe(false);
  });

  it('does not finalise without final facts', async () => {
    const settlementId = await seed();
    for (const step of ['register', 'screen', 'attest', 'open'] as const) await run(step, { settlementId });
    expect(await run('finalise', { settlementId })).toMatchObject({ state: 'AWAITING_DEPOSITS', carryDue: false });
  });
});

describe('screening', () => {
  it('holds while a provider is down, keeps what was answered, and asks only for the rest', async () => {
    const settlementId = await seed();
    await run('register', { settlementId });
    stage.answers.wallet = async () => {
      throw new ScreeningUnavailable('test wallet', 'NETWORK');
    };
    await expect(run('screen', { settlementId })).rejects.toMatchObject({
      type: 'screening_unavailable',
      nonRetryable: false,
    });
    expect(await row(settlementId)).toMatchObject({ state: 'COMPLIANCE_CHECKING', needs_attention: false });
    stage.answers.wallet = async () => outcome('PASS', 'wallet');
    stage.asked = [];
    await run('screen', { settlementId }, 2);
    expect(stage.asked.every((caseId) => caseId.includes(':wallet:'))).toBe(true);
    expect(stage.asked).toHaveLength(2);
  });

  it('attests a flag, waits, and lifts it by a new Pass that carries the decision', async () => {
    const settlementId = await seed();
    stage.answers.entity = async () => outcome('FLAGGED', 'entity');
    for (const step of ['register', 'screen'] as const) await run(step, { settlementId });
    expect(await run('attest', { settlementId })).toMatchObject({ outcome: 'flagged' });
    expect(await run('attest', { settlementId })).toMatchObject({ outcome: 'flagged' });
    expect((await eventsOf(settlementId)).filter((type) => type === 'settlement.compliance.flagged')).toHaveLength(1);
    expect(await run('open', { settlementId })).toMatchObject({ outcome: 'flagged' });
    await decide(settlementId, 'approve');
    expect(await run('attest', { settlementId })).toMatchObject({ outcome: 'cleared' });
    expect(stage.chains.effects.at(-1)).toBe(`${settlementId}:attest:2`);
    expect(await run('open', { settlementId })).toMatchObject({ outcome: 'opened', state: 'AWAITING_DEPOSITS' });
  });

  it('fails a settlement for a failed check or a rejected flag', async () => {
    stage.answers.wallet = async () => outcome('FAIL', 'wallet');
    const failed = await seed();
    for (const step of ['register', 'screen'] as const) await run(step, { settlementId: failed });
    expect(await run('attest', { settlementId: failed })).toMatchObject({ outcome: 'failed' });
    expect(await run('conclude', { settlementId: failed, reason: 'compliance_failed' })).toMatchObject({
      state: 'ROLLED_BACK',
      endingCode: 'compliance_failed',
    });
    stage.answers.wallet = async () => outcome('FLAGGED', 'wallet');
    const rejected = await seed();
    for (const step of ['register', 'screen', 'attest'] as const) await run(step, { settlementId: rejected });
    await decide(rejected, 'reject');
    expect(await run('attest', { settlementId: rejected })).toMatchObject({ outcome: 'failed' });
  });
});

async function decide(settlementId: Uuid, decision: 'approve' | 'reject'): Promise<void> {
  await stage.db.api.transaction({ kind: 'operator' }, (transaction) =>
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
    expect(stage.chains.effects).toEqual([]);
  });

  it('goes through the contract after registration', async () => {
    const settlementId = await seed({ deadlineMs: Date.now() - 1_000 });
    await run('register', { settlementId });
    expect(await run('conclude', { settlementId, reason: 'deadline' })).toMatchObject({ state: 'TIMED_OUT' });
    expect(stage.chains.effects).toContain(`${settlementId}:timeout:1`);
  });

  it('is decided by Postgres after all when the signed registration was refused in a final block', async () => {
    const settlementId = await seed();
    await stage.db.worker.transaction({ kind: 'worker' }, async (transaction) => {
      await transaction.query('UPDATE keystone.settlements SET registered_on_chain = true WHERE id = $1', [
        settlementId,
      ]);
      await transaction.query(
        `INSERT INTO keystone.chain_transactions (chain_id, signer, nonce, effect_key, settlement_id, to_address, data, raw, hash,
           max_fee_per_gas, max_priority_fee_per_gas, status, block_number)
         VALUES ($1, '0xsigner', 900, $2, $3, '0x', '0x', '0x', $2, 1, 1, 'signed', 1)`,
        [HOME_CHAIN, `${settlementId}:register:1`, settlementId],
      );
    });
    await expect(run('conclude', { settlementId, reason: 'deadline' })).rejects.toMatchObject({
      type: 'transaction_not_included',
    });
    await stage.db.worker.transaction({ kind: 'worker' }, (transaction) =>
      transaction.query(`UPDATE keystone.chain_transactions SET status = 'reverted' WHERE settlement_id = $1`, [
        settlementId,
      ]),
    );
    expect(await run('conclude', { settlementId, reason: 'deadline' })).toMatchObject({ state: 'TIMED_OUT' });
  });

  it('yields to a swap that the contracts executed first', async () => {
    const settlementId = await seed();
    for (const step of ['register', 'screen', 'attest', 'open'] as const) await run(step, { settlementId });
    await stage.chains.depositAndExecute(settlementId);
    expect(await run('conclude', { settlementId, reason: 'aborted' })).toMatchObject({ state: 'FINALIZED' });
    expect(stage.chains.effects).not.toContain(`${settlementId}:rollback:1`);
  });
});

describe('an execution that did not happen by itself', () => {
  it('is made up for at the deadline, since both sides have paid', async () => {
    const settlementId = await seed({ deadlineMs: Date.now() - 1_000 });
    for (const step of ['register', 'screen', 'attest', 'open'] as const) await run(step, { settlementId });
    await stage.chains.depositAndExecute(settlementId, { failExecution: true });
    expect(await run('conclude', { settlementId, reason: 'deadline' })).toMatchObject({ state: 'FINALIZED' });
    expect(stage.chains.effects.at(-1)).toBe(`${settlementId}:carry_execute@${HOME_CHAIN}:1`);
  });

  it('is reported as due, called, and then finalised', async () => {
    const settlementId = await seed();
    for (const step of ['register', 'screen', 'attest', 'open'] as const) await run(step, { settlementId });
    await stage.chains.depositAndExecute(settlementId, { failExecution: true });
    expect(await run('finalise', { settlementId })).toMatchObject({ state: 'AWAITING_DEPOSITS', carryDue: true });
    expect(await run('carry', { settlementId })).toMatchObject({ state: 'FINALIZED', carryDue: false });
  });
});

describe('errors', () => {
  it("park with attention when a person has to look, and the attention goes with the next progress, an operator's retry included", async () => {
    const settlementId = await seed();
    stage.chains.failNext('register', new KeystoneError('transaction_reverted', 'The contract refused: LegNotHere.'));
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
    stage.chains.failNext('register', new TypeError('a surprise'));
    await expect(run('register', { settlementId }, 1)).rejects.toMatchObject({ type: 'internal', nonRetryable: false });
    stage.chains.failNext('register', new TypeError('a surprise'));
    const failure = run('register', { settlementId }, UNEXPECTED_ATTEMPTS);
    await expect(failure).rejects.toBeInstanceOf(ApplicationFailure);
    await expect(failure).rejects.toMatchObject({ nonRetryable: true });
  });
});
