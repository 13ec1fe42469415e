import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Interface } from 'ethers';

import { createDepositInfoReader } from '../../activities/deposit-info.ts';
import { coordinatorInterface } from '../../chain/coordinator.ts';
import { escrowInterface } from '../../chain/escrow.ts';
import { openDeposits } from '../testing/open-deposits.ts';
import {
  at,
  CHAIN_ID,
  exampleLegs,
  exampleSettlement,
  KDEED,
  KFUND,
  newWallet,
  REMOTE_CASH,
  REMOTE_CHAIN,
  REMOTE_CHAIN_ID,
  startTestApi,
  TEST_CHAIN,
  type TestAnswer,
  type TestApi,
  type TestPlatform,
  textAt,
} from '../testing/test-api.ts';
import { depositInfoOut } from './views.ts';

const [BOND, HOME_CASH] = exampleLegs();
const CASH = { ...HOME_CASH, chain_id: REMOTE_CHAIN_ID, instrument_id: REMOTE_CASH, quantity: '1000' };
const PARTITION = `0x${'cd'.repeat(32)}`;
const RECIPIENT = newWallet();
const tokens = new Interface([
  'function approve(address to, uint256 amountOrTokenId)',
  'function authorizeOperatorByPartition(bytes32 partition, address operator)',
]);
const on = (chain_id: number, purpose: 'receive' | 'deposit') => ({ chain_id, address: newWallet(), purpose });

interface Call {
  readonly chain_id: number;
  readonly purpose: string;
  readonly to: string;
  readonly data: string;
  readonly value: string;
}

