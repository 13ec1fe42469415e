import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import type { Uuid } from '../domain/ids.ts';
import {
  type ActivityStage,
  createActivityStage,
  REMOTE_CHAIN,
  screeningOutcome,
} from '../test/support/activity-stage.ts';
import { SIMULATED } from '../test/support/simulated-settlement-chain.ts';

let stage: ActivityStage;
beforeAll(async () => {
  stage = await createActivityStage();
}, 60_000);
afterAll(() => stage.close());
beforeEach(() => {
  stage.reset();
  stage.chains.members.set('platform', { attesters: [PLATFORM], threshold: 1 });
  stage.chains.members.set('two-of-two', { attesters: [PLATFORM, SIMULATED.oracle], threshold: 2 });
});

const PLATFORM = `0x${'ab'.repeat(20)}`;
const open = (settlementId: Uuid) => stage.run('open', { settlementId });
const cleared = async (id: Uuid) =>
  (await stage.eventsOf(id)).filter((type) => type === 'settlement.compliance.cleared').length;

describe('a set that our oracle does not belong to', () => {
  const start = async () => {
    const settlementId = await stage.seed({ templateSlug: 'dvp-platform-oracle' });
    await stage.walk(settlementId, 'register', 'screen', 'attest');
    return settlementId;
  };

  it('is neither screened nor attested by us; the gate opens by its own members', async () => {
    const settlementId = await start();
    expect(stage.asked).toEqual([]);
    expect(stage.chains.effects).toEqual([`${settlementId}:register:1`]);
    expect(await open(settlementId)).toMatchObject({ state: 'COMPLIANCE_CHECKING', outcome: 'waiting' });
    expect(await cleared(settlementId)).toBe(0);
    await stage.chains.attestAs(PLATFORM, settlementId, 'PASS');
    expect(await open(settlementId)).toMatchObject({ state: 'AWAITING_DEPOSITS', outcome: 'opened' });
    expect(await cleared(settlementId)).toBe(1);
  });

  it('ends the settlement by a Fail, and holds it by a flag that only its attester lifts', async () => {
    const settlementId = await start();
    await stage.chains.attestAs(PLATFORM, settlementId, 'FLAGGED');
    expect(await open(settlementId)).toMatchObject({ outcome: 'flagged' });
    expect(await stage.eventsOf(settlementId)).toContain('settlement.compliance.flagged');
    await stage.chains.attestAs(PLATFORM, settlementId, 'FAIL');
    expect(await open(settlementId)).toMatchObject({ outcome: 'failed' });
    expect(await stage.run('conclude', { settlementId, reason: 'compliance_failed' })).toMatchObject({
      state: 'ROLLED_BACK',
      endingCode: 'compliance_failed',
      carryDue: false,
    });
  });
});

describe('a set of two that must agree', () => {
  it('waits for the other one, and is called cleared only when the gate is open', async () => {
    const settlementId = await stage.seed({ templateSlug: 'dvp-two-attesters' });
    await stage.walk(settlementId, 'register', 'screen', 'attest');
    expect(stage.chains.effects).toContain(`${settlementId}:attest:1`);
    expect(await open(settlementId)).toMatchObject({ outcome: 'waiting' });
    expect(await cleared(settlementId)).toBe(0);
    await stage.chains.attestAs(PLATFORM, settlementId, 'PASS');
    expect(await open(settlementId)).toMatchObject({ outcome: 'opened' });
    expect(await cleared(settlementId)).toBe(1);
  });

  it('is not opened by the other one alone while ours is flagged', async () => {
    stage.answers.wallet = async () => screeningOutcome('FLAGGED', 'wallet');
    const settlementId = await stage.seed({ templateSlug: 'dvp-two-attesters' });
    await stage.walk(settlementId, 'register', 'screen', 'attest');
    await stage.chains.attestAs(PLATFORM, settlementId, 'PASS');
    expect(await open(settlementId)).toMatchObject({ outcome: 'flagged' });
  });
});

describe('a Fail after deposits have opened', () => {
  it('asks for a person, who may still roll back, and goes away with the end', async () => {
    const settlementId = await stage.seed();
    await stage.walk(settlementId, 'register', 'screen', 'attest', 'open');
    await stage.chains.attestAs(SIMULATED.oracle, settlementId, 'FAIL');
    const taken = await stage.run('finalise', { settlementId });
    expect(taken).toMatchObject({ state: 'AWAITING_DEPOSITS', carryDue: false });
    expect(taken.attention).toContain(SIMULATED.oracle);
    expect(await stage.row(settlementId)).toMatchObject({ attention_code: 'compliance_failed_after_opening' });
    // The success of a later attempt takes away what failures left, not this.
    await stage.run('finalise', { settlementId }, 2);
    expect(await stage.row(settlementId)).toMatchObject({ needs_attention: true });
    expect(await stage.run('conclude', { settlementId, reason: 'aborted' })).toMatchObject({ state: 'ROLLED_BACK' });
    expect(await stage.row(settlementId)).toMatchObject({ needs_attention: false });
  });
});

describe('parties with wallets on two chains', () => {
  it('are screened once as entities and for each wallet, and attested under every party hash', async () => {
    const settlementId = await stage.seed({ cashChainId: REMOTE_CHAIN, depositWallet: true });
    await stage.walk(settlementId, 'register', 'screen', 'attest');
    const entities = stage.asked.filter((caseId) => caseId.includes(':entity:'));
    const wallets = stage.asked.filter((caseId) => caseId.includes(':wallet:'));
    expect(entities).toHaveLength(2);
    // The seller has two wallets on each chain, the buyer one.
    expect(wallets).toHaveLength(6);
    expect(new Set(wallets).size).toBe(6);
    const checks = await stage.db.worker.transaction({ kind: 'worker' }, (transaction) =>
      transaction.query<{ party_hash: string }>(
        'SELECT party_hash FROM keystone.compliance_checks WHERE settlement_id = $1',
        [settlementId],
      ),
    );
    // Two entity hashes for each party as well: one for its participant id on each chain.
    expect(checks).toHaveLength(10);
    expect(await stage.chains.home.gateIsOpen(settlementId)).toBe(true);
  });

  it('are asked about again only as far as the answer is missing', async () => {
    const settlementId = await stage.seed({ cashChainId: REMOTE_CHAIN });
    await stage.run('register', { settlementId });
    let calls = 0;
    stage.answers.wallet = async () => {
      calls += 1;
      if (calls === 2) throw new Error('lost');
      return screeningOutcome('PASS', 'wallet');
    };
    await expect(stage.run('screen', { settlementId })).rejects.toThrow();
    stage.asked = [];
    await stage.run('screen', { settlementId }, 2);
    expect(stage.asked).toHaveLength(1);
  });
});
