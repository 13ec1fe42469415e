import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Transaction as EthereumTransaction } from 'ethers';

import type { Inclusion, TransactionIntent } from './journal.ts';
import { createChain } from './provider.ts';
import { type Journaling, type JournalSetup, recipient, startJournaling, until } from './testing/journaling.ts';
import { START_LIMIT_MS } from './testing/local-chain.ts';

jest.setTimeout(30_000);

let at: Journaling;
beforeAll(async () => {
  at = await startJournaling();
}, START_LIMIT_MS);
afterAll(async () => {
  await at?.stop();
});

const feesOf = (raw: string): { max: bigint; tip: bigint } => {
  const { maxFeePerGas, maxPriorityFeePerGas } = EthereumTransaction.from(raw);
  return { max: maxFeePerGas ?? 0n, tip: maxPriorityFeePerGas ?? 0n };
};

/** Takes a version out of the pool and puts another one in, as nodes with another view of the fees would. */
async function preferVersion(dropped: string, raw: string): Promise<void> {
  await at.local.rpc('anvil_dropTransaction', [dropped]);
  await at.local.chain.broadcast(raw);
}

describe('a stuck transaction', () => {
  it.each([
    ['as configured', {}],
    // Anvil is content with 5 % more and other nodes are not: the rule is ours, whatever the limits say.
    ['even if less is configured', { feeBumpThousandths: 10n }],
  ])(
    'is replaced with at least 10 %% more of both fees, %s, and whichever is included counts once',
    async (_, limits) => {
      const { journal, signer } = await at.setUp({ limits: { resubmitMs: 200, ...limits } });
      const address = recipient();
      const submitted = journal.submit(at.intent(address), at.options());
      await at.pooledVersions(signer, 3);
      const result = await at.mining(submitted);
      const rows = await at.rowsOf(signer);
      for (const [index, row] of rows.slice(1).entries()) {
        const [before, after] = [feesOf(rows[index]?.raw ?? ''), feesOf(row.raw)];
        expect(after.max * 10n).toBeGreaterThanOrEqual(before.max * 11n);
        expect(after.tip * 10n).toBeGreaterThanOrEqual(before.tip * 11n);
      }
      expect(new Set(rows.map((row) => row.nonce))).toEqual(new Set([0]));
      expect(rows.filter((row) => row.status === 'included').map((row) => row.hash)).toEqual([result.transactionHash]);
      expect(rows.filter((row) => row.status === 'replaced')).toHaveLength(rows.length - 1);
      expect(await at.mintsTo(address)).toBe(1);
    },
  );

  it('whose older version is included is found by that one’s hash', async () => {
    const { journal, signer } = await at.setUp({ limits: { resubmitMs: 200 } });
    const address = recipient();
    const submitted = journal.submit(at.intent(address), at.options());
    await at.pooledVersions(signer, 2);
    const [old] = await at.rowsOf(signer);
    // Everything that was signed is in somebody's pool; a block takes the first one.
    for (const row of await at.rowsOf(signer)) await at.local.rpc('anvil_dropTransaction', [row.hash]);
    await at.local.chain.broadcast(old?.raw ?? '');
    await at.local.mine();
    expect((await submitted).transactionHash).toBe(old?.hash);
    const rows = await at.rowsOf(signer);
    expect(rows[0]?.status).toBe('included');
    expect(rows.slice(1).every((row) => row.status === 'replaced')).toBe(true);
    expect(await at.mintsTo(address)).toBe(1);
  });

  it('is not replaced beyond the cap', async () => {
    const { journal, events, signer } = await at.setUp({
      limits: { resubmitMs: 50, feeCapFloorWei: 0n, feeCapMultiple: 1n },
    });
    const submitted = journal.submit(at.intent(recipient()), at.options());
    await until('the cap', () => Promise.resolve(events.some((event) => event.kind === 'fee_capped')));
    await at.mining(submitted);
    expect(await at.rowsOf(signer)).toHaveLength(1);
  });

  it('that no node keeps is told as such, sent again byte for byte, and replaced only later', async () => {
    const forgetful = { ...at.local.chain, isKnown: () => Promise.resolve(false) };
    const limits = { resubmitMs: 50, notInPoolMs: 2_500 };
    const { journal, events, signer } = await at.setUp({ chain: forgetful, limits });
    const submitted = journal.submit(at.intent(recipient()), at.options());
    const stuck = () => events.filter((event) => event.kind === 'stuck');
    await until('stuck', () => Promise.resolve(stuck().length >= 3));
    expect(stuck()[0]).toMatchObject({ pooled: false });
    expect(await at.rowsOf(signer)).toHaveLength(1);
    await until('a replacement', async () => (await at.rowsOf(signer)).length > 1);
    await at.mining(submitted);
  });
});

