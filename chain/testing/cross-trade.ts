import { randomUUID } from 'node:crypto';

import type { Wallet } from 'ethers';

import type { Uuid } from '../../domain/ids.ts';
import { createCoordinatorClient } from '../coordinator.ts';
import { depositTransactions } from '../deposit.ts';
import type { Opening } from '../escrow.ts';
import { createRegistryClient, referenceHash } from '../registry.ts';
import { buildTerms, type SettlementTerms } from '../terms.ts';
import { DIGEST, tokenInterface } from './trade.ts';
import type { ChainSide, TwoChains } from './two-chains.ts';

const BOND = 500n * 10n ** 18n;
const CASH = 125_000n * 10n ** 6n;

interface CrossParty {
  readonly signer: Wallet;
  /** A fresh participant on each chain. */
  readonly home: Opening;
  readonly remote: Opening;
}

/** A settlement of 500 KBOND at home (leg 0, by the seller) against 125,000 TUSDC elsewhere (leg 1, by the buyer), step by step. */
export interface CrossTrade {
  readonly settlementId: Uuid;
  readonly terms: SettlementTerms;
  readonly seller: CrossParty;
  readonly buyer: CrossParty;
  /** ms since epoch */
  readonly deadlineMs: number;
  create(): Promise<string>;
  attestAll(): Promise<string>;
  /** AWAITING_DEPOSITS at home. */
  advance(): Promise<string>;
  /** Sends OPEN; `two.deliver()` carries it over. */
  sendOpen(): Promise<string>;
  /** All of the above, the delivery included: both chains take deposits. */
  open(): Promise<void>;
  deposit(legIndex: 0 | 1): Promise<string>;
}

export async function createCrossTrade(two: TwoChains, options: { settlementId?: Uuid } = {}): Promise<CrossTrade> {
  const { home, remote, owner } = two;
  const settlementId = options.settlementId ?? randomUUID();
  const party = async (): Promise<CrossParty> => {
    const signer = await two.wallet();
    const wallet = signer.address.toLowerCase();
    const opening = (): Opening => ({ participantId: randomUUID(), wallet });
    return { signer, home: opening(), remote: opening() };
  };
  const [seller, buyer] = [await party(), await party()];
  // By the chain's clock, which tests move: the deadline is an hour ahead of it.
  const deadlineMs = (await home.chain.headBlock()).timestampMs + 3_600_000;
  const terms = buildTerms({
    settlementId,
    deadlineMs,
    attesterSet: two.attesterSet,
    parties: [seller, buyer].map((one) => ({
      chains: [remote, home]
        .toSorted((a, b) => a.chainId - b.chainId)
        .map(({ chainId }) => {
          const { participantId, wallet } = chainId === home.chainId ? one.home : one.remote;
          return { chainId, participantId, receive: wallet, deposit: wallet };
        }),
    })),
    legs: [legOf(home, home.tokens.KBOND, BOND, 0), legOf(remote, remote.tokens.TUSDC, CASH, 1)],
  });
  const coordinator = createCoordinatorClient(home.chain);
  const registry = createRegistryClient(home.chain);
  const trade: CrossTrade = {
    settlementId,
    terms,
    seller,
    buyer,
    deadlineMs,
    create: () => home.send(owner, coordinator.createSettlement(terms)),
    attestAll: () =>
      home.send(
        owner,
        registry.attestBatch(
          terms.params.partyHashes.map((partyHash) => ({
            settlementId,
            partyHash,
            status: 'PASS',
            referenceHash: referenceHash('case-1'),
          })),
        ),
      ),
    advance: () => home.send(owner, coordinator.advance(settlementId, DIGEST)),
    sendOpen: async () =>
      home.send(owner, coordinator.sendOpen(terms, remote.chainId, await coordinator.quoteOpen(terms, remote.chainId))),
    async open() {
      await trade.create();
      await trade.attestAll();
      await trade.advance();
      await trade.sendOpen();
      await two.deliver();
    },
    deposit: (legIndex) =>
      legIndex === 0 ? pay(home, seller, buyer, 'home', 0) : pay(remote, buyer, seller, 'remote', 1),
  };
  return trade;

  async function pay(
    side: ChainSide,
    payer: CrossParty,
    payee: CrossParty,
    place: 'home' | 'remote',
    legIndex: 0 | 1,
  ): Promise<string> {
    const [token, amount] = legIndex === 0 ? [side.tokens.KBOND, BOND] : [side.tokens.TUSDC, CASH];
    const mint = tokenInterface.encodeFunctionData('mint', [payer[place].wallet, amount]);
    let hash = await side.send(payer.signer, { to: token, data: mint });
    const deposit = { coordinator: home.chain, terms, legIndex, payer: payer[place], payee: payee[place] };
    for (const { to, data } of depositTransactions(deposit)) hash = await side.send(payer.signer, { to, data });
    return hash;
  }
}

function legOf(side: ChainSide, token: string, amount: bigint, payerPosition: 0 | 1) {
  return {
    chainId: side.chainId,
    escrow: side.chain.escrow,
    token,
    tokenStandard: 'ERC-20' as const,
    amount,
    payerPosition,
    payeePosition: 1 - payerPosition,
  };
}
