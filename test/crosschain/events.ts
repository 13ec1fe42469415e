import { type Action, type Model, PHASE, STATE } from './model-types.ts';

/** Names of what the action has brought about; each has to happen in a run that shows anything. */
export function eventsOf(before: Model, action: Action, refused: string | undefined, after: Model): string[] {
  if (refused !== undefined) return [`refused: ${refused}`];
  const happened: string[] = [];
  for (const [index, now] of after.settlements.entries()) {
    const was = before.settlements[index];
    if (was === undefined) continue;
    if (was.home.state !== now.home.state) {
      const [name] = Object.entries(STATE).find(([, state]) => state === now.home.state) ?? ['?'];
      happened.push(name);
    }
    if (was.remote.phase === now.remote.phase) continue;
    const isBack = now.remote.phase === PHASE.givenBack;
    if (now.remote.phase === PHASE.paid) happened.push(action.do === 'releasePay' ? 'released, paid' : 'paid there');
    else if (isBack && action.do === 'releaseRefund') happened.push('released, handed back');
    else if (isBack && action.do === 'refund') happened.push('unilateral refund');
    else if (isBack) happened.push(was.remote.phase === PHASE.none ? 'tombstone' : 'rolled back there');
    else if (now.remote.phase === PHASE.prepared) happened.push('prepared');
  }
  if (action.do === 'deliver') happened.push(...deliveryEvents(before, action.message, after));
  if (action.do === 'refund') happened.push('refund');
  if (action.do === 'withdraw') happened.push('withdrawal');
  const owed = (model: Model): bigint => Object.values(model.credits).reduce((sum, amount) => sum + amount, 0n);
  if (owed(after) > owed(before)) happened.push('credit');
  return happened;
}

function deliveryEvents(before: Model, index: number, after: Model): string[] {
  const message = before.messages[index];
  const settlement = message?.settlement ?? 0;
  const [was, now] = [before.settlements[settlement], after.settlements[settlement]];
  const hadEffect = JSON.stringify([was?.home, was?.remote]) !== JSON.stringify([now?.home, now?.remote]);
  if (hadEffect || message === undefined || was === undefined) return [];
  const late = before.clock.home - was.terms.deadline - was.terms.grace;
  if (message.kind === 'PREPARED' && late === 0 && was.home.state === STATE.awaiting) return ['vote at T + grace'];
  return message.kind === 'PREPARED' && late >= 0 ? ['late vote'] : [`${message.kind} without effect`];
}
