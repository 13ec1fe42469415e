import { legFacts } from './chain.ts';
import type { Terms, World } from './world.ts';

/** What became of a settlement, read from the logs of both escrows and from nothing else. */
export interface Outcome {
  readonly settlementId: string;
  readonly deposited: ReadonlySet<number>;
  readonly paid: ReadonlySet<number>;
  readonly refunded: ReadonlySet<number>;
}

/**
 * What became of these settlements.
 * @throws Error naming the settlement of which a leg was paid and another one handed back, of which a leg left twice, or of which something
 *   left that was never paid in.
 */
export async function readOutcomes(world: World, settlements: readonly Terms[]): Promise<Map<string, Outcome>> {
  const wanted = new Set(settlements.map((terms) => terms.settlementId));
  const outcomes = new Map<
    string,
    { settlementId: string; deposited: Set<number>; paid: Set<number>; refunded: Set<number> }
  >();
  const facts = [
    ...(await legFacts(world.home, world.coordinator.escrow)),
    ...(await legFacts(world.remote, world.gateway.escrow)),
  ];
  for (const { event, settlementId, legIndex } of facts) {
    if (!wanted.has(settlementId)) continue;
    const outcome = outcomes.get(settlementId) ?? {
      settlementId,
      deposited: new Set(),
      paid: new Set(),
      refunded: new Set(),
    };
    outcomes.set(settlementId, outcome);
    const fail = (what: string): never => {
      throw new Error(`settlement ${settlementId}, leg ${legIndex}: ${what}`);
    };
    // Nothing in these tests is refused by its token, and no leg has fees.
    if (event === 'PayoutCredited' || event === 'FeePaid') fail(`an unexpected ${event}`);
    const book =
      event === 'LegDeposited' ? outcome.deposited : event === 'LegReleased' ? outcome.paid : outcome.refunded;
    if (book.has(legIndex)) fail(`${event} twice`);
    if (event !== 'LegDeposited' && !outcome.deposited.has(legIndex)) fail(`${event} without a deposit`);
    book.add(legIndex);
    if (outcome.paid.size > 0 && outcome.refunded.size > 0) fail('one leg was paid and another one handed back');
  }
  return outcomes;
}
