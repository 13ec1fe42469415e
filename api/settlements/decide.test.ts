import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import {
  at,
  exampleConfirmation,
  exampleSettlement,
  PLATFORM_SCOPES,
  startTestApi,
  type TestApi,
  type TestPlatform,
  textAt,
} from '../testing/test-api.ts';

describe('POST /v1/settlements/{id}/compliance-decision', () => {
  let api: TestApi;
  let a: TestPlatform;
  let b: TestPlatform;
  let operator: { token: string };

  beforeAll(async () => {
    api = await startTestApi();
    a = await api.addPlatform();
    b = await api.addPlatform(undefined, { scopes: [...PLATFORM_SCOPES, 'compliance:decide'] });
    operator = await api.addOperator();
  }, 60_000);
  afterAll(() => api.stop());

  /** A settlement in COMPLIANCE_CHECKING whose seller has this result. */
  async function screened(status: 'PASS' | 'FLAGGED' | 'FAIL'): Promise<string> {
    const made = await api.call('POST', '/v1/settlements', { token: a.token, body: exampleSettlement(b.slug) });
    const id = textAt(made, '/id');
    await api.call('POST', `/v1/settlements/${id}/confirm`, { token: b.token, body: exampleConfirmation() });
    await api.owner.query(
      `UPDATE keystone.settlements SET state = 'COMPLIANCE_CHECKING', event_sequence = event_sequence + 1 WHERE id = $1`,
      [id],
    );
    await api.owner.query(
      `INSERT INTO keystone.compliance_checks (settlement_id, party_id, environment_id, chain_id, kind, party_hash, provider, status, reference_id,
         reason_code, policy_version, screened_at)
       SELECT settlement_id, id, environment_id, 11155111, 'entity', '0x0' || position, 'lseg', CASE WHEN role = 'seller' THEN $2 ELSE 'PASS' END, 'ref-' || role,
         CASE WHEN role = 'seller' THEN 'possible_match' ELSE 'no_match' END, '1', now() FROM keystone.parties WHERE settlement_id = $1`,
      [id, status],
    );
    return id;
  }
  const decide = (id: string, token: string, decision: string) =>
    api.call('POST', `/v1/settlements/${id}/compliance-decision`, { token, body: { decision, remark: 'seen' } });

  it('200: an operator decides once; the decision is stored, audited and wakes the workflow', async () => {
    const id = await screened('FLAGGED');
    const answer = await decide(id, operator.token, 'approve');
    expect([answer.status, at(answer, '/compliance_status')]).toEqual([200, 'approved']);
    const stored = await api.owner.query(
      'SELECT decision, round FROM keystone.compliance_decisions WHERE settlement_id = $1',
      [id],
    );
    expect(stored.rows).toEqual([{ decision: 'approve', round: 1 }]);
    const told = await api.owner.query(`SELECT 1 FROM keystone.outbox WHERE settlement_id = $1 AND kind = 'decision'`, [
      id,
    ]);
    const audited = await api.owner.query(
      `SELECT actor FROM keystone.audit_log WHERE settlement_id = $1 AND action = 'settlement.compliance.decide'`,
      [id],
    );
    expect([told.rowCount, audited.rowCount]).toEqual([1, 1]);
  });

  it('200: a platform with the granted scope may decide, and the same decision again changes nothing', async () => {
    const id = await screened('FLAGGED');
    expect((await decide(id, b.token, 'reject')).status).toBe(200);
    expect((await decide(id, b.token, 'reject')).status).toBe(200);
    const stored = await api.owner.query('SELECT 1 FROM keystone.compliance_decisions WHERE settlement_id = $1', [id]);
    expect(stored.rowCount).toBe(1);
  });

  it('200: two equal decisions at once make one', async () => {
    const id = await screened('FLAGGED');
    const answers = await Promise.all([decide(id, operator.token, 'approve'), decide(id, b.token, 'approve')]);
    expect(answers.map((answer) => answer.status)).toEqual([200, 200]);
  });

  it('403: without the scope, although the token claims it, for the flagged party’s own platform', async () => {
    const id = await screened('FLAGGED');
    const claiming = await api.sign({
      client_id: a.clientId,
      scope: [...PLATFORM_SCOPES, 'compliance:decide'].join(' '),
    });
    const answer = await decide(id, claiming, 'approve');
    expect([answer.status, at(answer, '/code')]).toEqual([403, 'insufficient_scope']);
  });

  it('404: who may not see the settlement learns the same with and without the scope', async () => {
    const id = await screened('FLAGGED');
    const stranger = await api.addPlatform();
    const armed = await api.addPlatform(undefined, { scopes: [...PLATFORM_SCOPES, 'compliance:decide'] });
    const [without, withScope] = [
      await decide(id, stranger.token, 'approve'),
      await decide(id, armed.token, 'approve'),
    ];
    expect([without.status, without.text]).toEqual([404, withScope.text]);
  });

  it('409: the opposite decision, and one about a settlement that is not flagged or not yet screened', async () => {
    const flagged = await screened('FLAGGED');
    await decide(flagged, operator.token, 'approve');
    const passed = await screened('PASS');
    const failed = await screened('FAIL');
    const made = await api.call('POST', '/v1/settlements', { token: a.token, body: exampleSettlement(b.slug) });
    for (const [id, decision] of [
      [flagged, 'reject'],
      [passed, 'approve'],
      [failed, 'approve'],
      [textAt(made, '/id'), 'approve'],
    ] as const) {
      const answer = await decide(id, operator.token, decision);
      expect([answer.status, at(answer, '/detail')]).toEqual([409, 'Settlement is not awaiting a compliance decision']);
    }
  });

  it('422: another word than approve or reject', async () => {
    expect((await decide(await screened('FLAGGED'), operator.token, 'maybe')).status).toBe(422);
  });

  it('everybody involved sees that the settlement is flagged; whose check it was and why, only that party sees', async () => {
    const id = await screened('FLAGGED');
    const [own, other] = [
      await api.call('GET', `/v1/settlements/${id}`, { token: a.token }),
      await api.call('GET', `/v1/settlements/${id}`, { token: b.token }),
    ];
    expect([at(own, '/compliance_status'), at(other, '/compliance_status')]).toEqual(['flagged', 'flagged']);
    expect(at(own, '/parties/0/compliance')).toEqual({
      status: 'flagged',
      reason_code: 'possible_match',
      simulated: false,
    });
    expect(at(own, '/parties/1/compliance')).toBeNull();
    expect(at(other, '/parties/0/compliance')).toBeNull();
    expect(other.text).not.toContain('possible_match');
  });
});
