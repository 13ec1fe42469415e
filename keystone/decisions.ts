/**
 * What the orchestrator decides before the money moves: passport → mandate → policy → decision for every chain, each
 * object carrying the reference of the one before it, the decision signed. Pure: same input and salts, same bytes.
 */

import { bytesToHex } from './bytes.ts';
import { assetId, hashedSpelling, isBytes32, isChainId } from './caip.ts';
import { CANON_VERSION } from './canonical.ts';
import { type JsonObject, isJsonObject } from './json.ts';
import { signJws } from './jws.ts';
import type { SigningKey } from './keys.ts';
import { DECISION_TYP, MAX_CHAINS, MAX_LEGS, PAYMENT_PROTOCOLS, SETTLEMENT_CHAIN_PREFIX } from './pack-types.ts';
import type { ComposedDecisions, DecidedChain, DecisionObject, LegSummary, LegTerm } from './pack-types.ts';
import type { MandateObject, PassportObject, PolicyFees, PolicyObject } from './pack-types.ts';
import { type Ref, ref, refOfBytes } from './ref.ts';
import { isUuid } from './terms.ts';

/** One leg, addresses in any case. `asset` is derived for EVM tokens when it is absent. */
export interface LegInput extends Omit<LegTerm, 'asset' | 'token_id' | 'partition' | 'fees'> {
  readonly asset?: string;
  readonly token_id?: string;
  readonly partition?: string;
  readonly fees?: LegTerm['fees'];
}

export interface ChainInput {
  /** `dvp:<role>` for a settlement, a payment protocol for a payment */
  readonly name: string;
  /** when the party's instruction became binding */
  readonly confirmed_at_ms: number;
  readonly party_ref?: string;
  readonly authorization?: JsonObject;
  /** 32 hexadecimal digits; drawn at random when absent. Give it where a repeated call must give the same bytes. */
  readonly salt?: string;
}

export interface DecisionsInput {
  /** exactly one of the two, a lower-case UUID */
  readonly settlement_id?: string;
  readonly payment_id?: string;
  /** CAIP-2 of the coordinator's chain, or of the payment's */
  readonly chain: string;
  /** bytes32; for a settlement */
  readonly terms_hash?: string;
  readonly passport: Omit<PassportObject, 'signing_kid'>;
  readonly signing_key: SigningKey;
  readonly decided_at_ms: number;
  /** the decision may be acted on from `decided_at_ms` up to here, inclusive */
  readonly valid_until_ms: number;
  readonly policy: {
    readonly template: string;
    readonly template_version: string;
    readonly attester_set?: string;
    /** of a settlement; the recipient in any case */
    readonly fees?: PolicyFees;
    readonly rules?: JsonObject;
  };
  readonly legs: readonly LegInput[];
  readonly chains: readonly ChainInput[];
}

const DAY_MS = 86_400_000;
const ZERO_BYTES32 = `0x${'0'.repeat(64)}`;
const SALT = /^[0-9a-f]{32}$/;
const AMOUNT = /^(?:0|[1-9][0-9]{0,77})$/;

/**
 * Composes and signs every chain's decision.
 * @throws {TypeError} on input that could only give a pack which strict verification refuses
 */
export function composeDecisions(input: DecisionsInput): ComposedDecisions {
  checkInput(input);
  const legs = input.legs.map(legTerm);
  const passport_object: PassportObject = { ...input.passport, signing_kid: input.signing_key.kid };
  const passport_ref = ref(passport_object);
  const chains: Record<string, DecidedChain> = {};
  for (const chain of input.chains) {
    chains[chain.name] = composeChain(input, chain, legs, passport_ref);
  }
  const decided = Object.values(chains).flatMap((chain) => chain.decision_object.legs.map((leg) => leg.leg_index));
  if (new Set(decided).size !== legs.length) {
    throw new TypeError('a leg is in no decision: its delivering role has no chain');
  }
  return { chains, passport_object, passport_ref, compose_ts_ms: input.decided_at_ms };
}

/** A digest of private facts that can be opened later by whoever holds them: `ref({salt, value})`. */
export function saltedRef(value: unknown, saltHex: string): Ref {
  if (!SALT.test(saltHex)) {
    throw new TypeError('a salt is 32 hexadecimal digits');
  }
  return ref({ salt: saltHex, value });
}

/** 128 random bits as 32 hexadecimal digits. */
export function randomSalt(): string {
  return bytesToHex(crypto.getRandomValues(new Uint8Array(16)));
}

/** The legs that a chain's decision names: what its party delivers, else what it receives; a payment has one. */
export function legsOfChain<L extends LegTerm>(chainName: string, legs: readonly L[]): L[] {
  if (!chainName.startsWith(SETTLEMENT_CHAIN_PREFIX)) {
    return [...legs];
  }
  const role = chainName.slice(SETTLEMENT_CHAIN_PREFIX.length);
  const delivered = legs.filter((leg) => leg.from_role === role);
  return delivered.length > 0 ? delivered : legs.filter((leg) => leg.to_role === role);
}

