/** The parts of the API's answers that the demo reads. */

export interface SettlementAnswer {
  readonly id: string;
  readonly state: string;
  readonly legs: readonly LegAnswer[];
}

export interface LegAnswer {
  readonly leg_type: string;
  readonly chain_id: number;
  /** Base units, as decimal strings. */
  readonly amount: string;
  readonly fees: readonly { readonly recipient: string; readonly amount: string }[];
  readonly payee_receives: string;
  readonly direction: 'deliver' | 'receive';
  readonly party_role: string;
}

export interface InstructionAnswer {
  readonly id: string;
  readonly status: string;
  readonly trade_reference: string;
  readonly settlement_id: string | null;
  readonly match_refusal?: { readonly code: string; readonly detail: string } | null;
}

export interface EventAnswer {
  readonly sequence: number;
  readonly from_state: string | null;
  readonly to_state: string;
  readonly triggered_by: string;
  readonly payload: { readonly transaction_hash?: string; readonly chain_id?: number } | null;
  readonly created_at: string;
}

export interface DepositInfoAnswer {
  readonly chain_id: number;
  readonly transactions: readonly DepositTransaction[];
}

export interface DepositTransaction {
  readonly purpose: string;
  readonly to: string;
  readonly data: string;
  readonly value: string;
}

/** One entry of the webhook sink's list. */
export interface ReceivedWebhook {
  readonly received_at_ms: number;
  readonly answered: number;
  readonly verified: { readonly keystone: boolean; readonly standard: boolean };
  readonly body: {
    readonly event: string;
    readonly id: string;
    readonly data: { readonly settlement_id?: string; readonly sequence?: number };
  };
}
