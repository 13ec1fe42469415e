import type { ResolvedLeg } from '../db/create-settlement.ts';
import { type ChainConfiguration, contractAddresses, coordinatorOf } from '../domain/configuration.ts';
import { ERROR_CATALOGUE, KeystoneError } from '../domain/errors.ts';
import { applyFees, type FeeMode, type TemplateFee } from '../domain/fees.ts';
import {
  assetKey,
  type Direction,
  type LegType,
  NATIVE_COIN_ADDRESSES,
  payerAndPayee,
  TOKEN_SELECTORS,
  TOKEN_STANDARDS,
  type TokenStandard,
} from '../domain/legs.ts';
import { LIMITS } from '../domain/limits.ts';
import { canonicalQuantity, MAXIMUM_BASE_UNITS, parseQuantity } from '../domain/money.ts';
import type { SettlementTemplate } from '../domain/templates.ts';
import type { ApiDependencies } from './dependencies.ts';
import { checkChain, checkRole, refusal } from './trade-rules.ts';
import { normalAddress } from './wallet-rules.ts';

/** The rules about legs: where they live, what moves, how much of it, and what the template takes. */

export interface LegInput {
  readonly leg_type: LegType;
  readonly instrument_id: string;
  readonly quantity: string;
  readonly direction: Direction;
  readonly chain_id?: number | undefined;
  readonly token_standard?: string | undefined;
  readonly token_id?: string | undefined;
  readonly partition?: string | undefined;
  readonly external_reference?: string | undefined;
  readonly party_role: string;
}

/** Chains that a party names: its own `chain_id`, else those of its `wallets`; none for a counterparty, which has said nothing yet. */
export type ChainsOfRole = (role: string) => readonly number[];

export function chainsNamed(party: {
  readonly chain_id?: number | undefined;
  readonly wallets?: readonly { readonly chain_id: number }[] | undefined;
}): readonly number[] {
  if (party.chain_id !== undefined) return [party.chain_id];
  return [...new Set((party.wallets ?? []).map((wallet) => wallet.chain_id))];
}

/** Legs with everything that the chain says of their tokens. `amount` is the quantity in base units; fees are not applied yet. */
export async function resolveLegs(
  dependencies: Pick<ApiDependencies, 'chains' | 'tokenDecimals'>,
  template: SettlementTemplate,
  legs: readonly LegInput[],
  chainsOfRole: ChainsOfRole,
): Promise<ResolvedLeg[]> {
  if (legs.length === 0) throw refusal('legs_missing', '/legs', 'A settlement needs legs.');
  const stated = legs.map((leg, index) => checkLeg(dependencies.chains, template, leg, `/legs/${index}`, chainsOfRole));
  const missing = template.requiredLegTypes.find((type) => !legs.some((leg) => leg.leg_type === type));
  if (missing !== undefined) throw refusal('leg_type_missing', '/legs', `Missing required leg type: ${missing}`);
  checkTogether(stated);
  // One question per token, all at once: several legs often share one.
  const decimals = new Map<string, Promise<number>>();
  for (const leg of stated) {
    const key = tokenKey(leg);
    if (!decimals.has(key)) {
      decimals.set(key, dependencies.tokenDecimals(leg.chainId, leg.instrumentId, leg.tokenStandard));
    }
  }
  const answers = await Promise.allSettled(decimals.values());
  const failed = answers.findIndex((answer) => answer.status === 'rejected');
  if (failed >= 0) {
    const key = [...decimals.keys()][failed];
    throw atLeg(
      (answers[failed] as PromiseRejectedResult).reason,
      stated.findIndex((leg) => tokenKey(leg) === key),
    );
  }
  return Promise.all(
    stated.map(async (leg, index) =>
      withAmount(leg, (await decimals.get(tokenKey(leg))) ?? 0, `/legs/${index}/quantity`),
    ),
  );
}

type CheckedLeg = Omit<ResolvedLeg, 'decimals' | 'amount' | 'fees'>;

function tokenKey(leg: CheckedLeg): string {
  return `${leg.chainId}/${leg.instrumentId}/${leg.tokenStandard}`;
}