export function summaryOfLeg(leg: LegTerm): LegSummary {
  return {
    leg_index: leg.leg_index,
    chain_id: leg.chain_id,
    asset: leg.asset,
    amount_minor: leg.amount_minor,
    recipient: leg.payee,
  };
}

export interface DecisionSetInput {
  /** CAIP-2 */
  readonly chain: string;
  readonly settlement_id?: string;
  readonly payment_id?: string;
  readonly terms_hash?: string;
  readonly decisions: Readonly<
    Record<string, { readonly decision_ref: string; readonly decision_signature: { readonly jws: string } }>
  >;
}

/**
 * The digest that goes on chain before the money moves (evidence hash of the transition into AWAITING_DEPOSITS):
 * SHA-256 over RFC 8785 of `{canon_version, type: "keystone_decision_set", chain, settlement_id, terms_hash, decisions:
 * {<chain name>: {decision_ref, jws_sha256}}}`; a payment has `payment_id` and no terms hash.
 * @param input `decisions` takes the `chains` of {@link composeDecisions} as they are
 * @returns bytes32, `0x` and 64 hexadecimal digits
 */
export function decisionSetDigest(input: DecisionSetInput): string {
  const decisions: JsonObject = {};
  for (const [name, chain] of Object.entries(input.decisions)) {
    decisions[name] = {
      decision_ref: chain.decision_ref,
      jws_sha256: refOfBytes(new TextEncoder().encode(chain.decision_signature.jws)),
    };
  }
  const digest = ref({
    canon_version: CANON_VERSION,
    type: 'keystone_decision_set',
    chain: input.chain,
    ...subjectOf(input),
    ...(input.terms_hash === undefined ? {} : { terms_hash: input.terms_hash }),
    decisions,
  });
  return `0x${digest.slice('sha256:'.length)}`;
}

/** Either `{settlement_id}` or `{payment_id}`: an absent member, never a null one. */
export function subjectOf(input: { readonly settlement_id?: string; readonly payment_id?: string }): {
  settlement_id?: string;
  payment_id?: string;
} {
  return {
    ...(input.settlement_id === undefined ? {} : { settlement_id: input.settlement_id }),
    ...(input.payment_id === undefined ? {} : { payment_id: input.payment_id }),
  };
}

function composeChain(input: DecisionsInput, chain: ChainInput, legs: LegTerm[], passport_ref: Ref): DecidedChain {
  const own = legsOfChain(chain.name, legs);
  const [first] = own;
  if (first === undefined) {
    throw new TypeError(`the chain ${chain.name} neither delivers nor receives a leg`);
  }
  const mandate_object = mandateOf(input, chain, legs, passport_ref);
  const mandate_ref = ref(mandate_object);
  const policy_object: PolicyObject = {
    canon_version: CANON_VERSION,
    type: 'keystone_policy',
    mandate_ref,
    ...policyRules(input.policy),
    ...(input.terms_hash === undefined ? {} : { terms_hash: input.terms_hash }),
  };
  const policy_bound_ref = ref(policy_object);
  const decision_object: DecisionObject = {
    canon_version: CANON_VERSION,
    type: 'keystone_decision',
    chain_name: chain.name,
    policy_bound_ref,
    verdict: 'ALLOW',
    decided_at_ms: input.decided_at_ms,
    valid_from_ms: input.decided_at_ms,
    valid_until_ms: input.valid_until_ms,
    chain: input.chain,
    ...subjectOf(input),
    ...(input.terms_hash === undefined ? {} : { terms_hash: input.terms_hash }),
    amount_minor: first.amount_minor,
    asset: first.asset,
    recipient: first.payee,
    legs: own,
    salt: chain.salt ?? randomSalt(),
  };
  const jws = signJws(decision_object, DECISION_TYP, input.signing_key);
  return {
    mandate_object,
    mandate_ref,
    policy_object,
    policy_bound_ref,
    decision_object,
    decision_ref: ref(decision_object),
    decision_signature: { jws, authority_pubkey_b64: input.signing_key.public_key_b64 },
  };
}

/** The registry's and the fee recipient's hexadecimal text in the one spelling that gets hashed. */
function policyRules(policy: DecisionsInput['policy']): DecisionsInput['policy'] {
  const { attester_set, fees } = policy;
  return {
    ...policy,
    ...(attester_set === undefined ? {} : { attester_set: attester_set.toLowerCase() }),
    ...(fees === undefined ? {} : { fees: { ...fees, recipient: fees.recipient.toLowerCase() } }),
  };
}

