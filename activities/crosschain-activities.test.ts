import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { KeystoneError } from '../domain/errors.ts';
import type { Uuid } from '../domain/ids.ts';
import { type ActivityStage, createActivityStage, HOME_CHAIN, REMOTE_CHAIN } from '../test/support/activity-stage.ts';
import { reverted, SIMULATED } from '../test/support/simulated-settlement-chain.ts';

let stage: ActivityStage;
beforeAll(async () => {
  stage = await createActivityStage();
}, 60_000);
afterAll(() => stage.close());
beforeEach(() => stage.reset());

const IN_TRANSIT = { type: 'message_in_transit', nonRetryable: false };
const AWAITING = 'settlement.state.awaiting_deposits';

/** Bond at home, cash on the other chain. */
const seed = (options: { deadlineMs?: number } = {}) => stage.seed({ cashChainId: REMOTE_CHAIN, ...options });
const carry = (settlementId: Uuid, attempt?: number, dueSinceMs?: number) =>
  stage.run('carry', { settlementId }, attempt, dueSinceMs);
const conclude = (settlementId: Uuid, reason: 'deadline' | 'aborted' = 'deadline') =>
  stage.run('conclude', { settlementId, reason });
const stepsOf = (settlementId: Uuid) => stage.chains.effects.map((key) => key.replace(`${settlementId}:`, ''));

/** A step that waits for a message fails, and is tried again: that is no failure of the test. */
async function unlessItWaits<Result>(step: Promise<Result>): Promise<Result | undefined> {
  return step.catch((error: unknown) => {
    expect(error).toBeInstanceOf(Error);
    return undefined;
  });
}

async function opened(options: { deadlineMs?: number } = {}): Promise<Uuid> {
  const settlementId = await seed(options);
  await stage.walk(settlementId, 'register', 'screen', 'attest');
  // OPEN is sent by the first attempt and has landed by the second.
  await unlessItWaits(stage.run('open', { settlementId }));
  await stage.run('open', { settlementId }, 2);
  return settlementId;
}

describe('opening', () => {
  it('is told to the platforms only after every OPEN has landed', async () => {
    const settlementId = await seed();
    await stage.walk(settlementId, 'register', 'screen', 'attest');
    stage.chains.holdMessages = true;
    await expect(stage.run('open', { settlementId })).rejects.toMatchObject(IN_TRANSIT);
    await expect(stage.run('open', { settlementId }, 2)).rejects.toMatchObject(IN_TRANSIT);
    expect(await stage.row(settlementId)).toMatchObject({ state: 'COMPLIANCE_CHECKING' });
    expect(stage.chains.inTransit).toHaveLength(1);

    await stage.chains.deliver();
    expect(await stage.run('open', { settlementId }, 3)).toMatchObject({
      state: 'AWAITING_DEPOSITS',
      outcome: 'opened',
      effects: [
        { what: 'open', chainId: HOME_CHAIN },
        { what: 'opened', chainId: REMOTE_CHAIN },
      ],
    });
    expect(stepsOf(settlementId)).toEqual(['register:1', 'attest:1', 'open:1', `open@${REMOTE_CHAIN}:1`]);
  });

  it('repeats a wait after a pause of its own, which grows with the age of the message and is no failure', async () => {
    const settlementId = await seed();
    await stage.walk(settlementId, 'register', 'screen', 'attest');
    stage.chains.holdMessages = true;
    stage.chains.clockOffsetMs = -3_600_000;
    // The newest block is of now all the same; only the facts are old.
    stage.chains.headOffsetMs = 3_600_000;
    await expect(stage.run('open', { settlementId })).rejects.toMatchObject({ ...IN_TRANSIT, nextRetryDelay: 500 });
    expect(await stage.row(settlementId)).toMatchObject({ needs_attention: false });
    // An hour old by the clock of its block: as slow as it gets, shown to operators, still repeated.
    await expect(stage.run('open', { settlementId }, 500)).rejects.toMatchObject({
      ...IN_TRANSIT,
      nextRetryDelay: 15_000,
    });
    expect(await stage.row(settlementId)).toMatchObject({ attention_code: 'message_in_transit' });
  });

  it('never tells of deposits that were open for nobody when the deadline overtakes OPEN', async () => {
    const settlementId = await seed({ deadlineMs: Date.now() + 500 });
    await stage.walk(settlementId, 'register', 'screen', 'attest');
    stage.chains.holdMessages = true;
    await expect(stage.run('open', { settlementId })).rejects.toMatchObject(IN_TRANSIT);
    expect(await conclude(settlementId)).toMatchObject({ state: 'TIMED_OUT', carryDue: true });
    expect(await stage.eventsOf(settlementId)).not.toContain(AWAITING);

    // ROLLBACK lands first: OPEN must find a tombstone.
    await expect(carry(settlementId)).rejects.toMatchObject(IN_TRANSIT);
    await stage.chains.deliver(['ROLLBACK']);
    await stage.chains.deliver(['OPEN']);
    expect(await carry(settlementId, 2)).toMatchObject({ state: 'TIMED_OUT', carryDue: false });
    await expect(stage.chains.deposit(settlementId, REMOTE_CHAIN)).rejects.toThrow('DepositsNotOpen');
  });

  it('says that the contract has ended the settlement instead of opening more of it', async () => {
    const settlementId = await seed();
    await stage.walk(settlementId, 'register', 'screen', 'attest');
    await stage.chains.endByStranger(settlementId);
    expect(await stage.run('open', { settlementId })).toMatchObject({ outcome: 'ended' });
    expect(stepsOf(settlementId)).not.toContain(`open@${REMOTE_CHAIN}:1`);
    expect(await conclude(settlementId)).toMatchObject({ state: 'TIMED_OUT', endingCode: 'deadline_passed' });
  });
});

