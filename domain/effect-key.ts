import type { Uuid } from './ids.ts';

/** Steps that have effects on the outside. `decide` covers the signed decisions; `open` the transaction that anchors them. */
export type EffectStep = 'register' | 'screen' | 'attest' | 'decide' | 'open' | 'timeout' | 'rollback' | 'prove';

/**
 * Effects that happen once on each chain of a settlement. `open` and `carry_decision` are about the chain that the message goes to,
 * the votes about the one that they come from, `carry_execute` and `carry_refund` about the one whose escrow pays.
 */
export type ChainEffectStep =
  | 'open'
  | 'carry_vote_prepared'
  | 'carry_vote_executed'
  | 'carry_decision'
  | 'carry_execute'
  | 'carry_refund';

declare const effectKeyBrand: unique symbol;

/**
 * The business idempotency key of an effect: `<settlement>:<step>:<generation>`. Never derived from a run id, since a reset gives a
 * new one and would pay twice. Branded, so that an effect without a key does not compile.
 */
export type EffectKey = string & { readonly [effectKeyBrand]: true };

/** `generation` starts at 1 and grows only when the business asks for the step again (a new round of attestations, say). */
export function effectKey(settlementId: Uuid, step: EffectStep, generation: number): EffectKey {
  return keyOf(settlementId, step, generation);
}

/** As `effectKey`, with the chain in the step: `<settlement>:<step>@<chain id>:<generation>`. */
export function chainEffectKey(
  settlementId: Uuid,
  step: ChainEffectStep,
  chainId: number,
  generation: number,
): EffectKey {
  if (!Number.isSafeInteger(chainId) || chainId < 1) throw new RangeError('an effect happens on a chain');
  return keyOf(settlementId, `${step}@${chainId}`, generation);
}

function keyOf(settlementId: Uuid, step: string, generation: number): EffectKey {
  if (!Number.isSafeInteger(generation) || generation < 1) throw new RangeError('generation starts at 1');
  return `${settlementId}:${step}:${generation}` as EffectKey;
}
