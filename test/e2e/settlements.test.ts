import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, describe, expect, it } from '@jest/globals';

import {
  collectWebhooks,
  instructAndMatch,
  proposeAndConfirm,
  readEvents,
  readProof,
  settle,
  type Trade,
} from '../../dev/demo-trade.ts';
import { escrowEvents } from './escrow-events.ts';
import { historyOf, verifyPack } from './inspect.ts';
import { confirm, depositBoth, depositLeg, eventsOf, partyOf, propose, reach } from './scenario.ts';
import { startEndToEndStack } from './stack.ts';

/** Started once for the file. Tests that run at once do not wait for beforeAll, so each awaits this. */
const starting = startEndToEndStack();
afterAll(async () => (await starting).close(), 60_000);

/** One block a second, finality two blocks behind: a settlement takes some ten seconds. */
const SLOW = 150_000;

describe('both ways in', () => {
  it.concurrent.each([
    ['by confirmation (seed 000)', proposeAndConfirm],
    ['by matching instructions (seed 001)', instructAndMatch],
  ] as const)(
    'settle %s: finalised, told to both platforms, within the history budget, proved',
    async (_name, begin) => {
      const stack = await starting;
      const trade: Trade = await begin(stack.context);
      await settle(stack.context, trade);

      const events = await readEvents(stack.context, trade);
      expect(events.map((event) => event.sequence)).toEqual(events.map((_, index) => index + 1));
      const received = await collectWebhooks(stack.context, trade, events);
      for (const slug of [stack.seller.slug, stack.buyer.slug]) {
        const told = received[slug] ?? [];
        const states = new Set(told.map((webhook) => webhook.body.event));
        for (const state of [
          'instructed',
          'compliance_checking',
          'compliance_cleared',
          'awaiting_deposits',
          'executing_swap',
          'finalized',
        ]) {
          expect(states).toContain(`settlement.state.${state}`);
        }
        expect(told.every((webhook) => webhook.verified.keystone && webhook.verified.standard)).toBe(true);
        const opened = told.find((webhook) => webhook.body.event === 'settlement.state.awaiting_deposits')?.body.data as
          | { deposits?: unknown[] }
          | undefined;
        // Each platform's own copy carries its own leg, and nobody else's.
        expect(opened?.deposits).toHaveLength(1);
      }

      const { events: workflow, tasks } = await historyOf(stack, trade.settlementId);
      expect({ events: workflow.length <= 60, tasks: tasks <= 10, counted: [workflow.length, tasks] }).toMatchObject({
        events: true,
        tasks: true,
      });

      const pack = join(stack.home, `pack-${trade.settlementId}.json`);
      writeFileSync(pack, await readProof(stack.context, trade));
      const verdict = verifyPack(stack, pack, [stack.context.chain]);
      expect(verdict.status === 0 ? '' : verdict.output).toBe('');
      const forged = join(stack.home, `forged-${trade.settlementId}.json`);
      writeFileSync(forged, readFileSync(pack, 'utf8').replace('"verdict": "ALLOW"', '"verdict": "ALLOVV"'));
      expect(verifyPack(stack, forged, [stack.context.chain]).status).toBe(1);
    },
    SLOW,
  );
});

describe('a settlement that is rejected', () => {
  it.concurrent(
    'is rolled back, and cannot be confirmed afterwards',
    async () => {
      const stack = await starting;
      const { id } = await propose(stack);
      const rejected = await stack.request('buyer', 'POST', `/v1/settlements/${id}/reject`, {
        reason: 'Entity not found',
      });
      expect(rejected.status).toBe(200);
      expect(JSON.parse(rejected.text)).toMatchObject({ state: 'ROLLED_BACK' });
      expect((await stack.request('buyer', 'POST', `/v1/settlements/${id}/reject`, { reason: 'again' })).status).toBe(
        200,
      );
      const confirmed = await stack.request(
        'buyer',
        'POST',
        `/v1/settlements/${id}/confirm`,
        partyOf(stack, stack.buyer),
      );
      expect(confirmed.status).toBe(409);
      expect(JSON.parse(confirmed.text)).toMatchObject({ code: 'confirm_after_rejection' });
      const { events: workflow } = await historyOf(stack, id);
      expect(workflow.at(-1)?.workflowExecutionCompletedEventAttributes).toBeTruthy();
    },
    SLOW,
  );
});

