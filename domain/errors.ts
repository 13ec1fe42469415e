/**
 * The closed union of errors. Each code has one HTTP status, a public title, and one answer to "does repeating help?". The maps to
 * HTTP (api) and to Temporal's retry behaviour (activities) both walk this table, so that a new code cannot be forgotten in either.
 */

/** `never`: repeating the same request cannot help. `later`: the outside may recover. `operator`: a person has to look first. */
export type RetryClass = 'never' | 'later' | 'operator';

interface ErrorEntry {
  readonly status: number;
  readonly title: string;
  readonly retry: RetryClass;
}

export const ERROR_CATALOGUE = {
  // The request itself
  malformed_json: { status: 400, title: 'The body is not valid JSON', retry: 'never' },
  malformed_request: { status: 400, title: 'The request is malformed', retry: 'never' },
  unauthenticated: { status: 401, title: 'The access token is missing or not valid', retry: 'never' },
  insufficient_scope: { status: 403, title: 'The access token lacks the scope', retry: 'never' },
  client_unknown: { status: 403, title: 'The client is not bound to an active environment', retry: 'never' },
  not_found: { status: 404, title: 'Not found', retry: 'never' },
  method_not_allowed: { status: 405, title: 'The method is not allowed here', retry: 'never' },
  body_too_large: { status: 413, title: 'The body is too large', retry: 'never' },
  unsupported_media_type: { status: 415, title: 'The content type is not supported', retry: 'never' },
  validation_failed: { status: 422, title: 'The request does not validate', retry: 'never' },
  rate_limited: { status: 429, title: 'Too many requests', retry: 'later' },
  idempotency_key_reused: { status: 422, title: 'The idempotency key was used with another request', retry: 'never' },
  idempotency_key_conflict: {
    status: 422,
    title: 'The header and the body carry different idempotency keys',
    retry: 'never',
  },
  idempotency_in_progress: {
    status: 409,
    title: 'A request with this idempotency key is still running',
    retry: 'later',
  },

  // Business rules of creation
  template_unknown: { status: 422, title: 'The settlement template does not exist', retry: 'never' },
  template_unavailable: { status: 422, title: 'The settlement template cannot be used here', retry: 'never' },
  role_unknown: { status: 422, title: 'The template has no such role', retry: 'never' },
  role_missing: { status: 422, title: 'A required role is missing', retry: 'never' },
  role_duplicated: { status: 422, title: 'A role is given twice', retry: 'never' },
  leg_type_missing: { status: 422, title: 'A required leg type is missing', retry: 'never' },
  legs_duplicated: { status: 422, title: 'A token is stated twice', retry: 'never' },
  legs_missing: { status: 422, title: 'There are no legs', retry: 'never' },
  platform_unknown: { status: 422, title: 'The counterparty platform cannot be reached', retry: 'never' },
  chain_unknown: { status: 422, title: 'The chain is not configured', retry: 'never' },
  chain_missing: { status: 422, title: 'A chain is not given', retry: 'never' },
  chains_too_many: { status: 422, title: 'The legs touch too many chains', retry: 'never' },
  native_coin_refused: { status: 422, title: 'The native coin of a chain is not settled', retry: 'never' },
  instrument_unknown: { status: 422, title: 'The instrument is not a token on that chain', retry: 'never' },
  token_standard_unsupported: { status: 422, title: 'The token standard is not supported', retry: 'never' },
  token_standard_differs: { status: 422, title: 'The token is not of the stated standard', retry: 'never' },
  token_id_missing: { status: 422, title: 'The token id of an ERC-721 leg is missing', retry: 'never' },
  token_id_unexpected: { status: 422, title: 'Only an ERC-721 leg has a token id', retry: 'never' },
  partition_missing: { status: 422, title: 'The partition of an ERC-1400 leg is missing', retry: 'never' },
  partition_unexpected: { status: 422, title: 'Only an ERC-1400 leg has a partition', retry: 'never' },
  quantity_not_one: { status: 422, title: 'An ERC-721 leg moves exactly one token', retry: 'never' },
  fee_mode_senseless: { status: 422, title: 'There is no payment leg that a fee could be taken from', retry: 'never' },
  quantity_malformed: { status: 422, title: 'The quantity is not a decimal number', retry: 'never' },
  quantity_not_positive: { status: 422, title: 'The quantity is not greater than zero', retry: 'never' },
  quantity_too_precise: { status: 422, title: 'The quantity has more digits than the token', retry: 'never' },
  quantity_too_large: { status: 422, title: 'The quantity is too large', retry: 'never' },
  wallet_malformed: { status: 422, title: 'The wallet address is not valid', retry: 'never' },
  wallet_shared: { status: 422, title: 'Payer and payee of a leg are the same wallet', retry: 'never' },
  wallet_missing: { status: 422, title: 'A wallet address is missing', retry: 'never' },
  wallet_duplicated: { status: 422, title: 'A wallet is named twice for one chain and purpose', retry: 'never' },
  wallet_unused: {
    status: 422,
    title: 'A wallet is named for a chain that no leg of the party touches',
    retry: 'never',
  },
  timeout_out_of_range: { status: 422, title: 'The deadline is out of range', retry: 'never' },
  trade_reference_taken: { status: 409, title: 'The trade reference has been settled', retry: 'never' },

  // State conflicts
  confirm_after_rejection: { status: 409, title: 'The settlement was rejected', retry: 'never' },
  reject_after_confirmation: { status: 409, title: 'The party has confirmed', retry: 'never' },
  settlement_closed: { status: 409, title: 'The settlement has ended', retry: 'never' },
  not_awaiting_confirmation: { status: 409, title: 'The settlement is not awaiting confirmation', retry: 'never' },
  not_awaiting_decision: { status: 409, title: 'The settlement is not awaiting a compliance decision', retry: 'never' },
  not_cross_platform: { status: 409, title: 'The settlement is not cross-platform', retry: 'never' },
  not_a_counterparty: { status: 403, title: 'The caller has no party to confirm', retry: 'never' },
  role_ambiguous: { status: 422, title: 'The caller has several parties: name the role', retry: 'never' },
  not_awaiting_deposits: { status: 409, title: 'The settlement does not take deposits now', retry: 'never' },
  proof_not_ready: { status: 409, title: 'The proof exists once the settlement is finalised', retry: 'later' },
  instruction_not_cancellable: { status: 409, title: 'The instruction cannot be cancelled', retry: 'never' },
  webhook_limit_reached: {
    status: 409,
    title: 'The environment has the most webhook endpoints it may have',
    retry: 'never',
  },
  webhook_url_refused: { status: 422, title: 'The webhook address is not allowed', retry: 'never' },
  illegal_transition: { status: 409, title: 'The settlement cannot go from its state to that one', retry: 'never' },

  // The outside
  issuer_unavailable: { status: 503, title: 'The token issuer cannot be reached', retry: 'later' },
  database_unavailable: { status: 503, title: 'The database cannot be reached', retry: 'later' },
  chain_unavailable: { status: 503, title: 'The chain cannot be reached', retry: 'later' },
  chain_not_final: { status: 503, title: 'The chain has not reached finality yet', retry: 'later' },
  chain_disagreement: { status: 503, title: 'The nodes of a chain contradict each other', retry: 'later' },
  message_in_transit: { status: 503, title: 'A message between chains is on its way', retry: 'later' },
  transaction_cancelled: { status: 409, title: 'A transaction was withdrawn', retry: 'later' },
  signer_unavailable: { status: 503, title: 'A signing service cannot be reached', retry: 'later' },
  transaction_not_included: { status: 503, title: 'A transaction is not included yet', retry: 'later' },
  screening_unavailable: { status: 503, title: 'A screening provider cannot be reached', retry: 'later' },
  temporal_unavailable: { status: 503, title: 'The workflow service cannot be reached', retry: 'later' },

  // Things a person has to look at
  terms_differ: { status: 409, title: 'The chain holds other terms for this settlement', retry: 'operator' },
  transaction_reverted: { status: 409, title: 'A transaction was refused by the contract', retry: 'operator' },
  gate_closed: { status: 409, title: 'The compliance gate on chain is closed', retry: 'operator' },
  message_fee_budget_exceeded: { status: 409, title: 'The budget for message fees is spent', retry: 'operator' },
  chain_reorganised_beyond_finality: {
    status: 503,
    title: 'A chain took back blocks that it had called final',
    retry: 'operator',
  },
  signer_without_funds: { status: 503, title: 'A signer cannot pay for gas', retry: 'operator' },
  configuration_invalid: { status: 500, title: 'The configuration is not valid', retry: 'operator' },
  internal: { status: 500, title: 'An unexpected error', retry: 'operator' },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERROR_CATALOGUE;

export interface FieldProblem {
  /** RFC 6901 pointer into the request body, or `?name` for a query parameter. */
  readonly pointer: string;
  readonly detail: string;
}

/**
 * `detail` is the public sentence: it is shown to the caller and must hold no secret and nothing about another tenant. What only an
 * engineer may see goes into `cause`.
 */
export class KeystoneError extends Error {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly fields: readonly FieldProblem[];

  constructor(code: ErrorCode, detail: string, options: { cause?: unknown; fields?: readonly FieldProblem[] } = {}) {
    super(`${code}: ${detail}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'KeystoneError';
    this.code = code;
    this.detail = detail;
    this.fields = options.fields ?? [];
  }

  get status(): number {
    return ERROR_CATALOGUE[this.code].status;
  }

  get retry(): RetryClass {
    return ERROR_CATALOGUE[this.code].retry;
  }
}
