import { createRelay, type Relay } from '../../dev/relay/relay.ts';
import type { FaultInput } from '../../dev/relay/faults.ts';
import { createSteps, readHome, readRemote, type Step } from './steps.ts';
import type { Terms, World } from './world.ts';

/** Carries settlements forward as our worker would: whatever is due is sent, and sent again. */

/** Rounds of the relay until whatever it may deliver is delivered. */
const MAX_ROUNDS = 40;

export interface Carrier {
  readonly relay: Relay;
  /** The error that refused the step; undefined when it was accepted. */
  step(terms: Terms, step: Step): Promise<string | undefined>;
  /** As `step`, and throws unless the contract accepted it. */
  must(terms: Terms, ...steps: readonly Step[]): Promise<void>;
  /** Lets the relay deliver until nothing more moves. */
  deliver(): Promise<void>;
  /** Brings new terms to OPEN on both chains. */
  open(terms: Terms): Promise<void>;
  /** Sends, delivers, pays out or hands back whatever is due on these settlements, once. Resolves to how much that was. */
  carryOnce(settlements: readonly Terms[]): Promise<number>;
  state(terms: Terms): Promise<number | undefined>;
  phase(terms: Terms): Promise<number>;
  close(): Promise<void>;
}

/** @param fromBlocks Of the coordinator's chain and of the other one: no message of interest is older. */
export function createCarrier(
  world: World,
  faults: readonly FaultInput[] = [],
  seed = 1,
  fromBlocks: readonly number[] = [],
): Carrier {
  const chains = world.relayChains.map((chain, index) => ({ ...chain, fromBlock: fromBlocks[index] ?? 0 }));
  let repetitionAccepted: string | undefined;
  const log = (line: string): void => {
    if (line.includes('ACCEPTED a repetition')) repetitionAccepted ??= line;
  };
  const relay = createRelay({ chains, privateKey: world.relayKey, faults, seed, log });
  const step = createSteps(world);

  async function must(terms: Terms, ...steps: readonly Step[]): Promise<void> {
    for (const each of steps) {
      const refused = await step(terms, each);
      if (refused !== undefined) throw new Error(`${each}: ${refused} (settlement ${terms.settlementId})`);
    }
  }

  async function deliver(): Promise<void> {
    let before = '';
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      await relay.round();
      if (repetitionAccepted !== undefined) throw new Error(repetitionAccepted);
      const now = relay
        .packets()
        .map(({ guid, state }) => `${guid}${state}`)
        .join();
      if (now === before) return;
      before = now;
    }
    throw new Error('the relay never comes to rest');
  }

  /** What is due, from what both chains say: the same rule as the worker's, written down again. */
  async function due(terms: Terms, nowHere: number, nowThere: number): Promise<Step[]> {
    const [home, remote] = await Promise.all([
      readHome(world, terms.settlementId),
      readRemote(world, terms.settlementId),
    ]);
    if (home === undefined) return [];
    const acrossChains = terms.legs.some(({ chainId }) => chainId === world.remote.chainId);
    const hereBits = bitsOf(terms, world.home.chainId);
    const steps: Step[] = [];
    const isComplete = home.deposited === hereBits;
    if (home.state >= 6 && home.deposited !== home.refunded) steps.push('refundHere');
    if (home.state < 4 && nowHere >= terms.deadline + (home.state === 3 && isComplete ? world.grace : 0))
      steps.push('timeout');
    if (home.state === 4 && !home.homeExecuted && hereBits !== 0) steps.push('executeHere');
    if (!acrossChains) return steps;
    if (home.state === 3 && remote.phase === 0) steps.push('sendOpen');
    if (home.state >= 4 && remote.phase <= 2) steps.push('sendDecision');
    if (remote.phase === 2 && home.state === 3 && home.prepared === 0) steps.push('sendVote');
    if (remote.phase === 3) steps.push('executeThere');
    if (remote.phase === 4 && home.state === 4 && home.executed === 0) steps.push('sendVote');
    const givesBack = remote.phase === 5 || (remote.phase === 1 && nowThere >= terms.deadline);
    if (givesBack && remote.deposited !== remote.refunded) steps.push('refundThere');
    return steps;
  }

  return {
    relay,
    step,
    must,
    deliver,
    async open(terms) {
      await must(terms, 'create', 'attest', 'advance');
      if (terms.legs.every(({ chainId }) => chainId === world.home.chainId)) return;
      await must(terms, 'sendOpen');
      await deliver();
    },
    async carryOnce(settlements) {
      const [here, there] = [await world.home.now(), await world.remote.now()];
      const steps = await Promise.all(settlements.map((terms) => due(terms, here, there)));
      let moved = 0;
      // One after the other, so that a seed gives the same order of messages.
      for (const [index, terms] of settlements.entries()) {
        for (const each of steps[index] ?? []) moved += (await step(terms, each)) === undefined ? 1 : 0;
      }
      return moved;
    },
    state: async (terms) => (await readHome(world, terms.settlementId))?.state,
    phase: async (terms) => (await readRemote(world, terms.settlementId)).phase,
    close: () => relay.stop(),
  };
}

/** Bit i is set when leg i lives on the chain. */
function bitsOf(terms: Terms, chainId: number): number {
  return terms.legs.reduce((bits, leg, index) => (leg.chainId === chainId ? bits | (1 << index) : bits), 0);
}
