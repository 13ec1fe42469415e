import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Interface, JsonRpcProvider } from 'ethers';

import { buildContracts, loadArtifact } from '../contracts/build.ts';
import { ON_CHAIN_INDEX, type OnChainState, SETTLEMENT_STATES, TRANSITIONS } from '../domain/settlement-state.ts';
import { createTestDatabase, type TestDatabase } from './support/database.ts';
import { getTestServers } from './support/servers.ts';

/** One state machine, three places: the data in domain/, the guard in SQL, the contract. None may know an edge that the others do not. */

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
  await buildContracts();
}, 120_000);
afterAll(() => db.drop());

const states = Object.keys(ON_CHAIN_INDEX) as OnChainState[];

describe('the edges of the state machine', () => {
  it('are the same in SQL', async () => {
    const rows = await db.worker.transaction({ kind: 'worker' }, (transaction) =>
      transaction.query<{ edge: string }>(
        `SELECT from_state || '>' || to_state AS edge FROM keystone.settlement_transitions`,
      ),
    );
    const edges = SETTLEMENT_STATES.flatMap((from) => TRANSITIONS[from].map((to) => `${from}>${to}`));
    expect(rows.map((row) => row.edge).toSorted()).toEqual(edges.toSorted());
  });

  it('are the same in the contract', async () => {
    const provider = new JsonRpcProvider(getTestServers().anvilUrl);
    try {
      const artifact = await loadArtifact('SettlementCoordinator');
      const coordinator = new Interface(artifact.abi);
      const address = `0x${'5e'.repeat(20)}`;
      for (const from of states) {
        const data = coordinator.encodeFunctionData('targetsOf', [ON_CHAIN_INDEX[from]]);
        // The compiled code at an address of the call's own: the table is pure, so nothing needs to be deployed.
        const answer = (await provider.send('eth_call', [
          { to: address, data },
          'latest',
          { [address]: { code: artifact.deployedBytecode } },
        ])) as string;
        const mask = BigInt(answer);
        const targets = states.filter((state) => (mask >> BigInt(ON_CHAIN_INDEX[state])) & 1n);
        expect([from, targets]).toEqual([from, TRANSITIONS[from]]);
      }
    } finally {
      provider.destroy();
    }
  }, 30_000);
});
