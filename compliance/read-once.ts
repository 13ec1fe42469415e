import { endedBy } from './provider-call.ts';

export interface SharedReading<T> {
  /** The known value while it is fresh, else one reading for all who ask meanwhile. */
  get(signal: AbortSignal): Promise<T>;
  /** Drops the value, unless it has been replaced already. */
  forget(value: T): void;
}

/**
 * Keeps what a provider says about itself (a token, a group's set-up) and lets twenty screenings that start at once ask
 * for it with one call: under a rate limit of one call a second the other nineteen would be nineteen seconds of delay.
 * A failure is not kept.
 */
export function readOnce<T>(
  read: (signal: AbortSignal) => Promise<T>,
  isFresh: (value: T) => boolean = () => true,
): SharedReading<T> {
  let known: { value: T } | undefined;
  let pending: Promise<T> | undefined;

  async function readNow(signal: AbortSignal): Promise<T> {
    const reading = read(signal);
    pending = reading;
    try {
      known = { value: await reading };
      return known.value;
    } finally {
      if (pending === reading) pending = undefined;
    }
  }

  return {
    async get(signal) {
      while (!signal.aborted) {
        if (known !== undefined && isFresh(known.value)) return known.value;
        if (pending === undefined) return readNow(signal);
        try {
          return await pending;
        } catch {
          // It was another caller's reading and may have failed only because that caller went away: look again.
        }
      }
      throw endedBy(signal);
    },
    forget(value) {
      if (known?.value === value) known = undefined;
    },
  };
}
