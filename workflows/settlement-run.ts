import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  condition,
  isCancellation,
  setHandler,
  sleep,
} from '@temporalio/workflow';

import type {
  AttestProgress,
  ConclusionReason,
  FinaliseProgress,
  OpenProgress,
  Progress,
} from '../activities/settlement-activities.ts';
import { isTerminal } from '../domain/settlement-state.ts';
import {
  type ChainFacts,
  chainFactsSignal,
  confirmationSignal,
  decisionSignal,
  type SettlementInput,
  type SettlementOutcome,
} from './messages.ts';
import { type OperatorAnswer, registerOperatorHandlers } from './operator.ts';
import { WORKFLOW_LIMITS } from './policies.ts';
import { RunStatus } from './run-status.ts';
import { steps } from './steps.ts';

/** Facts that can mean that the contracts have decided or need a hand; a deposit alone only moves the card. */
const DECISIVE_FACTS = [
  'StateTransition',
  'ExecutionFailed',
  'Attested',
  'RemotePrepared',
  'RemoteExecuted',
  'RemoteRolledBack',
  'CooperativeRelease',
];

/** Longest text of a failure that the card shows. */
const DETAIL_LENGTH = 300;

/** Why the normal course was left: the deadline, an operator, a refused party, or a settlement that has ended elsewhere. */
export class Interruption extends Error {
  readonly reason: ConclusionReason | 'ended';
  /** Of a settlement that has ended elsewhere: something is still out on its chains. */
  readonly carryDue: boolean;
  constructor(reason: ConclusionReason | 'ended', carryDue = false) {
    super(reason);
    this.reason = reason;
    this.carryDue = carryDue;
  }
}

/**
 * `stays`: the step is finished even when the deadline passes or an operator aborts, because what it takes over is already decided
 * on chain. All other steps give way at once.
 */
type Mode = 'interruptible' | 'stays';

/** One run's small verbs; their order, which is the business process, stands in settlement.ts. */
export class SettlementRun {
  private readonly target: { settlementId: string };
  private readonly status: RunStatus;
  private interruption: Interruption | undefined;
  private answer: OperatorAnswer | undefined;
  private confirmations = 0;
  private decisions = 0;
  private decisiveFacts = 0;
  private factsBeforeOpening = 0;
  private concluding = false;
  private readonly seenTransactions = new Set<string>();
  private readonly deadline = new CancellationScope();

  constructor(input: SettlementInput) {
    this.target = { settlementId: input.settlementId };
    this.status = new RunStatus(input);
    this.status.note('settlement taken up');
    this.registerSignals();
    registerOperatorHandlers(this.status, {
      answer: (given) => {
        this.answer = given;
      },
      abort: () => {
        this.interruption ??= new Interruption('aborted');
      },
      deciding: () => this.concluding,
    });
    this.startDeadline(input.deadlineMs);
    this.status.showCard();
  }

  async awaitConfirmationsAndRegister(): Promise<void> {
    let seen = 0;
    while (this.status.state === 'AWAITING_CONFIRMATION') {
      await this.until('the parties to confirm', () => this.confirmations > seen);
      seen = this.confirmations;
      // A rejection wakes in the same way; the row says which it was.
      await this.step<Progress>('register', 'the registration on chain', () => steps.register(this.target));
    }
    if (this.status.state === 'INSTRUCTED') {
      await this.step<Progress>('register', 'the registration on chain', () => steps.register(this.target));
    }
    this.status.showState();
  }

  async screen(): Promise<void> {
    await this.step<Progress>('screen', 'the screening providers', () => steps.screen(this.target));
  }

  async attestUntilCleared(): Promise<void> {
    for (;;) {
      const seen = this.decisions;
      const attested = await this.step<AttestProgress>('attest', 'the attestations', () => steps.attest(this.target));
      if (attested.outcome === 'cleared') return;
      if (attested.outcome === 'failed') throw new Interruption('compliance_failed');
      await this.until('a compliance decision', () => this.decisions > seen);
    }
  }

  async decideAndOpen(): Promise<void> {
    for (;;) {
      const seen = this.decisions + this.decisiveFacts;
      this.factsBeforeOpening = this.decisiveFacts;
      const opened = await this.step<OpenProgress>('open', 'every chain to open', () => steps.open(this.target));
      if (opened.outcome === 'failed') throw new Interruption('compliance_failed');
      // The contract has ended it, which before any decision only a deadline does.
      if (opened.outcome === 'ended') throw new Interruption('deadline');
      if (opened.outcome === 'opened') break;
      const whom = opened.outcome === 'waiting' ? 'the other attesters' : 'the compliance gate on chain';
      await this.until(whom, () => this.decisions + this.decisiveFacts > seen);
    }
    this.status.showState();
  }

  /** From the open escrows to the proof. The contracts decide; the engine carries what they decide from chain to chain. */
  async awaitDepositsAndExecution(): Promise<void> {
    // Deposits may come in as soon as the first chain is open; what attesters said before that is no news any more.
    let seen = this.factsBeforeOpening;
    while (!isTerminal(this.status.state)) {
      await this.until('the deposits', () => this.decisiveFacts > seen);
      seen = this.decisiveFacts;
      await this.follow();
    }
  }

