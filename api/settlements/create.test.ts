import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import {
  at,
  CHAIN_ID,
  exampleLegs,
  exampleSettlement,
  KBOND,
  newWallet,
  startTestApi,
  type TestApi,
  type TestPlatform,
  textAt,
} from '../testing/test-api.ts';

describe('POST /v1/settlements', () => {
  let api: TestApi;
  let a: TestPlatform;
  let b: TestPlatform;

  beforeAll(async () => {
    api = await startTestApi();
    a = await api.addPlatform();
    b = await api.addPlatform();
  }, 60_000);
  afterAll(() => api.stop());

  const create = (body: unknown, headers: Record<string, string> = {}) =>
    api.call('POST', '/v1/settlements', { token: a.token, body, headers });
  const count = async (sql: string, values: unknown[] = []) =>
    Number((await api.owner.query(sql, values)).rows[0].count);

  describe('201', () => {
    it('seed 000 makes a settlement that awaits the other platform, with a placeholder that carries the hints', async () => {
      const answer = await create(exampleSettlement(b.slug));
      expect(answer.status).toBe(201);
      expect(answer.headers.get('location')).toBe(`/v1/settlements/${textAt(answer, '/id')}`);
      expect(answer.body).toMatchObject({
        state: 'AWAITING_CONFIRMATION',
        settlement_type: 'cross_platform',
        template_slug: 'dvp-standard',
        parties: [
          { role: 'seller', status: 'confirmed', external_reference: 'seller-001', environment_id: a.environmentId },
          {
            role: 'buyer',
            status: 'pending_confirmation',
            environment_id: b.environmentId,
            wallet_address: null,
            wallet_address_hint: '0x...',
            counterparty_reference: 'Entity Name or LEI',
          },
        ],
        legs: [
          { quantity: '500', amount: '500000000000000000000', payer_role: 'seller', payee_role: 'buyer' },
          { quantity: '125000', amount: '125000000000', payer_role: 'buyer', payee_role: 'seller' },
        ],
      });
    });

    it('writes events, a workflow start, audit rows and a notice for the counterparty alone, all with the request id', async () => {
      const answer = await create(exampleSettlement(b.slug), { 'X-Request-Id': 'trace-create-1' });
      const id = textAt(answer, '/id');
      const outbox = await api.owner.query(
        'SELECT destination, kind, payload, request_id FROM keystone.outbox WHERE settlement_id = $1 ORDER BY id',
        [id],
      );
      expect(outbox.rows).toMatchObject([
        { destination: 'webhook', kind: 'event', request_id: 'trace-create-1' },
        { destination: 'webhook', kind: 'event', payload: { only_environments: [b.environmentId] } },
        { destination: 'temporal', kind: 'start', request_id: 'trace-create-1' },
      ]);
      const events = await api.call('GET', `/v1/settlements/${id}/events`, { token: b.token });
      expect(at(events, '/items/1')).toMatchObject({
        type: 'settlement.confirmation_required',
        payload: { role: 'buyer', wallet_address_hint: '0x...', legs: [{ quantity: '500' }, { quantity: '125000' }] },
      });
      expect(
        await count(
          `SELECT count(*) FROM keystone.audit_log WHERE settlement_id = $1 AND request_id = 'trace-create-1'`,
          [id],
        ),
      ).toBe(3);
      expect(
        await count(`SELECT count(*) FROM keystone.settlements WHERE id = $1 AND request_id = 'trace-create-1'`, [id]),
      ).toBe(1);
    });

    it('with all parties its own, is instructed at once and single-platform', async () => {
      const party = (role: string) => ({ role, external_reference: `${role}-1`, wallet_address: newWallet() });
      const answer = await create({ parties: [party('seller'), party('buyer')], legs: exampleLegs() });
      expect(answer.body).toMatchObject({ state: 'INSTRUCTED', settlement_type: 'single_platform' });
    });

    it('takes a quantity as a JSON number digit by digit', async () => {
      const body = JSON.stringify(exampleSettlement(b.slug)).replace(
        '"quantity":"500"',
        '"quantity":0.123456789012345678',
      );
      const answer = await api.call('POST', '/v1/settlements', { token: a.token, rawBody: body });
      expect(at(answer, '/legs/0')).toMatchObject({ quantity: '0.123456789012345678', amount: '123456789012345678' });
    });

    it('reads null as absent, in every optional field', async () => {
      const body = exampleSettlement(b.slug, {
        timeout_at: null,
        idempotency_key: null,
        external_reference: null,
        maturity_at: null,
      });
      expect((await create(body)).status).toBe(201);
    });

    it('takes the published curl call, which names no content type of its own', async () => {
      const answer = await api.call('POST', '/v1/settlements', {
        token: a.token,
        rawBody: JSON.stringify(exampleSettlement(b.slug)),
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      });
      expect(answer.status).toBe(201);
    });

    it('a platform slug means its environment of the initiator’s environment slug', async () => {
      const staging = await api.addPlatform(a.slug, { environment: 'staging', platformId: a.platformId });
      const other = await api.addPlatform(b.slug, { environment: 'staging', platformId: b.platformId });
      const answer = await api.call('POST', '/v1/settlements', {
        token: staging.token,
        body: exampleSettlement(b.slug),
      });
      expect(at(answer, '/parties/1/environment_id')).toBe(other.environmentId);
    });
  });

  describe('200', () => {
    it.each([
      ['in the body', (key: string) => ({ body: { idempotency_key: key }, headers: {} })],
      ['in the header', (key: string) => ({ body: {}, headers: { 'Idempotency-Key': key } })],
      ['quoted in the header', (key: string) => ({ body: {}, headers: { 'Idempotency-Key': `"${key}"` } })],
    ])('the same key %s answers the settlement that it made', async (where, place) => {
      const { body, headers } = place(`key ${where}`);
      const request = { ...exampleSettlement(b.slug), ...body };
      const first = await create(request, headers);
      const second = await create({ ...request, external_reference: null }, headers);
      expect([first.status, second.status]).toEqual([201, 200]);
      expect(second.headers.get('idempotency-replayed')).toBe('true');
      expect(at(second, '/id')).toBe(at(first, '/id'));
    });

    it('a repeat finds its settlement although its deadline could not be asked for any more', async () => {
      const timeoutAt = new Date(Date.now() + 61_000).toISOString();
      const request = exampleSettlement(b.slug, { timeout_at: timeoutAt, idempotency_key: 'late-repeat' });
      await create(request);
      await new Promise((resolve) => setTimeout(resolve, 1_100));
      expect((await create(request)).status).toBe(200);
    });

    it('twenty equal requests at once make one settlement', async () => {
      const request = exampleSettlement(b.slug, { idempotency_key: 'twenty-at-once' });
      const answers = await Promise.all(Array.from({ length: 20 }, () => create(request)));
      expect(answers.map((answer) => answer.status).toSorted((x, y) => x - y)).toEqual([...Array(19).fill(200), 201]);
      expect(new Set(answers.map((answer) => at(answer, '/id'))).size).toBe(1);
      expect(
        await count(`SELECT count(*) FROM keystone.settlement_owner_details WHERE idempotency_key = 'twenty-at-once'`),
      ).toBe(1);
    });

    it('another platform’s key of the same text is another key', async () => {
      const key = 'shared text';
      await create(exampleSettlement(b.slug, { idempotency_key: key }));
      const answer = await api.call('POST', '/v1/settlements', {
        token: b.token,
        body: exampleSettlement(a.slug, { idempotency_key: key }),
      });
      expect(answer.status).toBe(201);
    });
  });

  describe('403', () => {
    it('a token without the scope, and an operator, who belongs to no platform, create nothing', async () => {
      const reader = await api.addPlatform(undefined, { scopes: ['settlements:read'] });
      const operator = await api.addOperator();
      for (const [token, code] of [
        [reader.token, 'insufficient_scope'],
        [operator.token, 'client_unknown'],
      ]) {
        const answer = await api.call('POST', '/v1/settlements', { token, body: exampleSettlement(b.slug) });
        expect([answer.status, at(answer, '/code')]).toEqual([403, code]);
      }
    });
  });

  describe('422', () => {
    const leg = (changes: Record<string, unknown>) => ({
      legs: [{ ...exampleLegs()[0], ...changes }, exampleLegs()[1]],
    });
    const seller = (changes: Record<string, unknown>) => ({
      parties: [{ role: 'seller', external_reference: 's', wallet_address: newWallet(), ...changes }],
    });
    const counterparty = (changes: Record<string, unknown>) => ({
      counterparty_parties: [{ platform_slug: b.slug, role: 'buyer', ...changes }],
    });

    it.each<[string, string, () => Record<string, unknown>, string]>([
      ['validation_failed', 'an unknown field', () => ({ surprise: 1 }), '/surprise'],
      ['validation_failed', 'an unknown field of a party', () => seller({ iban: 'x' }), '/parties/0/iban'],
      ['legs_missing', 'no legs', () => ({ legs: [] }), '/legs'],
      ['leg_type_missing', 'no payment', () => ({ legs: [exampleLegs()[0]] }), '/legs'],
      ['template_unknown', 'another template', () => ({ template_slug: 'repo' }), '/template_slug'],
      ['role_unknown', 'a role of no template', () => seller({ role: 'broker' }), '/parties/0/role'],
      ['role_duplicated', 'a role twice', () => counterparty({ role: 'seller' }), '/counterparty_parties/0/role'],
      ['role_missing', 'no buyer', () => ({ counterparty_parties: [] }), '/parties'],
      [
        'platform_unknown',
        'a platform that is not there',
        () => counterparty({ platform_slug: 'nobody' }),
        '/counterparty_parties/0/platform_slug',
      ],
      [
        'platform_unknown',
        'itself as counterparty',
        () => counterparty({ platform_slug: a.slug }),
        '/counterparty_parties/0/platform_slug',
      ],
      ['chain_unknown', 'another chain', () => leg({ chain_id: 1 }), '/legs/0/chain_id'],
      ['chain_unknown', 'another chain of a party', () => seller({ chain_id: 1 }), '/parties/0/chain_id'],
      [
        'instrument_unknown',
        'a code instead of a token',
        () => leg({ instrument_id: 'BOND-001' }),
        '/legs/0/instrument_id',
      ],
      [
        'instrument_unknown',
        'an address that is no token',
        () => leg({ instrument_id: newWallet() }),
        '/legs/0/instrument_id',
      ],
      ['token_standard_unsupported', 'ERC-777', () => leg({ token_standard: 'ERC-777' }), '/legs/0/token_standard'],
      ['quantity_malformed', 'a quantity with a comma', () => leg({ quantity: '1,5' }), '/legs/0/quantity'],
      ['quantity_not_positive', 'zero', () => leg({ quantity: '0.00' }), '/legs/0/quantity'],
      [
        'quantity_too_precise',
        'more digits than the token has',
        () => leg({ quantity: '0.0000000000000000001' }),
        '/legs/0/quantity',
      ],
      ['quantity_too_large', 'more than a leg holds', () => leg({ quantity: '9'.repeat(38) }), '/legs/0/quantity'],
      [
        'wallet_malformed',
        'a wallet of 19 bytes',
        () => seller({ wallet_address: newWallet().slice(0, -2) }),
        '/parties/0/wallet_address',
      ],
      [
        'wallet_malformed',
        'a wrong checksum',
        () => seller({ wallet_address: `0x${'aB'.repeat(20)}` }),
        '/parties/0/wallet_address',
      ],
      [
        'wallet_malformed',
        'the token as a wallet',
        () => seller({ wallet_address: KBOND }),
        '/parties/0/wallet_address',
      ],
      [
        'wallet_malformed',
        'the zero address',
        () => seller({ wallet_address: `0x${'0'.repeat(40)}` }),
        '/parties/0/wallet_address',
      ],
      ['timeout_out_of_range', 'a deadline in the past', () => ({ timeout_at: '2020-01-01T00:00:00Z' }), '/timeout_at'],
      [
        'timeout_out_of_range',
        'a deadline in eight days',
        () => ({ timeout_at: new Date(Date.now() + 8 * 86_400_000).toISOString() }),
        '/timeout_at',
      ],
      [
        'validation_failed',
        'a deadline without a time zone',
        () => ({ timeout_at: '2030-01-01T00:00:00' }),
        '/timeout_at',
      ],
    ])('%s for %s, naming the place, and nothing is written', async (code, _what, changes, pointer) => {
      const before = await count('SELECT count(*) FROM keystone.settlements');
      const answer = await create(exampleSettlement(b.slug, changes()));
      expect([answer.status, at(answer, '/code'), at(answer, '/errors/0/pointer')]).toEqual([422, code, pointer]);
      expect(await count('SELECT count(*) FROM keystone.settlements')).toBe(before);
    });

    it('wallet_shared when payer and payee are one wallet', async () => {
      const wallet = newWallet();
      const party = (role: string, address: string) => ({ role, external_reference: role, wallet_address: address });
      const answer = await create({
        parties: [party('seller', wallet), party('buyer', wallet.toLowerCase())],
        legs: exampleLegs(),
      });
      expect(at(answer, '/code')).toBe('wallet_shared');
    });

    it('idempotency_key_reused when the key comes with another body', async () => {
      await create(exampleSettlement(b.slug, { idempotency_key: 'reused' }));
      const answer = await create(exampleSettlement(b.slug, { idempotency_key: 'reused' }));
      expect([answer.status, at(answer, '/code')]).toEqual([422, 'idempotency_key_reused']);
    });

    it('idempotency_key_conflict when header and body disagree', async () => {
      const answer = await create(exampleSettlement(b.slug, { idempotency_key: 'one' }), { 'Idempotency-Key': 'two' });
      expect([answer.status, at(answer, '/code')]).toEqual([422, 'idempotency_key_conflict']);
    });

    it('a suspended counterparty cannot be named, and the answer does not say why', async () => {
      const suspended = await api.addPlatform();
      await api.owner.query(`UPDATE keystone.platforms SET status = 'suspended' WHERE id = $1`, [suspended.platformId]);
      const [one, other] = [
        await create(exampleSettlement(suspended.slug)),
        await create(exampleSettlement('nobody-at-all')),
      ];
      expect([at(one, '/code'), at(one, '/detail')]).toEqual([at(other, '/code'), at(other, '/detail')]);
    });
  });

  it('leg chains default to the party’s chain', async () => {
    const legs = exampleLegs().map(({ chain_id: _chain, ...leg }) => leg);
    const answer = await create(exampleSettlement(b.slug, { legs }));
    expect(at(answer, '/legs/0/chain_id')).toBe(CHAIN_ID);
  });
});
