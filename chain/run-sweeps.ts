import type { Journal } from './journal-types.ts';
import { pause } from './pause.ts';

/** Milliseconds between two sweeps: what was signed and never sent, as after a crash, is on its way again after at most this long. */
export const SWEEP_INTERVAL_MS = 5_000;

interface SweepLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** Sweeps the journals at once, which finishes what a dead process left, and then again and again until `signal` aborts. */
export async function runSweeps(journals: readonly Journal[], log: SweepLog, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const journal of journals) {
      try {
        const result = await journal.sweep();
        if (result.broadcast > 0 || result.reorganised > 0)
          log.info({ signer: journal.address, ...result }, 'transactions were sent again');
      } catch (error) {
        log.warn({ signer: journal.address, err: error }, 'a sweep failed; the next one tries again');
      }
    }
    await pause(SWEEP_INTERVAL_MS, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
}
