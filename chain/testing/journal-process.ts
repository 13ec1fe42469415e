/**
 * A process that submits a list of intents and is killed while it does; started by `journal-kill.test.ts`. Nothing but the journal keeps its
 * effects from happening twice: the effect asked for is a mint, which the token repeats as often as it is told, and `alreadyDone` knows nothing.
 *
 * Standard input: one JSON object of the shape `Work`.
 */
import { text } from 'node:stream/consumers';

import { Wallet } from 'ethers';

import { createDatabase } from '../../db/pool.ts';
import type { ChainConfiguration } from '../../domain/configuration.ts';
import { effectKey } from '../../domain/effect-key.ts';
import type { Uuid } from '../../domain/ids.ts';
import { createJournal } from '../journal.ts';
import { createChain } from '../provider.ts';
import { mintCall } from './mint.ts';

export interface Work {
  readonly databaseUrl: string;
  readonly configuration: ChainConfiguration;
  readonly privateKey: string;
  readonly token: string;
  readonly intents: readonly { readonly settlementId: Uuid; readonly recipient: string }[];
}

const RECEIPT_POLL_MS = 20;
const REBROADCAST_MS = 300;

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
  limits: { receiptPollMs: RECEIPT_POLL_MS, receiptPollMaximumMs: RECEIPT_POLL_MS, rebroadcastMs: REBROADCAST_MS },
});
await journal.sweep();
await Promise.all(
  work.intents.map((intent) =>
    journal.submit(
      {
        effectKey: effectKey(intent.settlementId, 'execute', 1),
        ...mintCall(work.token, intent.recipient),
        alreadyDone: () => Promise.resolve(undefined),
      },
      { signal: AbortSignal.timeout(60_000), heartbeat: () => undefined },
    ),
  ),
);
process.stdout.write('done\n');
chain.close();
await database.close();
