import { randomBytes, randomUUID } from 'node:crypto';

import { Client } from 'pg';

import {
  announceCreation,
  insertCounterparty,
  insertSettlement,
  type ResolvedLeg,
} from '../../db/create-settlement.ts';
import type { Database } from '../../db/pool.ts';
import { lockSettlement, recordTransition } from '../../db/settlement-events.ts';
import type { Uuid } from '../../domain/ids.ts';
import { DEFAULT_TEMPLATE_SLUG, templateBySlug } from '../../domain/templates.ts';

export interface SeededPlatform {
  readonly slug: string;
  readonly platformId: Uuid;
  readonly environmentId: Uuid;
}

/** Inserts a platform with the environment `development`, as the launcher does, with the owner's connection. */
export async function seedPlatform(
  ownerUrl: string,
  slug = `platform-${randomBytes(4).toString('hex')}`,
): Promise<SeededPlatform> {
  const client = new Client({ connectionString: ownerUrl });
  await client.connect();
  try {
    const platformId = randomUUID();
    const environmentId = randomUUID();
    await client.query('INSERT INTO keystone.platforms (id, slug, name) VALUES ($1, $2, $2)', [platformId, slug]);
    await client.query(
      `INSERT INTO keystone.environments (id, platform_id, slug, name) VALUES ($1, $2, 'development', 'Development')`,
      [environmentId, platformId],
    );
    return { slug, platformId, environmentId };
  } finally {
    await client.end();
  }
}

const anyAddress = () => `0x${randomBytes(20).toString('hex')}`;
export const TEST_BOND = `0x${'b0'.repeat(20)}`;
export const TEST_CASH = `0x${'ca'.repeat(20)}`;

function testLegs(chainId: number): ResolvedLeg[] {
  const shared = { chainId, tokenStandard: 'ERC-20', partyRole: 'seller' } as const;
  return [
    {
      ...shared,
      legType: 'asset_delivery',
      instrumentId: TEST_BOND,
      quantity: '500',
      direction: 'deliver',
      payerRole: 'seller',
      payeeRole: 'buyer',
      decimals: 18,
      amount: 500n * 10n ** 18n,
    },
    {
      ...shared,
      legType: 'payment',
      instrumentId: TEST_CASH,
      quantity: '125000',
      direction: 'receive',
      payerRole: 'buyer',
      payeeRole: 'seller',
      decimals: 6,
      amount: 125_000n * 10n ** 6n,
    },
  ];
}

export interface SeedOptions {
  readonly database: Database;
  readonly seller: SeededPlatform;
  readonly buyer: SeededPlatform;
  readonly chainId: number;
  /** Leave the buyer's party unconfirmed. */
  readonly awaitingConfirmation?: boolean;
  /** ms since epoch */
  readonly deadlineMs?: number;
}

/** A settlement between two platforms, through the same functions as the API: 500 of a bond against 125,000 of cash. */
export async function seedSettlement(options: SeedOptions): Promise<Uuid> {
  const id = randomUUID();
  const template = templateBySlug(DEFAULT_TEMPLATE_SLUG);
  if (template === undefined) throw new Error('the default template is missing');
  const requestId = `test-${id}`;
  await options.database.transaction(
    { kind: 'tenant', environmentId: options.seller.environmentId },
    async (transaction) => {
      await insertSettlement(transaction, {
        id,
        environmentId: options.seller.environmentId,
        platformId: options.seller.platformId,
        settlementType: 'cross_platform',
        origin: 'direct',
        template,
        tradeReference: null,
        state: 'AWAITING_CONFIRMATION',
        deadlineMs: options.deadlineMs ?? Date.now() + 3_600_000,
        requestId,
        parties: [
          {
            position: 0,
            role: 'seller',
            externalReference: 'seller-001',
            name: 'Acme Securities',
            walletAddress: anyAddress(),
          },
        ],
        legs: testLegs(options.chainId),
      });
      const environmentId = await insertCounterparty(transaction, id, {
        position: 1,
        platformSlug: options.buyer.slug,
        role: 'buyer',
      });
      await announceCreation(transaction, id, {
        triggeredBy: 'platform:test',
        requestId,
        payload: {},
        confirmations: [{ environmentId, payload: { role: 'buyer' } }],
      });
    },
  );
  if (options.awaitingConfirmation !== true) await confirmBuyer(options.database, options.buyer, id);
  return id;
}

/** What `/confirm` does, in SQL of the test's own. */
export async function confirmBuyer(database: Database, buyer: SeededPlatform, settlementId: Uuid): Promise<void> {
  await database.transaction({ kind: 'tenant', environmentId: buyer.environmentId }, async (transaction) => {
    const locked = await lockSettlement(transaction, settlementId);
    if (locked === undefined) throw new Error('the buyer does not see the settlement');
    await transaction.query(
      `INSERT INTO keystone.party_details (party_id, settlement_id, environment_id, external_reference, name, wallet_address, participant_id)
       SELECT id, settlement_id, environment_id, 'buyer-042', 'Beta Capital', $2, $3 FROM keystone.parties WHERE settlement_id = $1 AND role = 'buyer'`,
      [settlementId, anyAddress(), randomUUID()],
    );
    await transaction.query(
      `UPDATE keystone.parties SET status = 'confirmed', confirmed_at = clock_timestamp() WHERE settlement_id = $1 AND role = 'buyer'`,
      [settlementId],
    );
    await recordTransition(transaction, locked, 'INSTRUCTED', { triggeredBy: 'platform:test' });
  });
}
