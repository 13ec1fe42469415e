/**
 * A process that submits a list of intents and is killed while it does; started by `journal-kill.test.ts`. Nothing but the journal keeps its
 * effects from happening twice: the effect asked for is a mint, which the token repeats as often as it is told, and `alreadyDone` knows nothing. Fees are
 * raised after a fraction of a block's time, and some intents become senseless while they wait, so that deaths find replacements and cancellations in flight.
 *
 * Standard input: one JSON object of the shape `Work`.
 */
import { text } from 'node:stream/consumers';

import { Wallet } from 'ethers';

import { createDatabase } from '../../db/pool.ts';
import type { ChainConfiguration } from '../../domain/configuration.ts';
import { effectKey } from '../../domain/effect-key.ts';
import { KeystoneError } from '../../domain/errors.ts';
import type { Uuid } from '../../domain/ids.ts';
import { createJournal } from '../journal.ts';
import { createChain } from '../provider.ts';
import { mintCall } from './mint.ts';

export interface Work {
  readonly databaseUrl: string;
  readonly configuration: ChainConfiguration;
  readonly privateKey: string;
  readonly token: string;
  readonly intents: readonly {
    readonly settlementId: Uuid;
    readonly recipient: string;
    /** Becomes senseless at the second look of each process. */
    readonly fickle: boolean;
  }[];
}

const LIMITS = {
  receiptPollMs: 20,
  receiptPollMaximumMs: 20,
  rebroadcastMs: 150,
  ownLookMs: 1_000,
  resubmitMs: 200,
  cancelAfterMs: 100,
} as const;

const work = JSON.parse(await text(process.stdin)) as Work;
const database = createDatabase({
  url: work.databaseUrl,
  poolSize: 8,
  applicationName: 'keystone-journal-process',
  onError: () => undefined,
});
const chain = createChain(work.configuration);
const journal = createJournal({
  database,
  chain,
  signer: new Wallet(work.privateKey),
  limits: LIMITS,
});
await journal.sweep();
await Promise.all(work.intents.map(settle));
process.stdout.write('done\n');
chain.close();
await database.close();

async function settle({ settlementId, recipient, fickle }: Work['intents'][number]): Promise<void> {
  let looks = 0;
  const intent = {
    effectKey: effectKey(settlementId, 'timeout', 1),
    ...mintCall(work.token, recipient),
    alreadyDone: () => Promise.resolve(undefined),
    cancelWhen: () => {
      looks += 1;
      return Promise.resolve(fickle && looks > 1);
    },
  };
  const options = { signal: AbortSignal.timeout(60_000), heartbeat: () => undefined };
  await journal.submit(intent, options).catch((error: unknown) => {
    if (!(error instanceof KeystoneError) || error.code !== 'transaction_cancelled') throw error;
  });
}
