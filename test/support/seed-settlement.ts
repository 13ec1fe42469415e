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
import type { LegFee } from '../../domain/fees.ts';
import type { Uuid } from '../../domain/ids.ts';
import { DEFAULT_TEMPLATE_SLUG, templateBySlug } from '../../domain/templates.ts';
import type { ChainWallet } from '../../domain/wallets.ts';

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

/** A bond of the seller against cash of the buyer, each on a chain of its own or both on one; a fee out of the cash where one is given. */
function testLegs(
  chainIds: { bond: number; cash: number },
  tokens: { bond: string; cash: string },
  fees: readonly LegFee[],
): ResolvedLeg[] {
  const shared = { tokenStandard: 'ERC-20', partyRole: 'seller' } as const;
  return [
    {
      ...shared,
      chainId: chainIds.bond,
      legType: 'asset_delivery',
      instrumentId: tokens.bond,
      quantity: '500',
      direction: 'deliver',
      payerRole: 'seller',
      payeeRole: 'buyer',
      decimals: 18,
      amount: 500n * 10n ** 18n,
      fees: [],
    },
    {
      ...shared,
      chainId: chainIds.cash,
      legType: 'payment',
      instrumentId: tokens.cash,
      quantity: '125000',
      direction: 'receive',
      payerRole: 'buyer',
      payeeRole: 'seller',
      decimals: 6,
      amount: 125_000n * 10n ** 6n,
      fees,
    },
  ];
}

export interface SeedOptions {
  readonly database: Database;
  readonly seller: SeededPlatform;
  readonly buyer: SeededPlatform;
  readonly chainId: number;
  /** Chain of the cash; that of the bond unless given. */
  readonly cashChainId?: number;
  readonly templateSlug?: string;
  /** Real tokens and wallets, where somebody is to pay in. */
  readonly tokens?: { readonly bond: string; readonly cash: string };
  readonly wallets?: { readonly seller: string; readonly buyer: string };
  /** Out of the cash leg. */
  readonly fees?: readonly LegFee[];
  /** The seller pays from another wallet than the one it is paid to. */
  readonly depositWallet?: boolean;
  /** Leave the buyer's party unconfirmed. */
  readonly awaitingConfirmation?: boolean;
  /** ms since epoch */
  readonly deadlineMs?: number;
}

/** A settlement between two platforms, through the same functions as the API: 500 of a bond against 125,000 of cash. */
export async function seedSettlement(options: SeedOptions): Promise<Uuid> {
  const id = randomUUID();
  const template = templateBySlug(options.templateSlug ?? DEFAULT_TEMPLATE_SLUG);
  if (template === undefined) throw new Error('there is no such template');
  const chainIds = { bond: options.chainId, cash: options.cashChainId ?? options.chainId };
  const walletAddress = options.wallets?.seller.toLowerCase() ?? anyAddress();
  const wallets = walletsOn([chainIds.bond, chainIds.cash], walletAddress, options.depositWallet === true);
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
            walletAddress,
            wallets,
          },
        ],
        feeMode: 'seller_pays',
        legs: testLegs(chainIds, options.tokens ?? { bond: TEST_BOND, cash: TEST_CASH }, options.fees ?? []),
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
  if (options.awaitingConfirmation !== true) {
    await confirmBuyer(options.database, options.buyer, id, options.wallets?.buyer.toLowerCase());
  }
  return id;
}

function walletsOn(chainIds: readonly number[], receive: string, separate: boolean): ChainWallet[] {
  const deposit = anyAddress();
  return [...new Set(chainIds)]
    .toSorted((a, b) => a - b)
    .flatMap((chain_id): ChainWallet[] => [
      { chain_id, purpose: 'receive', wallet_address: receive },
      ...(separate ? [{ chain_id, purpose: 'deposit', wallet_address: deposit } as const] : []),
    ]);
}

/** What `/confirm` does, in SQL of the test's own. */
export async function confirmBuyer(
  database: Database,
  buyer: SeededPlatform,
  settlementId: Uuid,
  wallet = anyAddress(),
): Promise<void> {
  await database.transaction({ kind: 'tenant', environmentId: buyer.environmentId }, async (transaction) => {
    const locked = await lockSettlement(transaction, settlementId);
    if (locked === undefined) throw new Error('the buyer does not see the settlement');
    await transaction.query(
      `WITH details AS (
         INSERT INTO keystone.party_details (party_id, settlement_id, environment_id, external_reference, name, wallet_address)
         SELECT id, settlement_id, environment_id, 'buyer-042', 'Beta Capital', $2 FROM keystone.parties WHERE settlement_id = $1 AND role = 'buyer'
       )
       INSERT INTO keystone.party_wallets (party_id, settlement_id, environment_id, chain_id, purpose, wallet_address, participant_id)
       SELECT p.id, p.settlement_id, p.environment_id, l.chain_id, 'receive', $2, gen_random_uuid()
       FROM keystone.parties p JOIN (SELECT DISTINCT settlement_id, chain_id FROM keystone.legs) l ON l.settlement_id = p.settlement_id
       WHERE p.settlement_id = $1 AND p.role = 'buyer'`,
      [settlementId, wallet],
    );
    await transaction.query(
      `UPDATE keystone.parties SET status = 'confirmed', confirmed_at = clock_timestamp() WHERE settlement_id = $1 AND role = 'buyer'`,
      [settlementId],
    );
    await recordTransition(transaction, locked, 'INSTRUCTED', { triggeredBy: 'platform:test' });
  });
}
