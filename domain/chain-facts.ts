/**
 * Names of on-chain events (as in the ABIs) for which a settlement's workflow is woken. A transaction that has none of them is stored all the same;
 * a wake-up that tells the workflow nothing costs a signal and a workflow task of its history.
 */
export const WAKING_FACTS = [
  // Somebody's word at the compliance gate.
  'Attested',
  // Deposits, votes that decided, executions at home, terminal states.
  'StateTransition',
  'LegDeposited',
  'ExecutionFailed',
  // The other chains.
  'RemotePrepared',
  'RemoteExecuted',
  'RemoteRolledBack',
  'CooperativeRelease',
  // Money that waits for a withdrawal.
  'PayoutCredited',
] as const;

export type WakingFact = (typeof WAKING_FACTS)[number];

/** Whether a transaction with these events is news to a workflow. */
export function wakesWorkflow(names: readonly string[]): boolean {
  const waking: readonly string[] = WAKING_FACTS;
  return names.some((name) => waking.includes(name));
}