describe('GET …/legs/{index}/deposit-info', () => {
  let api: TestApi;
  let a: TestPlatform;
  let b: TestPlatform;

  beforeAll(async () => {
    api = await startTestApi({
      chains: [TEST_CHAIN, REMOTE_CHAIN],
      templateFees: { 'dvp-standard': { basisPoints: 25, recipient: RECIPIENT.toLowerCase() } },
    });
    a = await api.addPlatform();
    b = await api.addPlatform();
  }, 60_000);
  afterAll(() => api.stop());

  const get = (id: string, leg: number | string, platform: TestPlatform) =>
    api.call('GET', `/v1/settlements/${id}/legs/${leg}/deposit-info`, { token: platform.token });
  const calls = (answer: TestAnswer) => at(answer, '/transactions') as [Call, Call];

  const seller = [
    on(CHAIN_ID, 'receive'),
    on(CHAIN_ID, 'deposit'),
    on(REMOTE_CHAIN_ID, 'receive'),
    on(REMOTE_CHAIN_ID, 'deposit'),
  ] as const;
  const buyer = [
    on(CHAIN_ID, 'receive'),
    on(CHAIN_ID, 'deposit'),
    on(REMOTE_CHAIN_ID, 'receive'),
    on(REMOTE_CHAIN_ID, 'deposit'),
  ] as const;

  async function instructed(legs: unknown[], changes: Record<string, unknown> = {}): Promise<string> {
    const needed = new Set((legs as { chain_id: number }[]).map((leg) => leg.chain_id));
    const of = (wallets: typeof seller) => wallets.filter((wallet) => needed.has(wallet.chain_id));
    const created = await api.call('POST', '/v1/settlements', {
      token: a.token,
      body: exampleSettlement(b.slug, {
        legs,
        parties: [{ role: 'seller', external_reference: 's', wallets: of(seller) }],
        ...changes,
      }),
    });
    const id = textAt(created, '/id');
    const confirmed = await api.call('POST', `/v1/settlements/${id}/confirm`, {
      token: b.token,
      body: { external_reference: 'b', wallets: of(buyer) },
    });
    expect([confirmed.status, at(confirmed, '/state')]).toEqual([200, 'INSTRUCTED']);
    return id;
  }

  async function opened(legs: unknown[], changes: Record<string, unknown> = {}) {
    const id = await instructed(legs, changes);
    return { id, hash: await openDeposits(api, id) };
  }

  describe('200 for the payer', () => {
    it('on each chain: its deposit wallet there signs, the payee’s receive wallet there is opened, under the same terms', async () => {
      const { id, hash } = await opened([BOND, CASH]);
      for (const [platform, leg, chain, payer, payee] of [
        [a, 0, TEST_CHAIN, seller[1], buyer[0]],
        [b, 1, REMOTE_CHAIN, buyer[3], seller[2]],
      ] as const) {
        const answer = await get(id, leg, platform);
        expect(depositInfoOut.safeParse(answer.body).error).toBeUndefined();
        expect(answer.body).toMatchObject({
          leg_index: leg,
          chain_id: chain.chain_id,
          escrow: chain.escrow,
          payer: payer.address.toLowerCase(),
          terms_hash: hash,
          coordinator: { chain_id: CHAIN_ID, address: TEST_CHAIN.coordinator },
        });
        const [approve, deposit] = calls(answer);
        expect([approve, deposit].map(({ chain_id, value }) => [chain_id, value])).toEqual([
          [chain.chain_id, '0'],
          [chain.chain_id, '0'],
        ]);
        expect(deposit.to).toBe(chain.escrow);
        const decoded = escrowInterface.decodeFunctionData('depositLeg', deposit.data);
        expect([decoded[1], decoded[2].wallet, decoded[3].wallet, decoded[4]]).toEqual([
          BigInt(leg),
          payer.address,
          payee.address,
          hash,
        ]);
        expect(decoded[2].participantId).not.toBe(decoded[3].participantId);
      }
    });

    it('the amount is what is paid in: with the buyer’s addition, fees and the payee’s part named', async () => {
      const { id } = await opened([BOND, CASH], { fee_mode: 'buyer_pays' });
      const answer = await get(id, 1, b);
      expect(answer.body).toMatchObject({
        amount: '100250',
        fees: [{ recipient: RECIPIENT.toLowerCase(), amount: '250' }],
        payee_receives: '100000',
        terms: { legs: [{ fees: [] }, { amount_minor: '100250', fees: [{ amount_minor: '250' }] }] },
      });
      expect(tokens.decodeFunctionData('approve', calls(answer)[0].data)[1]).toBe(100_250n);
    });

    const amount = (500n * 10n ** 18n).toString();
    it.each([
      ['ERC-20', {}, 'approve', [TEST_CHAIN.escrow, amount]],
      ['ERC-3643', {}, 'approve', [TEST_CHAIN.escrow, amount]],
      ['ERC-721', { instrument_id: KDEED, token_id: '77', quantity: '1' }, 'approve', [TEST_CHAIN.escrow, '77']],
      [
        'ERC-1400',
        { instrument_id: KFUND, partition: PARTITION },
        'authorize_operator',
        [PARTITION, TEST_CHAIN.escrow],
      ],
    ] as const)(
      '%s: permission for exactly this leg, then the deposit',
      async (token_standard, leg, purpose, allowed) => {
        const { id } = await opened([{ ...BOND, token_standard, ...leg }, HOME_CASH]);
        const answer = await get(id, 0, a);
        const [permission, deposit] = calls(answer);
        expect([permission.purpose, deposit.purpose, permission.to]).toEqual([
          purpose,
          'deposit',
          at(answer, '/token'),
        ]);
        const decoded = tokens.parseTransaction({ data: permission.data })?.args.toArray() ?? [];
        expect(decoded.map((value) => String(value).toLowerCase())).toEqual(allowed);
        expect([at(answer, '/token_standard'), at(answer, '/token_id'), at(answer, '/partition')]).toEqual([
          token_standard,
          token_standard === 'ERC-721' ? '77' : null,
          token_standard === 'ERC-1400' ? PARTITION : null,
        ]);
      },
    );

    it('recovery: the timeout at home, and the refund of all that this wallet pays on the chain of the leg', async () => {
      const { id } = await opened([BOND, CASH, { ...BOND, quantity: '3' }]);
      const answer = await get(id, 2, a);
      const { timeout, refund } = at(answer, '/recovery') as { timeout: Call; refund: Call };
      expect([timeout.chain_id, timeout.to, refund.chain_id, refund.to]).toEqual([
        CHAIN_ID,
        TEST_CHAIN.coordinator,
        CHAIN_ID,
        TEST_CHAIN.escrow,
      ]);
      expect(coordinatorInterface.decodeFunctionData('timeout', timeout.data)[0]).toBe(
        `0x${id.replaceAll('-', '')}${'0'.repeat(32)}`,
      );
      const [terms, openings] = escrowInterface.decodeFunctionData('refund', refund.data);
      expect(terms.legs).toHaveLength(3);
      const wallets = [...openings].map((opening: { wallet: string }) => opening.wallet);
      expect(wallets).toEqual([seller[1].address, `0x${'0'.repeat(40)}`, seller[1].address]);
      const remote = await get(id, 1, b);
      expect(at(remote, '/recovery')).toMatchObject({
        timeout: { chain_id: CHAIN_ID, to: TEST_CHAIN.coordinator },
        refund: { chain_id: REMOTE_CHAIN_ID, to: REMOTE_CHAIN.escrow },
      });
    });

    it('the worker composes the same for the payer’s webhook', async () => {
      const { id } = await opened([BOND, CASH]);
      const read = createDepositInfoReader({
        database: api.database.worker,
        coordinator: { chainId: CHAIN_ID, coordinator: TEST_CHAIN.coordinator },
      });
      expect(await read(id, a.environmentId)).toEqual([(await get(id, 0, a)).body]);
      expect(await read(id, b.environmentId)).toEqual([(await get(id, 1, b)).body]);
    });
  });

  it('404 for the payee and for a leg that is not there', async () => {
    const { id } = await opened([BOND, CASH]);
    for (const [leg, platform] of [
      [0, b],
      [7, a],
      [99_999, a],
    ] as const) {
      expect((await get(id, leg, platform)).status).toBe(404);
    }
  });

  it('409 before deposits are open', async () => {
    expect(at(await get(await instructed([BOND, CASH]), 0, a), '/code')).toBe('not_awaiting_deposits');
  });
});
