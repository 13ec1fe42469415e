import { type Action, bitsOf, type Model, type ModelSettlement, PHASE, type Side, STATE } from './model-types.ts';
import type { Dice } from './random.ts';

/** Chance meets these least: one needs a chain that is prepared and a settlement that has not timed out, the other a chain that is half paid in. */
const VOTE_WEIGHT = 12;
const REFUND_WEIGHT = 6;

/** To the second: a chain's clock a second before, at, or a second after a moment, and then what that moment decides. */
export function boundaryPlans(model: Model, dice: Dice): Action[][] {
  const offset = dice.pick([-1, 0, 0, 1]);
  return model.settlements.flatMap((settlement, on) => plansOf(model, settlement, on, offset));
}

function plansOf(model: Model, settlement: ModelSettlement, on: number, offset: number): Action[][] {
  const { terms, home, remote } = settlement;
  const { deadline, grace, releaseDelay } = terms;
  const plans: Action[][] = [];
  const at = (side: Side, moment: number, ...then: readonly Action[]): void => {
    const to = moment + offset;
    if (to >= model.clock[side]) plans.push([{ do: 'clock', side, to }, ...then]);
  };
  const isComplete = home.deposited === bitsOf(settlement, 'home');
  const message = model.messages.length;
  if (home.state === STATE.awaiting && remote.phase === PHASE.prepared && home.prepared === 0) {
    const vote = ahead(model, 'home', deadline + grace + offset).map((clock): Action[] => [
      { do: 'sendVote', on },
      clock,
      { do: 'deliver', message },
      { do: 'timeout', on },
    ]);
    for (let weight = 0; weight < VOTE_WEIGHT; weight += 1) plans.push(...vote);
    at('remote', deadline, { do: 'refund', on, side: 'remote' });
  }
  if (remote.phase === PHASE.open && remote.deposited !== 0) {
    for (let weight = 0; weight < REFUND_WEIGHT; weight += 1) {
      at('remote', deadline, { do: 'refund', on, side: 'remote' });
    }
  }
  if (home.state <= STATE.awaiting) at('home', deadline + (isComplete ? grace : 0), { do: 'timeout', on });
  if (home.state === STATE.checking) at('home', deadline, { do: 'attest', on }, { do: 'advance', on });
  for (const [leg, { side }] of terms.legs.entries()) {
    const isOpen = side === 'home' ? home.state === STATE.awaiting : remote.phase === PHASE.open;
    const isMissing = (settlement[side].deposited & (1 << leg)) === 0;
    if (isOpen && isMissing) at(side, deadline, { do: 'deposit', on, leg }, { do: 'refund', on, side });
  }
  if (remote.phase === PHASE.prepared) {
    at('remote', deadline + releaseDelay, { do: 'releasePay', on, side: 'remote' });
    at('remote', deadline + releaseDelay, { do: 'releaseRefund', on, side: 'remote' });
  }
  return plans;
}

function ahead(model: Model, side: Side, to: number): Action[] {
  return to >= model.clock[side] ? [{ do: 'clock', side, to }] : [];
}