describe('a swap across two chains', () => {
  it('is carried from the last deposit to the proof when the remote leg comes last', async () => {
    const settlementId = await opened();
    await stage.chains.deposit(settlementId, HOME_CHAIN);
    expect(await stage.run('finalise', { settlementId })).toMatchObject({
      state: 'AWAITING_DEPOSITS',
      carryDue: false,
    });
    await stage.chains.deposit(settlementId, REMOTE_CHAIN);
    expect(await stage.run('finalise', { settlementId })).toMatchObject({ state: 'AWAITING_DEPOSITS', carryDue: true });
    expect(await carry(settlementId)).toMatchObject({ state: 'FINALIZED', carryDue: false });
    const [vote, home, decision, there, done] = [
      `carry_vote_prepared@${REMOTE_CHAIN}:1`,
      `carry_execute@${HOME_CHAIN}:1`,
      `carry_decision@${REMOTE_CHAIN}:1`,
      `carry_execute@${REMOTE_CHAIN}:1`,
      `carry_vote_executed@${REMOTE_CHAIN}:1`,
    ];
    const steps = stepsOf(settlementId).slice(4);
    expect(steps.toSorted()).toEqual([vote, home, decision, there, done].toSorted());
    expect(steps.filter((step) => step !== home)).toEqual([vote, decision, there, done]);
    expect(await stage.proofOf(settlementId)).toMatchObject({
      onchain_verification: {
        chain_id: `eip155:${HOME_CHAIN}`,
        remotes: [{ chain_id: `eip155:${REMOTE_CHAIN}`, gateway: SIMULATED.gateway(REMOTE_CHAIN) }],
        deposits: [{ chain_id: `eip155:${HOME_CHAIN}` }, { chain_id: `eip155:${REMOTE_CHAIN}` }],
        payouts: [{ chain_id: `eip155:${HOME_CHAIN}` }, { chain_id: `eip155:${REMOTE_CHAIN}` }],
      },
    });
  });

  it('is carried when the home leg comes last, and a vote that was counted before is not sent again', async () => {
    const settlementId = await opened();
    await stage.chains.deposit(settlementId, REMOTE_CHAIN);
    expect(await carry(settlementId)).toMatchObject({ state: 'AWAITING_DEPOSITS', carryDue: false });
    await stage.chains.deposit(settlementId, HOME_CHAIN);
    expect(await stage.run('finalise', { settlementId })).toMatchObject({ state: 'EXECUTING_SWAP', carryDue: true });
    expect(await carry(settlementId)).toMatchObject({ state: 'FINALIZED' });
    expect(stepsOf(settlementId).filter((step) => step.startsWith('carry_vote_prepared'))).toHaveLength(1);
    // The last deposit had executed at home.
    expect(stepsOf(settlementId)).not.toContain(`carry_execute@${HOME_CHAIN}:1`);
  });

  it('finalises once however its messages are repeated and mixed, and sends each of its own once', async () => {
    const settlementId = await opened();
    stage.chains.holdMessages = true;
    await stage.chains.deposit(settlementId, HOME_CHAIN);
    await stage.chains.deposit(settlementId, REMOTE_CHAIN);
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      await expect(carry(settlementId, attempt)).rejects.toMatchObject(IN_TRANSIT);
    }
    expect(stage.chains.inTransit).toHaveLength(1);
    const twice = () => stage.chains.inTransit.push(...stage.chains.inTransit.toReversed());
    let landed = 0;
    for (let attempt = 4; landed < 10; attempt += 1) {
      twice();
      await stage.chains.deliver();
      landed += 1;
      const done = await unlessItWaits(carry(settlementId, attempt));
      if (done !== undefined) break;
    }
    expect(await stage.row(settlementId)).toMatchObject({ state: 'FINALIZED' });
    expect(new Set(stage.chains.effects).size).toBe(stage.chains.effects.length);
    expect((await stage.eventsOf(settlementId)).filter((type) => type === 'settlement.state.finalized')).toHaveLength(
      1,
    );
  });

  it('is told to be executing while the decision still travels', async () => {
    const settlementId = await opened();
    await stage.chains.deposit(settlementId, REMOTE_CHAIN);
    await carry(settlementId);
    stage.chains.holdMessages = true;
    await stage.chains.deposit(settlementId, HOME_CHAIN);
    await expect(carry(settlementId)).rejects.toMatchObject(IN_TRANSIT);
    expect(await stage.row(settlementId)).toMatchObject({ state: 'EXECUTING_SWAP' });
  });

  it('is finalised only by the facts of the coordinator, never by those of another chain', async () => {
    const settlementId = await opened();
    await stage.chains.deposit(settlementId, HOME_CHAIN);
    await stage.chains.deposit(settlementId, REMOTE_CHAIN);
    await stage.db.worker.transaction({ kind: 'worker' }, (transaction) =>
      transaction.query(
        `INSERT INTO keystone.chain_events (chain_id, block_number, block_hash, log_index, transaction_hash, contract, name, settlement_id, arguments, block_timestamp)
         SELECT $2, 9, '0xforged', n, '0xforged', '0xforged', 'StateTransition', $1, jsonb_build_object('toState', n::text), now() FROM generate_series(4, 5) n`,
        [settlementId, REMOTE_CHAIN],
      ),
    );
    expect(await stage.run('finalise', { settlementId })).toMatchObject({ state: 'AWAITING_DEPOSITS' });
  });
});

