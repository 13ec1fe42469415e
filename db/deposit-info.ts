import type { Uuid } from '../domain/ids.ts';
import type { SettlementState } from '../domain/settlement-state.ts';
import type { Transaction } from './pool.ts';

/** The preimage of a party hash. */
export interface DepositOpening {
  readonly participantId: Uuid;
  /** Lower case. */
  readonly wallet: string;
}

/** What the payer of a leg needs to pay it in, read in one go, so that all of it belongs together; `chain/deposit-info.ts` composes the rest. */
export interface DepositFacts {
  readonly legIndex: number;
  readonly coordinatorChainId: number;
  /** `settlements.terms` as stored. */
  readonly storedTerms: unknown;
  readonly termsHash: string;
  readonly deadline: Date;
  readonly payer: DepositOpening;
  readonly payee: DepositOpening;
}

export type DepositAnswer = { readonly open: true; readonly facts: DepositFacts } | { readonly open: false };

interface DepositRow {
  readonly leg_index: number;
  readonly state: SettlementState;
  readonly coordinator_chain_id: number | null;
  readonly terms: unknown;
  readonly terms_hash: string | null;
  readonly timeout_at: Date;
  readonly payer_participant: Uuid | null;
  readonly payer_wallet: string | null;
  readonly payee_participant: Uuid | null;
  readonly payee_wallet: string | null;
}

// The payer learns its payee's id and wallet through a function that answers it alone, and only while deposits are open.
const SELECT_DEPOSIT = `SELECT l.leg_index, s.state, s.coordinator_chain_id, s.terms, s.terms_hash, s.timeout_at,
    payer.participant_id AS payer_participant, payer.wallet_address AS payer_wallet,
    payee.participant_id AS payee_participant, payee.wallet_address AS payee_wallet
  FROM keystone.legs l
  JOIN keystone.settlements s ON s.id = l.settlement_id
  JOIN keystone.parties p ON p.settlement_id = l.settlement_id AND p.role = l.payer_role AND p.environment_id = $2
  -- 'deposit' comes before 'receive', which stands in for it.
  LEFT JOIN LATERAL (SELECT w.participant_id, w.wallet_address FROM keystone.party_wallets w
                     WHERE w.party_id = p.id AND w.chain_id = l.chain_id ORDER BY w.purpose LIMIT 1) payer ON true
  LEFT JOIN LATERAL keystone.payee_of_leg(l.settlement_id, l.leg_index) payee ON true
  WHERE l.settlement_id = $1 AND l.leg_index = $3`;

/** One leg that the tenant's own party pays; undefined when there is no such leg, or it is somebody else's to pay. */
export async function readDepositOfTenant(
  transaction: Transaction,
  settlementId: Uuid,
  environmentId: Uuid,
  legIndex: number,
): Promise<DepositAnswer | undefined> {
  const rows = await transaction.query<DepositRow>(SELECT_DEPOSIT, [settlementId, environmentId, legIndex]);
  return rows[0] === undefined ? undefined : answer(rows[0]);
}

function answer(row: DepositRow): DepositAnswer {
  const { coordinator_chain_id, terms, terms_hash } = row;
  const payer = opening(row.payer_participant, row.payer_wallet);
  const payee = opening(row.payee_participant, row.payee_wallet);
  const complete = coordinator_chain_id !== null && terms_hash !== null && payer !== undefined && payee !== undefined;
  if (row.state !== 'AWAITING_DEPOSITS' || !complete) return { open: false };
  return {
    open: true,
    facts: {
      legIndex: row.leg_index,
      coordinatorChainId: coordinator_chain_id,
      storedTerms: terms,
      termsHash: terms_hash,
      deadline: row.timeout_at,
      payer,
      payee,
    },
  };
}

function opening(participantId: Uuid | null, wallet: string | null): DepositOpening | undefined {
  return participantId === null || wallet === null ? undefined : { participantId, wallet };
}
