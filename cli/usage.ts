/** How a command says that it was called wrongly. */

/** `EX_USAGE` of sysexits.h: outside of 0 to 3, which are verdicts. */
export const USAGE_EXIT_CODE = 64;

export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}
