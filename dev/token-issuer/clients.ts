import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';

const MAX_CLIENTS = 10_000;

/**
 * A registered client: its secret in the clear (development) or as `sha256:<64 hex digits>`, the SHA-256 of the secret's
 * UTF-8 bytes. A plain hash will do because secrets are random and long, not chosen by people.
 */
const client = z
  .object({
    client_id: z.string().min(1).max(200),
    client_secret: z.string().min(1).max(500).optional(),
    client_secret_hash: z
      .string()
      .regex(/^sha256:[0-9a-f]{64}$/)
      .optional(),
    scopes: z.array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/)).max(100),
  })
  .refine((value) => (value.client_secret === undefined) !== (value.client_secret_hash === undefined), {
    message: 'a client has either client_secret or client_secret_hash',
  });

export const clientList = z.array(client).max(MAX_CLIENTS);
export type RegisteredClient = z.infer<typeof client>;

const HASH_PREFIX = 'sha256:';
/** Compared with when the id is unknown, so that an unknown id takes the same time as a wrong secret. */
const NOBODY = createHash('sha256').update('no such client').digest();

function digestOf(registered: RegisteredClient): Buffer {
  if (registered.client_secret_hash !== undefined) {
    return Buffer.from(registered.client_secret_hash.slice(HASH_PREFIX.length), 'hex');
  }
  return createHash('sha256')
    .update(registered.client_secret ?? '')
    .digest();
}

/** The client whose id and secret these are; undefined for an unknown id and for a wrong secret alike. */
export function authenticate(
  clients: readonly RegisteredClient[],
  id: string,
  secret: string,
): RegisteredClient | undefined {
  const registered = clients.find((candidate) => candidate.client_id === id);
  const expected = registered === undefined ? NOBODY : digestOf(registered);
  const given = createHash('sha256').update(secret).digest();
  const right = timingSafeEqual(given, expected);
  return registered !== undefined && right ? registered : undefined;
}
