/**
 * For tests: a settlement across two real chains with every kind of token, a fee, a deposit wallet of its own, and
 * messages through LayerZero's endpoints.
 */

import { randomUUID } from 'node:crypto';
import { Interface, ZeroAddress, ZeroHash } from 'ethers';
import type { ChainSide, TwoChains } from '../chain/testing/two-chains.ts';
import * as abi from '../contracts/generated/abi.ts';
import { evidenceOf } from './verify-anvil-evidence.ts';
import type { AnvilTrade, Leg, Participant } from './verify-anvil-types.ts';
import {
  type LegInput,
  type Pack,
  type SettlementTerms,
  type SigningKey,
  composeDecisions,
  composePack,
  decisionSetDigest,
  evmChainId,
  hashTerms,
  partyHash,
  uuidToBytes32,
} from '../keystone/pack.ts';

const coordinator = Interface.from(abi.settlementCoordinatorAbi);
const registry = Interface.from(abi.complianceRegistryAbi);
const escrow = Interface.from(abi.keystoneEscrowAbi);
const gateway = Interface.from(abi.gatewayAbi);
const deed = Interface.from(abi.kdeedAbi);
const fund = Interface.from(abi.kfundAbi);
const coin = Interface.from(abi.kbondAbi);

const BOND = 500n * 10n ** 18n;
/** 25 basis points of 125,000 TUSDC, all of it added to what the buyer pays in. */
const AGREED = 125_000n * 10n ** 6n;
const FEE = (AGREED * 25n) / 10_000n;
const UNITS = 40n;
const DEED_ID = 7n;
const PARTITION = `0x${'70'.repeat(32)}`;
/** Far more than the endpoint asks; what is too much comes back. */
const MESSAGE_VALUE = 10n ** 15n;

const chainName = (side: ChainSide): string => evmChainId(side.chainId);

export async function prepareTrade(two: TwoChains): Promise<AnvilTrade> {
  const { home, remote } = two;
  const [seller, buyer, depositor] = [await two.wallet(), await two.wallet(), await two.wallet()];
  const fresh = (): string => uuidToBytes32(randomUUID());
  const ids = { sellerRemote: fresh(), sellerHome: fresh(), buyerRemote: fresh(), buyerHome: fresh() };
  const parties: Participant[] = [
    { id: ids.sellerRemote, wallet: seller, chain: remote, role: 'seller' },
    { id: ids.sellerHome, wallet: seller, chain: home, role: 'seller' },
    { id: ids.buyerRemote, wallet: buyer, chain: remote, role: 'buyer' },
    { id: ids.buyerRemote, wallet: depositor, chain: remote, role: 'buyer' },
    { id: ids.buyerHome, wallet: buyer, chain: home, role: 'buyer' },
  ];
  const entities = [...new Set(parties.map((party) => party.id))].map((id) => partyHash(id, ZeroAddress));
  const legs: Leg[] = [
    { side: home, token: home.tokens.KBOND, standard: 0, amount: BOND, payer: 1, payee: 4, type: 'asset_delivery' },
    {
      side: remote,
      token: remote.tokens.TUSDC,
      standard: 0,
      amount: AGREED + FEE,
      payer: 3,
      payee: 0,
      type: 'payment',
    },
    { side: home, token: home.tokens.KDEED, standard: 1, amount: 1n, payer: 1, payee: 4, type: 'asset_delivery' },
    {
      side: remote,
      token: remote.tokens.KFUND,
      standard: 2,
      amount: UNITS,
      payer: 0,
      payee: 2,
      type: 'asset_delivery',
    },
  ];
  const settlementId = randomUUID();
  const feeRecipient = (await two.wallet()).address.toLowerCase();
  const head = await home.provider.getBlock('latest');
  const terms: SettlementTerms = {
    settlement_id: uuidToBytes32(settlementId),
    attester_set: two.attesterSet,
    deadline_s: (head?.timestamp ?? 0) + 3600,
    party_hashes: [...parties.map((party) => partyHash(party.id, party.wallet.address)), ...entities],
    legs: legs.map((leg) => ({
      chain_id: chainName(leg.side),
      escrow: leg.side.chain.escrow.toLowerCase(),
      token: leg.token.toLowerCase(),
      token_standard: leg.standard,
      token_id: leg.standard === 1 ? String(DEED_ID) : '0',
      partition: leg.standard === 2 ? PARTITION : ZeroHash,
      amount_minor: String(leg.amount),
      payer: leg.payer,
      payee: leg.payee,
      fees: leg.type === 'payment' ? [{ recipient: feeRecipient, amount_minor: String(FEE) }] : [],
    })),
  };
  return { two, settlementId, terms, parties, legs, feeRecipient };
}

