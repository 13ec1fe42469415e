import type { ScreeningLimits } from './limits.ts';
import { CASE_ID_EXISTS, type NewCase, type WorldCheckClient } from './lseg-client.ts';
import type { WireResult } from './lseg-wire.ts';
import { CallFailed, isAmbiguous, waitFor, waitToRepeat } from './provider-call.ts';

export interface ScreenedCase {
  caseSystemId: string;
  /** Everything the vendor has on the case now, analysts' resolutions included. */
  results: readonly WireResult[];
  /** A sandbox stamped its answer. */
  simulated: boolean;
}

/** The stored case must be about this subject: a caseId used for another name would clear the wrong party. */
async function assertSameSubject(
  client: WorldCheckClient,
  caseSystemId: string,
  wanted: NewCase,
  signal: AbortSignal,
): Promise<{ simulated: boolean }> {
  const stored = await client.readCase(caseSystemId, signal);
  const storedFields = stored.secondaryFields ?? [];
  const sameFields = wanted.secondaryFields.every(({ typeId, value }) =>
    storedFields.some((field) => field.typeId === typeId && field.value === value),
  );
  const same =
    stored.caseId === wanted.caseId &&
    stored.groupId === wanted.groupId &&
    stored.entityType === wanted.entityType &&
    stored.name === wanted.name;
  if (!same || !sameFields) throw new CallFailed('CONFIGURATION');
  return { simulated: stored.simulated ?? false };
}

/** Screens an existing case and waits until the vendor calls it screened. */
async function screenAgain(
  client: WorldCheckClient,
  caseSystemId: string,
  limits: ScreeningLimits,
  signal: AbortSignal,
): Promise<void> {
  try {
    await client.rescreen(caseSystemId, signal);
  } catch (error) {
    // A lost answer does not matter: whether the screening happened is asked next.
    if (!isAmbiguous(error)) throw error;
  }
  for (let poll = 1; poll <= limits.worldCheckStatusPolls; poll += 1) {
    if (await client.isScreened(caseSystemId, signal)) return;
    await waitFor(limits.worldCheckStatusPauseMs, signal);
  }
  throw new CallFailed('TIMEOUT');
}

async function recover(
  client: WorldCheckClient,
  caseSystemId: string,
  wanted: NewCase,
  limits: ScreeningLimits,
  signal: AbortSignal,
): Promise<ScreenedCase> {
  const { simulated } = await assertSameSubject(client, caseSystemId, wanted, signal);
  // Created but not screened (the answer was lost in between): no results would look like a clean subject.
  if (!(await client.isScreened(caseSystemId, signal))) await screenAgain(client, caseSystemId, limits, signal);
  return { caseSystemId, results: await client.results(caseSystemId, signal), simulated };
}

/**
 * Creates and screens the case, or finds the one that an earlier call created. World-Check has no idempotency key but
 * refuses a second case with the same `caseId`; so an answer that got lost is looked up before anything is sent again.
 * @throws CallFailed when there is no result that can be relied on.
 */
export async function screenExactlyOnce(
  client: WorldCheckClient,
  wanted: NewCase,
  limits: ScreeningLimits,
  signal: AbortSignal,
): Promise<ScreenedCase> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const screened = await client.screen(wanted, signal);
      if (screened.caseId !== wanted.caseId) throw new CallFailed('MALFORMED_ANSWER');
      return { ...screened, simulated: screened.simulated ?? false };
    } catch (error) {
      const exists = error instanceof CallFailed && error.codes.includes(CASE_ID_EXISTS);
      if (signal.aborted) throw error;
      const caseSystemId = exists || isAmbiguous(error) ? await client.findCase(wanted.caseId, signal) : undefined;
      if (caseSystemId !== undefined) return recover(client, caseSystemId, wanted, limits, signal);
      // The vendor says that the case exists and that it does not: nothing to build on.
      if (exists) throw new CallFailed('MALFORMED_ANSWER');
      await waitToRepeat(attempt, error, limits, signal);
    }
  }
}
