/** Limits of the waits inside steps. Milliseconds unless the name says otherwise. */
export const STEP_LIMITS = {
  factPollMs: 500,
  /** Looks for a block that is younger than a decision, and how long one attempt does; the longest slot of a chain that we know is 12 s. */
  laterBlockPollMs: 100,
  laterBlockWaitMs: 60_000,
  /** How long one attempt looks for final facts before it makes room for others and is repeated. */
  factWaitMs: 10_000,
  /** Facts that are not final after this long need a person's eye; longer than any finality that we configure. */
  finalityOverdueMs: 3_600_000,
  /** Pause before a step looks again for a message: an eighth of the time in transit, within these two. */
  messagePauseMs: 500,
  messagePauseMaximumMs: 15_000,
  /** A message in transit for longer is shown to operators. Delivery goes on being awaited. */
  messageOverdueMs: 600_000,
  /** After this long the message is sent once more: a verifier may have lost it for good. */
  messageResendMs: 1_800_000,
  /** Messages of one kind to or from one chain in one settlement. The budget of fees usually ends it earlier. */
  messageGenerations: 8,
  /** Looks at all chains within one attempt of `carry`: each follows an effect of ours, and no settlement needs as many. */
  carryRounds: 12,
  /** Pause before an execution that the contract refused is tried again while its grace period runs. */
  refusedExecutionPauseMs: 15_000,
} as const;

export type StepLimits = { readonly [Name in keyof typeof STEP_LIMITS]: number };

/** What is given, and the defaults for the rest. */
export function limitsOf(given: { readonly limits?: Partial<StepLimits> }): StepLimits {
  return { ...STEP_LIMITS, ...given.limits };
}
