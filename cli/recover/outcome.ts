/** How `keystone recover` ends; the numbers are documented in its usage text. */
export const EXIT = { done: 0, notNow: 1, notFound: 2, chainMissing: 3, notIncluded: 4 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Ends the command with a sentence on standard error. Never holds an RPC address or a key. */
export class RecoverError extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string) {
    super(message);
    this.name = 'RecoverError';
    this.exitCode = exitCode;
  }
}