describe('a message that does not arrive', () => {
  const limits = { messageOverdueMs: 60_000, messageResendMs: 120_000 };

  it('raises attention after its time, is sent once more, and takes the attention away by landing', async () => {
    stage.reset({ limits });
    const settlementId = await opened();
    await stage.chains.deposit(settlementId, HOME_CHAIN);
    stage.chains.holdMessages = true;
    stage.chains.clockOffsetMs = -90_000;
    await stage.chains.deposit(settlementId, REMOTE_CHAIN);
    await expect(carry(settlementId)).rejects.toMatchObject(IN_TRANSIT);
    await expect(carry(settlementId, 2)).rejects.toMatchObject(IN_TRANSIT);
    expect(await stage.row(settlementId)).toMatchObject({
      needs_attention: true,
      attention_code: 'message_in_transit',
    });
    expect(stage.chains.inTransit).toHaveLength(1);

    stage.chains.drop();
    const old = stage.db.worker.transaction({ kind: 'worker' }, (transaction) =>
      transaction.query(
        `UPDATE keystone.chain_events SET block_timestamp = now() - interval '130 seconds' WHERE settlement_id = $1 AND name = 'MessageSent'`,
        [settlementId],
      ),
    );
    await old;
    stage.chains.clockOffsetMs = 0;
    stage.chains.holdMessages = false;
    expect(await carry(settlementId, 3)).toMatchObject({ state: 'FINALIZED' });
    expect(stepsOf(settlementId)).toContain(`carry_vote_prepared@${REMOTE_CHAIN}:2`);
    expect(await stage.row(settlementId)).toMatchObject({ needs_attention: false });
  });

  it('is told in the audit log once, not in every attempt', async () => {
    stage.reset({ limits });
    const settlementId = await opened();
    stage.chains.holdMessages = true;
    stage.chains.clockOffsetMs = -90_000;
    await stage.chains.deposit(settlementId, REMOTE_CHAIN);
    for (let attempt = 1; attempt <= 4; attempt += 1) await unlessItWaits(carry(settlementId, attempt));
    const rows = await stage.db.worker.transaction({ kind: 'worker' }, (transaction) =>
      transaction.query(
        `SELECT 1 FROM keystone.audit_log WHERE settlement_id = $1 AND action = 'settlement.attention.raised'`,
        [settlementId],
      ),
    );
    expect(rows).toHaveLength(1);
  });

  it('is not sent more often than the limit says', async () => {
    stage.reset({ limits: { ...limits, messageResendMs: -10_000, messageGenerations: 3 } });
    const settlementId = await opened();
    stage.chains.holdMessages = true;
    await stage.chains.deposit(settlementId, REMOTE_CHAIN);
    for (let attempt = 1; attempt <= 6; attempt += 1) await unlessItWaits(carry(settlementId, attempt));
    expect(stage.chains.inTransit).toHaveLength(3);
  });
});

