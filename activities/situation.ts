import { MESSAGE_KIND } from '../chain/coordinator.ts';
import { type ChainEventRow, readChainEvents } from '../db/chain-events.ts';
import { findLiveTransaction } from '../db/chain-transactions.ts';
import type { SettlementWork } from '../db/settlement-work.ts';
import { chainEffectKey } from '../domain/effect-key.ts';
import { KeystoneError } from '../domain/errors.ts';
import type { ActivityDependencies, RemoteChain } from './dependencies.ts';
import type { RemoteSituation, Situation } from './due.ts';
import { remoteChainIds } from './steps.ts';

/** Facts about messages: what was sent, and which votes came to nothing. */
const MESSAGE_FACTS = ['MessageSent', 'VoteIgnored'];

export interface ObservedSituation extends Situation {
  /** Final facts about messages, of all chains. */
  readonly messages: readonly ChainEventRow[];
  /** Chains that could not be read; what is due elsewhere is done all the same. */
  readonly unreachable: readonly unknown[];
}

/**
 * Reads every chain of the settlement. A remote chain that does not answer is left out, so that a dead chain never holds back money on
 * the others. Throws when the home chain does not answer or does not know the settlement.
 */
export async function observe(dependencies: ActivityDependencies, work: SettlementWork): Promise<ObservedSituation> {
  const { chains, database } = dependencies;
  const home = await chains.home.statusOf(work.id);
  if (home === undefined) {
    // Journalled but not included yet: the journal's sweep keeps sending it, and until it is there nothing can be done.
    throw new KeystoneError('transaction_not_included', 'The registration of the settlement is not included yet.');
  }
  const messages = await database.statement((transaction) => readChainEvents(transaction, work.id, MESSAGE_FACTS));
  const answers = await Promise.allSettled(
    remoteChainIds(chains, work).map((chainId) =>
      observeRemote(dependencies, work, remoteOf(dependencies, chainId), messages),
    ),
  );
  return {
    home,
    homeChainId: chains.home.chainId,
    messages,
    remotes: answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : [])),
    unreachable: answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : [])),
  };
}

export function remoteOf(dependencies: Pick<ActivityDependencies, 'chains'>, chainId: number): RemoteChain {
  const remote = dependencies.chains.remotes.get(chainId);
  if (remote !== undefined) return remote;
  throw new KeystoneError(
    'configuration_invalid',
    `A settlement has legs on chain ${chainId}, which is not configured.`,
  );
}

async function observeRemote(
  { chains, database }: ActivityDependencies,
  work: SettlementWork,
  remote: RemoteChain,
  messages: readonly ChainEventRow[],
): Promise<RemoteSituation> {
  const { chainId } = remote;
  const [status, headTimeMs] = await Promise.all([remote.statusOf(work.id), remote.headTimeMs()]);
  const openSent =
    status.phase !== 'NONE' ||
    messages.some(
      (fact) =>
        fact.name === 'MessageSent' &&
        fact.chain_id === chains.home.chainId &&
        Number(fact.arguments['kind']) === MESSAGE_KIND.OPEN &&
        Number(fact.arguments['chainId']) === chainId,
    ) ||
    // Signed by us and not final: it may be under way although no fact says so yet.
    (await database.statement((transaction) =>
      findLiveTransaction(transaction, chains.home.chainId, chainEffectKey(work.id, 'open', chainId, 1)),
    )) !== undefined;
  return { chainId, status, headTimeMs, openSent };
}
