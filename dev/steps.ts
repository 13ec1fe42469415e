import { existsSync, readFileSync } from 'node:fs';

/** How often a long step says that it is still at it. Milliseconds. */
const PROGRESS_MS = 5_000;
const QUIET_MS = 1_500;
const LOG_TAIL_LINES = 15;

/** What a person needs who reads that a step failed. */
export interface StepAdvice {
  /** File that holds the details. */
  readonly logFile?: string;
  /** One sentence: what to try. */
  readonly hint: string;
}

export interface Steps {
  /** One line with the time since the start. */
  readonly say: (line: string) => void;
  /**
   * Runs one step; prints a line when it is done and, while it takes long, every few seconds. `work` answers what to print beside
   * the title. @throws StepFailed when `work` throws.
   */
  run<Result>(title: string, advice: StepAdvice, work: (step: RunningStep) => Promise<Result>): Promise<Result>;
}

export interface RunningStep {
  /** Shown beside the title when the step is done. */
  readonly result: (text: string) => void;
  /** Shown at once, unless the step has only just begun. */
  readonly progress: (line: string) => void;
}

/** A step that failed; its message is complete and for people. */
export class StepFailed extends Error {
  override readonly name = 'StepFailed';
}

export function createSteps(write: (text: string) => void, startedAtMs: number): Steps {
  function say(line: string): void {
    const seconds = ((Date.now() - startedAtMs) / 1000).toFixed(1);
    write(`[${seconds.padStart(6)} s] ${line}\n`);
  }

  return {
    say,
    async run(title, advice, work) {
      const began = Date.now();
      let result = '';
      let spokeAt = began;
      const timer = setInterval(() => {
        if (Date.now() - spokeAt < PROGRESS_MS) return;
        spokeAt = Date.now();
        say(`…       ${title} (${Math.round((Date.now() - began) / 1000)} s)`);
      }, PROGRESS_MS / 5);
      try {
        const answer = await work({
          result: (text) => {
            result = text;
          },
          progress: (line) => {
            // Lines of a step that is over in a moment would only hide the others.
            if (Date.now() - began < QUIET_MS) return;
            spokeAt = Date.now();
            say(`…       ${line}`);
          },
        });
        say(`ok      ${title}${result === '' ? '' : `: ${result}`} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
        return answer;
      } catch (error) {
        throw new StepFailed(describeFailure(title, advice, error), { cause: error });
      } finally {
        clearInterval(timer);
      }
    },
  };
}

function describeFailure(title: string, advice: StepAdvice, error: unknown): string {
  const reason = error instanceof Error ? error.message : String(error);
  const lines = [`FAILED  ${title}: ${reason}`];
  if (advice.logFile !== undefined && existsSync(advice.logFile)) {
    const tail = readFileSync(advice.logFile, 'utf8').trimEnd().split('\n').slice(-LOG_TAIL_LINES);
    lines.push(...tail.map((line) => `        | ${line}`), `        log: ${advice.logFile}`);
  }
  lines.push(`        try: ${advice.hint}`);
  return lines.join('\n');
}
