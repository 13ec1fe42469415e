/**
 * What the compliance step asks of a screening provider, and the only answer that leaves one.
 *
 * An adapter sees names, countries and hit lists; nothing of that passes this interface. What comes out is a
 * status, a reference that the provider's own records can be found by, and codes. So whatever stores, logs or
 * attests an outcome cannot leak personal data, because it never had any.
 */

/** `entity`: the legal person behind a party (World-Check). `wallet`: the address that pays in (CipherOwl). */
export type CheckKind = 'entity' | 'wallet';

/** The contract's words for a result; only `PASS` counts as cleared on-chain. */
export type CheckStatus = 'PASS' | 'FLAGGED' | 'FAIL';

/** A wallet as a screening subject. `chainId` is the EVM chain id (EIP-155), for example 11155111. */
export interface WalletSubject {
  address: string;
  chainId: number;
}

/**
 * One check of one party. An `entity` without a `name` cannot be screened and comes back FLAGGED; a `wallet` check without a
 * well-formed `wallet` is the caller's mistake and a TypeError.
 */
export interface ScreeningRequest {
  kind: CheckKind;
  /**
   * Business key of this check: settlement, party and screening round. It is the provider's idempotency key, so
   * repeating a call must repeat the id, and it is stored by the provider, so it carries no personal data.
   */
  caseId: string;
  /** Legal name of the organisation, as the platform gave it. */
  name?: string;
  /** Country of registration, ISO 3166-1 alpha-3, for example `GBR`. */
  country?: string;
  wallet?: WalletSubject;
  /** Ends the screening from outside (activity cancelled, worker stopping). The adapter adds its own time limits. */
  signal: AbortSignal;
}

/** The result of one check: everything that may be stored, logged or attested, and nothing else. */
export interface ScreeningOutcome {
  status: CheckStatus;
  /** The adapter's name, for example `lseg-world-check`. */
  provider: string;
  /** Finds the screening in the provider's records (World-Check `caseSystemId`; for CipherOwl a digest of config, list version and answer). */
  referenceId: string;
  /** Which row of the policy table decided, for example `NO_HITS` or `SANCTIONS_CONFIRMED`. */
  reasonCode: string;
  /** Version of the policy table that decided, so that an old outcome can be explained by the rules of its day. */
  policyVersion: string;
  /** When the answer was judged, ms since epoch. */
  screenedAtMs: number;
  /** True when a sandbox answered: such an outcome proves nothing about a real party. */
  simulated: boolean;
}

/** Why a screening did not come about. Part of logs and metrics, so a closed list without free text. */
export type UnavailableReason =
  | 'TIMEOUT'
  | 'CANCELLED'
  | 'NETWORK'
  | 'BREAKER_OPEN'
  | 'RATE_LIMITED'
  | 'PROVIDER_ERROR'
  | 'UNAUTHORIZED'
  | 'REJECTED_REQUEST'
  | 'MALFORMED_ANSWER'
  | 'CONFIGURATION';

/** Circuit state of an adapter, for `/readyz` and for operators. Times are ms since epoch. */
export interface ProviderHealth {
  provider: string;
  state: 'closed' | 'open' | 'half-open';
  consecutiveFailures: number;
  lastSuccessAtMs: number | null;
  lastFailureAtMs: number | null;
  lastFailureReason: UnavailableReason | null;
  /** When an open breaker lets the next probe through; null while closed. */
  retryAtMs: number | null;
  simulated: boolean;
}

/** One screening service. Implementations are safe to call concurrently and hold no state that a restart may not lose. */
export interface ScreeningProvider {
  readonly name: string;
  readonly kind: CheckKind;
  /**
   * Screens one subject. Repeating a call with the same `caseId` finds the first screening instead of creating another.
   * @throws ScreeningUnavailable when there is no trustworthy answer, whatever the reason: the caller holds, it never passes.
   * @throws TypeError for a request that no repetition can mend: wrong kind, unusable caseId, no EVM address.
   */
  screen(request: ScreeningRequest): Promise<ScreeningOutcome>;
  /** The adapter's own view of the provider; makes no call. */
  health(): ProviderHealth;
}

/**
 * No trustworthy answer: outage, time-out, malformed answer, breaker open. Not a verdict: the caller holds the settlement
 * and tries again, at the earliest after `retryAfterMs` when it is given. The message is made of the provider's name
 * and the reason only, so it can be logged.
 */
export class ScreeningUnavailable extends Error {
  override readonly name = 'ScreeningUnavailable';
  readonly provider: string;
  readonly reason: UnavailableReason;
  readonly retryAfterMs?: number;

  constructor(provider: string, reason: UnavailableReason, retryAfterMs?: number) {
    super(`screening by ${provider} is unavailable: ${reason}`);
    this.provider = provider;
    this.reason = reason;
    if (retryAfterMs !== undefined) this.retryAfterMs = retryAfterMs;
  }
}
