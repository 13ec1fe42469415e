/**
 * Version flags of the workflows: one line per change of behaviour that old histories must not see, read through `patched(flag)`.
 * None yet: the first recorded histories are of this code.
 */
export const VERSION_FLAGS = {} as const satisfies Record<string, string>;
