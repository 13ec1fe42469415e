import { randomUUID } from 'node:crypto';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { keccak256, toUtf8Bytes } from 'ethers';

import { partyHashesOf } from '../../chain/terms-of-work.ts';
import { insertComplianceCheck, readSettlementWork } from '../../db/settlement-work.ts';
import {
  at,
  CHAIN_ID,
  exampleConfirmation,
  exampleSettlement,
  newWallet,
  startTestApi,
  type TestApi,
  type TestPlatform,
  textAt,
} from '../testing/test-api.ts';
import { complianceReferencesOut } from './views.ts';

describe('GET …/compliance/references', () => {
  let api: TestApi;
  let a: TestPlatform;
  let b: TestPlatform;

  beforeAll(async () => {
    api = await startTestApi();
    a = await api.addPlatform();
    b = await api.addPlatform();
  }, 60_000);
  afterAll(() => api.stop());

  const get = (id: string, token: string) => api.call('GET', `/v1/settlements/${id}/compliance/references`, { token });

  async function instructed(): Promise<string> {
    const deposit = { chain_id: CHAIN_ID, address: newWallet(), purpose: 'deposit' };
    const created = await api.call('POST', '/v1/settlements', {
      token: a.token,
      body: exampleSettlement(b.slug, {
        parties: [{ role: 'seller', external_reference: 's', wallet_address: newWallet(), wallets: [deposit] }],
      }),
    });
    const id = textAt(created, '/id');
    await api.call('POST', `/v1/settlements/${id}/confirm`, { token: b.token, body: exampleConfirmation() });
    return id;
  }

  /** Screens every party hash as the engine would; the reference of each is its own. Answers the references in the order of the terms. */
  async function screened(statusOfEntity: 'PASS' | 'FLAGGED' = 'PASS') {
    const id = await instructed();
    return api.database.worker.transaction({ kind: 'worker' }, async (transaction) => {
      const work = await readSettlementWork(transaction, id);
      if (work === undefined) throw new Error('there is no such settlement');
      const hashes = partyHashesOf(work).map((hash, index) => ({
        ...hash,
        reference: `case-${id.slice(0, 8)}-${index}`,
      }));
      for (const { party_id, chain_id, kind, party_hash, reference } of hashes) {
        const party = work.parties.find((candidate) => candidate.id === party_id);
        await insertComplianceCheck(transaction, id, party?.environment_id ?? '', {
          party_id,
          chain_id,
          kind,
          round: 1,
          party_hash,
          provider: kind === 'entity' ? 'lseg_worldcheck' : 'cipherowl',
          status: kind === 'entity' ? statusOfEntity : 'PASS',
          reference_id: reference,
          reason_code: 'no_match',
          policy_version: '1',
          simulated: true,
          screenedAtMs: Date.now(),
        });
      }
      return { id, hashes };
    });
  }

  it('200: every party hash of one’s own party with the reference that opens its attestation, and nobody else’s', async () => {
    const { id, hashes } = await screened();
    // Seller: entity, receive wallet, deposit wallet. Buyer: entity, wallet.
    for (const [platform, own, foreign] of [
      [a, hashes.slice(0, 3), hashes.slice(3)],
      [b, hashes.slice(3), hashes.slice(0, 3)],
    ] as const) {
      const answer = await get(id, platform.token);
      expect(complianceReferencesOut.safeParse(answer.body).error).toBeUndefined();
      const items = at(answer, '/items') as { party_hash: string; reference: string; reference_hash: string }[];
      expect(items.map(({ party_hash }) => party_hash).toSorted()).toEqual(
        own.map(({ party_hash }) => party_hash).toSorted(),
      );
      for (const { party_hash, kind, chain_id, reference } of own) {
        expect(items.find((item) => item.party_hash === party_hash)).toMatchObject({
          kind,
          chain_id,
          status: 'PASS',
          provider: kind === 'entity' ? 'lseg_worldcheck' : 'cipherowl',
          reference,
          reference_hash: keccak256(toUtf8Bytes(reference)),
        });
      }
      for (const { reference, party_hash } of foreign) {
        expect(answer.text).not.toContain(reference);
        expect(answer.text).not.toContain(party_hash);
      }
    }
  });

  it('200: the approval of a flag opens the Pass that was attested after it', async () => {
    const { id, hashes } = await screened('FLAGGED');
    const decision = randomUUID();
    await api.owner.query(
      `INSERT INTO keystone.compliance_decisions (id, settlement_id, round, decision, decided_by) VALUES ($1, $2, 1, 'approve', 'operator')`,
      [decision, id],
    );
    const items = at(await get(id, a.token), '/items') as Record<string, unknown>[];
    const entity = items.filter((item) => item['party_hash'] === hashes[0]?.party_hash);
    expect(entity).toMatchObject([
      { status: 'FLAGGED', provider: 'lseg_worldcheck', reference: hashes[0]?.reference },
      {
        status: 'PASS',
        provider: 'compliance_decision',
        reference: decision,
        reference_hash: keccak256(toUtf8Bytes(decision)),
      },
    ]);
    expect(items).toHaveLength(4);
  });

  it('200: nothing before screening', async () => {
    expect(at(await get(await instructed(), a.token), '/items')).toEqual([]);
  });

  it('404 for who has no party in it, with the bytes of a missing one', async () => {
    const { id } = await screened();
    const stranger = await api.addPlatform();
    const otherOfB = await api.addPlatform(b.slug, { environment: 'staging', platformId: b.platformId });
    const missing = await get(randomUUID(), stranger.token);
    expect(missing.status).toBe(404);
    for (const { token } of [stranger, otherOfB]) expect((await get(id, token)).text).toBe(missing.text);
  });

  it('403 for an operator, who owns no party, and without the scope', async () => {
    const { id } = await screened();
    const operator = await api.addOperator();
    const blind = await api.addPlatform(undefined, { scopes: ['settlements:write'] });
    expect(at(await get(id, operator.token), '/code')).toBe('client_unknown');
    expect(at(await get(id, blind.token), '/code')).toBe('insufficient_scope');
  });
});
