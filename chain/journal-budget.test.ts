import { randomUUID } from 'node:crypto';

import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Transaction as EthereumTransaction } from 'ethers';

import { spentOnMessages } from '../db/chain-transactions.ts';
import { effectKey } from '../domain/effect-key.ts';
import { suggestFees } from './fees.ts';
import type { TransactionIntent } from './journal.ts';
import { CHAIN_LIMITS } from './limits.ts';
import { createChain } from './provider.ts';
import { type Journaling, recipient, startJournaling, until } from './testing/journaling.ts';
import { START_LIMIT_MS } from './testing/local-chain.ts';

jest.setTimeout(30_000);

let at: Journaling;
beforeAll(async () => {
  at = await startJournaling();
}, START_LIMIT_MS);
afterAll(async () => {
  await at?.stop();
});

describe('the budget for messages of a settlement', () => {
  const VALUE = 10n ** 15n;

  async function messaging(budget: bigint, limits: object = {}) {
    const chain = createChain({ ...at.local.configuration, message_fee_budget_wei: budget.toString() });
    const setup = await at.setUp({ chain, limits });
    const settlementId = randomUUID();
    const message = (id = settlementId, generation = 1): TransactionIntent => ({
      ...at.intent(recipient(), { settlementId: id }),
      effectKey: effectKey(id, 'timeout', generation),
      to: recipient(),
      data: '0x',
      value: VALUE,
    });
    const spent = () =>
      at.database.worker.transaction({ kind: 'worker' }, (transaction) =>
        spentOnMessages(transaction, settlementId, chain.chainId),
      );
    return { ...setup, chain, message, spent };
  }

  it('counts what goes along and the gas at its highest price, each nonce once', async () => {
    const { journal, signer, message, spent } = await messaging(10n ** 18n, { resubmitMs: 200 });
    const submitted = journal.submit(message(), at.options());
    await at.pooledVersions(signer, 2);
    await at.mining(submitted);
    const counted = (await at.rowsOf(signer)).find((row) => row.status !== 'replaced');
    const { gasLimit, maxFeePerGas } = EthereumTransaction.from(counted?.raw ?? '');
    expect(await spent()).toBe(VALUE + gasLimit * (maxFeePerGas ?? 0n));
  });

  it('is not exceeded by a message that is asked for, nor by two at once; other settlements and plain transactions go on', async () => {
    const { journal, signer, message } = await messaging((VALUE * 3n) / 2n);
    const both = at.mining(
      Promise.allSettled([1, 2].map((generation) => journal.submit(message(undefined, generation), at.options()))),
    );
    const refused = (await both).filter((result) => result.status === 'rejected');
    expect(refused.map((result) => result.reason as unknown)).toMatchObject([{ code: 'message_fee_budget_exceeded' }]);
    expect(await at.rowsOf(signer)).toHaveLength(1);
    await at.mining(journal.submit(message(randomUUID()), at.options()));
    await at.mining(journal.submit(at.intent(recipient()), at.options()));
    expect((await at.rowsOf(signer)).map((row) => row.nonce)).toEqual([0, 1, 2]);
  });

  it('is not exceeded by higher fees either: the message waits for cheaper blocks', async () => {
    const gas = 21_000n * 2n * (await suggestFees(at.local.chain, CHAIN_LIMITS)).maxFeeWei;
    const { journal, signer, events, message } = await messaging(VALUE + gas, {
      resubmitMs: 100,
      feeBumpThousandths: 3_000n,
    });
    const submitted = journal.submit(message(), at.options());
    await until('the budget', () => Promise.resolve(events.some((event) => event.kind === 'fee_capped')));
    expect(await at.rowsOf(signer)).toHaveLength(1);
    await at.mining(submitted);
  });
});
