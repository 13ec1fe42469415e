import { KeystoneError } from '../domain/errors.ts';
import { payeeReceives } from '../domain/fees.ts';
import { TOKEN_SELECTORS, TOKEN_STANDARDS } from '../domain/legs.ts';
import { type DepositTransaction, depositTransactions, type Recovery, recoveryTransactions } from './deposit.ts';
import type { Opening } from './escrow.ts';
import { type TermsDomain, termsFromJson, type TermsJson } from './terms.ts';

/** What a payer needs to deposit one leg, ready to sign. Amounts in base units. Answered by the API and carried by the payer's webhook. */
export interface DepositInfo {
  readonly leg_index: number;
  /** The chain of the leg. */
  readonly chain_id: number;
  readonly escrow: string;
  readonly token: string;
  readonly token_standard: string;
  readonly token_id: string | null;
  readonly partition: string | null;
  /** What is paid in: the payee's part and all fees. */
  readonly amount: string;
  readonly fees: readonly { readonly recipient: string; readonly amount: string }[];
  readonly payee_receives: string;
  /** The wallet that signs. */
  readonly payer: string;
  readonly terms_hash: string;
  /** Whose settlement it is: part of the preimage of `terms_hash`, and all that a recovery has to know besides an RPC address. */
  readonly coordinator: { readonly chain_id: number; readonly address: string };
  /** ISO 8601; deposits are taken strictly before. */
  readonly expires_at: string;
  readonly transactions: readonly DepositTransaction[];
  /** For the day on which nothing of ours answers. */
  readonly recovery: Recovery;
  /** The preimage of `terms_hash`, so that the payer computes it itself before it signs. */
  readonly terms: TermsJson;
}

export interface DepositInfoInput {
  readonly coordinator: TermsDomain;
  /** `settlements.terms` as stored. */
  readonly storedTerms: unknown;
  readonly termsHash: string;
  readonly deadline: Date;
  readonly legIndex: number;
  /** The payer's deposit wallet on the leg's chain. */
  readonly payer: Opening;
  /** The payee's receive wallet on the leg's chain. */
  readonly payee: Opening;
}

/** Throws `terms_differ` when stored terms and parties do not belong together, `not_found` for a leg that is not there. */
export function composeDepositInfo(input: DepositInfoInput): DepositInfo {
  const terms = termsFromJson(input.storedTerms);
  const { legIndex, coordinator, payer, payee } = input;
  const [leg, params] = [terms.json.legs[legIndex], terms.params.legs[legIndex]];
  if (leg === undefined || params === undefined)
    throw new KeystoneError('not_found', 'The settlement has no such leg.');
  const standard = TOKEN_STANDARDS[leg.token_standard];
  if (standard === undefined) throw new KeystoneError('terms_differ', 'A leg of the terms is of no known standard.');
  const deposit = { coordinator, terms, legIndex, payer, payee };
  const fees = leg.fees.map((fee) => ({ recipient: fee.recipient, amount: fee.amount_minor }));
  return {
    leg_index: legIndex,
    chain_id: Number(params.chainId),
    escrow: leg.escrow,
    token: leg.token,
    token_standard: standard,
    token_id: TOKEN_SELECTORS[standard] === 'token_id' ? leg.token_id : null,
    partition: TOKEN_SELECTORS[standard] === 'partition' ? leg.partition : null,
    amount: leg.amount_minor,
    fees,
    payee_receives: payeeReceives({ amount: leg.amount_minor, fees }).toString(),
    payer: payer.wallet,
    terms_hash: input.termsHash,
    coordinator: { chain_id: coordinator.chainId, address: coordinator.coordinator.toLowerCase() },
    expires_at: input.deadline.toISOString(),
    transactions: depositTransactions(deposit),
    recovery: recoveryTransactions(deposit),
    terms: terms.json,
  };
}
