import { getAddress, isAddress, ZeroAddress } from 'ethers';

import type { ResolvedLeg } from '../db/create-settlement.ts';
import { type ChainConfiguration, contractAddresses } from '../domain/configuration.ts';
import { type ErrorCode, ERROR_CATALOGUE, KeystoneError } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import { type Direction, type LegType, payerAndPayee, TOKEN_STANDARDS, type TokenStandard } from '../domain/legs.ts';
import { canonicalQuantity, parseQuantity } from '../domain/money.ts';
import { DEFAULT_TEMPLATE_SLUG, type SettlementTemplate, templateById, templateBySlug } from '../domain/templates.ts';
import type { ApiDependencies } from './dependencies.ts';

/** The rules that both ways in share: template, roles, deadline, wallets, legs. Each refusal names its code and the place. */

export function refusal(code: ErrorCode, pointer: string, detail: string): KeystoneError {
  return new KeystoneError(code, detail, { fields: [{ pointer, detail }] });
}

export function chooseTemplate(slug: string | undefined, id: string | undefined): SettlementTemplate {
  const template = id === undefined ? templateBySlug(slug ?? DEFAULT_TEMPLATE_SLUG) : templateById(id);
  if (template === undefined || (slug !== undefined && template.slug !== slug)) {
    throw refusal(
      'template_unknown',
      id === undefined ? '/template_slug' : '/template_id',
      'There is no such settlement template.',
    );
  }
  return template;
}

/** ms since epoch. Within 60 to 604800 seconds from now; `defaultSeconds` from now when the request names none. */
export function chooseDeadline(timeoutAt: string | undefined, defaultSeconds: number, nowMs: number): number {
  if (timeoutAt === undefined) return nowMs + defaultSeconds * 1_000;
  const deadlineMs = Date.parse(timeoutAt);
  const seconds = (deadlineMs - nowMs) / 1_000;
  if (Number.isNaN(seconds) || seconds < LIMITS.minimumTimeoutSeconds || seconds > LIMITS.maximumTimeoutSeconds) {
    throw refusal(
      'timeout_out_of_range',
      '/timeout_at',
      `The deadline must lie ${LIMITS.minimumTimeoutSeconds} to ${LIMITS.maximumTimeoutSeconds} seconds ahead.`,
    );
  }
  return deadlineMs;
}

/** The address in lower case, or undefined when it is none; an address in mixed case must carry its EIP-55 checksum. */
export function normalAddress(text: string): string | undefined {
  return /^0x[0-9a-fA-F]{40}$/.test(text) && isAddress(text) ? getAddress(text).toLowerCase() : undefined;
}

/** A wallet that a leg can be paid from and to, in lower case. Our own contracts and the zero address would swallow what they are paid. */
export function checkWallet(text: string, pointer: string, chains: readonly ChainConfiguration[]): string {
  const address = normalAddress(text);
  const ours = chains.flatMap(contractAddresses).some((contract) => contract === address);
  if (address === undefined || address === ZeroAddress || ours) {
    throw refusal('wallet_malformed', pointer, 'The wallet address is not a valid EVM wallet address.');
  }
  return address;
}

export function checkChain(chainId: number | undefined, pointer: string, chains: readonly ChainConfiguration[]): void {
  if (chainId === undefined || chains.some((chain) => chain.chain_id === chainId)) return;
  throw refusal('chain_unknown', pointer, 'This chain is not one of those that settlements run on.');
}

export interface StatedRole {
  readonly role: string;
  readonly pointer: string;
}

/** The template's roles, each exactly once. */
export function checkRoles(template: SettlementTemplate, stated: readonly StatedRole[]): void {
  const seen = new Set<string>();
  for (const { role, pointer } of stated) {
    checkRole(template, role, pointer);
    if (seen.has(role)) throw refusal('role_duplicated', pointer, `The role ${role} is given twice.`);
    seen.add(role);
  }
  const missing = template.requiredRoles.find((role) => !seen.has(role));
  if (missing !== undefined) throw refusal('role_missing', '/parties', `Missing required role: ${missing}`);
}

export function checkRole(template: SettlementTemplate, role: string, pointer: string): void {
  if (template.requiredRoles.includes(role)) return;
  throw refusal('role_unknown', pointer, `The template's roles are ${template.requiredRoles.join(' and ')}.`);
}

export interface LegInput {
  readonly leg_type: LegType;
  readonly instrument_id: string;
  readonly quantity: string;
  readonly direction: Direction;
  readonly chain_id?: number | undefined;
  readonly token_standard?: string | undefined;
  readonly external_reference?: string | undefined;
  readonly party_role: string;
}

