import type { Uuid } from './ids.ts';

/** Steps that have effects on the outside. `decide` covers the signed decisions; `open` the transaction that anchors them. */
export type EffectStep =
  | 'register'
  | 'screen'
  | 'attest'
  | 'decide'
  | 'open'
  | 'execute'
  | 'timeout'
  | 'rollback'
  | 'refund'
  | 'prove';

declare const effectKeyBrand: unique symbol;

/**
 * The business idempotency key of an effect: `<settlement>:<step>:<generation>`. Never derived from a run id, since a reset gives a
 * new one and would pay twice. Branded, so that an effect without a key does not compile.
 */
export type EffectKey = string & { readonly [effectKeyBrand]: true };

/** `generation` starts at 1 and grows only when the business asks for the step again (a new round of attestations, say). */
export function effectKey(settlementId: Uuid, step: EffectStep, generation: number): EffectKey {
  if (!Number.isSafeInteger(generation) || generation < 1) throw new RangeError('generation starts at 1');
  return `${settlementId}:${step}:${generation}` as EffectKey;
}
