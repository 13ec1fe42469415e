/**
 * Every bound of the screening adapters in one table. A provider's published advice where there is one; otherwise a
 * number that keeps a slow provider from holding a worker's activity slot for long.
 */
export interface ScreeningLimits {
  /** World-Check `POST /cases/screeningRequest`: synchronous matching over the whole list. */
  worldCheckScreenMs: number;
  /** Any other World-Check call. */
  worldCheckReadMs: number;
  /** One entity screening with its recovery and pauses. */
  worldCheckTotalMs: number;
  /** Queue for results of a re-screened case: polls, and the pause between them. */
  worldCheckStatusPolls: number;
  worldCheckStatusPauseMs: number;
  cipherOwlTokenMs: number;
  cipherOwlScreenMs: number;
  cipherOwlReasonMs: number;
  /** One wallet screening with token, reasons and pauses. */
  cipherOwlTotalMs: number;
  /** A token is given up this long before it expires, so that it cannot expire on the way. */
  tokenRefreshEarlyMs: number;
  /** Tries of one call, the first included. Only throttling, 5xx, time-outs and broken connections are tried again. */
  attempts: number;
  /** Full jitter: the pause before try n is random in [0, min(cap, base * 2^(n-1))]. */
  retryBaseMs: number;
  retryCapMs: number;
  /** A longer `Retry-After` is not waited for inside the adapter; it is handed to the caller. */
  retryAfterCapMs: number;
  breakerConsecutiveFailures: number;
  breakerWindow: number;
  /** Share of failures in a full window that opens the breaker. */
  breakerFailureShare: number;
  breakerOpenMs: number;
  /** What a caller is told to wait while somebody else's probe is under way. */
  breakerProbeWaitMs: number;
  /** Longest time a call waits for its turn in the token bucket. */
  rateWaitMs: number;
  /** Calls that may go at once after a quiet time. */
  rateBurst: number;
  /** An answer longer than this is malformed. World-Check repeats whole records, some kB for each hit. */
  answerBytes: number;
}

export const SCREENING_LIMITS: ScreeningLimits = {
  worldCheckScreenMs: 30_000,
  worldCheckReadMs: 10_000,
  worldCheckTotalMs: 120_000,
  worldCheckStatusPolls: 10,
  worldCheckStatusPauseMs: 2_000,
  cipherOwlTokenMs: 5_000,
  cipherOwlScreenMs: 3_000,
  cipherOwlReasonMs: 10_000,
  cipherOwlTotalMs: 60_000,
  tokenRefreshEarlyMs: 60_000,
  attempts: 3,
  retryBaseMs: 250,
  retryCapMs: 5_000,
  retryAfterCapMs: 5_000,
  breakerConsecutiveFailures: 5,
  breakerWindow: 20,
  breakerFailureShare: 0.5,
  breakerOpenMs: 30_000,
  breakerProbeWaitMs: 1_000,
  rateWaitMs: 30_000,
  rateBurst: 5,
  answerBytes: 16 * 1024 * 1024,
};

/** Longest name World-Check takes (`NewCase.name`), in UTF-16 units. */
export const MAX_ENTITY_NAME_LENGTH = 1_000;
/** Longest `caseId` World-Check takes. */
export const MAX_CASE_ID_LENGTH = 512;

/** World-Check throttles by API user; its staff advise one call a second in each thread. */
export const WORLD_CHECK_REQUESTS_PER_SECOND = 1;
/** CipherOwl publishes no number; this is far below what its samples do. */
export const CIPHEROWL_REQUESTS_PER_SECOND = 10;
/** A sandbox on this machine is ours to load. */
export const SANDBOX_REQUESTS_PER_SECOND = 500;
