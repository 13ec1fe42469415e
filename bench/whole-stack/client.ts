import { type ApiClient, createApiClient } from '../../dev/api-client.ts';
import type { InstructionAnswer, SettlementAnswer } from '../../dev/demo-types.ts';
import type { StackChain, StackFile } from '../../dev/stack-file.ts';
import type { Announcement, WebhookReceiver } from './receiver.ts';
import type { LoadWallet, WalletPair } from './wallets.ts';

/** Two platforms that trade with each other as fast as they are told to. */
export interface TradingClient {
  /** One settlement from the request to FINALIZED. @throws when it does not get there in time. */
  settle(pair: WalletPair, way: Way): Promise<SettlementSample>;
  stateOf(settlementId: string): Promise<string>;
}

export type Way = 'confirmation' | 'instructions';

export interface SettlementSample {
  readonly settlementId: string;
  readonly way: Way;
  /** ms from the request (POST /v1/settlements, or the second instruction) until the platform that sells was told. */
  readonly toDepositsMs: number;
  readonly toFinalMs: number;
}

interface Platform {
  readonly slug: string;
  readonly role: 'seller' | 'buyer';
  readonly api: ApiClient;
}

interface Setting {
  readonly chain: StackChain;
  readonly seller: Platform;
  readonly buyer: Platform;
  readonly receiver: WebhookReceiver;
}

interface Requested {
  readonly settlementId: string;
  readonly requestedAt: number;
}

const ENDPOINT_PAGE = 50;

/** Puts the platforms' webhooks on the receiver, in place of the sink of the development stack. */
export async function createTradingClient(file: StackFile, receiver: WebhookReceiver): Promise<TradingClient> {
  const [chain] = file.chains;
  const [a, b] = file.platforms;
  if (chain === undefined || a === undefined || b === undefined)
    throw new Error('the stack lacks a chain or a platform');
  const seller: Platform = { slug: a.slug, role: 'seller', api: createApiClient(file, a) };
  const buyer: Platform = { slug: b.slug, role: 'buyer', api: createApiClient(file, b) };
  for (const { slug, api } of [seller, buyer]) {
    const known = await api.get<{ items: { id: string }[] }>(`/v1/platforms/me/webhooks?limit=${ENDPOINT_PAGE}`);
    for (const { id } of known.items) await api.patch(`/v1/platforms/me/webhooks/${id}`, { is_active: false });
    await api.post('/v1/platforms/me/webhooks', { url: `${receiver.url}/${slug}`, events: ['*'] });
  }
  const setting: Setting = { chain, seller, buyer, receiver };
  return {
    settle: (pair, way) => settle(setting, pair, way),
    stateOf: async (id) => (await seller.api.get<SettlementAnswer>(`/v1/settlements/${id}`)).state,
  };
}

async function settle(setting: Setting, pair: WalletPair, way: Way): Promise<SettlementSample> {
  const { seller, buyer, receiver } = setting;
  const { settlementId, requestedAt } =
    way === 'confirmation' ? await proposeAndConfirm(setting, pair) : await instructBoth(setting, pair);
  const told = (platform: Platform, event: string) => receiver.announcement(platform.slug, settlementId, event);
  const opened = 'settlement.state.awaiting_deposits';
  const [open] = await Promise.all([
    told(seller, opened).then((announcement) => deposit(pair.seller, announcement)),
    told(buyer, opened).then((announcement) => deposit(pair.buyer, announcement)),
  ]);
  const final = await told(seller, 'settlement.state.finalized');
  return {
    settlementId,
    way,
    toDepositsMs: open.receivedAt - requestedAt,
    toFinalMs: final.receivedAt - requestedAt,
  };
}

async function deposit(wallet: LoadWallet, announcement: Announcement): Promise<Announcement> {
  for (const leg of announcement.deposits) {
    // The escrow may take the tokens already; the exact approval among the instructions would only cost a transaction.
    for (const transaction of leg.transactions) if (transaction.purpose === 'deposit') await wallet.send(transaction);
  }
  return announcement;
}

async function proposeAndConfirm({ chain, seller, buyer }: Setting, pair: WalletPair): Promise<Requested> {
  const requestedAt = performance.now();
  const settlement = await seller.api.post<SettlementAnswer>('/v1/settlements', {
    parties: [{ role: 'seller', ...partyOf(chain, 'seller', pair.seller) }],
    counterparty_parties: [{ platform_slug: buyer.slug, role: 'buyer' }],
    legs: [
      { ...assetLeg(chain), direction: 'deliver', party_role: 'seller' },
      { ...paymentLeg(chain), direction: 'deliver', party_role: 'buyer' },
    ],
  });
  await buyer.api.post(`/v1/settlements/${settlement.id}/confirm`, partyOf(chain, 'buyer', pair.buyer));
  return { settlementId: settlement.id, requestedAt };
}

async function instructBoth(setting: Setting, pair: WalletPair): Promise<Requested> {
  const { seller, buyer } = setting;
  const first = await seller.api.post<InstructionAnswer>('/v1/instructions', instruction(setting, seller, pair.seller));
  const requestedAt = performance.now();
  const second = await buyer.api.post<InstructionAnswer>('/v1/instructions', {
    ...instruction(setting, buyer, pair.buyer),
    trade_reference: first.trade_reference,
  });
  if (second.settlement_id === null) throw new Error('two instructions of the load generator did not match');
  return { settlementId: second.settlement_id, requestedAt };
}

function instruction({ chain }: Setting, { role }: Platform, wallet: LoadWallet): object {
  const sells = role === 'seller';
  return {
    template_slug: 'dvp-standard',
    role,
    party: partyOf(chain, role, wallet),
    legs: [
      { ...assetLeg(chain), direction: sells ? 'deliver' : 'receive' },
      { ...paymentLeg(chain), direction: sells ? 'receive' : 'deliver' },
    ],
  };
}

function partyOf(chain: StackChain, role: string, wallet: LoadWallet): object {
  return {
    external_reference: `load-${role}`,
    name: role === 'seller' ? 'Acme Securities' : 'Beta Capital',
    wallet_address: wallet.address,
    chain_id: chain.chain_id,
  };
}

function assetLeg(chain: StackChain): object {
  return { leg_type: 'asset_delivery', instrument_id: chain.tokens.KBOND, quantity: '5', chain_id: chain.chain_id };
}

function paymentLeg(chain: StackChain): object {
  return { leg_type: 'payment', instrument_id: chain.tokens.TUSDC, quantity: '1250', chain_id: chain.chain_id };
}
