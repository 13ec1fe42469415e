/** Wakes a loop that waits. A ring while nobody waits is kept, so that work announced in between is not slept over. */
export interface Bell {
  ring(): void;
  /** Resolves at the next ring, after `limitMs`, or when `signal` aborts. */
  wait(limitMs: number, signal: AbortSignal): Promise<void>;
}

export function createBell(): Bell {
  let rung = false;
  let wake: (() => void) | undefined;
  return {
    ring() {
      rung = true;
      wake?.();
    },
    async wait(limitMs, signal) {
      if (!rung && !signal.aborted) {
        const waiting = Promise.withResolvers<void>();
        wake = waiting.resolve;
        const timer = setTimeout(waiting.resolve, limitMs);
        signal.addEventListener('abort', wake, { once: true });
        await waiting.promise;
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        wake = undefined;
      }
      rung = false;
    },
  };
}
