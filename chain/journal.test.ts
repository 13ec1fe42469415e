import { describeJournal } from './testing/journal-suite.ts';

describeJournal('a journal over a local key', (wallet) => Promise.resolve(wallet));
