import { setTimeout as delay } from 'node:timers/promises';

import type { Opening } from '../chain/escrow.ts';
import { walletOf } from '../chain/terms-of-work.ts';
import { requireChainRunning } from '../db/chain-halts.ts';
import type { Database, Transaction } from '../db/pool.ts';
import { lockSettlement, type LockedSettlement } from '../db/settlement-events.ts';
import { readSettlementWork, type SettlementWork, type WorkLeg, type WorkParty } from '../db/settlement-work.ts';
import { KeystoneError } from '../domain/errors.ts';
import type { Uuid } from '../domain/ids.ts';
import type { SettlementTemplate } from '../domain/templates.ts';
import { templateBySlug } from '../domain/templates.ts';
import type { ActivityDependencies, LegOpenings, SettlementChains } from './dependencies.ts';
import type { ChainEffect, Progress } from './settlement-activities.ts';

/** Who the engine is in events and audit rows. */
export const ENGINE = 'system:engine';

export async function loadWork(database: Database, settlementId: Uuid): Promise<SettlementWork> {
  const work = await database.statement((transaction) => readSettlementWork(transaction, settlementId));
  if (work === undefined) throw new KeystoneError('internal', 'The settlement of this workflow does not exist.');
  return work;
}

/** Throws `chain_reorganised_beyond_finality` while a chain of the settlement is halted: its facts cannot be believed, nothing is sent to it. */
export async function requireChainsRunning(
  dependencies: Pick<ActivityDependencies, 'database' | 'chains'>,
  work: SettlementWork,
): Promise<void> {
  const chainIds = [dependencies.chains.home.chainId, ...remoteChainIds(dependencies.chains, work)];
  await dependencies.database.statement((transaction) => requireChainRunning(transaction, chainIds));
}

export function progressOf(
  row: Pick<LockedSettlement, 'state' | 'ending_code'>,
  effects: readonly ChainEffect[] = [],
): Progress {
  const progress = { state: row.state, endingCode: row.ending_code };
  return effects.length === 0 ? progress : { ...progress, effects };
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

export function templateOf(work: SettlementWork): SettlementTemplate {
  const template = templateBySlug(work.template_slug);
  if (template === undefined)
    throw new KeystoneError('configuration_invalid', `There is no template ${work.template_slug}.`);
  return template;
}

/** The remote chains of the settlement's legs, ascending. */
export function remoteChainIds(chains: SettlementChains, work: SettlementWork): number[] {
  return [...new Set(work.legs.map((leg) => leg.chain_id))]
    .filter((chainId) => chainId !== chains.home.chainId)
    .toSorted((a, b) => a - b);
}

/** A party after its confirmation: its wallets and participant ids are there. */
export interface ConfirmedParty extends WorkParty {
  readonly confirmed_at: Date;
}

export function confirmedParties(work: SettlementWork): ConfirmedParty[] {
  return work.parties.map((party) => {
    if (party.wallets.length === 0 || party.confirmed_at === null) {
      throw new KeystoneError('internal', 'A party without a wallet stands behind an instructed settlement.');
    }
    return { ...party, confirmed_at: party.confirmed_at };
  });
}

export function partyOfRole<Party extends { readonly role: string }>(parties: readonly Party[], role: string): Party {
  const party = parties.find((candidate) => candidate.role === role);
  if (party === undefined) throw new KeystoneError('internal', 'A leg names a role that nobody has.');
  return party;
}

/** What opens the party hash that a leg names: the payer's depositing wallet or the payee's receiving one, on the leg's chain. */
export function openingOf(work: SettlementWork, leg: WorkLeg, side: 'payer' | 'payee'): Opening {
  return side === 'payer'
    ? walletOf(partyOfRole(work.parties, leg.payer_role), leg.chain_id, 'deposit')
    : walletOf(partyOfRole(work.parties, leg.payee_role), leg.chain_id, 'receive');
}

/** Openings of the legs of one chain whose bit is set; nothing for all others, whose wallets are nobody's business there. */
export function openingsOf(
  work: SettlementWork,
  side: 'payer' | 'payee',
  chainId: number,
  legBits: number,
): LegOpenings {
  return work.legs.map((leg) =>
    leg.chain_id === chainId && (legBits >> leg.leg_index) % 2 === 1 ? openingOf(work, leg, side) : null,
  );
}

/** A wait that ends at once when the step is given up. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await delay(milliseconds, undefined, { signal });
}
