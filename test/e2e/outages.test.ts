import { setTimeout as pause } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import type { SettlementAnswer } from '../../dev/demo-types.ts';
import { confirm, depositBoth, eventsOf, partyOf, propose, reach } from './scenario.ts';
import { type EndToEndStack, startEndToEndStack } from './stack.ts';

/** Outages hit every settlement of a stack, so these tests have one of their own and run one after the other. */
let stack: EndToEndStack;
beforeAll(async () => {
  stack = await startEndToEndStack();
}, 150_000);
afterAll(() => stack.close(), 60_000);

const SLOW = 150_000;
/** Long enough for several retries of whatever is down. */
const OUTAGE_MS = 6_000;

const stateOf = async (id: string) => (await stack.seller.api.get<SettlementAnswer>(`/v1/settlements/${id}`)).state;

describe('a screening provider that is down', () => {
  it(
    'holds the settlement, passes nobody, and lets it go on when it is back',
    async () => {
      await stack.control('cipherowl', { outage: true });
      const { id } = await propose(stack);
      await confirm(stack, id);
      await reach(stack, id, 'COMPLIANCE_CHECKING');
      await pause(OUTAGE_MS);
      expect(await stateOf(id)).toBe('COMPLIANCE_CHECKING');
      expect((await eventsOf(stack, id)).map((event) => event.to_state)).not.toContain('COMPLIANCE_CLEARED');
      await stack.control('cipherowl', { outage: false });
      await reach(stack, id, 'AWAITING_DEPOSITS', 90_000);
      await depositBoth(stack, id);
      await reach(stack, id, 'FINALIZED');
    },
    SLOW,
  );
});

describe('a Temporal server that does not answer', () => {
  it(
    'does not keep the API from creating, confirming, rejecting and matching; the outbox drains after',
    async () => {
      const pid = stack.processId('temporal');
      const seller = { role: 'seller', party: partyOf(stack, stack.seller) };
      const buyer = { role: 'buyer', party: partyOf(stack, stack.buyer) };
      const leg = { leg_type: 'asset_delivery', instrument_id: stack.context.chain.tokens.KBOND, quantity: '1' };
      const instruction = { template_slug: 'dvp-immediate', trade_reference: `KS-${Date.now()}` };
      let confirmedId = '';
      let rejectedId = '';
      let matchedId: string | null = null;
      process.kill(pid, 'SIGSTOP');
      try {
        confirmedId = (await propose(stack)).id;
        expect((await confirm(stack, confirmedId)).state).toBe('INSTRUCTED');
        expect((await confirm(stack, confirmedId)).state).toBe('INSTRUCTED');
        rejectedId = (await propose(stack)).id;
        const rejected = await stack.request('buyer', 'POST', `/v1/settlements/${rejectedId}/reject`, { reason: 'no' });
        expect([rejected.status, (JSON.parse(rejected.text) as SettlementAnswer).state]).toEqual([200, 'ROLLED_BACK']);
        const late = await stack.request('buyer', 'POST', `/v1/settlements/${rejectedId}/confirm`, buyer.party);
        expect(late.status).toBe(409);
        await stack.seller.api.post('/v1/instructions', {
          ...instruction,
          ...seller,
          legs: [{ ...leg, direction: 'deliver' }],
        });
        const matched = await stack.buyer.api.post<{ status: string; settlement_id: string | null }>(
          '/v1/instructions',
          {
            ...instruction,
            ...buyer,
            legs: [{ ...leg, direction: 'receive' }],
          },
        );
        expect(matched.status).toBe('matched');
        matchedId = matched.settlement_id;
        await pause(OUTAGE_MS);
      } finally {
        process.kill(pid, 'SIGCONT');
      }
      await reach(stack, confirmedId, 'AWAITING_DEPOSITS', 90_000);
      await reach(stack, matchedId ?? '', 'AWAITING_DEPOSITS', 90_000);
      expect(await stateOf(rejectedId)).toBe('ROLLED_BACK');
    },
    SLOW,
  );
});

describe('a database server that is killed', () => {
  it(
    'loses nothing that was answered, and the settlement goes on by itself',
    async () => {
      const { id } = await propose(stack);
      await confirm(stack, id);
      process.kill(stack.processId('postgres'), 'SIGKILL');
      await pause(OUTAGE_MS);
      const giveUpAt = Date.now() + 60_000;
      for (;;) {
        const state = await stateOf(id).catch(() => 'unreachable');
        if (state === 'AWAITING_DEPOSITS') break;
        if (Date.now() > giveUpAt) throw new Error(`the settlement is ${state}`);
        await pause(500);
      }
      await depositBoth(stack, id);
      await reach(stack, id, 'FINALIZED', 90_000);
    },
    SLOW,
  );
});
