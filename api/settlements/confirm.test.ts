import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import {
  at,
  exampleConfirmation,
  exampleLegs,
  exampleSettlement,
  newWallet,
  startTestApi,
  type TestApi,
  type TestPlatform,
  textAt,
} from '../testing/test-api.ts';

describe('confirm and reject', () => {
  let api: TestApi;
  let a: TestPlatform;
  let b: TestPlatform;
  let otherOfB: TestPlatform;
  let stranger: TestPlatform;

  beforeAll(async () => {
    api = await startTestApi();
    a = await api.addPlatform();
    b = await api.addPlatform();
    otherOfB = await api.addPlatform(b.slug, { environment: 'staging', platformId: b.platformId });
    stranger = await api.addPlatform();
  }, 60_000);
  afterAll(() => api.stop());

  async function open(changes: Record<string, unknown> = {}): Promise<string> {
    const answer = await api.call('POST', '/v1/settlements', {
      token: a.token,
      body: exampleSettlement(b.slug, changes),
    });
    return textAt(answer, '/id');
  }
  const confirm = (id: string, token: string, changes: Record<string, unknown> = {}) =>
    api.call('POST', `/v1/settlements/${id}/confirm`, { token, body: exampleConfirmation(changes) });
  const reject = (id: string, token: string, body: Record<string, unknown> = { reason: 'Entity not found' }) =>
    api.call('POST', `/v1/settlements/${id}/reject`, { token, body });
  const brief = (answer: Awaited<ReturnType<typeof confirm>>) => [
    answer.status,
    at(answer, '/code') ?? at(answer, '/state'),
  ];
  const eventTypes = async (id: string) =>
    (
      await api.owner.query('SELECT type FROM keystone.settlement_events WHERE settlement_id = $1 ORDER BY sequence', [
        id,
      ])
    ).rows.map((row) => row.type);

  describe('200', () => {
    it('the last confirmation instructs the settlement and wakes its workflow by the outbox', async () => {
      const id = await open();
      expect(brief(await confirm(id, b.token))).toEqual([200, 'INSTRUCTED']);
      const outbox = await api.owner.query(
        `SELECT kind FROM keystone.outbox WHERE settlement_id = $1 AND destination = 'temporal' ORDER BY id`,
        [id],
      );
      expect(outbox.rows.map((row) => row.kind)).toEqual(['start', 'confirmation']);
    });

    it('confirming a confirmed party again is safe, whatever state the settlement is in by then', async () => {
      const id = await open();
      await confirm(id, b.token);
      await api.owner.query(
        `UPDATE keystone.settlements SET state = 'COMPLIANCE_CHECKING', event_sequence = event_sequence + 1 WHERE id = $1`,
        [id],
      );
      expect(brief(await confirm(id, b.token))).toEqual([200, 'COMPLIANCE_CHECKING']);
    });

    it('rejecting ends the settlement with its reason in the event, and rejecting again is safe', async () => {
      const id = await open();
      expect(brief(await reject(id, b.token))).toEqual([200, 'ROLLED_BACK']);
      expect(brief(await reject(id, b.token, {}))).toEqual([200, 'ROLLED_BACK']);
      const events = await api.call('GET', `/v1/settlements/${id}/events`, { token: a.token });
      expect(at(events, '/items/2')).toMatchObject({
        to_state: 'ROLLED_BACK',
        payload: { reason: 'Entity not found', ending_code: 'rejected' },
      });
      expect(at(events, '/total')).toBe(3);
    });

    it('a rejection needs no body', async () => {
      const id = await open();
      const answer = await api.call('POST', `/v1/settlements/${id}/reject`, { token: b.token });
      expect(brief(answer)).toEqual([200, 'ROLLED_BACK']);
    });

    it('two confirmations at once are both answered 200 and make one event', async () => {
      const id = await open();
      const answers = await Promise.all([confirm(id, b.token), confirm(id, b.token)]);
      expect(answers.map((answer) => answer.status)).toEqual([200, 200]);
      expect((await eventTypes(id)).filter((type) => type === 'settlement.state.instructed')).toHaveLength(1);
    });

    it('a confirmation and a rejection at once: one wins, the other is a conflict', async () => {
      const id = await open();
      const [confirmed, rejected] = await Promise.all([confirm(id, b.token), reject(id, b.token)]);
      expect([confirmed.status, rejected.status].toSorted((x, y) => x - y)).toEqual([200, 409]);
    });

    it('the counterparty’s details are seen by itself alone', async () => {
      const id = await open();
      const own = await confirm(id, b.token, { country: 'DEU' });
      expect(at(own, '/parties/1')).toMatchObject({
        external_reference: 'buyer-acct-042',
        name: 'Beta Capital',
        country: 'DEU',
      });
      const seen = await api.call('GET', `/v1/settlements/${id}`, { token: a.token });
      expect(at(seen, '/parties/1')).toMatchObject({
        status: 'confirmed',
        external_reference: null,
        name: null,
        wallet_address: null,
        country: null,
      });
    });

    it('several parties of one platform are confirmed one by one, by role', async () => {
      const id = await open({
        parties: [],
        counterparty_parties: ['seller', 'buyer'].map((role) => ({ platform_slug: b.slug, role })),
      });
      expect(brief(await confirm(id, b.token))).toEqual([422, 'role_ambiguous']);
      expect(brief(await reject(id, b.token))).toEqual([422, 'role_ambiguous']);
      expect(brief(await confirm(id, b.token, { role: 'seller' }))).toEqual([200, 'AWAITING_CONFIRMATION']);
      expect(brief(await confirm(id, b.token, { role: 'seller' }))).toEqual([200, 'AWAITING_CONFIRMATION']);
      expect(brief(await confirm(id, b.token, { role: 'buyer' }))).toEqual([200, 'INSTRUCTED']);
    });
  });

  describe('403', () => {
    it('the initiator may not confirm or reject on the counterparty’s behalf', async () => {
      const id = await open();
      expect(brief(await confirm(id, a.token))).toEqual([403, 'not_a_counterparty']);
      expect(brief(await reject(id, a.token))).toEqual([403, 'not_a_counterparty']);
    });

    it('an operator has no party to confirm', async () => {
      const id = await open();
      const operator = await api.addOperator();
      expect(brief(await confirm(id, operator.token))).toEqual([403, 'not_a_counterparty']);
    });
  });

  describe('404', () => {
    it('the counterparty’s other environment and a stranger get the bytes of a settlement that does not exist', async () => {
      const id = await open();
      for (const act of [confirm, reject]) {
        const missing = await act('00000000-0000-4000-8000-000000000000', stranger.token);
        for (const who of [otherOfB, stranger]) {
          const answer = await act(id, who.token);
          expect([answer.status, answer.text]).toEqual([404, missing.text]);
        }
      }
    });
  });

  describe('409', () => {
    it('confirming after rejection', async () => {
      const id = await open();
      await reject(id, b.token);
      expect(brief(await confirm(id, b.token))).toEqual([409, 'confirm_after_rejection']);
    });

    it('rejecting after confirmation', async () => {
      const id = await open();
      await confirm(id, b.token);
      expect(brief(await reject(id, b.token))).toEqual([409, 'reject_after_confirmation']);
    });

    it('one’s own party’s status decides before the settlement’s state', async () => {
      const id = await open();
      await confirm(id, b.token);
      await api.owner.query(
        `UPDATE keystone.settlements SET state = 'TIMED_OUT', event_sequence = event_sequence + 1 WHERE id = $1`,
        [id],
      );
      expect(brief(await confirm(id, b.token))).toEqual([200, 'TIMED_OUT']);
      expect(brief(await reject(id, b.token))).toEqual([409, 'reject_after_confirmation']);
    });

    it('after the deadline nothing is confirmed or rejected, even before anybody recorded the time-out', async () => {
      const id = await open();
      await api.owner.query(`UPDATE keystone.settlements SET timeout_at = now() - interval '1 second' WHERE id = $1`, [
        id,
      ]);
      expect(brief(await confirm(id, b.token))).toEqual([409, 'settlement_closed']);
      expect(brief(await reject(id, b.token))).toEqual([409, 'settlement_closed']);
    });

    it('a single-platform settlement has nobody to confirm', async () => {
      const party = (role: string) => ({ role, external_reference: role, wallet_address: newWallet() });
      const made = await api.call('POST', '/v1/settlements', {
        token: a.token,
        body: { parties: [party('seller'), party('buyer')], legs: exampleLegs() },
      });
      expect(brief(await confirm(textAt(made, '/id'), a.token))).toEqual([409, 'not_cross_platform']);
    });
  });

  describe('422', () => {
    it('the initiator’s wallet cannot confirm the other side', async () => {
      const wallet = newWallet();
      const id = await open({ parties: [{ role: 'seller', external_reference: 's', wallet_address: wallet }] });
      expect(brief(await confirm(id, b.token, { wallet_address: wallet.toLowerCase() }))).toEqual([
        422,
        'wallet_shared',
      ]);
      expect(await eventTypes(id)).toHaveLength(2);
    });

    it('a confirmation without its party’s reference or with an unknown field', async () => {
      const id = await open();
      for (const [changes, pointer] of [
        [{ external_reference: null }, '/external_reference'],
        [{ lei: '5299' }, '/lei'],
      ] as const) {
        const answer = await confirm(id, b.token, changes);
        expect([answer.status, at(answer, '/errors/0/pointer')]).toEqual([422, pointer]);
      }
    });
  });
});