describe('two confirms at once', () => {
  it.concurrent(
    'both answer 200 and make one event',
    async () => {
      const stack = await starting;
      const { id } = await propose(stack);
      const body = partyOf(stack, stack.buyer);
      const answers = await Promise.all(
        [1, 2].map(() => stack.request('buyer', 'POST', `/v1/settlements/${id}/confirm`, body)),
      );
      expect(answers.map((answer) => answer.status)).toEqual([200, 200]);
      const instructed = (await eventsOf(stack, id)).filter(
        (event) => event.to_state === 'INSTRUCTED' && event.from_state === 'AWAITING_CONFIRMATION',
      );
      expect(instructed).toHaveLength(1);
      const rejected = await stack.request('buyer', 'POST', `/v1/settlements/${id}/reject`, { reason: 'too late' });
      expect(JSON.parse(rejected.text)).toMatchObject({ code: 'reject_after_confirmation' });
    },
    SLOW,
  );
});

describe('the deadline', () => {
  it.concurrent(
    'before deposits ends the settlement as TIMED_OUT',
    async () => {
      const stack = await starting;
      const { id } = await propose(stack, { timeoutSeconds: 61 });
      await confirm(stack, id);
      await reach(stack, id, 'AWAITING_DEPOSITS');
      await reach(stack, id, 'TIMED_OUT', 90_000);
    },
    SLOW,
  );

  it.concurrent(
    'without confirmation ends it without a word to the chain',
    async () => {
      const stack = await starting;
      const { id } = await propose(stack, { timeoutSeconds: 61 });
      await reach(stack, id, 'TIMED_OUT', 90_000);
      expect(
        (await stack.request('buyer', 'POST', `/v1/settlements/${id}/confirm`, partyOf(stack, stack.buyer))).status,
      ).toBe(409);
    },
    SLOW,
  );

  it.concurrent(
    'after one deposit refunds whoever deposited, seen on chain',
    async () => {
      const stack = await starting;
      const { id } = await propose(stack, { timeoutSeconds: 61 });
      await confirm(stack, id);
      await reach(stack, id, 'AWAITING_DEPOSITS');
      await depositLeg(stack.seller, id, 0);
      await reach(stack, id, 'TIMED_OUT', 90_000);
      const refunded = async () => stack.seller.api.get<{ legs: { status: string }[] }>(`/v1/settlements/${id}`);
      const giveUpAt = Date.now() + 30_000;
      while ((await refunded()).legs[0]?.status !== 'rolled_back') {
        if (Date.now() > giveUpAt) throw new Error('the deposit was not refunded');
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
      const counts = await escrowEvents(stack);
      expect([counts.get(`${id}:LegRefunded:0`), counts.get(`${id}:LegReleased:0`)]).toEqual([1, undefined]);
    },
    SLOW,
  );
});

describe('an instruction that does not fit its other side', () => {
  const leg = (stack: Awaited<typeof starting>, token: 'KBOND' | 'TUSDC', quantity: string, direction: string) => ({
    leg_type: token === 'KBOND' ? 'asset_delivery' : 'payment',
    instrument_id: stack.context.chain.tokens[token],
    quantity,
    direction,
  });

  it.concurrent.each<[string, (stack: Awaited<typeof starting>) => Record<string, unknown>]>([
    ['match_template_differs', () => ({ template_slug: 'dvp-immediate' })],
    ['match_same_role', () => ({ role: 'seller' })],
    [
      'match_instruments_differ',
      (stack) => ({ template_slug: 'dvp-immediate', legs: [leg(stack, 'KBOND', '5', 'receive')] }),
    ],
    [
      'match_leg_types_differ',
      (stack) => ({
        legs: [
          { ...leg(stack, 'KBOND', '5', 'receive'), leg_type: 'payment' },
          { ...leg(stack, 'TUSDC', '1250', 'deliver'), leg_type: 'asset_delivery' },
        ],
      }),
    ],
    [
      'match_quantities_differ',
      (stack) => ({ legs: [leg(stack, 'KBOND', '5', 'receive'), leg(stack, 'TUSDC', '1251', 'deliver')] }),
    ],
    [
      'match_directions_not_complementary',
      (stack) => ({ legs: [leg(stack, 'KBOND', '5', 'deliver'), leg(stack, 'TUSDC', '1250', 'deliver')] }),
    ],
  ])(
    'is kept unmatched and says %s',
    async (code, change) => {
      const stack = await starting;
      const changed = change(stack);
      // The two sides must agree on everything that is asked before the rule under test.
      const template = code === 'match_instruments_differ' ? { template_slug: 'dvp-immediate' } : {};
      const first = await stack.seller.api.post<{ trade_reference: string; status: string }>('/v1/instructions', {
        template_slug: 'dvp-standard',
        role: 'seller',
        party: partyOf(stack, stack.seller),
        legs: [leg(stack, 'KBOND', '5', 'deliver'), leg(stack, 'TUSDC', '1250', 'receive')],
        ...template,
      });
      const second = await stack.buyer.api.post<{ id: string; status: string; match_refusal: { code: string } | null }>(
        '/v1/instructions',
        {
          template_slug: 'dvp-standard',
          role: 'buyer',
          party: partyOf(stack, stack.buyer),
          legs: [leg(stack, 'KBOND', '5', 'receive'), leg(stack, 'TUSDC', '1250', 'deliver')],
          ...changed,
          trade_reference: first.trade_reference,
        },
      );
      expect([second.status, second.match_refusal?.code]).toEqual(['pending_match', code]);
      const cancelled = await stack.request('buyer', 'DELETE', `/v1/instructions/${second.id}`);
      expect([cancelled.status, (JSON.parse(cancelled.text) as { status: string }).status]).toEqual([200, 'cancelled']);
    },
    SLOW,
  );
});

describe('a foreign platform', () => {
  it.concurrent(
    'gets the same bytes for a settlement of others as for one that does not exist',
    async () => {
      const stack = await starting;
      const { chain } = stack.context;
      const own = await stack.seller.api.post<{ id: string; state: string }>('/v1/settlements', {
        template_slug: 'dvp-immediate',
        parties: [
          { role: 'seller', ...partyOf(stack, stack.seller) },
          { role: 'buyer', ...partyOf(stack, stack.buyer) },
        ],
        legs: [
          {
            leg_type: 'asset_delivery',
            instrument_id: chain.tokens.KBOND,
            quantity: '1',
            direction: 'deliver',
            party_role: 'seller',
          },
        ],
      });
      expect(own.state).toBe('INSTRUCTED');
      for (const path of ['', '/events', '/proof', '/legs/0/deposit-info']) {
        const foreign = await stack.request('buyer', 'GET', `/v1/settlements/${own.id}${path}`);
        const missing = await stack.request(
          'buyer',
          'GET',
          `/v1/settlements/00000000-0000-4000-8000-000000000000${path}`,
        );
        expect([foreign.status, foreign.text]).toEqual([404, missing.text]);
      }
      const acted = await stack.request(
        'buyer',
        'POST',
        `/v1/settlements/${own.id}/confirm`,
        partyOf(stack, stack.buyer),
      );
      expect(acted.status).toBe(404);
    },
    SLOW,
  );
});

describe('compliance', () => {
  it.concurrent(
    'a flag waits; the platforms may not decide; an operator approves and it settles',
    async () => {
      const stack = await starting;
      const { id } = await propose(stack, { sellerName: 'FLAGME Trading' });
      await confirm(stack, id);
      await flagged(stack, id);
      expect(
        (await stack.request('seller', 'POST', `/v1/settlements/${id}/compliance-decision`, { decision: 'approve' }))
          .status,
      ).toBe(403);
      expect(
        (await stack.request('operator', 'POST', `/v1/settlements/${id}/compliance-decision`, { decision: 'approve' }))
          .status,
      ).toBe(200);
      await reach(stack, id, 'AWAITING_DEPOSITS');
      await depositBoth(stack, id);
      await reach(stack, id, 'FINALIZED');
    },
    SLOW,
  );

  it.concurrent(
    'a flag that is rejected rolls the settlement back',
    async () => {
      const stack = await starting;
      const { id } = await propose(stack, { sellerName: 'FLAGME Holdings' });
      await confirm(stack, id);
      await flagged(stack, id);
      await stack.operator.post(`/v1/settlements/${id}/compliance-decision`, { decision: 'reject' });
      await reach(stack, id, 'ROLLED_BACK');
    },
    SLOW,
  );

  it.concurrent(
    'a failed screening rolls it back and names no one to the other side',
    async () => {
      const stack = await starting;
      const { id } = await propose(stack, { sellerName: 'SANCTIONED Metals' });
      await confirm(stack, id);
      await reach(stack, id, 'ROLLED_BACK');
      const seen = await stack.request('buyer', 'GET', `/v1/settlements/${id}`);
      const events = await stack.request('buyer', 'GET', `/v1/settlements/${id}/events`);
      expect(seen.text + events.text).not.toContain('SANCTIONED');
      const { parties } = JSON.parse(seen.text) as {
        parties: { role: string; compliance: { reason_code: string | null } | null }[];
      };
      const reasons = Object.fromEntries(parties.map((party) => [party.role, party.compliance?.reason_code ?? null]));
      expect(reasons['seller']).toBeNull();
      expect(reasons['buyer']).not.toBeNull();
    },
    SLOW,
  );

  async function flagged(stack: Awaited<typeof starting>, id: string): Promise<void> {
    const giveUpAt = Date.now() + 60_000;
    while (
      !(await eventsOf(stack, id)).some(
        (event) => (event as { type?: string }).type === 'settlement.compliance.flagged',
      )
    ) {
      if (Date.now() > giveUpAt) throw new Error('nobody was flagged');
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
});
