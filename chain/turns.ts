/** Runs `work` once everything that asked before is done, whether it failed or not. */
export type TakeTurns = <Result>(work: () => Promise<Result>) => Promise<Result>;

/** Its queue is as long as there are callers; callers wait, so their number is bounded where they are started. */
export function createTurns(): TakeTurns {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const turn = last.then(work);
    last = turn.catch(() => undefined); // Its own caller hears of the failure.
    return turn;
  };
}
