import { termsOfWork } from '../../chain/terms-of-work.ts';
import { termsHash } from '../../chain/terms.ts';
import { readSettlementWork, storeTerms } from '../../db/settlement-work.ts';
import type { Uuid } from '../../domain/ids.ts';
import { CHAIN_ID, REMOTE_CHAIN, REMOTE_CHAIN_ID, TEST_CHAIN, type TestApi } from './test-api.ts';

const ATTESTER_SET = `0x${'11'.repeat(32)}`;
const ESCROWS = new Map([
  [CHAIN_ID, TEST_CHAIN.escrow],
  [REMOTE_CHAIN_ID, REMOTE_CHAIN.escrow],
]);

/** Brings an instructed settlement to AWAITING_DEPOSITS with the terms that the engine would store; answers their hash. */
export async function openDeposits(api: TestApi, settlementId: Uuid): Promise<string> {
  const hash = await api.database.worker.transaction({ kind: 'worker' }, async (transaction) => {
    const work = await readSettlementWork(transaction, settlementId);
    if (work === undefined) throw new Error('there is no such settlement');
    const terms = termsOfWork(work, { escrows: ESCROWS, attesterSet: ATTESTER_SET });
    const domain = { chainId: CHAIN_ID, coordinator: TEST_CHAIN.coordinator };
    const computed = termsHash(domain, terms);
    await storeTerms(transaction, settlementId, { coordinatorChainId: CHAIN_ID, hash: computed, json: terms.json });
    return computed;
  });
  for (const state of ['COMPLIANCE_CHECKING', 'COMPLIANCE_CLEARED', 'AWAITING_DEPOSITS']) {
    await api.owner.query(
      'UPDATE keystone.settlements SET state = $2, event_sequence = event_sequence + 1 WHERE id = $1',
      [settlementId, state],
    );
  }
  return hash;
}
