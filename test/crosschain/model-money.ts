import type { Model, ModelLeg, ModelSettlement, Side } from './model-types.ts';

/** Money in the model: where it goes, and what becomes of it when a token refuses. */

/** What fails without data: a token that refuses every call, or too little gas. */
export const NO_REASON = 'no reason';
export const REFUSED = Symbol('refused');

export function need(isGiven: boolean, otherwise: string): void {
  if (!isGiven) throw new Error(otherwise, { cause: REFUSED });
}

/** Pays the legs whose bits are set; a token that refuses leaves a credit. */
export function payOut(m: Model, s: ModelSettlement, side: Side, bits: number, to: 'payer' | 'payee'): void {
  for (const [index, leg] of s.terms.legs.entries()) {
    const key = `${leg.token} ${leg[to]}`;
    if (leg.side !== side || (bits & (1 << index)) === 0) continue;
    if (m.frozen.includes(leg.token)) m.credits[key] = (m.credits[key] ?? 0n) + leg.amount;
    else move(m, leg, 'escrow', leg[to]);
  }
}

export function withdraw(m: Model, token: string, wallet: string): void {
  const amount = m.credits[`${token} ${wallet}`] ?? 0n;
  need(amount > 0n, 'NothingToWithdraw');
  need(!m.frozen.includes(token), NO_REASON);
  m.credits[`${token} ${wallet}`] = 0n;
  move(m, { token, amount }, 'escrow', wallet);
}

export function move(m: Model, { token, amount }: Pick<ModelLeg, 'token' | 'amount'>, from: string, to: string): void {
  for (const [holder, change] of [
    [from, -amount],
    [to, amount],
  ] as const) {
    m.balances[`${token} ${holder}`] = (m.balances[`${token} ${holder}`] ?? 0n) + change;
  }
}