/** Every step of the settlement on both chains. @returns the pack, composed from the chains' logs */
export async function settle(trade: AnvilTrade, key: SigningKey): Promise<Pack> {
  const { two, terms } = trade;
  const { home, remote, owner } = two;
  const params = paramsOf(trade);
  const send = (data: string, to: string = home.chain.coordinator, value = 0n): Promise<string> =>
    home.send(owner, { to, data, value });
  await send(coordinator.encodeFunctionData('createSettlement', [params]));
  const attestations = terms.party_hashes.map((hash) => [terms.settlement_id, hash, 1, `0x${'4e'.repeat(32)}`]);
  await send(registry.encodeFunctionData('attestBatch', [attestations]), home.chain.registry);
  const decisions = await decide(trade, key);
  const digest = decisionSetDigest({
    chain: chainName(home),
    settlement_id: trade.settlementId,
    terms_hash: termsHashOf(trade),
    decisions: decisions.chains,
  });
  // Block time is whole seconds: a block of the decision's own second would not prove which came first.
  await two.pass(2);
  await send(coordinator.encodeFunctionData('advance', [terms.settlement_id, digest]));
  await send(coordinator.encodeFunctionData('sendOpen', [params, remote.chainId]), undefined, MESSAGE_VALUE);
  await two.deliver();
  for (const index of trade.legs.keys()) {
    await deposit(trade, index);
  }
  const vote = gateway.encodeFunctionData('sendVote', [terms.settlement_id]);
  const tell = coordinator.encodeFunctionData('sendDecision', [terms.settlement_id, remote.chainId]);
  const openings = trade.legs.map((leg) => openingOf(trade, leg.payee));
  await remote.send(owner, { to: remote.chain.gateway, data: vote, value: MESSAGE_VALUE });
  await two.deliver();
  await send(escrow.encodeFunctionData('execute', [params, onlyOf(trade, home, openings)]), home.chain.escrow);
  await send(tell, undefined, MESSAGE_VALUE);
  await two.deliver();
  await remote.send(owner, {
    to: remote.chain.escrow,
    data: escrow.encodeFunctionData('execute', [params, onlyOf(trade, remote, openings)]),
  });
  await remote.send(owner, { to: remote.chain.gateway, data: vote, value: MESSAGE_VALUE });
  await two.deliver();
  await Promise.all([home.mine(10), remote.mine(10)]);
  return composePack({
    // What the database gives back is the decisions after a round trip through JSON.
    decisions: JSON.parse(JSON.stringify(decisions)) as typeof decisions,
    evidence: await evidenceOf(trade),
    settlement_provider_did: 'did:web:orchestrator.example',
    jurisdiction_flags: [],
    signing_key: key,
  });
}

export function termsHashOf(trade: AnvilTrade): string {
  return hashTerms(trade.two.home.chain.coordinator, chainName(trade.two.home), trade.terms);
}

