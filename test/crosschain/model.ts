import { move, need, NO_REASON, payOut, REFUSED, withdraw } from './model-money.ts';
import { bitsOf, elsewhere, isComplete, isUnanimous, PHASE, STATE } from './model-types.ts';
import type { Action, MessageKind, Model, ModelLeg, ModelSettlement, Side } from './model-types.ts';

/** Settlements across two chains once more, from the design and not from the contracts: what each action needs, in the order asked, and does. */

/** Pure: the model before stays as it was. `refused` names the error; nothing has changed then. */
export function step(before: Model, action: Action): { after: Model; refused?: string } {
  const after = structuredClone(before);
  try {
    act(after, action);
    return { after };
  } catch (error) {
    if (!(error instanceof Error) || error.cause !== REFUSED) throw error;
    return { after: before, refused: error.message };
  }
}

function act(m: Model, a: Action): void {
  if (a.do === 'clock') m.clock[a.side] = Math.max(m.clock[a.side], a.to);
  else if (a.do === 'withdraw') withdraw(m, a.token, a.wallet);
  else if ('token' in a)
    m.frozen = m.frozen.filter((token) => token !== a.token).concat(a.do === 'freeze' ? [a.token] : []);
  else if ('on' in a) actOn(m, m.settlements[a.on] as ModelSettlement, a);
  else deliver(m, a.message, a.do === 'starve');
}

function actOn(m: Model, s: ModelSettlement, a: Extract<Action, { on: number }>): void {
  if (a.do === 'deposit') deposit(m, s, s.terms.legs[a.leg] as ModelLeg, 1 << a.leg);
  else if (a.do === 'execute') execute(m, s, a.side);
  else if (a.do === 'refund') refund(m, s, a.side);
  else if (a.do === 'releasePay' || a.do === 'releaseRefund') release(m, s, a.side, a.do === 'releasePay');
  else if (a.do === 'attest') s.cleared = true;
  else if (a.do === 'advance') {
    need(s.home.state === STATE.checking, 'InvalidTransition');
    need(m.clock.home < s.terms.deadline, 'DeadlinePassed');
    need(s.cleared, 'GateClosed');
    s.home.state = STATE.awaiting;
  } else if (a.do === 'rollBack') {
    need(s.home.state <= STATE.awaiting, 'InvalidTransition');
    s.home.state = STATE.rolledBack;
  } else if (a.do === 'timeout') {
    need(isDue(m, s), 'TimeoutNotDue');
    need(s.home.state <= STATE.awaiting, 'InvalidTransition');
    s.home.state = STATE.timedOut;
  } else m.messages.push({ kind: messageOf(s, a.do), settlement: a.on, delivered: false });
}

function isDue(m: Model, s: ModelSettlement): boolean {
  return m.clock.home >= s.terms.deadline + (s.home.state === STATE.awaiting && isComplete(s) ? s.terms.grace : 0);
}

function messageOf(s: ModelSettlement, send: 'sendOpen' | 'sendDecision' | 'sendVote'): MessageKind {
  if (send === 'sendVote') {
    need(s.remote.phase === PHASE.prepared || s.remote.phase === PHASE.paid, 'NothingToVote');
    return s.remote.phase === PHASE.prepared ? 'PREPARED' : 'EXECUTED';
  }
  if (send === 'sendOpen') need(s.home.state === STATE.awaiting, 'NothingToSend');
  need(elsewhere(s) > 0, 'ChainNotInSettlement');
  if (send === 'sendOpen') return 'OPEN';
  need(s.home.state >= STATE.executing, 'NothingToSend');
  return s.home.state <= STATE.finalized ? 'EXECUTE' : 'ROLLBACK';
}

function needTermsThere({ remote }: ModelSettlement): void {
  need(remote.phase !== PHASE.none, 'UnknownSettlement');
  need(remote.knowsTerms, 'TermsMismatch');
}

