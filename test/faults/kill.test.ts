import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';

import { escrowEvents } from '../e2e/escrow-events.ts';
import { type EndToEndStack, startEndToEndStack } from '../e2e/stack.ts';
import { isAcrossChains, killAtRandom, seededRandom, settleDespiteKills } from './kill.ts';

/** `npm run test:all` asks for the long ring. */
const LONG = process.env['KEYSTONE_TEST_RING'] === 'all';
const SETTLEMENTS = LONG ? 40 : 10;
const KILLS = LONG ? 40 : 12;
/** A worker needs some five seconds to be up: kills that never let it live long test patience, not recovery. Milliseconds. */
const PAUSES = LONG
  ? { minimumPauseMs: 3_000, maximumPauseMs: 16_000 }
  : { minimumPauseMs: 700, maximumPauseMs: 3_500 };
const SETTLE_MS = LONG ? 900_000 : 240_000;
const SEED = Number(process.env['KEYSTONE_KILL_SEED'] ?? Date.now() % 1_000_000);

let stack: EndToEndStack;
beforeAll(async () => {
  stack = await startEndToEndStack();
}, 150_000);
afterAll(() => stack.close(), 60_000);

describe('worker, API and message relay killed with SIGKILL at random', () => {
  it(
    `finalises all ${SETTLEMENTS} settlements, on one chain and across two, and releases no leg twice`,
    async () => {
      console.log(`kill test: seed ${SEED} (KEYSTONE_KILL_SEED), at most ${KILLS} kills`);
      let settled = false;
      const killing = killAtRandom(stack, {
        random: seededRandom(SEED),
        limit: KILLS,
        done: () => settled,
        ...PAUSES,
      });
      const ids = await Promise.all(
        Array.from({ length: SETTLEMENTS }, (_, index) => settleDespiteKills(stack, index, SETTLE_MS)),
      ).finally(() => {
        settled = true;
      });
      const kills = await killing;
      console.log(`kill test: ${kills.map((kill) => kill.name).join(' ')}`);
      expect(kills.length).toBeGreaterThan(0);

      const [atHome, elsewhere] = await Promise.all([escrowEvents(stack), escrowEvents(stack, stack.remote)]);
      for (const [index, id] of ids.entries()) {
        for (const leg of [0, 1]) {
          const counts = isAcrossChains(index) && leg === 1 ? elsewhere : atHome;
          expect([id, leg, counts.get(`${id}:LegDeposited:${leg}`), counts.get(`${id}:LegReleased:${leg}`)]).toEqual([
            id,
            leg,
            1,
            1,
          ]);
          expect(counts.get(`${id}:LegRefunded:${leg}`)).toBeUndefined();
        }
      }
      await expectSoundTables(ids);
    },
    LONG ? 1_800_000 : 420_000,
  );
});

/** An independent look at the tables: events without gaps, each told once, a proof for each, nothing left in the outbox. */
async function expectSoundTables(ids: readonly string[]): Promise<void> {
  const client = new Client({ connectionString: stack.file.database_url });
  await client.connect();
  try {
    const { rows } = await client.query<{ id: string; events: number; last: number; messages: number; proofs: number }>(
      `SELECT s.id, (SELECT count(*)::int FROM keystone.settlement_events e WHERE e.settlement_id = s.id) AS events,
         (SELECT max(sequence) FROM keystone.settlement_events e WHERE e.settlement_id = s.id) AS last,
         (SELECT count(*)::int FROM keystone.outbox o WHERE o.settlement_id = s.id AND o.destination = 'webhook') AS messages,
         (SELECT count(*)::int FROM keystone.proofs p WHERE p.settlement_id = s.id) AS proofs
       FROM keystone.settlements s WHERE s.id = ANY($1)`,
      [ids],
    );
    expect(rows).toHaveLength(ids.length);
    for (const row of rows) expect(row).toEqual({ ...row, events: row.last, messages: row.last, proofs: 1 });
    const { rows: effects } = await client.query<{ effect_key: string; count: number }>(
      `SELECT effect_key, count(*)::int AS count FROM keystone.chain_transactions
       WHERE status IN ('included', 'final') GROUP BY effect_key HAVING count(*) > 1`,
    );
    expect(effects).toEqual([]);
  } finally {
    await client.end();
  }
}