/** Legs with everything that the chain says of their tokens. `chainOfRole`: the chain that a party named for itself. */
export async function resolveLegs(
  dependencies: Pick<ApiDependencies, 'chains' | 'tokenDecimals'>,
  template: SettlementTemplate,
  legs: readonly LegInput[],
  chainOfRole: (role: string) => number | undefined,
): Promise<ResolvedLeg[]> {
  if (legs.length === 0) throw refusal('legs_missing', '/legs', 'A settlement needs legs.');
  const stated = legs.map((leg, index) => checkLeg(dependencies.chains, template, leg, `/legs/${index}`, chainOfRole));
  const missing = template.requiredLegTypes.find((type) => !legs.some((leg) => leg.leg_type === type));
  if (missing !== undefined) throw refusal('leg_type_missing', '/legs', `Missing required leg type: ${missing}`);
  // One question per token, all at once: several legs often share one.
  const decimals = new Map<string, Promise<number>>();
  for (const leg of stated) {
    const key = tokenKey(leg);
    if (!decimals.has(key)) decimals.set(key, dependencies.tokenDecimals(leg.chainId, leg.instrumentId));
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

type CheckedLeg = Omit<ResolvedLeg, 'decimals' | 'amount'>;

function tokenKey(leg: CheckedLeg): string {
  return `${leg.chainId}/${leg.instrumentId}`;
}

function checkLeg(
  chains: readonly ChainConfiguration[],
  template: SettlementTemplate,
  leg: LegInput,
  pointer: string,
  chainOfRole: (role: string) => number | undefined,
): CheckedLeg {
  checkRole(template, leg.party_role, `${pointer}/party_role`);
  const instrumentId = normalAddress(leg.instrument_id);
  if (instrumentId === undefined) {
    throw refusal(
      'instrument_unknown',
      `${pointer}/instrument_id`,
      'The instrument must be the address of a token contract.',
    );
  }
  checkChain(leg.chain_id, `${pointer}/chain_id`, chains);
  const only = chains.length === 1 ? chains[0]?.chain_id : undefined;
  const chainId = leg.chain_id ?? chainOfRole(leg.party_role) ?? only;
  if (chainId === undefined) throw refusal('chain_missing', `${pointer}/chain_id`, 'Name the chain of this leg.');
  const { payerRole, payeeRole } = payerAndPayee(leg.party_role, leg.direction, rolesOf(template));
  return {
    legType: leg.leg_type,
    instrumentId,
    quantity: leg.quantity,
    direction: leg.direction,
    chainId,
    tokenStandard: checkStandard(leg.token_standard, `${pointer}/token_standard`),
    externalReference: leg.external_reference,
    partyRole: leg.party_role,
    payerRole,
    payeeRole,
  };
}

/** A leg goes from one role to the other, so every template of ours has two. */
function rolesOf(template: SettlementTemplate): readonly [string, string] {
  const [first, second] = template.requiredRoles;
  if (first === undefined || second === undefined)
    throw new KeystoneError('internal', 'The template has no two roles.');
  return [first, second];
}

/** Standards whose legs are one fungible amount. The contracts know more (a token id, a partition), which a leg cannot state yet. */
const SUPPORTED_STANDARDS: readonly TokenStandard[] = ['ERC-20', 'ERC-3643'];

function checkStandard(stated: string | undefined, pointer: string): TokenStandard {
  const standard = stated === undefined ? 'ERC-20' : TOKEN_STANDARDS.find((known) => known === stated);
  if (standard === undefined || !SUPPORTED_STANDARDS.includes(standard)) {
    throw refusal(
      'token_standard_unsupported',
      pointer,
      `Supported token standards: ${SUPPORTED_STANDARDS.join(', ')}.`,
    );
  }
  return standard;
}

function withAmount(leg: CheckedLeg, decimals: number, pointer: string): ResolvedLeg {
  const result = parseQuantity(leg.quantity, decimals);
  if (!result.ok) {
    const sentence =
      result.problem === 'quantity_too_precise'
        ? `The token has ${decimals} decimals.`
        : `${ERROR_CATALOGUE[result.problem].title}.`;
    throw refusal(result.problem, pointer, sentence);
  }
  return { ...leg, quantity: canonicalQuantity(leg.quantity) ?? leg.quantity, decimals, amount: result.baseUnits };
}

/** What the chain refused, with the place of the leg that it was asked about. */
function atLeg(reason: unknown, index: number): unknown {
  if (!(reason instanceof KeystoneError) || reason.code !== 'instrument_unknown') return reason;
  const fields = [{ pointer: `/legs/${index}/instrument_id`, detail: reason.detail }];
  return new KeystoneError(reason.code, reason.detail, { fields, cause: reason });
}

/** Payer and payee must be different wallets, and no party may be a token of the trade: the contract would refuse both. */
export function checkWalletsApart(
  wallets: readonly { readonly wallet: string; readonly pointer: string }[],
  tokens: readonly string[],
): void {
  const seen = new Set<string>();
  for (const { wallet, pointer } of wallets) {
    if (tokens.includes(wallet)) {
      throw refusal('wallet_malformed', pointer, 'The wallet address is that of a token of this trade.');
    }
    if (seen.has(wallet)) throw refusal('wallet_shared', pointer, 'Two parties of a trade need different wallets.');
    seen.add(wallet);
  }
}
