import type { ContractCall } from '../chain/contract-call.ts';
import type { AlreadyDone, Journal } from '../chain/journal.ts';
import type { EffectIntent, IncludedEffect } from './settlement-chains.ts';

/** Hands one effect to the journal of its signer. */
export async function submit(
  journal: Journal,
  call: ContractCall,
  intent: EffectIntent,
  alreadyDone: () => Promise<AlreadyDone | undefined>,
): Promise<IncludedEffect> {
  const { effectKey, settlementId, context, inTransaction } = intent;
  const result = await journal.submit(
    {
      effectKey,
      settlementId,
      to: call.to,
      data: call.data,
      alreadyDone,
      ...(call.value !== undefined && { value: call.value }),
      ...(inTransaction !== undefined && { inTransaction }),
    },
    { signal: context.signal, heartbeat: context.heartbeat },
  );
  return { transactionHash: result.transactionHash, blockNumber: result.blockNumber };
}

/**
 * Messages are not looked for before they are sent: no view tells whether one is under way, a final one is known from the facts, and a
 * second one in the seconds between changes nothing but its fee.
 */
export async function never(): Promise<undefined> {
  return undefined;
}
