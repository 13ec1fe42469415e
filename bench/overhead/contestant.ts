/** One of the workflows that are compared. */
export interface Contestant {
  readonly name: string;
  /** What can be done before the clock starts, for `count` settlements. */
  prepare(count: number): Promise<readonly string[]>;
  /** Around each block: what runs beside the workflow. */
  begin(): void;
  end(): Promise<void>;
  /** One settlement from its start to its end; answers the workflow's id. */
  run(id: string): Promise<string>;
  /** SQL statements so far, by whose they are. */
  statements(): Readonly<Record<string, number>>;
}

/** Where a settlement tells its driver how far it is, within this process. */
export interface Milestones {
  reached(id: string, point: string): void;
  /** Resolves when it has been told of; asked for before the point can be reached. @throws after the time limit. */
  awaitPoint(id: string, point: string): Promise<void>;
}

export function createMilestones(limitMs: number): Milestones {
  const waiting = new Map<string, () => void>();
  return {
    reached: (id, point) => waiting.get(`${id} ${point}`)?.(),
    awaitPoint(id, point) {
      const arrival = Promise.withResolvers<void>();
      const key = `${id} ${point}`;
      waiting.set(key, arrival.resolve);
      const timer = setTimeout(() => arrival.reject(new Error(`settlement ${id} was not ${point} in time`)), limitMs);
      const reached = arrival.promise.finally(() => {
        clearTimeout(timer);
        waiting.delete(key);
      });
      reached.catch(() => {
        // Whoever asked may have failed before it waits; then that error is the one that counts, and this one must not end the process.
      });
      return reached;
    },
  };
}
