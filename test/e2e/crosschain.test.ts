import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { afterAll, describe, expect, it } from '@jest/globals';
import { Contract, JsonRpcProvider } from 'ethers';

import { gatewayAbi } from '../../contracts/generated/abi.ts';
import { collectWebhooks, proposeAcrossChains, readEvents, readLegs, readProof, settle } from '../../dev/demo-trade.ts';
import { readPackets } from '../../dev/relay/client.ts';
import { uuidToBytes32 } from '../../domain/ids.ts';
import { escrowEvents } from './escrow-events.ts';
import { historyOf, verifyPack } from './inspect.ts';
import {
  confirm,
  CROSS_CHAIN_MS,
  crossLegsOf,
  depositBoth,
  depositLeg,
  eventsOf,
  openAcross,
  propose,
  reach,
  until,
} from './scenario.ts';
import { type EndToEndStack, startEndToEndStack } from './stack.ts';

/** The bond on the coordinator's chain, the cash on another one, LayerZero's messages between them. */
const starting = startEndToEndStack();
afterAll(async () => (await starting).close(), 60_000);

const SLOW = 300_000;
const CASH = 1_250_000_000n;
/** A tenth of a percent, as the stack's template takes it. */
const FEE = CASH / 1_000n;

/** Per leg: was it paid out, handed back, or neither? From the logs of the leg's own chain. */
async function outcomes(stack: EndToEndStack, id: string): Promise<readonly (readonly [number, number])[]> {
  const chains = [stack.context.chain, stack.remote];
  return Promise.all(
    chains.map(async (chain, leg) => {
      const counts = await escrowEvents(stack, chain);
      return [counts.get(`${id}:LegReleased:${leg}`) ?? 0, counts.get(`${id}:LegRefunded:${leg}`) ?? 0] as const;
    }),
  );
}

const RELEASED = [1, 0] as const;
const REFUNDED = [0, 1] as const;
const NEITHER = [0, 0] as const;

async function untilOutcomes(stack: EndToEndStack, id: string, wanted: readonly (readonly [number, number])[]) {
  await until(
    () => outcomes(stack, id),
    (found) => JSON.stringify(found) === JSON.stringify(wanted),
    `legs of ${id} to end as ${JSON.stringify(wanted)}`,
    CROSS_CHAIN_MS,
  );
}

/** When deposits of the settlement opened on the other chain, ms since epoch by that chain's clock; undefined when they have not. */
async function openedAt(stack: EndToEndStack, id: string): Promise<number | undefined> {
  const provider = new JsonRpcProvider(stack.remote.rpc_url);
  try {
    const gateway = new Contract(stack.remote.contracts.gateway ?? '', gatewayAbi, provider);
    const [opened] = await gateway.queryFilter(gateway.filters['RemoteOpened']?.(uuidToBytes32(id)) ?? 'RemoteOpened');
    return opened === undefined ? undefined : (await opened.getBlock()).timestamp * 1_000;
  } finally {
    provider.destroy();
  }
}

describe('a trade across two chains', () => {
  it.concurrent(
    'finalises, is told to both platforms, stays within the history budget, and is proved on both chains',
    async () => {
      const stack = await starting;
      const trade = await proposeAcrossChains(stack.context);
      await settle(stack.context, trade);
      const { settlementId } = trade;

      expect(await outcomes(stack, settlementId)).toEqual([RELEASED, RELEASED]);
      const events = await readEvents(stack.context, trade);
      const webhooks = await collectWebhooks(stack.context, trade, events);
      for (const told of Object.values(webhooks)) {
        expect(told.map(({ body }) => body.event)).toContain('settlement.state.finalized');
        expect(told.every(({ verified }) => verified.keystone && verified.standard)).toBe(true);
      }
      const awaiting = events.find((event) => event.to_state === 'AWAITING_DEPOSITS');
      const opened = await openedAt(stack, settlementId);
      expect(Date.parse(awaiting?.created_at ?? '')).toBeGreaterThanOrEqual(opened ?? Number.POSITIVE_INFINITY);

      const { events: workflow, tasks } = await historyOf(stack, settlementId);
      expect({ events: workflow.length <= 90, tasks: tasks <= 16, counted: [workflow.length, tasks] }).toMatchObject({
        events: true,
        tasks: true,
      });

      const pack = join(stack.home, `pack-${settlementId}.json`);
      writeFileSync(pack, await readProof(stack.context, trade));
      const chains = [stack.context.chain, stack.remote];
      const verdict = verifyPack(stack, pack, chains);
      expect(verdict.status === 0 ? '' : verdict.output).toBe('');
      const swapped = chains.map((chain, index) => ({ ...chain, rpc_url: chains[1 - index]?.rpc_url ?? '' }));
      expect(verifyPack(stack, pack, swapped).status).not.toBe(0);
    },
    SLOW,
  );

  it.concurrent.each([
    ['seller_pays', CASH, CASH - FEE],
    ['buyer_pays', CASH + FEE, CASH],
    ['split', CASH + FEE / 2n, CASH - FEE / 2n],
  ] as const)(
    'takes the fee to the base unit where %s, and shows it before and after',
    async (feeMode, paidIn, received) => {
      const stack = await starting;
      const id = await openAcross(stack, { feeMode });
      const [bond, cash] = await readLegs(stack.context, { title: '', chains: [], settlementId: id, startedAtMs: 0 });
      expect(bond?.fees).toEqual([]);
      expect([cash?.amount, cash?.payee_receives, cash?.fees.map(({ amount }) => amount)]).toEqual([
        String(paidIn),
        String(received),
        [String(FEE)],
      ]);
      await depositBoth(stack, id);
      await reach(stack, id, 'FINALIZED', CROSS_CHAIN_MS);
      const counts = await escrowEvents(stack, stack.remote);
      expect(counts.get(`${id}:FeePaid:1`)).toBe(1);
      const proof = JSON.parse(
        await readProof(stack.context, { title: '', chains: [], settlementId: id, startedAtMs: 0 }),
      ) as { settled_legs: { legs: { amount_minor: string; fees: { amount_minor: string }[] }[] } };
      const leg = proof.settled_legs.legs[1];
      expect([leg?.amount_minor, leg?.fees.map((fee) => fee.amount_minor)]).toEqual([String(paidIn), [String(FEE)]]);
    },
    SLOW,
  );
});