function deposit(m: Model, s: ModelSettlement, leg: ModelLeg, bit: number): void {
  const isHome = leg.side === 'home';
  need(!m.frozen.includes(leg.token), NO_REASON);
  if (!isHome) needTermsThere(s);
  need(isHome ? s.home.state === STATE.awaiting : s.remote.phase === PHASE.open, 'DepositsNotOpen');
  need(m.clock[leg.side] < s.terms.deadline, 'DeadlinePassed');
  need((s[leg.side].deposited & bit) === 0, 'LegAlreadyDeposited');
  move(m, leg, leg.payer, 'escrow');
  s[leg.side].deposited |= bit;
  if (isHome && isComplete(s) && isUnanimous(s)) execute(m, s, 'home');
  if (!isHome && s.remote.deposited === bitsOf(s, 'remote')) s.remote.phase = PHASE.prepared;
}

function execute(m: Model, s: ModelSettlement, side: Side): void {
  if (side === 'remote') {
    needTermsThere(s);
    need(s.remote.phase === PHASE.decided, 'NothingToExecute');
    s.remote.phase = PHASE.paid;
  } else {
    if (s.home.state === STATE.executing) need(!s.home.paid, 'NothingToExecute');
    else {
      need(isComplete(s), 'LegsMissing');
      need(isUnanimous(s), 'VotesMissing');
      need(s.home.state === STATE.awaiting, 'InvalidTransition');
    }
    Object.assign(s.home, { state: STATE.executing, paid: true });
    finalizeIfPaid(s);
  }
  payOut(m, s, side, bitsOf(s, side), 'payee');
}

function finalizeIfPaid(s: ModelSettlement): void {
  if (s.home.paid && s.home.executed === elsewhere(s)) s.home.state = STATE.finalized;
}

function refund(m: Model, s: ModelSettlement, side: Side): void {
  if (side === 'home') {
    if (s.home.state < STATE.executing && isDue(m, s)) s.home.state = STATE.timedOut;
    need(s.home.state >= STATE.rolledBack, 'RefundNotAvailable');
  } else {
    needTermsThere(s);
    if (s.remote.phase === PHASE.open && m.clock.remote >= s.terms.deadline) s.remote.phase = PHASE.givenBack;
    need(s.remote.phase === PHASE.givenBack, 'RefundNotAvailable');
  }
  const bits = s[side].deposited & ~s[side].refunded;
  need(bits !== 0, 'NothingToRefund');
  s[side].refunded = s[side].deposited;
  payOut(m, s, side, bits, 'payer');
}

function release(m: Model, s: ModelSettlement, side: Side, pays: boolean): void {
  if (side === 'remote') needTermsThere(s);
  const isLate = m.clock.remote >= s.terms.deadline + s.terms.releaseDelay;
  need(side === 'remote' && isLate && s.remote.phase === PHASE.prepared, 'ReleaseNotAvailable');
  s.remote.phase = pays ? PHASE.paid : PHASE.givenBack;
  if (!pays) s.remote.refunded = s.remote.deposited;
  payOut(m, s, side, bitsOf(s, side), pays ? 'payee' : 'payer');
}

/** A message that has no effect any more is taken all the same; one that was taken is refused for ever after. */
function deliver(m: Model, index: number, isStarved: boolean): void {
  need(!isStarved, NO_REASON);
  const message = m.messages[index] as Model['messages'][number];
  need(!message.delivered, 'LZ_PayloadHashNotFound');
  message.delivered = true;
  const s = m.settlements[message.settlement] as ModelSettlement;
  const { home, remote } = s;
  if (message.kind === 'OPEN' && remote.phase === PHASE.none)
    Object.assign(remote, { phase: PHASE.open, knowsTerms: true });
  if (message.kind === 'EXECUTE' && remote.phase === PHASE.prepared) remote.phase = PHASE.decided;
  if (message.kind === 'ROLLBACK' && remote.phase <= PHASE.prepared) remote.phase = PHASE.givenBack;
  const counts = home.state === STATE.awaiting && m.clock.home < s.terms.deadline + s.terms.grace;
  if (message.kind === 'PREPARED' && counts) {
    home.prepared = 1;
    if (isComplete(s)) Object.assign(home, { state: STATE.executing, paid: bitsOf(s, 'home') === 0 });
  }
  if (message.kind === 'EXECUTED' && home.state === STATE.executing) {
    home.executed = 1;
    finalizeIfPaid(s);
  }
}
