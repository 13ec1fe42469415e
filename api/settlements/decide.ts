import { recordAudit } from '../../db/audit.ts';
import { enqueueTemporal } from '../../db/outbox.ts';
import { insertComplianceDecision } from '../../db/parties.ts';
import type { Transaction } from '../../db/pool.ts';
import { lockSettlement } from '../../db/settlement-events.ts';
import { readSettlement, type SettlementRecord } from '../../db/settlements.ts';
import { KeystoneError } from '../../domain/errors.ts';
import { actorOf, type ApiDependencies, environmentOf, readerOf } from '../dependencies.ts';
import { notFound } from '../problems.ts';
import type { Handler, Scope } from '../route.ts';
import type { decideCompliance as contract } from './contract.ts';
import { showLocked } from './party-decision.ts';

/** Granted by an operator, and asked only after the settlement was seen: who may not see it must not learn that it exists. */
const DECIDING_SCOPE: Scope = 'compliance:decide';

/** `POST …/compliance-decision`: a person's decision about the latest, flagged round. One decision per round; repeating it is safe. */
export function decideComplianceHandler({ database }: ApiDependencies): Handler<typeof contract> {
  return ({ caller, principal, params, body, requestId }) =>
    database.transaction(principal, async (transaction) => {
      const settlement = await lockAndRead(transaction, params.settlement_id, readerOf(caller));
      if (!caller.scopes.has(DECIDING_SCOPE)) {
        throw new KeystoneError('insufficient_scope', `The scope ${DECIDING_SCOPE} is needed.`);
      }
      const round = roundToDecide(settlement, body.decision);
      if (round !== undefined) {
        const decisionId = await insertComplianceDecision(transaction, {
          settlementId: settlement.id,
          round,
          decision: body.decision,
          decidedBy: actorOf(caller),
          remark: body.remark,
        });
        await recordAudit(transaction, {
          environmentId: environmentOf(caller),
          settlementId: settlement.id,
          actor: actorOf(caller),
          action: 'settlement.compliance.decide',
          resourceType: 'settlement',
          resourceId: settlement.id,
          requestId,
          detail: { decision_id: decisionId, decision: body.decision, round },
        });
        await enqueueTemporal(transaction, settlement.id, 'decision', { decision_id: decisionId }, { requestId });
      }
      return showLocked(transaction, params.settlement_id, readerOf(caller));
    });
}

/** The lock comes first: two decisions at once are one and a repeat, or one and a refusal. */
async function lockAndRead(
  transaction: Transaction,
  id: string,
  reader: 'tenant' | 'operator',
): Promise<SettlementRecord> {
  const locked = await lockSettlement(transaction, id);
  const settlement = locked && (await readSettlement(transaction, id, reader));
  if (settlement === undefined) throw notFound();
  return settlement;
}

/** The round that the decision is about; undefined when exactly this was decided before. */
function roundToDecide(settlement: SettlementRecord, decision: 'approve' | 'reject'): number | undefined {
  if (settlement.compliance_verdict === 'flagged' && settlement.compliance_decision === decision) return undefined;
  const waiting =
    settlement.state === 'COMPLIANCE_CHECKING' &&
    settlement.compliance_verdict === 'flagged' &&
    settlement.compliance_decision === null &&
    settlement.compliance_round !== null;
  if (!waiting) {
    throw new KeystoneError('not_awaiting_decision', 'Settlement is not awaiting a compliance decision');
  }
  return settlement.compliance_round;
}