function checkLeg(
  chains: readonly ChainConfiguration[],
  template: SettlementTemplate,
  leg: LegInput,
  pointer: string,
  chainsOfRole: ChainsOfRole,
): CheckedLeg {
  checkRole(template, leg.party_role, `${pointer}/party_role`);
  checkChain(leg.chain_id, `${pointer}/chain_id`, chains);
  const chainId = leg.chain_id ?? defaultChain(chains, chainsOfRole(leg.party_role), `${pointer}/chain_id`);
  const here = chains.filter((chain) => chain.chain_id === chainId);
  const instrumentId = checkInstrument(leg.instrument_id, `${pointer}/instrument_id`, here);
  const tokenStandard = checkStandard(leg.token_standard, `${pointer}/token_standard`);
  checkSelectors(leg, tokenStandard, pointer);
  const { payerRole, payeeRole } = payerAndPayee(leg.party_role, leg.direction, rolesOf(template));
  return {
    legType: leg.leg_type,
    instrumentId,
    quantity: leg.quantity,
    direction: leg.direction,
    chainId,
    tokenStandard,
    tokenId: leg.token_id,
    partition: leg.partition,
    externalReference: leg.external_reference,
    partyRole: leg.party_role,
    payerRole,
    payeeRole,
  };
}

/** A token contract's address in lower case. The native coin has no contract, and one of ours on the leg's chain is no token. */
function checkInstrument(text: string, pointer: string, here: readonly ChainConfiguration[]): string {
  if (NATIVE_COIN_ADDRESSES.includes(text.toLowerCase())) {
    throw refusal(
      'native_coin_refused',
      pointer,
      'The native coin has no token contract that an escrow could hold and hand back; use its wrapped ERC-20 form.',
    );
  }
  const instrumentId = normalAddress(text);
  if (instrumentId === undefined || here.flatMap(contractAddresses).includes(instrumentId)) {
    throw refusal('instrument_unknown', pointer, 'The instrument must be the address of a token contract.');
  }
  return instrumentId;
}

/**
 * The chain of a leg that names none: the one that its party names, else the only configured one, else the coordinator's, of which there is
 * exactly one. A party that names several chains has to say which, since its legs could be on either.
 */
function defaultChain(chains: readonly ChainConfiguration[], named: readonly number[], pointer: string): number {
  if (named.length > 1) {
    throw refusal('chain_missing', pointer, 'The party of this leg names several chains: name the chain of this leg.');
  }
  return named[0] ?? coordinatorOf(chains).chain_id;
}

/** A leg goes from one role to the other, so every template of ours has two. */
function rolesOf(template: SettlementTemplate): readonly [string, string] {
  const [first, second] = template.requiredRoles;
  if (first === undefined || second === undefined)
    throw new KeystoneError('internal', 'The template has no two roles.');
  return [first, second];
}

function checkStandard(stated: string | undefined, pointer: string): TokenStandard {
  const standard = stated === undefined ? 'ERC-20' : TOKEN_STANDARDS.find((known) => known === stated);
  if (standard === undefined) {
    const known = TOKEN_STANDARDS.join(', ');
    throw refusal('token_standard_unsupported', pointer, `Supported token standards: ${known}.`);
  }
  return standard;
}

const ZERO_PARTITION = `0x${'0'.repeat(64)}`;

/** A token id with every ERC-721 leg and with no other, a partition with every ERC-1400 leg and with no other. */
function checkSelectors(leg: LegInput, standard: TokenStandard, pointer: string): void {
  const selector = TOKEN_SELECTORS[standard];
  if (selector === 'token_id' && leg.token_id === undefined) {
    throw refusal('token_id_missing', `${pointer}/token_id`, 'Name the id of the token that moves.');
  }
  if (selector !== 'token_id' && leg.token_id !== undefined) {
    throw refusal('token_id_unexpected', `${pointer}/token_id`, `A leg of ${standard} has no token id.`);
  }
  if (selector === 'partition' && (leg.partition === undefined || leg.partition === ZERO_PARTITION)) {
    throw refusal('partition_missing', `${pointer}/partition`, 'Name the partition, which is not zero.');
  }
  if (selector !== 'partition' && leg.partition !== undefined) {
    throw refusal('partition_unexpected', `${pointer}/partition`, `A leg of ${standard} has no partition.`);
  }
}

