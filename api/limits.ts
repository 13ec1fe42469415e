import { LIMITS } from '../domain/limits.ts';
import type { JsonLimits } from '../keystone/json.ts';

/** Limits of the HTTP edge. The limits of the business are in `domain/limits.ts`. */
export const API_LIMITS = {
  /** Time for a client to send its whole request; a slower one holds a socket for nothing. */
  requestTimeoutMs: 30_000,
  headersTimeoutMs: 10_000,
  keepAliveTimeoutMs: 65_000,
  maximumHeaderBytes: 16_384,
  maximumConnections: 1_000,
  /** Time for the requests in flight to end once the process was asked to stop. */
  drainMs: 10_000,
  readinessMs: 2_000,
  maximumRequestIdLength: 128,
  maximumAuthorizationLength: 8_192,
  maximumCursorLength: 200,
  maximumOffset: 1_000_000,
  /** Token checks. */
  jwksTimeoutMs: 3_000,
  jwksCooldownMs: 10_000,
  jwksCacheMs: 600_000,
  clockSkewSeconds: 30,
  webhookTestMs: 5_000,
  secretOverlapMs: 86_400_000,
  /** Seconds that a client should wait before it repeats a request that met an outage. */
  retryAfterSeconds: 1,
} as const;

/** What a request body may look like before anybody looks at its fields. Fractions and exponents are allowed; quantities are kept as text. */
export const BODY_JSON_LIMITS: JsonLimits = {
  maxBytes: LIMITS.maximumBodyBytes,
  maxDepth: LIMITS.maximumJsonDepth,
  maxObjectMembers: 100,
  maxArrayItems: 200,
  maxStringLength: 8_192,
  maxNodes: 4_096,
  numbers: 'ieee754',
};
