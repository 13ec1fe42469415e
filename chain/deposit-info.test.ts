import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Interface, type Wallet } from 'ethers';

import type { SettlementWork, WorkLeg, WorkParty } from '../db/settlement-work.ts';
import { applyFees, FEE_MODES } from '../domain/fees.ts';
import { createCoordinatorClient } from './coordinator.ts';
import { composeDepositInfo, type DepositInfo } from './deposit-info.ts';
import type { PreparedTransaction } from './deposit.ts';
import { createRegistryClient, referenceHash } from './registry.ts';
import { partyHashesOf, termsOfWork, walletOf } from './terms-of-work.ts';
import { type SettlementTerms, termsHash } from './terms.ts';
import { START_LIMIT_MS } from './testing/local-node.ts';
import { DIGEST } from './testing/trade.ts';
import { startTwoChains, type TwoChains } from './testing/two-chains.ts';
import { settlementWork, workLeg, workParty } from './testing/work.ts';

/** Each test drives two chains; on a busy machine five seconds are not enough. */
jest.setTimeout(60_000);

const PARTITION = `0x${'5a'.repeat(32)}`;
const AMOUNT = 1_000n;
const tokenInterface = new Interface([
  'function mint(address to, uint256 amountOrTokenId)',
  'function mint(bytes32 partition, address to, uint256 value)',
  'function balanceOf(address) view returns (uint256)',
  'function ownerOf(uint256) view returns (address)',
  'function balanceOfByPartition(bytes32, address) view returns (uint256)',
]);