/** What no single leg can break: one token that moves twice, and more chains than party hashes allow. */
function checkTogether(legs: readonly CheckedLeg[]): void {
  const seen = new Set<string>();
  for (const [index, leg] of legs.entries()) {
    if (leg.tokenStandard !== 'ERC-721') continue;
    if (seen.has(assetKey(leg))) {
      throw refusal(
        'legs_duplicated',
        `/legs/${index}/token_id`,
        'This token is in another leg: it can move only once.',
      );
    }
    seen.add(assetKey(leg));
  }
  if (new Set(legs.map((leg) => leg.chainId)).size > LIMITS.maximumChainsPerSettlement) {
    throw refusal('chains_too_many', '/legs', `At most ${LIMITS.maximumChainsPerSettlement} chains per settlement.`);
  }
}

function withAmount(leg: CheckedLeg, decimals: number, pointer: string): ResolvedLeg {
  if (leg.tokenStandard === 'ERC-721') {
    if (canonicalQuantity(leg.quantity) !== '1') {
      throw refusal(
        'quantity_not_one',
        pointer,
        'A leg of ERC-721 moves the one token that it names: its quantity is 1.',
      );
    }
    return { ...leg, quantity: '1', decimals: 0, amount: 1n, fees: [] };
  }
  const result = parseQuantity(leg.quantity, decimals);
  if (!result.ok) {
    const sentence =
      result.problem === 'quantity_too_precise'
        ? `The token has ${decimals} decimals.`
        : `${ERROR_CATALOGUE[result.problem].title}.`;
    throw refusal(result.problem, pointer, sentence);
  }
  const quantity = canonicalQuantity(leg.quantity) ?? leg.quantity;
  return { ...leg, quantity, decimals, amount: result.baseUnits, fees: [] };
}

/** What the chain refused, with the place of the leg that it was asked about. */
function atLeg(reason: unknown, index: number): unknown {
  const places: Partial<Record<string, string>> = {
    instrument_unknown: 'instrument_id',
    token_standard_differs: 'token_standard',
  };
  const place = reason instanceof KeystoneError ? places[reason.code] : undefined;
  if (!(reason instanceof KeystoneError) || place === undefined) return reason;
  const fields = [{ pointer: `/legs/${index}/${place}`, detail: reason.detail }];
  return new KeystoneError(reason.code, reason.detail, { fields, cause: reason });
}

/**
 * Who bears the fee: as stated, else as the template says; null when no leg is a payment, since then nobody does. Throws `fee_mode_senseless`
 * when it is stated all the same.
 */
export function chooseFeeMode(
  template: SettlementTemplate,
  legs: readonly { readonly legType: LegType }[],
  stated: FeeMode | undefined,
): FeeMode | null {
  if (legs.some((leg) => leg.legType === 'payment')) return stated ?? template.feeMode;
  if (stated === undefined) return null;
  throw refusal('fee_mode_senseless', '/fee_mode', 'There is no payment leg that a fee could be taken from.');
}

/**
 * Legs as they are deposited: the template's fee on each payment leg, whose payer is its buyer and whose payee its seller. Throws
 * `quantity_too_large` when an added fee exceeds what a leg can hold.
 */
export function withFees(
  legs: readonly ResolvedLeg[],
  feeMode: FeeMode | null,
  fee: TemplateFee | undefined,
): ResolvedLeg[] {
  return legs.map((leg, index) => {
    if (feeMode === null || fee === undefined || leg.legType !== 'payment') return leg;
    if (fee.recipient === leg.instrumentId) {
      throw new KeystoneError('configuration_invalid', 'The fee of this template would be paid to the token itself.');
    }
    const { amount, fees } = applyFees({ feeMode, ...fee, quantity: leg.amount });
    if (amount > MAXIMUM_BASE_UNITS) {
      throw refusal('quantity_too_large', `/legs/${index}/quantity`, 'With its fee, the quantity is too large.');
    }
    return { ...leg, amount, fees };
  });
}
