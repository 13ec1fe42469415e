import type { Action, Model, Side } from './model-types.ts';

const SIDES: readonly Side[] = ['home', 'remote'];
const SIMPLE = ['attest', 'advance', 'rollBack', 'timeout', 'sendOpen', 'sendDecision', 'sendVote'] as const;
const PER_CHAIN = ['execute', 'refund', 'releasePay', 'releaseRefund'] as const;

/** Everything that anybody could do now, sensible or not; clocks and tokens apart. */
export function menuOf(model: Model, walletsOf: (token: string) => readonly string[]): Action[] {
  const tokens = new Set(model.settlements.flatMap(({ terms }) => terms.legs.map(({ token }) => token)));
  return [
    ...model.settlements.flatMap(({ terms }, on): Action[] => [
      ...SIMPLE.map((simple): Action => ({ do: simple, on })),
      ...terms.legs.map((_, leg): Action => ({ do: 'deposit', on, leg })),
      ...SIDES.flatMap((side) => PER_CHAIN.map((each): Action => ({ do: each, on, side }))),
    ]),
    ...[...tokens].flatMap((token) => walletsOf(token).map((wallet): Action => ({ do: 'withdraw', token, wallet }))),
    ...model.messages.map((_, message): Action => ({ do: 'deliver', message })),
  ];
}