function mandateOf(input: DecisionsInput, chain: ChainInput, legs: LegTerm[], passport_ref: Ref): MandateObject {
  const role = input.payment_id === undefined ? chain.name.slice(SETTLEMENT_CHAIN_PREFIX.length) : 'payer';
  return {
    canon_version: CANON_VERSION,
    type: 'keystone_mandate',
    chain_name: chain.name,
    passport_ref,
    ...subjectOf(input),
    confirmed_at_ms: chain.confirmed_at_ms,
    ...(chain.party_ref === undefined ? {} : { party_ref: chain.party_ref }),
    ...(chain.authorization === undefined ? {} : { authorization: chain.authorization }),
    delivers: legs.filter((leg) => leg.from_role === role).map(summaryOfLeg),
    receives: legs.filter((leg) => leg.to_role === role).map(summaryOfLeg),
  };
}

function legTerm(leg: LegInput, position: number): LegTerm {
  if (leg.leg_index !== position) {
    throw new TypeError('legs come in the order of their index, from 0');
  }
  if (!isChainId(leg.chain_id) || !AMOUNT.test(leg.amount_minor) || leg.payer === '' || leg.payee === '') {
    throw new TypeError(`leg ${position} has no CAIP-2 chain, amount in base units, payer or payee`);
  }
  const spell = (account: string): string => hashedSpelling(leg.chain_id, account);
  const token = { ...leg, token_id: leg.token_id ?? '0', partition: leg.partition?.toLowerCase() ?? ZERO_BYTES32 };
  return {
    leg_index: leg.leg_index,
    leg_type: leg.leg_type,
    from_role: leg.from_role,
    to_role: leg.to_role,
    chain_id: leg.chain_id,
    ...(leg.escrow === undefined ? {} : { escrow: spell(leg.escrow) }),
    token: spell(leg.token),
    token_standard: leg.token_standard,
    token_id: token.token_id,
    partition: token.partition,
    asset: leg.asset ?? assetId(token),
    amount_minor: leg.amount_minor,
    fees: (leg.fees ?? []).map((fee) => ({ recipient: spell(fee.recipient), amount_minor: fee.amount_minor })),
    payer: spell(leg.payer),
    payee: spell(leg.payee),
  };
}

function checkInput(input: DecisionsInput): void {
  const isSettlement = input.settlement_id !== undefined;
  const problem = [
    [isSettlement === (input.payment_id === undefined), 'either settlement_id or payment_id is given'],
    [isUuid(input.settlement_id ?? input.payment_id), 'the id is a lower-case UUID'],
    [isChainId(input.chain), 'chain is a CAIP-2 name'],
    [isSettlement === (input.terms_hash !== undefined), 'a settlement, and only it, has a terms hash'],
    [input.terms_hash === undefined || isBytes32(input.terms_hash), 'terms_hash is lower-case bytes32'],
    [input.valid_until_ms >= input.decided_at_ms, 'valid_until_ms is not before decided_at_ms'],
    [input.chains.length > 0 && input.chains.length <= MAX_CHAINS, `there are 1 to ${MAX_CHAINS} chains`],
    [input.legs.length > 0 && input.legs.length <= MAX_LEGS, `there are 1 to ${MAX_LEGS} legs`],
    [isSettlement || input.legs.length === 1, 'a payment has one leg'],
    [new Set(input.chains.map((chain) => chain.name)).size === input.chains.length, 'chain names differ'],
    [input.chains.every((chain) => isChainName(chain.name, isSettlement)), 'chain names are of the known set'],
    [input.chains.every((chain) => chain.salt === undefined || SALT.test(chain.salt)), 'a salt is 32 hex digits'],
    [input.chains.every((chain) => chain.confirmed_at_ms <= input.decided_at_ms), 'a mandate precedes its decision'],
    [input.policy.fees === undefined || isSettlement, 'a fee policy is of a settlement'],
    [input.policy.rules === undefined || isJsonObject(input.policy.rules), 'policy rules are an object'],
  ] as const satisfies readonly (readonly [boolean, string])[];
  const broken = problem.find(([holds]) => !holds);
  if (broken !== undefined) {
    throw new TypeError(`composeDecisions: it must hold that ${broken[1]}`);
  }
}

/** Chain names are a closed set: an unknown one would be a chain that no verifier knows how to judge. */
export function isChainName(name: string, ofSettlement: boolean): boolean {
  return ofSettlement
    ? /^dvp:[a-z][a-z0-9_]{0,31}$/.test(name)
    : (PAYMENT_PROTOCOLS as readonly string[]).includes(name);
}

/** Whether a time lies in `YYYY-MM-DD/YYYY-MM-DD`, both days included, UTC. */
export function isWithinWindow(window: string, timeMs: number): boolean {
  const [first = '', last = ''] = window.split('/');
  return Date.parse(`${first}T00:00:00Z`) <= timeMs && timeMs < Date.parse(`${last}T00:00:00Z`) + DAY_MS;
}
