import type { OnChainSettlement } from '../../chain/coordinator.ts';
import type { Credit } from '../../chain/escrow.ts';
import type { RemoteSettlement } from '../../chain/gateway.ts';
import type { ChainEventRow } from '../../db/chain-events.ts';
import type { Action } from './arguments.ts';
import { RELEASE_DELAY_MS } from './limits.ts';

/** What can be done with a settlement, from what the chains say. Pure, so that every case can be looked at without a chain. */

export interface HomeView {
  readonly chainId: number;
  /** ms since epoch: the time of the newest block, which is the contracts' clock. */
  readonly nowMs: number;
  readonly settlement: OnChainSettlement;
  readonly messageGraceMs: number;
  readonly events: readonly ChainEventRow[];
  /** Bit of each remote chain in the settlement's chain masks. */
  readonly chainIndexes: ReadonlyMap<number, number>;
  readonly credits: readonly OpenCredit[];
}

export interface RemoteView {
  readonly chainId: number;
  readonly nowMs: number;
  readonly settlement: RemoteSettlement;
  readonly events: readonly ChainEventRow[];
  readonly credits: readonly OpenCredit[];
}

export interface OpenCredit extends Credit {
  /** Base units that wait; those of other settlements of the same wallet and token are among them. */
  readonly amount: bigint;
}

/** Something that somebody can do, now or from a time on. */
export interface Offer {
  readonly action: Action;
  /** Where the transaction goes. */
  readonly chainId: number;
  /** The other chain, for a message from the coordinator. */
  readonly toChainId?: number;
  /** ms since epoch; in the past when it can be done now. */
  readonly fromMs: number;
  readonly isDue: boolean;
  readonly by: string;
  readonly effect: string;
  readonly credit?: OpenCredit;
}

const ANYBODY = 'anybody';

/** `remotes`: the other chains of the settlement; undefined for one that was not given or cannot be reached. */
export function offersOf(
  home: HomeView | undefined,
  remotes: ReadonlyMap<number, RemoteView | undefined>,
): readonly Offer[] {
  const offers = home === undefined ? [] : [...homeOffers(home), ...messageOffers(home, remotes)];
  for (const remote of remotes.values()) {
    if (remote !== undefined) offers.push(...remoteOffers(remote, home));
  }
  return offers;
}

function homeOffers(home: HomeView): Offer[] {
  const { settlement, chainId } = home;
  const { state } = settlement;
  const offers: Offer[] = [];
  const add = (action: Action, fromMs: number, effect: string): void => {
    offers.push({ action, chainId, fromMs, isDue: home.nowMs >= fromMs, by: ANYBODY, effect });
  };
  const held = settlement.depositedBits & ~settlement.refundedBits;
  const legs = legList(held);
  const isComplete = settlement.depositedBits === settlement.homeLegBits;
  if (state === 'ROLLED_BACK' || state === 'TIMED_OUT') {
    if (held !== 0) add('refund', 0, `hands ${legs} back to the payers`);
  } else if (state === 'EXECUTING_SWAP') {
    if (!settlement.homeExecuted) add('execute', 0, `pays ${legs} out`);
  } else if (state !== 'FINALIZED') {
    const dueMs = settlement.deadlineMs + (state === 'AWAITING_DEPOSITS' && isComplete ? home.messageGraceMs : 0);
    add('timeout', dueMs, 'ends the settlement for good: it can then only be rolled back');
    if (held !== 0) add('refund', dueMs, `records the timeout and hands ${legs} back to the payers`);
    const isVoted = settlement.preparedBits === settlement.remoteChainBits;
    if (state === 'AWAITING_DEPOSITS' && isComplete && isVoted)
      add('execute', 0, `decides EXECUTE and pays ${legs} out`);
  }
  return [...offers, ...creditOffers(chainId, home.credits)];
}