/** The terms as the contracts take them. */
export function paramsOf({ terms }: AnvilTrade): unknown {
  return [
    terms.settlement_id,
    terms.attester_set,
    terms.deadline_s,
    terms.party_hashes,
    terms.legs.map((leg) => [
      leg.chain_id.slice('eip155:'.length),
      leg.escrow,
      leg.token,
      leg.token_standard,
      leg.token_id,
      leg.partition,
      leg.amount_minor,
      leg.payer,
      leg.payee,
      leg.fees.map((fee) => [fee.recipient, fee.amount_minor]),
    ]),
  ];
}

function openingOf(trade: AnvilTrade, index: number): [participant: string, wallet: string] {
  const party = trade.parties[index];
  return [party?.id ?? ZeroHash, party?.wallet.address ?? ZeroAddress];
}

/** Legs of other escrows are opened with zeroes. */
function onlyOf<T>(trade: AnvilTrade, side: ChainSide, openings: readonly T[]): (T | [string, string])[] {
  return openings.map((opening, index) => (trade.legs[index]?.side === side ? opening : [ZeroHash, ZeroAddress]));
}

async function deposit(trade: AnvilTrade, index: number): Promise<void> {
  const leg = trade.legs[index];
  const payer = trade.parties[leg?.payer ?? -1];
  if (leg === undefined || payer === undefined) {
    throw new Error('the trade has no such leg');
  }
  const { side, token, amount } = leg;
  const target = side.chain.escrow;
  const [mint, permit] = [
    [
      coin.encodeFunctionData('mint', [payer.wallet.address, amount]),
      coin.encodeFunctionData('approve', [target, amount]),
    ],
    [
      deed.encodeFunctionData('mint', [payer.wallet.address, DEED_ID]),
      deed.encodeFunctionData('approve', [target, DEED_ID]),
    ],
    [
      fund.encodeFunctionData('mint', [PARTITION, payer.wallet.address, amount]),
      fund.encodeFunctionData('authorizeOperatorByPartition', [PARTITION, target]),
    ],
  ][leg.standard] as [string, string];
  await side.send(payer.wallet, { to: token, data: mint });
  await side.send(payer.wallet, { to: token, data: permit });
  const openings = [openingOf(trade, leg.payer), openingOf(trade, leg.payee)];
  const data = escrow.encodeFunctionData('depositLeg', [paramsOf(trade), index, ...openings, termsHashOf(trade)]);
  await side.send(payer.wallet, { to: target, data });
}

async function decide(trade: AnvilTrade, key: SigningKey): Promise<ReturnType<typeof composeDecisions>> {
  const { two, terms, parties } = trade;
  const head = await two.home.provider.getBlock('latest');
  const now = (head?.timestamp ?? 0) * 1000 + 500;
  return composeDecisions({
    settlement_id: trade.settlementId,
    chain: chainName(two.home),
    terms_hash: termsHashOf(trade),
    passport: {
      agent_id: 'did:web:orchestrator.example',
      issuer: 'did:web:orchestrator.example',
      scope: 'settlement',
      validity_window: '2000-01-01/2100-01-01',
    },
    signing_key: key,
    decided_at_ms: now,
    valid_until_ms: terms.deadline_s * 1000,
    policy: {
      template: 'dvp-crosschain',
      template_version: '1',
      attester_set: terms.attester_set,
      fees: { mode: 'buyer_pays', basis_points: 25, recipient: trade.feeRecipient },
    },
    legs: terms.legs.map((leg, leg_index): LegInput => {
      const { token_standard, payer, payee, ...rest } = leg;
      const [from, to] = [parties[payer], parties[payee]];
      return {
        ...rest,
        leg_index,
        leg_type: trade.legs[leg_index]?.type ?? 'payment',
        from_role: from?.role ?? '',
        to_role: to?.role ?? '',
        token_standard: (['ERC-20', 'ERC-721', 'ERC-1400'] as const)[token_standard] ?? 'ERC-3643',
        payer: from?.wallet.address ?? '',
        payee: to?.wallet.address ?? '',
      };
    }),
    chains: ['dvp:seller', 'dvp:buyer'].map((name) => ({ name, confirmed_at_ms: now - 1000 })),
  });
}
