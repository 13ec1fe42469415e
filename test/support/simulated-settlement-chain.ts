import type { AttestationStatus, SettlementChains } from '../../activities/dependencies.ts';
import type { MessageKind } from '../../chain/coordinator.ts';
import { insertChainEvents } from '../../db/chain-events.ts';
import type { Database } from '../../db/pool.ts';
import type { Uuid } from '../../domain/ids.ts';
import { homePort, remotePort } from './simulated-ports.ts';
import type { FactStore, SimulatedMessage } from './simulated-settlement.ts';
import { createWorld } from './simulated-world.ts';

export type { FactStore } from './simulated-settlement.ts';
export { reverted, SIMULATED } from './simulated-settlement.ts';

/**
 * SIMULATED: a coordinator's chain and others in memory, for tests of single steps and for the benchmark of our overhead, where the chains are
 * stubbed on purpose. Facts are final at once. What the real contracts do is tested against the real contracts.
 */
export interface SimulatedChains extends SettlementChains {
  /** Effects in the order of their arrival, one per effect key. */
  readonly effects: string[];
  /** Messages that were sent and have not landed. */
  readonly inTransit: SimulatedMessage[];
  /** While true, messages stay in transit until they are delivered by hand. */
  holdMessages: boolean;
  /** Members of each attester set by its name; one set with our oracle unless a test says otherwise. */
  readonly members: Map<string, { attesters: readonly string[]; threshold: number }>;
  /** Added to the time of the newest block at home, which may be behind every other clock. */
  headOffsetMs: number;
  /** Added to the clock of every chain. */
  clockOffsetMs: number;
  /** Lands the messages of these kinds, or all, in the given order; those that land send none themselves. */
  deliver(kinds?: readonly MessageKind[]): Promise<void>;
  /** Loses messages for good. */
  drop(): void;
  /** All legs of one chain are paid in; stores the final facts and wakes the workflow, as the indexer would. */
  deposit(settlementId: Uuid, chainId: number, options?: { failExecution?: boolean }): Promise<void>;
  /** The same for a settlement of the home chain alone. */
  depositAndExecute(settlementId: Uuid, options?: { failExecution?: boolean }): Promise<void>;
  /** What an attester other than ours says about every party. */
  attestAs(attester: string, settlementId: Uuid, status: Exclude<AttestationStatus, 'NONE'>): Promise<void>;
  /** Anybody times the settlement out, whatever the clock says. */
  endByStranger(settlementId: Uuid): Promise<void>;
  /** Makes the next call of this effect step fail. */
  failNext(step: string, error: Error): void;
  /** Makes every call to this chain fail until it is given undefined. */
  cutOff(chainId: number, error: Error | undefined): void;
}

export function createSimulatedChains(
  database: Database,
  chainIds: { readonly home: number; readonly remotes?: readonly number[] },
  facts: FactStore = storeAtOnce(database),
): SimulatedChains {
  const world = createWorld(database, chainIds.home, facts);
  return Object.assign(world.controls, {
    home: homePort(world),
    remotes: new Map((chainIds.remotes ?? []).map((chainId) => [chainId, remotePort(world, chainId)])),
  });
}

function storeAtOnce(database: Database): FactStore {
  return {
    keep: (fact) => database.transaction({ kind: 'worker' }, (transaction) => insertChainEvents(transaction, [fact])),
    beforeWake: async () => undefined,
  };
}
