import type { MessageKind } from '../chain/coordinator.ts';
import { termsFromJson } from '../chain/terms.ts';
import { clearStepAttention } from '../db/attention.ts';
import type { SettlementWork } from '../db/settlement-work.ts';
import { type ChainEffectStep, chainEffectKey } from '../domain/effect-key.ts';
import type { OnChainState } from '../domain/settlement-state.ts';
import type { ActivityDependencies, EscrowChain, IncludedEffect, MessageIntent } from './dependencies.ts';
import { type DueAction, dueActions } from './due.ts';
import { awaitFacts, takeOverFacts } from './finalise.ts';
import { generationToSend, ignoredSince, type MessageInTransit, sentMessages, stillInTransit } from './messages.ts';
import { runStep, type StepContext } from './retry.ts';
import type { ChainEffect, FinaliseProgress, SettlementActivities } from './settlement-activities.ts';
import { observe, type ObservedSituation, remoteOf } from './situation.ts';
import { limitsOf } from './step-limits.ts';
import { loadWork, openingsOf, progressOf, requireChainsRunning } from './steps.ts';
import { StillWaiting } from './waiting.ts';

/**
 * Carries a settlement across its chains: votes to the coordinator, its decision to the others, executions and refunds. It looks at every
 * chain, does whatever is due and looks again, so that it does not matter what happened before, in which order, or who did it; a party
 * may do every part of it by itself. It ends when nothing is due: the settlement waits for its parties, or every chain is settled.
 */
export function createCarry(dependencies: ActivityDependencies): SettlementActivities['carry'] {
  return runStep(dependencies, 'carry', async ({ settlementId }, context): Promise<FinaliseProgress> => {
    const work = await loadWork(dependencies.database, settlementId);
    if (!work.registered_on_chain) return { ...progressOf(work), carryDue: false };
    await requireChainsRunning(dependencies, work);
    const { state, effects } = await carryAll(dependencies, work, context).catch(async (error: unknown) => {
      // Platforms need not wait for the next message to hear what is final by now.
      if (error instanceof StillWaiting) await takeOverFacts(dependencies, work);
      throw error;
    });
    const progress = await awaitFacts(dependencies, work, state, context);
    if (work.needs_attention) {
      await dependencies.database.statement((transaction) => clearStepAttention(transaction, settlementId));
    }
    return { ...progress, effects, carryDue: false };
  });
}

/**
 * Does everything that is due until nothing is; answers the state in which the coordinator is then. Throws StillWaiting while a message is
 * in transit, and the first failure once everything that could be done elsewhere is done.
 */
export async function carryAll(
  dependencies: ActivityDependencies,
  work: SettlementWork,
  context: StepContext,
): Promise<{ state: OnChainState; effects: ChainEffect[] }> {
  const limits = limitsOf(dependencies);
  const effects: ChainEffect[] = [];
  const tried = new Set<string>();
  for (let round = 1; ; round += 1) {
    const situation = await observe(dependencies, work);
    const due = dueActions(situation);
    const fresh = due.filter((action) => !tried.has(nameOf(action)));
    if (fresh.length === 0 || round > limits.carryRounds) {
      if (situation.unreachable.length > 0) throw situation.unreachable[0];
      if (due.length === 0) return { state: situation.home.state, effects };
      throw inTransit(dependencies, situation, due, context);
    }
    const failures: Failure[] = [];
    const attempt = async (action: DueAction) => {
      tried.add(nameOf(action));
      try {
        const done = await perform(dependencies, work, situation, action, context);
        if (done !== undefined) effects.push(done);
      } catch (error) {
        context.signal.throwIfAborted();
        failures.push({ action, error });
      }
    };
    // What one chain does not include must not hold back the others; within a chain one signer pays, and its nonces are in order anyway.
    const byChain = Map.groupBy(fresh, (action) => payingChain(situation, action));
    await Promise.all(
      [...byChain.values()].map(async (actions) => {
        for (const action of actions) await attempt(action);
      }),
    );
    await rethrowWhatIsStillDue(dependencies, work, failures);
  }
}

/** The chain whose transaction does it. */
function payingChain({ homeChainId }: ObservedSituation, action: DueAction): number {
  return action.kind === 'decision' ? homeChainId : action.chainId;
}

interface Failure {
  readonly action: DueAction;
  readonly error: unknown;
}

/** An action that somebody else did first is refused by the contract; it is done, so nothing has failed. */
async function rethrowWhatIsStillDue(
  dependencies: ActivityDependencies,
  work: SettlementWork,
  failures: readonly Failure[],
): Promise<void> {
  if (failures.length === 0) return;
  const still = new Set(dueActions(await observe(dependencies, work)).map(nameOf));
  const failure = failures.find(({ action }) => still.has(nameOf(action)));
  if (failure !== undefined) throw failure.error;
}

