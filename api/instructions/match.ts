import { randomUUID } from 'node:crypto';

import { announceCreation, insertSettlement, type ResolvedLeg } from '../../db/create-settlement.ts';
import {
  adoptMatchedInstruction,
  candidateSharesWallet,
  lockMatchCandidates,
  type MatchCandidate,
  type NewInstruction,
  readInstruction,
} from '../../db/instructions.ts';
import { sqlState, type Transaction, UNIQUE_VIOLATION } from '../../db/pool.ts';
import { isTradeReferenceSettled } from '../../db/settlements.ts';
import { KeystoneError } from '../../domain/errors.ts';
import type { TemplateFee } from '../../domain/fees.ts';
import type { Uuid } from '../../domain/ids.ts';
import { payerAndPayee } from '../../domain/legs.ts';
import { LIMITS } from '../../domain/limits.ts';
import { type MatchableInstruction, matchInstructions, type MatchRefusal, pairLegs } from '../../domain/matching.ts';
import type { SettlementTemplate } from '../../domain/templates.ts';
import { triggeredBy } from '../dependencies.ts';
import type { PlatformCaller } from '../route.ts';
import { withFees } from '../leg-rules.ts';
import { refusal } from '../trade-rules.ts';
import { type CheckedWallets, walletShared } from '../wallet-rules.ts';

interface MatchInput {
  readonly caller: PlatformCaller;
  readonly stated: NewInstruction;
  readonly template: SettlementTemplate;
  readonly fee: TemplateFee | undefined;
  /** The stated side's wallets, with their place in the request. */
  readonly wallets: CheckedWallets;
  readonly requestId: string;
  readonly nowMs: number;
}

export interface MatchOutcome {
  readonly settlementId?: Uuid;
  /** Why the oldest instruction that waits under this reference does not fit. */
  readonly matchRefusal?: MatchRefusal;
}

/**
 * Looks for the other side among the instructions that wait under the same reference, oldest first. The candidates stay locked, and all
 * submissions of the reference wait for this transaction: of any number at once, each takes part in one settlement at most.
 * Throws `trade_reference_taken` and `wallet_shared`.
 */
export async function matchWithPending(transaction: Transaction, input: MatchInput): Promise<MatchOutcome> {
  const { stated, nowMs } = input;
  const candidates = await lockMatchCandidates(transaction, stated.tradeReference, LIMITS.maximumMatchCandidates);
  if (await isTradeReferenceSettled(transaction, stated.tradeReference)) throw taken();
  let firstRefusal: MatchRefusal | undefined;
  for (const candidate of candidates) {
    const result = matchInstructions(matchable(stated), candidateMatchable(candidate), nowMs);
    if (result.matched) return { settlementId: await settle(transaction, input, candidate, result.deadlineMs) };
    firstRefusal ??= result.refusal;
  }
  return firstRefusal === undefined ? {} : { matchRefusal: firstRefusal };
}

function taken(): KeystoneError {
  return refusal('trade_reference_taken', '/trade_reference', 'A settlement of this trade reference exists already.');
}

function matchable(stated: NewInstruction): MatchableInstruction {
  const { templateSlug, role, legs, feeMode, deadlineMs } = stated;
  return { templateSlug, role, legs, feeMode, deadlineMs };
}

function candidateMatchable(candidate: MatchCandidate): MatchableInstruction {
  return {
    templateSlug: candidate.template_slug,
    role: candidate.role,
    legs: candidate.legs,
    feeMode: candidate.fee_mode,
    deadlineMs: candidate.timeout_at.getTime(),
  };
}

/** The settlement is born with both parties confirmed; the first instruction's party and legs come first. */
async function settle(
  transaction: Transaction,
  input: MatchInput,
  candidate: MatchCandidate,
  deadlineMs: number,
): Promise<Uuid> {
  const { caller, stated, template, fee, requestId } = input;
  if (await candidateSharesWallet(transaction, candidate.id, stated.party.wallets)) {
    throw walletShared(input.wallets, undefined);
  }
  const settlementId = randomUUID();
  // Row-level security shows the candidate only to its own environment.
  const bothMine = (await readInstruction(transaction, candidate.id)) !== undefined;
  await insertSettlement(transaction, {
    id: settlementId,
    environmentId: caller.environmentId,
    platformId: caller.platformId,
    settlementType: bothMine ? 'single_platform' : 'cross_platform',
    origin: 'instructions',
    template,
    feeMode: stated.feeMode,
    fee,
    tradeReference: stated.tradeReference,
    state: 'INSTRUCTED',
    deadlineMs,
    externalReference: stated.party.external_reference,
    idempotencyKey: stated.idempotencyKey,
    requestId,
    parties: [ownParty(stated)],
    legs: withFees(settledLegs(candidate, stated), stated.feeMode, fee),
  }).catch((error: unknown) => {
    throw sqlState(error) === UNIQUE_VIOLATION ? taken() : error;
  });
  await adoptMatchedInstruction(transaction, {
    candidateId: candidate.id,
    settlementId,
    partyId: randomUUID(),
    position: 0,
  });
  await announceCreation(transaction, settlementId, {
    triggeredBy: triggeredBy(caller),
    requestId,
    payload: {
      origin: 'instructions',
      template_slug: template.slug,
      trade_reference: stated.tradeReference,
      fee_mode: stated.feeMode,
    },
    confirmations: [],
  });
  return settlementId;
}

function ownParty(stated: NewInstruction) {
  return {
    position: 1,
    role: stated.role,
    externalReference: stated.party.external_reference,
    name: stated.party.name ?? undefined,
    walletAddress: stated.party.wallet_address ?? undefined,
    wallets: stated.party.wallets,
    chainId: stated.party.chain_id ?? undefined,
    country: stated.party.country ?? undefined,
  };
}

/** The first side's legs in its order, with our own references of them. */
function settledLegs(candidate: MatchCandidate, stated: NewInstruction): ResolvedLeg[] {
  const paired = pairLegs(stated.legs, candidate.legs);
  return candidate.legs.map((leg, index) => {
    const own = paired[index];
    const { payerRole, payeeRole } = payerAndPayee(candidate.role, leg.direction, [candidate.role, stated.role]);
    return {
      ...leg,
      amount: BigInt(leg.amount),
      fees: [],
      externalReference: own === undefined ? undefined : stated.legs[own]?.externalReference,
      partyRole: candidate.role,
      payerRole,
      payeeRole,
    };
  });
}