  /**
   * Ends the settlement after the normal course was left, and stays until every chain is settled. The swap may have been decided meanwhile: then
   * it is finalised after all.
   */
  async conclude(interruption: Interruption): Promise<void> {
    const reason = interruption.reason;
    if (reason !== 'ended') {
      this.concluding = true;
      this.closeDeadline();
      const ended = await this.step<FinaliseProgress>(
        'conclude',
        'the chain to end it',
        () => steps.conclude({ ...this.target, reason }),
        'stays',
      );
      this.status.showState();
      let seen = this.decisiveFacts;
      if (ended.carryDue) await this.carry('stays');
      // Only an operator who skips leaves something undone: then whoever does it instead wakes us.
      while (!isTerminal(this.status.state)) {
        await this.until('the execution to be final', () => this.decisiveFacts > seen, 'stays');
        seen = this.decisiveFacts;
        await this.follow();
      }
    } else if (interruption.carryDue) await this.carry('stays');
    this.status.showState();
  }

  closeDeadline(): void {
    this.deadline.cancel();
  }

  outcome(): SettlementOutcome {
    return this.status.outcome();
  }

  /** Takes over what the contracts decided, and carries what is due on any chain. */
  private async follow(): Promise<void> {
    const taken = await this.step<FinaliseProgress>('finalise', 'finality', () => steps.finalise(this.target), 'stays');
    if (taken.attention !== undefined) this.status.mark(taken.attention);
    this.status.showState();
    if (!taken.carryDue) return;
    // Until the contract has decided, the deadline and an abort still count.
    await this.carry(this.status.state === 'AWAITING_DEPOSITS' && !this.concluding ? 'interruptible' : 'stays');
    this.status.showState();
  }

  private async carry(mode: Mode): Promise<void> {
    await this.step<FinaliseProgress>('carry', 'what is due on the chains', () => steps.carry(this.target), mode);
  }

  /** Runs one activity. An unexpected failure parks the settlement for an operator instead of failing the workflow. */
  private async step<Result extends Progress>(
    name: string,
    waitingFor: string,
    call: () => Promise<Result>,
    mode: Mode = 'interruptible',
  ): Promise<Result> {
    for (;;) {
      await this.until(`an operator to release it (before ${name})`, () => !this.status.held, mode);
      this.status.waitFor(waitingFor);
      try {
        const result = await this.attempt(call, mode);
        this.status.took(name, result);
        // Somebody else has ended it (a rejection, a time-out called by a party): the rest of the course is void.
        if (mode === 'interruptible' && isTerminal(result.state)) throw new Interruption('ended', result.carryDue);
        return result;
      } catch (error) {
        if (!(error instanceof ActivityFailure) || isCancellation(error)) throw error;
        const answer = await this.park(name, error, mode);
        if (answer === 'skip') return { state: this.status.state, endingCode: this.status.endingCode } as Result;
      }
    }
  }

  /** Races the activity against the deadline and an operator's abort; a loser is cancelled and is safe to repeat later. */
  private async attempt<Result>(call: () => Promise<Result>, mode: Mode): Promise<Result> {
    if (mode === 'stays') return call();
    const scope = new CancellationScope();
    const running = scope.run(call);
    const interrupted = condition(() => this.interruption !== undefined).then(() => 'interrupted' as const);
    const first = await Promise.race([running, interrupted]);
    if (first !== 'interrupted') return first;
    scope.cancel();
    await running.catch(() => {
      // Cancelled or failed: either way the settlement is being ended, and the next step reads what is true.
    });
    throw this.interruption ?? new Interruption('ended');
  }

  private async park(step: string, failure: ActivityFailure, mode: Mode): Promise<OperatorAnswer | undefined> {
    const cause = failure.cause;
    const known = cause instanceof ApplicationFailure;
    this.answer = undefined;
    this.status.park({
      step,
      code: (known && cause.type) || 'internal',
      detail: known ? cause.message.slice(0, DETAIL_LENGTH) : 'The step timed out.',
    });
    try {
      await this.until('an operator', () => this.answer !== undefined, mode);
    } finally {
      this.status.unpark();
    }
    return this.answer;
  }

  /** Waits for a condition, or throws what interrupts it: the deadline or an operator's abort. */
  private async until(waitingFor: string, met: () => boolean, mode: Mode = 'interruptible'): Promise<void> {
    const interrupted = () => mode === 'interruptible' && this.interruption !== undefined;
    if (!met() && !interrupted()) {
      this.status.waitFor(waitingFor);
      await condition(() => met() || interrupted());
    }
    if (mode === 'interruptible' && this.interruption !== undefined) throw this.interruption;
  }

  /** One absolute deadline for the whole life: one timer, started once, cancelled once. */
  private startDeadline(deadlineMs: number): void {
    void this.deadline.run(async () => {
      try {
        await sleep(Math.max(1, deadlineMs - Date.now()), { summary: 'deadline of the settlement' });
        this.interruption ??= new Interruption('deadline');
      } catch (error) {
        if (!isCancellation(error)) throw error;
      }
    });
  }

  private registerSignals(): void {
    const confirmed = () => {
      this.confirmations += 1;
    };
    const decided = () => {
      this.decisions += 1;
    };
    setHandler(confirmationSignal, confirmed, { description: 'a party confirmed or rejected; only wakes' });
    setHandler(decisionSignal, decided, { description: 'a compliance decision was made; only wakes' });
    setHandler(chainFactsSignal, (facts) => this.takeFacts(facts), {
      description: 'final facts of one transaction; only wakes',
    });
  }

  private takeFacts(facts: ChainFacts): void {
    const transaction = `${facts.chain_id}:${facts.transaction_hash}`;
    const known = this.seenTransactions.has(transaction);
    if (known || this.seenTransactions.size >= WORKFLOW_LIMITS.rememberedTransactions) return;
    this.seenTransactions.add(transaction);
    this.status.note(facts.names.join(', '), { chainId: facts.chain_id, transactionHash: facts.transaction_hash });
    if (facts.names.some((name) => DECISIVE_FACTS.includes(name))) this.decisiveFacts += 1;
    else this.status.showCard();
  }
}
