import { ApplicationFailure, setHandler } from '@temporalio/workflow';

import { isTerminal } from '../domain/settlement-state.ts';
import { abortUpdate, holdUpdate, type PendingView, releaseUpdate, retryUpdate, skipUpdate } from './messages.ts';
import type { RunStatus } from './run-status.ts';

export type OperatorAnswer = 'retry' | 'skip';

interface Reason {
  reason: string;
}

/** What operators can ask of a run. Validators are synchronous: the SDK does not await them, so an async one would accept anything. */
export function registerOperatorHandlers(
  status: RunStatus,
  control: { answer(given: OperatorAnswer): void; abort(): void; deciding(): boolean },
): void {
  const parkedOnly = (_input: Reason) => {
    if (status.parked === null) throw ApplicationFailure.nonRetryable('The settlement is not parked.', 'not_parked');
  };
  const carryOnly = (input: Reason) => {
    parkedOnly(input);
    if (status.parked?.step !== 'carry')
      throw ApplicationFailure.nonRetryable('Only carry can be skipped.', 'not_skippable');
  };
  const answer = (given: OperatorAnswer) => (input: Reason) => {
    status.note(`operator: ${given} (${input.reason})`);
    control.answer(given);
    return status.pending();
  };
  const hold = (held: boolean) => (input: Reason) => {
    status.held = held;
    status.note(`operator: ${held ? 'hold' : 'release'} (${input.reason})`);
    status.showCard();
    return status.pending();
  };
  const abort = (input: Reason): PendingView => {
    status.note(`operator: abort (${input.reason})`);
    control.abort();
    return status.pending();
  };
  const abortable = (_input: Reason) => {
    if (isTerminal(status.state) || status.state === 'EXECUTING_SWAP' || control.deciding()) {
      throw ApplicationFailure.nonRetryable(`A settlement in ${status.state} cannot be aborted now.`, 'not_abortable');
    }
  };
  setHandler(retryUpdate, answer('retry'), { validator: parkedOnly, description: 'repeat the parked step' });
  setHandler(skipUpdate, answer('skip'), {
    validator: carryOnly,
    description: 'leave what is due on the chains to anybody else',
  });
  setHandler(abortUpdate, abort, { validator: abortable, description: 'end the settlement without a swap' });
  setHandler(holdUpdate, hold(true), { description: 'begin no further step' });
  setHandler(releaseUpdate, hold(false), { description: 'go on' });
}
