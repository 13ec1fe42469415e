import type { ChainEventRow } from '../db/chain-events.ts';
import { isTerminal, ON_CHAIN_INDEX, type OnChainState, type SettlementState } from '../domain/settlement-state.ts';

/** What final facts, and nothing else, say about a settlement. Facts come oldest first on each chain; nothing is assumed between chains. */

interface ChainsOfSettlement {
  readonly homeChainId: number;
  readonly remotes: readonly number[];
}

/** `status` of an Attested log. */
const FAIL = 3;

const on = (facts: readonly ChainEventRow[], chainId: number, ...names: string[]): ChainEventRow[] =>
  facts.filter((fact) => fact.chain_id === chainId && names.includes(fact.name));

/** Whether OPEN has landed on every remote chain. */
export function allOpened(facts: readonly ChainEventRow[], remotes: readonly number[]): boolean {
  return remotes.every((chainId) => on(facts, chainId, 'RemoteOpened').length > 0);
}

/** The transition into a state; undefined while it is not final. */
export function intoState(
  facts: readonly ChainEventRow[],
  homeChainId: number,
  state: OnChainState,
): ChainEventRow | undefined {
  return on(facts, homeChainId, 'StateTransition').find(
    (fact) => Number(fact.arguments['toState']) === ON_CHAIN_INDEX[state],
  );
}

/** Whether a log stands before another one of the same chain. */
export function isBefore(fact: ChainEventRow, other: ChainEventRow): boolean {
  if (fact.block_number !== other.block_number) return fact.block_number < other.block_number;
  return fact.log_index < other.log_index;
}

/**
 * Whether somebody has to carry something, as far as final facts tell. May say so once too often: `carry` looks at the contracts. It must
 * never say no while money or a decision is still out.
 */
export function carryIsDue(
  state: SettlementState,
  facts: readonly ChainEventRow[],
  chains: ChainsOfSettlement,
): boolean {
  if (state === 'FINALIZED') return false;
  if (state === 'EXECUTING_SWAP') return true;
  return isTerminal(state) ? anythingOut(facts, chains) : somethingStalled(facts, chains);
}

/** Before the decision: a vote that nobody has counted, or an execution that did not happen by itself. */
function somethingStalled(facts: readonly ChainEventRow[], { homeChainId, remotes }: ChainsOfSettlement): boolean {
  if (on(facts, homeChainId, 'ExecutionFailed').length > 0) return true;
  const counted = new Set(on(facts, homeChainId, 'VoteCounted').map((fact) => Number(fact.arguments['chainId'])));
  return remotes.some((chainId) => !counted.has(chainId) && on(facts, chainId, 'RemotePrepared').length > 0);
}

/** After a rollback: legs that are still in, and remote chains that may still take deposits or wait for the decision. */
function anythingOut(facts: readonly ChainEventRow[], { homeChainId, remotes }: ChainsOfSettlement): boolean {
  const stillIn = [homeChainId, ...remotes].some((chainId) => {
    const back = new Set(
      on(facts, chainId, 'LegRefunded', 'PayoutCredited', 'LegReleased').map((fact) => fact.arguments['legIndex']),
    );
    return on(facts, chainId, 'LegDeposited').some((fact) => !back.has(fact.arguments['legIndex']));
  });
  // OPEN could leave only after this transition; whether it did may not be final yet.
  const opened = intoState(facts, homeChainId, 'AWAITING_DEPOSITS') !== undefined;
  const undecided = remotes.some((chainId) => on(facts, chainId, 'RemoteRolledBack', 'RemoteExecuted').length === 0);
  return stillIn || (opened && undecided);
}

/** A sentence for operators when an attester's newest word about a party, said after deposits opened, is Fail. */
export function failedAfterOpening(facts: readonly ChainEventRow[], homeChainId: number): string | undefined {
  const opened = intoState(facts, homeChainId, 'AWAITING_DEPOSITS');
  if (opened === undefined) return undefined;
  const latest = new Map<string, ChainEventRow>();
  for (const fact of on(facts, homeChainId, 'Attested')) {
    latest.set(`${String(fact.arguments['partyHash'])}/${String(fact.arguments['attester'])}`, fact);
  }
  const failed = [...latest.values()].find(
    (fact) => Number(fact.arguments['status']) === FAIL && isBefore(opened, fact),
  );
  if (failed === undefined) return undefined;
  return `Attester ${String(failed.arguments['attester'])} said Fail after deposits were opened. Until the swap is decided, abort gives the deposits back.`;
}