describe('the first fees', () => {
  const tipOf = async (setup: JournalSetup): Promise<bigint> => {
    await at.mining(setup.journal.submit(at.intent(recipient()), at.options()));
    return feesOf((await at.rowsOf(setup.signer))[0]?.raw ?? '').tip;
  };

  it('have the least tip of the chain’s configuration', async () => {
    const chain = createChain({ ...at.local.configuration, minimum_tip_wei: '7000000000' });
    expect(await tipOf(await at.setUp({ chain }))).toBe(7_000_000_000n);
    const cheap = createChain({ ...at.local.configuration, minimum_tip_wei: '0' });
    expect(await tipOf(await at.setUp({ chain: { ...cheap, suggestedTip: () => Promise.resolve(3n) } }))).toBe(3n);
    chain.close();
    cheap.close();
  });

  it('do not follow a node that suggests an absurd tip', async () => {
    const chain = { ...at.local.chain, suggestedTip: () => Promise.resolve(10n ** 18n) };
    expect(await tipOf(await at.setUp({ chain, limits: { maximumTipWei: 2_000_000_000n } }))).toBe(2_000_000_000n);
  });
});

describe('a transaction whose effect has become senseless', () => {
  const elsewhere: Inclusion = {
    transactionHash: `0x${'ab'.repeat(32)}`,
    blockNumber: 1,
    blockHash: `0x${'cd'.repeat(32)}`,
    blockTimestampMs: 1_000,
  };
  const QUICK = { cancelAfterMs: 100 } as const;

  /** An effect that somebody else may bring about at any time. */
  function contested(address: string): {
    readonly intent: TransactionIntent;
    readonly lose: () => void;
    readonly want: () => void;
  } {
    let lost = false;
    return {
      intent: at.intent(address, {
        cancelWhen: () => Promise.resolve(lost),
        alreadyDone: () => Promise.resolve(lost ? elsewhere : undefined),
      }),
      lose: () => {
        lost = true;
      },
      want: () => {
        lost = false;
      },
    };
  }

  it('is not even signed when that is known before', async () => {
    const { journal, signer } = await at.setUp();
    const intent = at.intent(recipient(), { cancelWhen: () => Promise.resolve(true) });
    await expect(journal.submit(intent, at.options())).rejects.toMatchObject({ code: 'transaction_cancelled' });
    expect(await at.rowsOf(signer)).toEqual([]);
  });

  it('is taken back by a transfer of nothing to oneself at the same nonce, and the answer is what somebody else did', async () => {
    const { journal, signer, events } = await at.setUp({ limits: QUICK });
    const address = recipient();
    const { intent, lose } = contested(address);
    const submitted = journal.submit(intent, at.options());
    await at.pooledVersions(signer, 1);
    lose();
    await at.pooledVersions(signer, 2);
    expect(await at.mining(submitted)).toEqual({ ...elsewhere, alreadyDone: true });
    const [effect, cancellation] = await at.rowsOf(signer);
    expect(effect).toMatchObject({ nonce: 0, status: 'replaced', is_cancel: false });
    expect(cancellation).toMatchObject({ nonce: 0, status: 'included', is_cancel: true });
    const sent = EthereumTransaction.from(cancellation?.raw ?? '');
    expect([sent.to?.toLowerCase(), sent.value, sent.data]).toEqual([signer.address.toLowerCase(), 0n, '0x']);
    expect(feesOf(cancellation?.raw ?? '').max * 10n).toBeGreaterThanOrEqual(feesOf(effect?.raw ?? '').max * 11n);
    expect(events.map((event) => event.kind)).toContain('cancelling');
    expect(await at.mintsTo(address)).toBe(0);
  });

  it('keeps its key until the cancellation is final, and may then be tried again at the next nonce', async () => {
    const { journal, signer, events } = await at.setUp({ limits: QUICK });
    const address = recipient();
    const { intent, lose, want } = contested(address);
    const submitted = journal.submit(intent, at.options());
    await at.pooledVersions(signer, 1);
    lose();
    await at.pooledVersions(signer, 2);
    await at.local.mine();
    await submitted;
    want();
    await expect(journal.submit(intent, at.options())).rejects.toMatchObject({ code: 'transaction_cancelled' });
    expect(await at.rowsOf(signer)).toHaveLength(2);
    await at.local.mine(4);
    await journal.sweep();
    expect((await at.rowsOf(signer)).map((row) => row.status)).toEqual(['replaced', 'cancelled']);
    expect(events.map((event) => event.kind)).toContain('cancelled');
    await at.mining(journal.submit(intent, at.options()));
    expect(await at.mintsTo(address)).toBe(1);
    expect((await at.rowsOf(signer)).map((row) => row.nonce)).toEqual([0, 0, 1]);
  });

  it('that is included before its cancellation has happened, once', async () => {
    const { journal, signer } = await at.setUp({ limits: QUICK });
    const address = recipient();
    const { intent, lose, want } = contested(address);
    const submitted = journal.submit(intent, at.options());
    await at.pooledVersions(signer, 1);
    lose();
    await at.pooledVersions(signer, 2);
    want();
    const [effect, cancellation] = await at.rowsOf(signer);
    await preferVersion(cancellation?.hash ?? '', effect?.raw ?? '');
    await at.local.mine();
    expect(await submitted).toMatchObject({ transactionHash: effect?.hash, alreadyDone: false });
    expect((await at.rowsOf(signer)).map((row) => row.status)).toEqual(['included', 'replaced']);
    expect((await journal.submit(intent, at.options())).transactionHash).toBe(effect?.hash);
    expect(await at.mintsTo(address)).toBe(1);
  });

  it('stays taken back through a reorganisation, by the same bytes', async () => {
    const { journal, signer } = await at.setUp({ limits: QUICK });
    const address = recipient();
    const { intent, lose } = contested(address);
    const submitted = journal.submit(intent, at.options());
    await at.pooledVersions(signer, 1);
    lose();
    await at.pooledVersions(signer, 2);
    await at.local.mine();
    await submitted;
    const [effect, cancellation] = await at.rowsOf(signer);
    await at.local.rpc('anvil_reorg', [1, []]);
    await at.local.rpc('anvil_dropTransaction', [cancellation?.hash]);
    expect(await journal.sweep()).toMatchObject({ reorganised: 1, broadcast: 1 });
    await at.local.mine(4);
    await expect(journal.waitFinal(effect?.hash ?? '', at.options())).rejects.toMatchObject({
      code: 'transaction_cancelled',
    });
    expect((await at.rowsOf(signer)).map((row) => row.status)).toEqual(['replaced', 'cancelled']);
    expect(await at.mintsTo(address)).toBe(0);
  });
});

describe('a chain whose nodes contradict each other', () => {
  it('gets nothing new to sign', async () => {
    const { journal, signer } = await at.setUp({ chain: { ...at.local.chain, isPaused: () => true } });
    const refused = journal.submit(at.intent(recipient()), at.options());
    await expect(refused).rejects.toMatchObject({ code: 'chain_disagreement' });
    expect(await at.rowsOf(signer)).toEqual([]);
  });
});