/** What the API and the webhook hand out, signed and sent to real contracts exactly as it stands. */
describe('deposit-info', () => {
  let two: TwoChains;
  beforeAll(async () => {
    two = await startTwoChains();
  }, 2 * START_LIMIT_MS);
  afterAll(() => two?.stop());

  const side = (chainId: number) => (chainId === two.home.chainId ? two.home : two.remote);
  const domain = () => ({ chainId: two.home.chainId, coordinator: two.home.chain.coordinator });
  const send = (signer: Wallet, { chain_id, to, data }: PreparedTransaction) =>
    side(chain_id).send(signer, { to, data });

  interface Party {
    readonly party: WorkParty;
    readonly signerOf: (wallet: string) => Wallet;
  }

  /** A party with a receive and a deposit wallet of its own on each of the chains. */
  async function createParty(position: number, role: string, chainIds: readonly number[]): Promise<Party> {
    const signers = new Map<string, Wallet>();
    const create = async (chain_id: number, purpose: 'receive' | 'deposit') => {
      const signer = await two.wallet();
      signers.set(signer.address.toLowerCase(), signer);
      return { chain_id, purpose, wallet_address: signer.address.toLowerCase() };
    };
    const wallets = [];
    for (const chainId of chainIds) wallets.push(await create(chainId, 'receive'), await create(chainId, 'deposit'));
    return {
      party: workParty(position, role, wallets),
      signerOf(wallet) {
        const signer = signers.get(wallet);
        if (signer === undefined) throw new Error('the wallet belongs to somebody else');
        return signer;
      },
    };
  }

  interface Opened {
    readonly work: SettlementWork;
    readonly terms: SettlementTerms;
    readonly seller: Party;
    readonly buyer: Party;
    info(legIndex: number): DepositInfo;
    /** Mints and sends both transactions of a leg from the wallet that it names. */
    deposit(legIndex: number): Promise<void>;
    /** Whether the leg's whole amount, or its one token, is with a wallet. */
    holds(legIndex: number, wallet: string): Promise<bigint>;
  }

  async function open(legs: (homeId: number, remoteId: number) => WorkLeg[]): Promise<Opened> {
    const [home, remote] = [two.home.chainId, two.remote.chainId];
    const stated = legs(home, remote);
    const chainIds = [...new Set(stated.map((leg) => leg.chain_id))].toSorted((a, b) => a - b);
    const [seller, buyer] = [await createParty(0, 'seller', chainIds), await createParty(1, 'buyer', chainIds)];
    const deadline = new Date((await two.home.chain.headBlock()).timestampMs + 3_600_000);
    const work = settlementWork([seller.party, buyer.party], stated, deadline);
    const escrows = new Map([home, remote].map((chainId) => [chainId, side(chainId).chain.escrow]));
    const terms = termsOfWork(work, { escrows, attesterSet: two.attesterSet });
    const coordinator = createCoordinatorClient(two.home.chain);
    await two.home.send(two.owner, coordinator.createSettlement(terms));
    const attestations = partyHashesOf(work).map(({ party_hash }) => ({
      settlementId: work.id,
      partyHash: party_hash,
      status: 'PASS' as const,
      referenceHash: referenceHash('case-1'),
    }));
    await two.home.send(two.owner, createRegistryClient(two.home.chain).attestBatch(attestations));
    await two.home.send(two.owner, coordinator.advance(work.id, DIGEST));
    if (chainIds.includes(remote)) {
      await two.home.send(two.owner, coordinator.sendOpen(terms, remote, await coordinator.quoteOpen(terms, remote)));
      await two.deliver();
    }
    return opened(work, terms, seller, buyer);
  }

  function opened(work: SettlementWork, terms: SettlementTerms, seller: Party, buyer: Party): Opened {
    const legOf = (legIndex: number) => {
      const leg = work.legs[legIndex];
      if (leg === undefined) throw new Error('there is no such leg');
      return leg;
    };
    const ofRole = (role: string) => (role === 'seller' ? seller : buyer);
    const info = (legIndex: number) => {
      const leg = legOf(legIndex);
      return composeDepositInfo({
        coordinator: domain(),
        storedTerms: JSON.parse(JSON.stringify(terms.json)),
        termsHash: termsHash(domain(), terms),
        deadline: work.timeout_at,
        legIndex,
        payer: walletOf(ofRole(leg.payer_role).party, leg.chain_id, 'deposit'),
        payee: walletOf(ofRole(leg.payee_role).party, leg.chain_id, 'receive'),
      });
    };
    const holds = async (legIndex: number, wallet: string) => {
      const { chain } = side(legOf(legIndex).chain_id);
      const { token_standard, token_address: to, token_id, partition } = legOf(legIndex);
      const ask = async (name: string, values: readonly unknown[]) => {
        const data = tokenInterface.encodeFunctionData(name, values);
        return tokenInterface.decodeFunctionResult(name, await chain.call({ to, data }))[0] as unknown;
      };
      if (token_standard === 'ERC-721') {
        return String(await ask('ownerOf', [token_id])).toLowerCase() === wallet ? 1n : 0n;
      }
      return BigInt(
        String(
          token_standard === 'ERC-1400'
            ? await ask('balanceOfByPartition', [partition, wallet])
            : await ask('balanceOf', [wallet]),
        ),
      );
    };
    return {
      work,
      terms,
      seller,
      buyer,
      info,
      holds,
      async deposit(legIndex) {
        const leg = legOf(legIndex);
        const { payer, transactions } = info(legIndex);
        const mint =
          leg.partition === null
            ? tokenInterface.encodeFunctionData('mint(address,uint256)', [payer, leg.token_id ?? leg.amount])
            : tokenInterface.encodeFunctionData('mint(bytes32,address,uint256)', [leg.partition, payer, leg.amount]);
        await side(leg.chain_id).send(ofRole(leg.payer_role).signerOf(payer), { to: leg.token_address, data: mint });
        for (const transaction of transactions) await send(ofRole(leg.payer_role).signerOf(payer), transaction);
      },
    };
  }

  const token = (name: 'KBOND' | 'TUSDC' | 'KDEED' | 'KFUND', at: 'home' | 'remote' = 'home') =>
    two[at].tokens[name].toLowerCase();
  let nextTokenId = 1;
  const deedLeg = (leg_index: number, chain_id: number) =>
    workLeg({
      leg_index,
      chain_id,
      token_address: token('KDEED'),
      token_standard: 'ERC-721',
      token_id: String(nextTokenId++),
      quantity: '1',
      amount: '1',
    });
  const fundLeg = (leg_index: number, chain_id: number) =>
    workLeg({
      leg_index,
      chain_id,
      token_address: token('KFUND'),
      token_standard: 'ERC-1400',
      partition: PARTITION,
    });
  const paid = { leg_type: 'payment', payer_role: 'buyer', payee_role: 'seller' } as const;

  it('of every standard, with deposit wallets of their own and a fee in every mode, settles to the unit', async () => {
    const recipient = (await two.wallet()).address.toLowerCase();
    const trade = await open((home) => [
      deedLeg(0, home),
      fundLeg(1, home),
      workLeg({ leg_index: 2, chain_id: home, token_address: token('KBOND'), token_standard: 'ERC-3643' }),
      ...FEE_MODES.map((feeMode, index) => {
        const { amount, fees } = applyFees({ feeMode, basisPoints: 30, recipient, quantity: AMOUNT });
        return workLeg({
          ...paid,
          leg_index: 3 + index,
          chain_id: home,
          token_address: token('TUSDC'),
          amount: amount.toString(),
          fees,
        });
      }),
    ]);
    for (const leg of trade.work.legs) await trade.deposit(leg.leg_index);
    expect(await createCoordinatorClient(two.home.chain).stateOf(trade.work.id)).toBe('FINALIZED');
    const receiverOf = (party: Party) => walletOf(party.party, two.home.chainId, 'receive').wallet;
    expect(await trade.holds(0, receiverOf(trade.buyer))).toBe(1n);
    expect(await trade.holds(1, receiverOf(trade.buyer))).toBe(AMOUNT);
    expect(await trade.holds(2, receiverOf(trade.buyer))).toBe(AMOUNT);
    // 3 units of each thousand: taken from the payout, added to the deposit, and one of each with the odd unit on the buyer.
    expect(await trade.holds(3, receiverOf(trade.seller))).toBe(997n + 1_000n + 999n);
    expect(await trade.holds(3, recipient)).toBe(9n);
    expect(trade.work.legs.slice(3).map((leg) => leg.amount)).toEqual(['1000', '1003', '1002']);
  });

  it('takes deposits on both chains, and its recovery hands them back with nothing of ours running', async () => {
    const trade = await open((home, remote) => [
      deedLeg(0, home),
      fundLeg(1, home),
      workLeg({ ...paid, leg_index: 2, chain_id: remote, token_address: token('TUSDC', 'remote') }),
      // Never paid in, so that neither chain is complete: otherwise a remote one follows the decision, and home waits for its grace.
      workLeg({ ...paid, leg_index: 3, chain_id: remote, token_address: token('KBOND', 'remote') }),
      workLeg({ ...paid, leg_index: 4, chain_id: home, token_address: token('TUSDC') }),
    ]);
    for (const legIndex of [0, 1, 2]) await trade.deposit(legIndex);
    for (const legIndex of [0, 1, 2]) expect(await trade.holds(legIndex, trade.info(legIndex).payer)).toBe(0n);

    await two.pass(3_601);
    const stranger = await two.wallet();
    const [ofSeller, ofBuyer] = [trade.info(0).recovery, trade.info(2).recovery];
    expect([ofSeller.timeout.chain_id, ofSeller.refund.chain_id, ofBuyer.refund.chain_id]).toEqual([
      two.home.chainId,
      two.home.chainId,
      two.remote.chainId,
    ]);
    // One refund hands back both legs of the seller; the buyer's needs no message from home, since its own chain is incomplete.
    await send(stranger, ofSeller.timeout);
    await send(stranger, ofSeller.refund);
    await send(stranger, ofBuyer.refund);
    expect(await trade.holds(0, trade.info(0).payer)).toBe(1n);
    expect(await trade.holds(1, trade.info(1).payer)).toBe(AMOUNT);
    expect(await trade.holds(2, trade.info(2).payer)).toBe(AMOUNT);
    expect(await createCoordinatorClient(two.home.chain).stateOf(trade.work.id)).toBe('TIMED_OUT');
  });

  it('recovery needs nothing of the other side: each payer takes its own deposits back, with its own calldata, in any order', async () => {
    const trade = await open((home) => [
      deedLeg(0, home),
      workLeg({ ...paid, leg_index: 1, chain_id: home, token_address: token('TUSDC') }),
      fundLeg(2, home),
    ]);
    await trade.deposit(0);
    await trade.deposit(1);
    await two.pass(3_601);
    const stranger = await two.wallet();
    await send(stranger, trade.info(1).recovery.refund);
    expect([await trade.holds(1, trade.info(1).payer), await trade.holds(0, trade.info(0).payer)]).toEqual([
      AMOUNT,
      0n,
    ]);
    await send(stranger, trade.info(0).recovery.refund);
    expect(await trade.holds(0, trade.info(0).payer)).toBe(1n);
  });
});
