import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Wallet } from 'ethers';

import { effectKey } from '../../domain/effect-key.ts';
import { KeystoneError } from '../../domain/errors.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import {
  createJournal,
  type Journal,
  type JournalEvent,
  type TransactionIntent,
  type TransactionSigner,
  type WaitOptions,
} from '../journal.ts';
import type { ChainLimits } from '../limits.ts';
import type { Chain } from '../provider.ts';
import { type BareChain, startBareChain } from './bare-chain.ts';
import { whileMining } from './local-chain.ts';
import { countMints, mintCall } from './mint.ts';

/** A chain, a database and journals over them, for the tests of the journal. */

const WAIT_MS = 20_000;
const FAST = {
  receiptPollMs: 10,
  receiptPollMaximumMs: 20,
  heartbeatMs: 50,
  rebroadcastMs: 100,
  ownLookMs: 200,
  finalityPollMs: 20,
} as const;

export interface JournalSetup {
  readonly journal: Journal;
  /** The account's key, for what happens beside the journal. */
  readonly signer: Wallet;
  readonly events: JournalEvent[];
}

export interface TransactionVersion {
  readonly nonce: number;
  readonly status: string;
  readonly hash: string;
  readonly raw: string;
  readonly is_cancel: boolean;
}

export interface Journaling {
  readonly local: BareChain;
  readonly database: TestDatabase;
  setUp(given?: { limits?: Partial<ChainLimits>; signer?: Wallet; chain?: Chain }): Promise<JournalSetup>;
  intent(recipient: string, overrides?: Partial<TransactionIntent>): TransactionIntent;
  options(): WaitOptions;
  /** Mines until the promise settles. */
  mining<Result>(promise: Promise<Result>): Promise<Result>;
  mintsTo(address: string): Promise<number>;
  rowsOf(signer: Wallet): Promise<TransactionVersion[]>;
  /** Waits until the account has so many versions, and a node has the newest in its pool. */
  pooledVersions(signer: Wallet, count: number): Promise<void>;
  /** The chain of a process that dies between storing the bytes and sending them. */
  mutedChain(): Chain;
  stop(): Promise<void>;
}

const LOOKS = 250;
const LOOK_PAUSE_MS = 20;

/** Looks again and again; throws when it never comes. */
export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (let look = 0; look < LOOKS; look += 1) {
    if (await isSo()) return;
    await sleep(LOOK_PAUSE_MS);
  }
  throw new Error(`never came: ${what}`);
}

export const recipient = (): string => `0x${randomBytes(20).toString('hex')}`;

/** `signerOf`: how the journal is to sign for an account; with the wallet itself unless given. */
export async function startJournaling(
  signerOf: (wallet: Wallet) => Promise<TransactionSigner> = (wallet) => Promise.resolve(wallet),
): Promise<Journaling> {
  const [local, database] = await Promise.all([startBareChain(), createTestDatabase()]);
  const rowsOf = (signer: Wallet): Promise<TransactionVersion[]> =>
    database.worker.transaction({ kind: 'worker' }, (transaction) =>
      transaction.query<TransactionVersion>(
        'SELECT nonce, status, hash, raw, is_cancel FROM keystone.chain_transactions WHERE signer = $1 ORDER BY id',
        [signer.address.toLowerCase()],
      ),
    );
  return {
    local,
    database,
    async setUp(given = {}) {
      const signer = given.signer ?? (await local.wallet());
      const events: JournalEvent[] = [];
      const journal = createJournal({
        database: database.worker,
        chain: given.chain ?? local.chain,
        signer: await signerOf(signer),
        onEvent: (event) => events.push(event),
        limits: { ...FAST, ...given.limits },
      });
      return { journal, signer, events };
    },
    intent: (address, overrides = {}) => ({
      effectKey: effectKey(overrides.settlementId ?? randomUUID(), 'timeout', 1),
      ...mintCall(local.token, address),
      alreadyDone: () => Promise.resolve(undefined),
      ...overrides,
    }),
    options: () => ({ signal: AbortSignal.timeout(WAIT_MS), heartbeat: () => undefined }),
    mining: (promise) =>
      whileMining(
        () => local.mine(),
        () => promise,
      ),
    mintsTo: async (address) => (await countMints(local, local.token)).get(address) ?? 0,
    rowsOf,
    pooledVersions: (signer, count) =>
      until(`${count} versions`, async () => {
        const rows = await rowsOf(signer);
        const newest = rows.at(-1);
        return rows.length >= count && newest !== undefined && (await local.chain.isKnown(newest.hash));
      }),
    mutedChain: () => ({
      ...local.chain,
      broadcast: () => Promise.reject(new KeystoneError('chain_unavailable', 'the process died here')),
    }),
    async stop() {
      await Promise.all([local.stop(), database.drop()]);
    },
  };
}