describe('the deadline', () => {
  it('ends at once when a home leg is missing; the prepared chain is told and gives back', async () => {
    const settlementId = await opened({ deadlineMs: Date.now() + 3_000 });
    await stage.chains.deposit(settlementId, REMOTE_CHAIN);
    stage.chains.clockOffsetMs = 10_000;
    expect(await conclude(settlementId)).toMatchObject({ state: 'TIMED_OUT', carryDue: true });
    expect(await carry(settlementId)).toMatchObject({ state: 'TIMED_OUT', carryDue: false });
    expect(stepsOf(settlementId).slice(-3)).toEqual([
      'timeout:1',
      `carry_decision@${REMOTE_CHAIN}:1`,
      `carry_refund@${REMOTE_CHAIN}:2`,
    ]);
    expect(await stage.run('finalise', { settlementId })).toMatchObject({ carryDue: false });
  });

  it('leaves votes a grace period when the home legs are all in, then ends and gives back', async () => {
    const settlementId = await opened({ deadlineMs: Date.now() + 3_000 });
    await stage.chains.deposit(settlementId, HOME_CHAIN);
    stage.chains.clockOffsetMs = 10_000;
    await expect(conclude(settlementId)).rejects.toMatchObject({ nonRetryable: false });
    expect(stepsOf(settlementId)).not.toContain('timeout:1');
    stage.chains.clockOffsetMs = 10_000 + SIMULATED.graceMs;
    expect(await conclude(settlementId)).toMatchObject({ state: 'TIMED_OUT', carryDue: true });
    expect(await carry(settlementId)).toMatchObject({ carryDue: false });
    expect(stepsOf(settlementId)).toContain(`carry_refund@${HOME_CHAIN}:1`);
  });

  it('lets a vote that arrives within the grace period decide the swap', async () => {
    const settlementId = await opened({ deadlineMs: Date.now() + 3_000 });
    stage.chains.holdMessages = true;
    await stage.chains.deposit(settlementId, HOME_CHAIN);
    await stage.chains.deposit(settlementId, REMOTE_CHAIN);
    stage.chains.clockOffsetMs = 10_000;
    await expect(conclude(settlementId)).rejects.toMatchObject(IN_TRANSIT);
    stage.chains.holdMessages = false;
    await stage.chains.deliver();
    expect(await conclude(settlementId)).toMatchObject({ state: 'EXECUTING_SWAP', carryDue: true });
    expect(await carry(settlementId)).toMatchObject({ state: 'FINALIZED' });
    expect(stepsOf(settlementId)).not.toContain('timeout:1');
  });

  it('waits for the grace period while an execution is refused, and shows it', async () => {
    const settlementId = await stage.seed({ deadlineMs: Date.now() + 3_000 });
    await stage.walk(settlementId, 'register', 'screen', 'attest', 'open');
    await stage.chains.deposit(settlementId, HOME_CHAIN, { failExecution: true });
    stage.chains.clockOffsetMs = 10_000;
    const refuse = () => stage.chains.failNext(`carry_execute@${HOME_CHAIN}`, reverted('PayoutFailed'));
    refuse();
    await expect(stage.run('conclude', { settlementId, reason: 'deadline' }, 9)).rejects.toMatchObject({
      type: 'transaction_reverted',
      nonRetryable: false,
    });
    expect(await stage.row(settlementId)).toMatchObject({ attention_code: 'transaction_reverted' });
    refuse();
    stage.chains.clockOffsetMs = 10_000 + SIMULATED.graceMs;
    expect(await conclude(settlementId)).toMatchObject({ state: 'TIMED_OUT', carryDue: true });
  });

  it('answers a vote that comes too late with ROLLBACK again', async () => {
    const settlementId = await opened({ deadlineMs: Date.now() + 3_000 });
    stage.chains.holdMessages = true;
    await stage.chains.deposit(settlementId, REMOTE_CHAIN);
    await expect(carry(settlementId)).rejects.toMatchObject(IN_TRANSIT);
    stage.chains.clockOffsetMs = 10_000;
    expect(await conclude(settlementId)).toMatchObject({ state: 'TIMED_OUT' });
    await expect(carry(settlementId)).rejects.toMatchObject(IN_TRANSIT);
    // The first ROLLBACK is lost; the vote arrives after it was sent.
    const [vote] = stage.chains.inTransit;
    stage.chains.drop();
    stage.chains.clockOffsetMs = 20_000;
    if (vote !== undefined) stage.chains.inTransit.push(vote);
    await stage.chains.deliver();
    stage.chains.holdMessages = false;
    expect(await carry(settlementId, 2)).toMatchObject({ carryDue: false });
    expect(stepsOf(settlementId)).toContain(`carry_decision@${REMOTE_CHAIN}:2`);
    expect(stepsOf(settlementId).at(-1)).toBe(`carry_refund@${REMOTE_CHAIN}:2`);
  });
});

