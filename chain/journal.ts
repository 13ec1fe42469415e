import type { Journal, JournalDependencies } from './journal-types.ts';

export type * from './journal-types.ts';

/** The journal of one signer on one chain. */
export declare function createJournal(dependencies: JournalDependencies): Journal;
