import { KeystoneError } from '../domain/errors.ts';
import { TOKEN_STANDARDS } from '../domain/legs.ts';
import { type DepositTransaction, depositTransactions } from './deposit.ts';
import type { Opening } from './escrow.ts';
import { type TermsDomain, termsFromJson, type TermsJson } from './terms.ts';

/** What a payer needs to deposit one leg, ready to sign. Amounts in base units. Answered by the API and carried by the payer's webhook. */
export interface DepositInfo {
  readonly leg_index: number;
  readonly chain_id: number;
  readonly escrow: string;
  readonly token: string;
  readonly token_standard: string;
  readonly amount: string;
  readonly terms_hash: string;
  /** ISO 8601; deposits are taken strictly before. */
  readonly expires_at: string;
  readonly transactions: readonly DepositTransaction[];
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
  readonly payer: Opening;
  readonly payee: Opening;
}

/** Throws `terms_differ` when stored terms and parties do not belong together, `not_found` for a leg that is not there. */
export function composeDepositInfo(input: DepositInfoInput): DepositInfo {
  const terms = termsFromJson(input.storedTerms);
  const leg = terms.json.legs[input.legIndex];
  if (leg === undefined) throw new KeystoneError('not_found', 'The settlement has no such leg.');
  return {
    leg_index: input.legIndex,
    chain_id: input.coordinator.chainId,
    escrow: leg.escrow,
    token: leg.token,
    token_standard: TOKEN_STANDARDS[leg.token_standard] ?? 'ERC-20',
    amount: leg.amount_minor,
    terms_hash: input.termsHash,
    expires_at: input.deadline.toISOString(),
    transactions: depositTransactions({
      coordinator: input.coordinator,
      terms,
      legIndex: input.legIndex,
      payer: input.payer,
      payee: input.payee,
    }),
    terms: terms.json,
  };
}
