import { setTimeout as delay } from 'node:timers/promises';

import type { Database } from '../db/pool.ts';
import { lockSettlement, type LockedSettlement } from '../db/settlement-events.ts';
import { readSettlementWork, type SettlementWork, type WorkParty } from '../db/settlement-work.ts';
import type { Transaction } from '../db/pool.ts';
import { KeystoneError } from '../domain/errors.ts';
import type { Uuid } from '../domain/ids.ts';
import type { Progress } from './settlement-activities.ts';

/** Who the engine is in events and audit rows. */
export const ENGINE = 'system:engine';

/** Limits of the waits inside steps. Milliseconds. */
export const STEP_LIMITS = {
  factPollMs: 500,
  /** Longer than any finality that we configure; then the step fails as `later` and is repeated. */
  factWaitMs: 180_000,
} as const;

export async function loadWork(database: Database, settlementId: Uuid): Promise<SettlementWork> {
  const work = await database.statement((transaction) => readSettlementWork(transaction, settlementId));
  if (work === undefined) throw new KeystoneError('internal', 'The settlement of this workflow does not exist.');
  return work;
}

export function progressOf(row: Pick<LockedSettlement, 'state' | 'ending_code'>, transactionHash?: string): Progress {
  const progress = { state: row.state, endingCode: row.ending_code };
  return transactionHash === undefined ? progress : { ...progress, transactionHash };
}

/** Runs `change` with the settlement's row locked; the row as it then is decides, never what was read before. */
export async function withLockedSettlement<Result>(
  database: Database,
  settlementId: Uuid,
  change: (transaction: Transaction, locked: LockedSettlement) => Promise<Result>,
): Promise<Result> {
  return database.transaction({ kind: 'worker' }, async (transaction) => {
    const locked = await lockSettlement(transaction, settlementId);
    if (locked === undefined) throw new KeystoneError('internal', 'The settlement of this workflow does not exist.');
    return change(transaction, locked);
  });
}

/** A party after its confirmation: wallet and participant id are there. */
export interface ConfirmedParty extends WorkParty {
  readonly wallet_address: string;
  readonly participant_id: Uuid;
  readonly confirmed_at: Date;
}

export function confirmedParties(work: SettlementWork): ConfirmedParty[] {
  return work.parties.map((party) => {
    if (party.wallet_address === null || party.participant_id === null || party.confirmed_at === null) {
      throw new KeystoneError('internal', 'A party without a wallet stands behind an instructed settlement.');
    }
    return {
      ...party,
      wallet_address: party.wallet_address,
      participant_id: party.participant_id,
      confirmed_at: party.confirmed_at,
    };
  });
}

export function partyOfRole<Party extends { readonly role: string }>(parties: readonly Party[], role: string): Party {
  const party = parties.find((candidate) => candidate.role === role);
  if (party === undefined) throw new KeystoneError('internal', 'A leg names a role that nobody has.');
  return party;
}

/** A wait that ends at once when the step is given up. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await delay(milliseconds, undefined, { signal });
}
