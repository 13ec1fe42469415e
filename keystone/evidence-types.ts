/**
 * What a settlement left behind on its chains, as far as a proof needs it: the part of a pack that can be read again with
 * nothing but nodes. The home chain is the coordinator's; every other chain of a leg is a remote one. Members that a pack
 * of one chain without fees may lack are optional; docs/reference/proof-pack.md §6 says when they must be there.
 */

/** Where a log is on its chain. */
export interface LogPoint {
  /** CAIP-2 */
  readonly chain_id: string;
  readonly tx: string;
  /** index within the block, as JSON-RPC's `logIndex` */
  readonly log_index: number;
  readonly block_number: number;
  readonly block_hash: string;
  readonly block_timestamp_s: number;
}

export interface FeeTerm {
  readonly recipient: string;
  readonly amount_minor: string;
}

/** The contract's `Leg`, fields in snake case. */
export interface TermsLeg {
  readonly chain_id: string;
  readonly escrow: string;
  readonly token: string;
  readonly token_standard: number;
  readonly token_id: string;
  readonly partition: string;
  readonly amount_minor: string;
  /** index into `party_hashes` */
  readonly payer: number;
  readonly payee: number;
  readonly fees: readonly FeeTerm[];
}

/** The contract's `CreateParams`: the preimage of the terms hash. */
export interface SettlementTerms {
  /** bytes32: 16 UUID bytes, then 16 zero bytes */
  readonly settlement_id: string;
  readonly attester_set: string;
  readonly deadline_s: number;
  readonly party_hashes: readonly string[];
  readonly legs: readonly TermsLeg[];
}

/**
 * Opens a party hash: `keccak256(abi.encode(participant_id, wallet))`. One for each index that a leg names as payer or
 * payee, and no other: those became public with the deposits, further wallets of a party did not.
 */
export interface PartyOpening {
  readonly party_index: number;
  readonly participant_id: string;
  readonly wallet: string;
  /** CAIP-2 of the one chain on which this participant id acts */
  readonly chain_id?: string;
  /** the party's role: the chain name without `dvp:` */
  readonly role?: string;
}

/** The preimage of `attester_set`: `keccak256(abi.encode(address[] attesters, uint8 threshold))`. */
export interface AttesterSetEvidence {
  /** ascending, as the registry demands */
  readonly attesters: readonly string[];
  readonly threshold: number;
}

/** Log Attested of the registry. */
export interface AttestationEvidence extends LogPoint {
  readonly party_hash: string;
  readonly attester: string;
  /** 1 Pass, 2 Flagged, 3 Fail */
  readonly status: number;
  readonly reference_hash: string;
  readonly issued_at_s: number;
}

/** Log LegDeposited of the leg's escrow, on the leg's chain. */
export interface DepositEvidence extends LogPoint {
  readonly leg_index: number;
  /** base units, as the log says */
  readonly amount_minor?: string;
  /** log LegOpened of the same transaction */
  readonly opened_log_index?: number;
}

/** Log LegReleased, or PayoutCredited to the payee, of the leg's escrow. */
export interface PayoutEvidence extends LogPoint {
  readonly leg_index: number;
  /** `credited`: the token refused the transfer and the payee holds a credit that only it can withdraw */
  readonly kind: 'released' | 'credited';
  /** base units, as the log says: what is left of the leg after its fees */
  readonly amount_minor?: string;
}

/** Log FeePaid, or PayoutCredited to the fee's recipient, of the leg's escrow. */
export interface FeeEvidence extends LogPoint {
  readonly leg_index: number;
  /** position in the leg's `fees` */
  readonly fee_index: number;
  readonly kind: 'released' | 'credited';
  readonly recipient: string;
  /** base units, as the log says */
  readonly amount_minor: string;
}

/** A chain other than the coordinator's on which legs were settled. */
export interface RemoteEvidence {
  /** CAIP-2 */
  readonly chain_id: string;
  readonly gateway: string;
  readonly escrow: string;
  /** log RemoteOpened of the gateway: terms hash, deadline and legs as the coordinator's OPEN stated them */
  readonly opened: LogPoint;
  /** log RemotePrepared of the gateway: every leg of this chain is in */
  readonly prepared: LogPoint;
  /** log DecisionReceived of the gateway, kind EXECUTE. Absent only with `released`. */
  readonly decided?: LogPoint;
  /** log CooperativeRelease of the gateway, outcome *pay*: messaging was dead and the parties signed. Absent with `decided`. */
  readonly released?: LogPoint;
  /** log RemoteExecuted of the gateway: every leg of this chain was paid out or credited */
  readonly executed: LogPoint;
  /** logs VoteCounted of the coordinator about this chain, kinds PREPARED and EXECUTED: points of the home chain */
  readonly votes: { readonly prepared: LogPoint; readonly executed: LogPoint };
}

/** Everything about a settlement that can be read again from its chains. */
export interface SettlementEvidence {
  /** CAIP-2 of the coordinator's chain */
  readonly chain_id: string;
  readonly coordinator: string;
  readonly registry: string;
  readonly terms: SettlementTerms;
  readonly openings: readonly PartyOpening[];
  readonly attester_set?: AttesterSetEvidence;
  /** log SettlementCreated */
  readonly created: LogPoint;
  /** the latest word of each attester about each party hash before the anchor */
  readonly attestations: readonly AttestationEvidence[];
  /** log StateTransition into AWAITING_DEPOSITS (3) */
  readonly anchor: LogPoint;
  /** one for each leg, each on its leg's chain */
  readonly deposits: readonly DepositEvidence[];
  /** log StateTransition into EXECUTING_SWAP (4); its transaction is the pack's `tx` */
  readonly execution: LogPoint;
  /** one for each leg, each on its leg's chain */
  readonly payouts: readonly PayoutEvidence[];
  /** one for each fee of each leg; absent when no leg has a fee */
  readonly fees_paid?: readonly FeeEvidence[];
  /** one for each remote chain, ascending by chain number; absent when every leg is on the home chain */
  readonly remotes?: readonly RemoteEvidence[];
  /** log StateTransition into FINALIZED (5) */
  readonly finalised: LogPoint;
}

/** A payment is one transfer; on an EVM chain `log_index` is that of the token's Transfer. */
export interface PaymentEvidence {
  readonly chain_id: string;
  readonly transfer: LogPoint;
  /** where the decision set's digest travels in the payment itself, if its rail can carry it */
  readonly anchor?: { readonly carrier: string; readonly digest: string };
}