describe('after a rollback', () => {
  it('a chain that does not answer holds back no money elsewhere', async () => {
    const settlementId = await opened();
    await stage.chains.deposit(settlementId, HOME_CHAIN);
    expect(await conclude(settlementId, 'aborted')).toMatchObject({ state: 'ROLLED_BACK', endingCode: 'aborted' });
    stage.chains.cutOff(REMOTE_CHAIN, new KeystoneError('chain_unavailable', 'The chain cannot be reached.'));
    await expect(carry(settlementId)).rejects.toMatchObject({ type: 'chain_unavailable', nonRetryable: false });
    expect(stepsOf(settlementId)).toContain(`carry_refund@${HOME_CHAIN}:1`);
    stage.chains.cutOff(REMOTE_CHAIN, undefined);
    expect(await carry(settlementId, 2)).toMatchObject({ carryDue: false });
    expect(stepsOf(settlementId)).toContain(`carry_decision@${REMOTE_CHAIN}:1`);
  });

  it('what a party did first is done, and no failure of ours', async () => {
    const settlementId = await opened();
    await stage.chains.deposit(settlementId, HOME_CHAIN);
    await conclude(settlementId, 'aborted');
    const { home } = stage.chains;
    const refund = home.refund.bind(home);
    Object.assign(home, {
      refund: async (...[terms, openings, intent]: Parameters<typeof refund>) => {
        await refund(terms, openings, { ...intent, effectKey: 'a:party:1' as typeof intent.effectKey });
        throw reverted('NothingToRefund');
      },
    });
    expect(await carry(settlementId)).toMatchObject({ carryDue: false });
  });
});

describe('a workflow that was lost after the end', () => {
  it('is told by its first step that something is still out', async () => {
    const settlementId = await opened();
    await stage.chains.deposit(settlementId, HOME_CHAIN);
    await conclude(settlementId, 'aborted');
    expect(await stage.run('register', { settlementId })).toMatchObject({ state: 'ROLLED_BACK', carryDue: true });
    await carry(settlementId);
    expect(await stage.run('register', { settlementId })).toMatchObject({ state: 'ROLLED_BACK', carryDue: false });
  });
});

describe('a halted chain', () => {
  it('stops every step of the settlements that have legs there', async () => {
    const settlementId = await opened();
    const halt = (text: string) =>
      stage.db.worker.transaction({ kind: 'worker' }, (transaction) => transaction.query(text, [REMOTE_CHAIN]));
    await halt(
      `INSERT INTO keystone.chain_halts (chain_id, reason, block_number, stored_hash) VALUES ($1, 'reorganised', 5, '0xold')`,
    );
    for (const step of ['finalise', 'carry'] as const) {
      await expect(stage.run(step, { settlementId }, 3)).rejects.toMatchObject({
        type: 'chain_reorganised_beyond_finality',
        nonRetryable: true,
      });
    }
    await halt('UPDATE keystone.chain_halts SET resumed_at = clock_timestamp() WHERE chain_id = $1');
    expect(await carry(settlementId)).toMatchObject({ state: 'AWAITING_DEPOSITS' });
  });
});