/** Messages of the coordinator that another chain may lack. An unknown chain is taken to lack them: repeating one changes nothing. */
function messageOffers(home: HomeView, remotes: ReadonlyMap<number, RemoteView | undefined>): Offer[] {
  const { settlement, chainId } = home;
  const offers: Offer[] = [];
  for (const [toChainId, remote] of remotes) {
    const phase = remote?.settlement.phase;
    const add = (action: Action, effect: string): void => {
      offers.push({
        action,
        chainId,
        toChainId,
        fromMs: 0,
        isDue: true,
        by: `${ANYBODY}, for the message's fee`,
        effect,
      });
    };
    const wasOpened = home.events.some(
      (event) => event.name === 'MessageSent' && event.arguments['chainId'] === String(toChainId),
    );
    const isRolledBack = settlement.state === 'ROLLED_BACK' || settlement.state === 'TIMED_OUT';
    const isExecuted = settlement.state === 'EXECUTING_SWAP' || settlement.state === 'FINALIZED';
    if (settlement.state === 'AWAITING_DEPOSITS' && (phase === undefined || phase === 'NONE')) {
      if (home.nowMs < settlement.deadlineMs) add('open', `lets deposits begin on chain ${toChainId}`);
    } else if (isExecuted && (phase === undefined || phase === 'PREPARED')) {
      add('decision', `tells chain ${toChainId} to pay out`);
    } else if (isRolledBack && (phase === undefined || phase === 'OPEN' || phase === 'PREPARED')) {
      add('decision', `tells chain ${toChainId} to roll back`);
    } else if (isRolledBack && phase === 'NONE' && wasOpened) {
      add('decision', `keeps chain ${toChainId} from opening, should the message that opens it still arrive`);
    }
  }
  return offers;
}

function remoteOffers(remote: RemoteView, home: HomeView | undefined): Offer[] {
  const { settlement, chainId } = remote;
  const offers: Offer[] = [];
  const add = (action: Action, fromMs: number, effect: string, by = ANYBODY): void => {
    offers.push({ action, chainId, fromMs, isDue: remote.nowMs >= fromMs, by, effect });
  };
  const held = settlement.depositedBits & ~settlement.refundedBits;
  const legs = legList(held);
  const forFee = `${ANYBODY}, for the message's fee`;
  switch (settlement.phase) {
    case 'OPEN':
      if (held !== 0)
        add('refund', settlement.deadlineMs, `hands ${legs} back to the payers: this chain can then never pay out`);
      break;
    case 'PREPARED':
      if (isVoteAwaited(home, chainId))
        add('vote', 0, 'tells the coordinator that every leg of this chain is in', forFee);
      add(
        'release',
        settlement.deadlineMs + RELEASE_DELAY_MS,
        'pays out or hands back as every payer and payee of this chain has signed',
        `${ANYBODY} with all their signatures`,
      );
      break;
    case 'EXECUTE_DECIDED':
      add('execute', 0, `pays ${legs} out`);
      break;
    case 'EXECUTED':
      if (isReportAwaited(home, chainId)) add('vote', 0, 'tells the coordinator that this chain has paid out', forFee);
      break;
    case 'ROLLED_BACK':
      if (held !== 0) add('refund', 0, `hands ${legs} back to the payers`);
      break;
    case 'NONE':
      break;
  }
  return [...offers, ...creditOffers(chainId, remote.credits)];
}

/** Without the coordinator's chain nobody knows, and a vote too many is only ignored. */
function isVoteAwaited(home: HomeView | undefined, chainId: number): boolean {
  if (home === undefined) return true;
  const inTime = home.nowMs < home.settlement.deadlineMs + home.messageGraceMs;
  return (
    home.settlement.state === 'AWAITING_DEPOSITS' && inTime && !hasBit(home, home.settlement.preparedBits, chainId)
  );
}

function isReportAwaited(home: HomeView | undefined, chainId: number): boolean {
  if (home === undefined) return true;
  return home.settlement.state === 'EXECUTING_SWAP' && !hasBit(home, home.settlement.executedBits, chainId);
}

function hasBit(home: HomeView, mask: number, chainId: number): boolean {
  const index = home.chainIndexes.get(chainId);
  return index !== undefined && ((mask >> index) & 1) === 1;
}

function creditOffers(chainId: number, credits: readonly OpenCredit[]): Offer[] {
  return credits.map((credit) => ({
    action: 'withdraw',
    chainId,
    fromMs: 0,
    isDue: true,
    by: ANYBODY,
    effect: `delivers what the token refused before to ${credit.wallet}`,
    credit,
  }));
}

function legList(bits: number): string {
  const legs = legsOf(bits);
  if (legs.length === 0) return 'nothing';
  return `${legs.length === 1 ? 'leg' : 'legs'} ${legs.join(', ')}`;
}

/** Indexes of the bits that are set. */
export function legsOf(bits: number): number[] {
  return Array.from({ length: 32 }, (_, index) => index).filter((index) => ((bits >>> index) & 1) === 1);
}
