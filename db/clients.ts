import type { Uuid } from '../domain/ids.ts';
import type { Transaction } from './pool.ts';

/** What our own table says about a client; a token's claims never choose the tenant. */
export interface ClientRecord {
  readonly kind: 'platform' | 'operator';
  readonly scopes: readonly string[];
  /** These are null for an operator, which is bound to no environment. */
  readonly environment_id: Uuid | null;
  readonly environment_slug: string | null;
  readonly platform_id: Uuid | null;
  readonly platform_slug: string | null;
  readonly default_timeout_seconds: number | null;
}

/** Undefined for an unknown or revoked client, a suspended platform and a deactivated environment alike. */
export async function authenticateClient(
  transaction: Transaction,
  issuer: string,
  clientId: string,
): Promise<ClientRecord | undefined> {
  const rows = await transaction.query<ClientRecord>('SELECT * FROM keystone.authenticate_client($1, $2)', [
    issuer,
    clientId,
  ]);
  return rows[0];
}
