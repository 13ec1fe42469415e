import type { ProcessRegistry } from '../dev/process-registry.ts';

/** What every part of one run of the benchmark needs. */
export interface BenchRun {
  /** `bench/` in the home; each part works below it. */
  readonly directory: string;
  readonly logs: string;
  /** Remembers what was started, so that the next run ends what a killed one left behind. */
  readonly registry: ProcessRegistry;
  /** Aborts when the run is given up. */
  readonly signal: AbortSignal;
  /** One line of progress. */
  readonly say: (line: string) => void;
}
