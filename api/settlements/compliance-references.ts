import { referenceHash } from '../../chain/registry.ts';
import { type ComplianceReference, readComplianceReferences } from '../../db/compliance-references.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { notFound } from '../problems.ts';
import type { Handler } from '../route.ts';
import type { getComplianceReferences as contract } from './contract.ts';

/** `GET …/compliance/references`: what opens the `referenceHash` of each attestation about one's own parties; to everybody else there is none. */
export function getComplianceReferencesHandler({ database }: ApiDependencies): Handler<typeof contract> {
  return async ({ caller, principal, params }) => {
    const references = await database.transaction(principal, (transaction) =>
      readComplianceReferences(transaction, params.settlement_id, caller.environmentId),
    );
    if (references === undefined) throw notFound();
    return { status: 200, body: { settlement_id: params.settlement_id, items: references.map(showReference) } };
  };
}

function showReference(reference: ComplianceReference) {
  return {
    party_id: reference.party_id,
    role: reference.role,
    chain_id: reference.chain_id,
    kind: reference.kind,
    round: reference.round,
    party_hash: reference.party_hash,
    status: reference.status,
    provider: reference.provider,
    reference: reference.reference_id,
    reference_hash: referenceHash(reference.reference_id),
    simulated: reference.simulated,
    recorded_at: reference.recorded_at.toISOString(),
  };
}
