import type { Uuid } from '../domain/ids.ts';
import type { JsonValue } from '../keystone/json.ts';
import type { Transaction } from './pool.ts';

export interface AuditEntry {
  /** The environment that acts; null for an operator. */
  readonly environmentId: Uuid | null;
  readonly settlementId?: Uuid | undefined;
  /** `platform:<client id>` or `operator:<client id>` */
  readonly actor: string;
  readonly action: string;
  readonly resourceType: 'settlement' | 'instruction' | 'webhook_endpoint';
  readonly resourceId: string;
  readonly requestId: string;
  /** Never personal data, never secrets. */
  readonly detail?: Record<string, JsonValue>;
}

/** Writes who did what, in the transaction of the deed: an action without its entry does not happen. */
export async function recordAudit(transaction: Transaction, entry: AuditEntry): Promise<void> {
  await transaction.query(
    `INSERT INTO keystone.audit_log (environment_id, settlement_id, actor, action, resource_type, resource_id, request_id, detail)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [
      entry.environmentId,
      entry.settlementId ?? null,
      entry.actor,
      entry.action,
      entry.resourceType,
      entry.resourceId,
      entry.requestId,
      JSON.stringify(entry.detail ?? {}),
    ],
  );
}
