/** Every bound of webhook sending in one table. Times in ms unless the name says seconds. */
export const WEBHOOK_LIMITS = {
  /** The first attempt shares its slots with every other endpoint, so a silent receiver may hold one only this long. */
  firstAttemptMs: 5_000,
  /** A retry runs in an activity of its own; the Standard Webhooks specification asks for 15 to 30 s. */
  retryAttemptMs: 15_000,
  /** Name resolution when an endpoint is registered. */
  registrationLookupMs: 2_000,
  /** Bytes of an answer's body that are read, and thrown away, before the connection is closed. */
  answerBytes: 8_192,
  /** A `Retry-After` beyond this is cut, so that a receiver cannot park a delivery for ever. */
  retryAfterMs: 24 * 3_600_000,
  /** Bytes of a message's body; deposit instructions are left out of a larger one (`deposit-info` still has them). */
  messageBytes: 262_144,

  /** Decoded bytes of a secret, after the Standard Webhooks specification. */
  secretMinimumBytes: 24,
  secretMaximumBytes: 64,
  generatedSecretBytes: 32,

  /** Outbox rows expanded per round, and how many of them at the same time. */
  expandBatch: 32,
  expandConcurrency: 4,
  /** A dispatcher that dies while it expands a row gives it back after this time. */
  expandLeaseSeconds: 30,
  /** Pause before a row that could not be expanded is tried again: doubles from the first to the second. */
  expandRetrySeconds: 1,
  expandRetryMaximumSeconds: 60,
  /** Tries after which the AWAITING_DEPOSITS message goes out without deposit instructions instead of holding up the events behind it. */
  depositInfoTries: 5,
  depositInfoMs: 10_000,

  /** First attempts in flight in one process. Sockets, not threads: the number only has to bound memory. */
  attemptsInFlight: 256,
  /** First attempts in flight towards one endpoint. */
  attemptsPerEndpoint: 8,
  /** An endpoint is quick while its last attempt ended within this time, well or badly. */
  quickAnswerMs: 1_000,
  /** First attempts in flight towards one endpoint that is not known to be quick. */
  hesitantAttemptsPerEndpoint: 2,
  /** Towards all that are new or answer late, and towards all that did not answer: a hundred dead receivers leave room for the others. */
  unprovenAttemptsInFlight: 64,
  silentAttemptsInFlight: 64,
  /** Endpoints with due work that one claim looks at. */
  waitingEndpoints: 10_000,
  /** Endpoints whose last answer is remembered; the one that was served longest ago is forgotten first. */
  rememberedEndpoints: 10_000,
  /** A claimed first attempt is free again after this time: the attempt, the hand-over to Temporal and room to record both. */
  attemptLeaseSeconds: 60,
  /** Starting the retry workflow. */
  startDeliveryMs: 5_000,
  /** Pause of a delivery whose attempt failed and whose workflow could not be started. */
  handOverRetrySeconds: 30,
  /** Retries towards one endpoint that run at the same time in one process; the others come back after a pause that grows. */
  retriesPerEndpoint: 4,
  retryBusyPauseMs: 5_000,
  retryBusyPauseMaximumMs: 60_000,

  /** Look for work this often when no notification arrives. */
  pollMs: 1_000,
  /** Pause after a database error: doubles from the first to the second. */
  databasePauseMs: 250,
  databasePauseMaximumMs: 5_000,
  /** Longest wait for attempts in flight when the dispatcher stops. */
  drainMs: 10_000,
  heartbeatMs: 3_000,
} as const;

/** The same names with other numbers, for tests. */
export type WebhookLimits = { readonly [Name in keyof typeof WEBHOOK_LIMITS]: number };
