import type { OnChainState } from '../domain/settlement-state.ts';
import type { HomeStatus, RemoteStatus } from './settlement-chains.ts';

/** All chains of one settlement, as their contracts stand now. */
export interface Situation {
  readonly home: HomeStatus;
  readonly homeChainId: number;
  readonly remotes: readonly RemoteSituation[];
}

export interface RemoteSituation {
  readonly chainId: number;
  readonly status: RemoteStatus;
  /** Whether an OPEN has left for this chain, or may have: then it may land at any time. */
  readonly openSent: boolean;
  /** ms since epoch of its newest block. */
  readonly headTimeMs: number;
}

/** Something that anybody may do now. Messages stay due until they have landed. */
export type DueAction =
  | { readonly kind: 'vote'; readonly chainId: number; readonly vote: 'PREPARED' | 'EXECUTED' }
  | { readonly kind: 'decision'; readonly chainId: number; readonly decision: 'EXECUTE' | 'ROLLBACK' }
  | { readonly kind: 'execute'; readonly chainId: number; readonly legBits: number }
  | { readonly kind: 'refund'; readonly chainId: number; readonly legBits: number };

const nothing = (): DueAction[] => [];

/** What is due in each state of the coordinator. */
const RULES: Readonly<Record<OnChainState, (situation: Situation) => DueAction[]>> = {
  INSTRUCTED: nothing,
  COMPLIANCE_CHECKING: nothing,
  COMPLIANCE_CLEARED: nothing,
  AWAITING_DEPOSITS: beforeDecision,
  EXECUTING_SWAP: afterExecute,
  // Every chain has reported its execution.
  FINALIZED: nothing,
  ROLLED_BACK: afterRollback,
  TIMED_OUT: afterRollback,
};

/**
 * What is due, from the contracts' states alone: in whatever order messages arrived, however often, and whoever was faster. Nothing is due
 * when the settlement waits for its parties, or when every chain is settled.
 */
export function dueActions(situation: Situation): DueAction[] {
  return RULES[situation.home.state](situation);
}

/** Whether the home legs are all in; trivially when there are none. */
export function homeIsComplete(home: HomeStatus): boolean {
  return home.depositedBits === home.legBits;
}

function beforeDecision({ home, homeChainId, remotes }: Situation): DueAction[] {
  const votes = remotes.flatMap(({ chainId, status }): DueAction[] =>
    status.phase === 'PREPARED' && !home.preparedChains.includes(chainId)
      ? [{ kind: 'vote', chainId, vote: 'PREPARED' }]
      : [],
  );
  // Every leg everywhere is in, and neither the last deposit nor the last vote has decided: an automatic execution failed.
  const decidable = homeIsComplete(home) && remotes.every(({ chainId }) => home.preparedChains.includes(chainId));
  return decidable ? [{ kind: 'execute', chainId: homeChainId, legBits: home.legBits }] : votes;
}

function afterExecute({ home, homeChainId, remotes }: Situation): DueAction[] {
  const due: DueAction[] = home.executed ? [] : [{ kind: 'execute', chainId: homeChainId, legBits: home.legBits }];
  for (const { chainId, status } of remotes) {
    // Only its parties' own signatures do that while EXECUTE is decided; the contracts leave nothing to carry there any more.
    if (status.phase === 'ROLLED_BACK') continue;
    if (status.phase === 'EXECUTE_DECIDED') due.push({ kind: 'execute', chainId, legBits: status.legBits });
    else if (status.phase !== 'EXECUTED') due.push({ kind: 'decision', chainId, decision: 'EXECUTE' });
    else if (!home.executedChains.includes(chainId)) due.push({ kind: 'vote', chainId, vote: 'EXECUTED' });
  }
  return due;
}

function afterRollback({ home, homeChainId, remotes }: Situation): DueAction[] {
  const due = refundOf(homeChainId, home);
  for (const { chainId, status, openSent, headTimeMs } of remotes) {
    const { phase } = status;
    if (phase === 'ROLLED_BACK') due.push(...refundOf(chainId, status));
    // An incomplete escrow gives deposits back by itself once the deadline has passed, which also closes it for good: no message is needed.
    else if (phase === 'OPEN' && headTimeMs >= status.deadlineMs && refundOf(chainId, status).length > 0)
      due.push(...refundOf(chainId, status));
    else if (phase === 'OPEN' || phase === 'PREPARED' || (phase === 'NONE' && openSent))
      due.push({ kind: 'decision', chainId, decision: 'ROLLBACK' });
  }
  return due;
}

function refundOf(chainId: number, status: { depositedBits: number; refundedBits: number }): DueAction[] {
  const legBits = bitsWithout(status.depositedBits, status.refundedBits);
  return legBits === 0 ? [] : [{ kind: 'refund', chainId, legBits }];
}

function bitsWithout(bits: number, removed: number): number {
  return bits & ~removed;
}