function nameOf(action: DueAction): string {
  if (action.kind === 'vote') return `${action.vote} of ${action.chainId}`;
  if (action.kind === 'decision') return `${action.decision} to ${action.chainId}`;
  return `${action.kind} on ${action.chainId}`;
}

/** Undefined when it was done before and only has to land. */
async function perform(
  dependencies: ActivityDependencies,
  work: SettlementWork,
  situation: ObservedSituation,
  action: DueAction,
  context: StepContext,
): Promise<ChainEffect | undefined> {
  context.heartbeat();
  const { chainId } = action;
  const { home } = dependencies.chains;
  if (action.kind === 'vote') {
    const remote = remoteOf(dependencies, chainId);
    return sendMessage(dependencies, work, situation, action, context, {
      quote: () => remote.quoteVote(work.id),
      send: (intent) => remote.sendVote(intent),
    });
  }
  if (action.kind === 'decision') {
    return sendMessage(dependencies, work, situation, action, context, {
      quote: () => home.quoteDecision(work.id, chainId),
      send: (intent) => home.sendDecision(chainId, intent),
    });
  }
  const chain = chainId === situation.homeChainId ? home : remoteOf(dependencies, chainId);
  const included = await moveMoney(chain, work, action, context);
  return { what: action.kind, chainId, transactionHash: included.transactionHash };
}

function moveMoney(
  chain: EscrowChain,
  work: SettlementWork,
  action: Extract<DueAction, { kind: 'execute' | 'refund' }>,
  context: StepContext,
): Promise<IncludedEffect> {
  const { chainId } = chain;
  const terms = termsFromJson(work.terms);
  const intent = (step: ChainEffectStep, generation: number) => ({
    effectKey: chainEffectKey(work.id, step, chainId, generation),
    settlementId: work.id,
    context,
  });
  if (action.kind === 'execute') {
    return chain.execute(terms, openingsOf(work, 'payee', chainId, action.legBits), intent('carry_execute', 1));
  }
  // Parties may fetch single legs themselves: what is left over is another effect, named by its legs.
  const openings = openingsOf(work, 'payer', chainId, action.legBits);
  return chain.refund(terms, openings, intent('carry_refund', action.legBits));
}

type MessageAction = Extract<DueAction, { kind: 'vote' | 'decision' }>;

interface Messenger {
  readonly quote: () => Promise<bigint>;
  readonly send: (intent: MessageIntent) => Promise<IncludedEffect>;
}

async function sendMessage(
  dependencies: ActivityDependencies,
  work: SettlementWork,
  situation: ObservedSituation,
  action: MessageAction,
  context: StepContext,
  messenger: Messenger,
): Promise<ChainEffect | undefined> {
  const route = routeOf(situation, action);
  const sent = sentMessages(situation.messages, route);
  // A late vote shows that the other chain had not heard of the rollback when it voted: it is told again at once.
  const again =
    route.kind === 'ROLLBACK' &&
    ignoredSince(situation.messages, action.chainId, situation.homeChainId, sent.lastSentMs ?? 0);
  const generation = generationToSend(sent, Date.now(), limitsOf(dependencies), again);
  if (generation === undefined) return undefined;
  const intent = {
    effectKey: chainEffectKey(work.id, MESSAGE_STEPS[route.kind], action.chainId, generation),
    settlementId: work.id,
    context,
  };
  const included = await messenger.send({ ...intent, feeWei: await messenger.quote() });
  return { what: `${route.kind} sent`, chainId: route.from, transactionHash: included.transactionHash };
}

/** The coordinator decides once, so both decisions are the same step. */
const MESSAGE_STEPS: Readonly<Record<Exclude<MessageKind, 'OPEN'>, ChainEffectStep>> = {
  PREPARED: 'carry_vote_prepared',
  EXECUTED: 'carry_vote_executed',
  EXECUTE: 'carry_decision',
  ROLLBACK: 'carry_decision',
};

function routeOf({ homeChainId }: ObservedSituation, action: MessageAction) {
  return action.kind === 'vote'
    ? { kind: action.vote, from: action.chainId, to: homeChainId }
    : { kind: action.decision, from: homeChainId, to: action.chainId };
}

function inTransit(
  dependencies: ActivityDependencies,
  situation: ObservedSituation,
  due: readonly DueAction[],
  context: StepContext,
) {
  const messages = due.flatMap((action): MessageInTransit[] => {
    if (action.kind !== 'vote' && action.kind !== 'decision') return [];
    const route = routeOf(situation, action);
    const { lastSentMs } = sentMessages(situation.messages, route);
    return [{ ...route, sinceMs: lastSentMs ?? context.dueSinceMs }];
  });
  return stillInTransit(messages, Date.now(), limitsOf(dependencies));
}
