import type { Uuid } from '../domain/ids.ts';
import type { Transaction } from './pool.ts';

/** Marks on a settlement that say something other than "this step fails": the success of a step does not take them away. */
export const LASTING_ATTENTION = [
  'finality_broken',
  'chain_reorganised_beyond_finality',
  'compliance_failed_after_opening',
] as const;

/** Marks the settlement unless it bears this mark already or a lasting one. Answers whether it was new; only then there is an audit row. */
export async function raiseAttentionOnce(
  transaction: Transaction,
  settlementId: Uuid,
  code: string,
  detail: string,
): Promise<boolean> {
  const rows = await transaction.query(
    `WITH raised AS (
       UPDATE keystone.settlements SET needs_attention = true, attention_code = $2, attention_detail = left($3, 500)
       WHERE id = $1 AND attention_code IS DISTINCT FROM $2 AND NOT (coalesce(attention_code, '') = ANY($4)) RETURNING id
     )
     INSERT INTO keystone.audit_log (settlement_id, actor, action, resource_type, resource_id, detail)
     SELECT id, 'system:engine', 'settlement.attention.raised', 'settlement', id::text, jsonb_build_object('code', $2::text) FROM raised
     RETURNING id`,
    [settlementId, code, detail, LASTING_ATTENTION],
  );
  return rows.length > 0;
}

/** Takes away what failing steps left; lasting marks stay until a person or the end of the settlement removes them. */
export async function clearStepAttention(transaction: Transaction, settlementId: Uuid): Promise<void> {
  await transaction.query(
    `UPDATE keystone.settlements SET needs_attention = false, attention_code = NULL, attention_detail = NULL
     WHERE id = $1 AND needs_attention AND NOT (coalesce(attention_code, '') = ANY($2))`,
    [settlementId, LASTING_ATTENTION],
  );
}