describe('a trade across two chains of which a leg is missing', () => {
  it.concurrent(
    'hands the cash back on its chain when the bond was never paid in',
    async () => {
      const stack = await starting;
      const id = await openAcross(stack, { timeoutSeconds: 75 });
      await depositLeg(stack.buyer, id, 1);
      await reach(stack, id, 'TIMED_OUT', CROSS_CHAIN_MS);
      await untilOutcomes(stack, id, [NEITHER, REFUNDED]);
    },
    SLOW,
  );

  it.concurrent(
    'hands the bond back when the cash was never paid in on the other chain',
    async () => {
      const stack = await starting;
      const id = await openAcross(stack, { timeoutSeconds: 75 });
      await depositLeg(stack.seller, id, 0);
      await reach(stack, id, 'TIMED_OUT', CROSS_CHAIN_MS);
      await untilOutcomes(stack, id, [REFUNDED, NEITHER]);
    },
    SLOW,
  );

  it.concurrent(
    'hands both back when the vote of the other chain came too late',
    async () => {
      const stack = await starting;
      const id = await openAcross(stack, { timeoutSeconds: 75 });
      const lift = await stack.addFault({ id: `late-${id}`, kind: 'drop', message: 'PREPARED', settlement_id: id });
      await depositBoth(stack, id);
      await reach(stack, id, 'TIMED_OUT', CROSS_CHAIN_MS);
      await lift();
      await untilOutcomes(stack, id, [REFUNDED, REFUNDED]);
    },
    SLOW,
  );
});

describe('a relay that drops messages', () => {
  it.concurrent(
    'keeps deposits closed until OPEN has landed: nobody is told to pay before it',
    async () => {
      const stack = await starting;
      const { id } = await propose(stack, { template: 'dvp-crosschain', legs: crossLegsOf(stack) });
      const lift = await stack.addFault({ id: `open-${id}`, kind: 'drop', message: 'OPEN', settlement_id: id });
      await confirm(stack, id);
      const packets = () => readPackets(relayOf(stack), id);
      await until(
        packets,
        (found) => found.some(({ held_by }) => held_by !== null),
        'an OPEN to be held',
        CROSS_CHAIN_MS,
      );
      await pause(5_000);
      expect((await eventsOf(stack, id)).map((event) => event.to_state)).not.toContain('AWAITING_DEPOSITS');
      await lift();
      await reach(stack, id, 'AWAITING_DEPOSITS', CROSS_CHAIN_MS);
      await depositBoth(stack, id);
      await reach(stack, id, 'FINALIZED', CROSS_CHAIN_MS);
    },
    SLOW,
  );

  it.concurrent.each(['PREPARED', 'EXECUTE', 'EXECUTED'] as const)(
    'that loses %s delays the trade, which finalises once it is delivered',
    async (message) => {
      const stack = await starting;
      const id = await openAcross(stack);
      const lift = await stack.addFault({ id: `${message}-${id}`, kind: 'drop', message, settlement_id: id });
      await depositBoth(stack, id);
      const packets = () => readPackets(relayOf(stack), id);
      await until(
        packets,
        (found) => found.some(({ held_by }) => held_by !== null),
        `${message} to be held`,
        CROSS_CHAIN_MS,
      );
      // Decided or not, nobody is paid back while a message is only late.
      await reach(stack, id, message === 'PREPARED' ? 'AWAITING_DEPOSITS' : 'EXECUTING_SWAP', CROSS_CHAIN_MS);
      await pause(3_000);
      expect((await outcomes(stack, id)).flatMap(([, refunded]) => refunded)).toEqual([0, 0]);
      await lift();
      await reach(stack, id, 'FINALIZED', CROSS_CHAIN_MS);
      expect(await outcomes(stack, id)).toEqual([RELEASED, RELEASED]);
    },
    SLOW,
  );

  it.concurrent(
    'that repeats, starves and mixes them up changes nothing about the outcome',
    async () => {
      const stack = await starting;
      const id = await openAcross(stack);
      const about = { settlement_id: id };
      await stack.addFault({ id: `twice-${id}`, kind: 'duplicate', times: 2, ...about });
      await stack.addFault({ id: `hungry-${id}`, kind: 'starve', times: 2, gas: 20_000, ...about });
      await stack.addFault({ id: `mixed-${id}`, kind: 'reorder', within_ms: 2_000, ...about });
      await depositBoth(stack, id);
      await reach(stack, id, 'FINALIZED', CROSS_CHAIN_MS);
      expect(await outcomes(stack, id)).toEqual([RELEASED, RELEASED]);
      const packets = await readPackets(relayOf(stack), id);
      expect(packets.filter(({ message }) => message !== 'OPEN').every(({ refused }) => refused >= 2)).toBe(true);
    },
    SLOW,
  );
});

function relayOf(stack: EndToEndStack) {
  const { relay } = stack.file;
  if (relay === null) throw new Error('the stack has no message relay');
  return relay;
}
