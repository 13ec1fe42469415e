import { randomUUID } from 'node:crypto';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';

import { createTestDatabase, type TestDatabase } from '../test/support/database.ts';
import { type SeededPlatform, seedPlatform, seedSettlement } from '../test/support/seed-settlement.ts';
import { legPaidToItsPayer, withParticipants } from './parties.ts';

const CHAIN_ID = 31_337;
const address = (byte: string) => `0x${byte.repeat(20)}`;

describe('wallets in the database', () => {
  let database: TestDatabase;
  let owner: pg.Client;
  let seller: SeededPlatform;
  let buyer: SeededPlatform;
  let stranger: SeededPlatform;

  beforeAll(async () => {
    database = await createTestDatabase();
    owner = new pg.Client({ connectionString: database.ownerUrl });
    await owner.connect();
    [seller, buyer, stranger] = [
      await seedPlatform(database.ownerUrl),
      await seedPlatform(database.ownerUrl),
      await seedPlatform(database.ownerUrl),
    ];
  }, 60_000);
  afterAll(async () => {
    await owner.end();
    await database.drop();
  });

  /** A settlement whose buyer has not confirmed, with the seller's one wallet on the chain. */
  async function seeded() {
    const id = await seedSettlement({
      database: database.api,
      seller,
      buyer,
      chainId: CHAIN_ID,
      awaitingConfirmation: true,
    });
    const rows = await owner.query(
      `SELECT p.id AS party, p.role, w.participant_id, w.wallet_address FROM keystone.parties p
       LEFT JOIN keystone.party_wallets w ON w.party_id = p.id WHERE p.settlement_id = $1`,
      [id],
    );
    const of = (role: string) => rows.rows.find((row) => row.role === role);
    return { id, seller: of('seller'), buyer: of('buyer') };
  }

  const insert = (
    settlement: string,
    party: string,
    purpose: string,
    wallet: string,
    participant: string,
    chain = CHAIN_ID,
  ) =>
    owner.query(
      `INSERT INTO keystone.party_wallets (party_id, settlement_id, environment_id, chain_id, purpose, wallet_address, participant_id)
       SELECT $1, $2, environment_id, $6, $3, $4, $5 FROM keystone.parties WHERE id = $1`,
      [party, settlement, purpose, wallet, participant, chain],
    );

  it('a deposit wallet stands beside another receive wallet of the same participant, whoever writes', async () => {
    const one = await seeded();
    const { party, participant_id, wallet_address } = one.seller;
    const refused = { code: 'KS007' };
    await expect(insert(one.id, party, 'deposit', address('d1'), randomUUID())).rejects.toMatchObject(refused);
    await expect(insert(one.id, party, 'deposit', wallet_address, participant_id)).rejects.toMatchObject(refused);
    await expect(insert(one.id, one.buyer.party, 'deposit', address('d1'), randomUUID())).rejects.toMatchObject(
      refused,
    );
    await expect(insert(one.id, party, 'deposit', address('d1'), participant_id, 7)).rejects.toMatchObject(refused);
    await insert(one.id, party, 'deposit', address('d1'), participant_id);
  });

  it('a participant id is never used for another party, chain or settlement', async () => {
    const [one, other] = [await seeded(), await seeded()];
    const { participant_id } = one.seller;
    for (const [settlement, party, chain] of [
      [one.id, one.buyer.party, CHAIN_ID],
      [one.id, one.seller.party, 7],
      [other.id, other.buyer.party, CHAIN_ID],
    ] as const) {
      const again = insert(settlement, party, 'receive', address('b1'), participant_id, chain);
      await expect(again).rejects.toMatchObject({ code: '23505' });
    }
  });

  it('no wallet is the zero address', async () => {
    const one = await seeded();
    const zero = insert(one.id, one.buyer.party, 'receive', address('00'), randomUUID());
    await expect(zero).rejects.toMatchObject({ code: '23514' });
  });

  it('all wallets of a party on a chain get one random participant id, and each chain another', () => {
    const wallet = (chain_id: number, purpose: 'receive' | 'deposit') => ({ chain_id, purpose, wallet_address: '0x' });
    const rows = withParticipants([wallet(5, 'receive'), wallet(5, 'deposit'), wallet(7, 'receive')]);
    expect(rows[0]?.participant_id).toBe(rows[1]?.participant_id);
    expect(rows[0]?.participant_id).not.toBe(rows[2]?.participant_id);
    for (const { participant_id } of rows) expect(participant_id).toMatch(/^.{14}4.{4}[89ab]/);
  });

  it('who has no party in a settlement learns nothing by asking whose wallet it is', async () => {
    const one = await seeded();
    const wallets = [{ chain_id: CHAIN_ID, purpose: 'receive' as const, wallet_address: one.seller.wallet_address }];
    const ask = (environmentId: string) =>
      database.api.transaction({ kind: 'tenant', environmentId }, (transaction) =>
        legPaidToItsPayer(transaction, one.id, 'buyer', wallets),
      );
    expect(await ask(buyer.environmentId)).toBe(0);
    expect(await ask(stranger.environmentId)).toBeUndefined();
  });
});
