import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { toQuantity, type Wallet } from 'ethers';

import { KeystoneError } from '../../domain/errors.ts';
import type { TransactionSigner } from '../journal.ts';
import { type Journaling, recipient, startJournaling } from './journaling.ts';
import { START_LIMIT_MS } from './local-chain.ts';

/** Each test drives a chain and a database; on a busy machine five seconds are not enough. */
const TEST_LIMIT_MS = 30_000;

let at: Journaling;

/** What a journal guarantees, however its signer signs. */
export function describeJournal(name: string, signerOf: (wallet: Wallet) => Promise<TransactionSigner>): void {
  jest.setTimeout(TEST_LIMIT_MS);
  describe(name, () => {
    beforeAll(async () => {
      at = await startJournaling(signerOf);
    }, START_LIMIT_MS);
    afterAll(async () => {
      await at?.stop();
    });
    describe('submit', describeSubmit);
    describe('a signer', describeSigner);
    describe('finality', describeFinality);
  });
}

function describeSubmit(): void {
  it('makes the effect happen once, however often and however parallel it is asked for', async () => {
    const { journal, signer } = await at.setUp();
    const address = recipient();
    const intent = at.intent(address);
    const results = await at.mining(Promise.all([1, 2, 3].map(() => journal.submit(intent, at.options()))));
    const again = await journal.submit(intent, at.options());
    expect(new Set([...results, again].map((result) => result.transactionHash)).size).toBe(1);
    expect(await at.mintsTo(address)).toBe(1);
    expect(await at.rowsOf(signer)).toHaveLength(1);
  });

  it('sends the same bytes after a restart between storing and sending', async () => {
    const address = recipient();
    const intent = at.intent(address);
    const dead = await at.setUp({ chain: at.mutedChain() });
    await expect(dead.journal.submit(intent, at.options())).rejects.toMatchObject({ code: 'chain_unavailable' });
    const [stored] = await at.rowsOf(dead.signer);
    const { journal } = await at.setUp({ signer: dead.signer });
    const result = await at.mining(journal.submit(intent, at.options()));
    expect(result.transactionHash).toBe(stored?.hash);
    expect(await at.mintsTo(address)).toBe(1);
  });

  it('takes bytes that the node knows already for sent', async () => {
    const address = recipient();
    const { journal, signer } = await at.setUp();
    const intent = at.intent(address);
    const first = journal.submit(intent, at.options());
    await at.pooledVersions(signer, 1);
    const [row] = await at.rowsOf(signer);
    await expect(at.local.chain.broadcast(row?.raw ?? '')).rejects.toThrow(/already/);
    const second = journal.submit(intent, at.options());
    const [a, b] = await at.mining(Promise.all([first, second]));
    expect(a.transactionHash).toBe(b.transactionHash);
  });

  it('runs parallel effects of one signer, also from two processes, over nonces without a gap', async () => {
    const one = await at.setUp();
    const two = await at.setUp({ signer: one.signer });
    const addresses = Array.from({ length: 12 }, recipient);
    await at.mining(
      Promise.all(
        addresses.map((address, index) =>
          (index % 2 === 0 ? one : two).journal.submit(at.intent(address), at.options()),
        ),
      ),
    );
    expect(await Promise.all(addresses.map((address) => at.mintsTo(address)))).toEqual(addresses.map(() => 1));
    const nonces = (await at.rowsOf(one.signer)).map((row) => row.nonce).toSorted((a, b) => a - b);
    expect(nonces).toEqual(addresses.map((_, index) => index));
  });

  it('sends along what a dead process stored at a lower nonce', async () => {
    const dead = await at.setUp({ chain: at.mutedChain() });
    const lost = recipient();
    await expect(dead.journal.submit(at.intent(lost), at.options())).rejects.toMatchObject({
      code: 'chain_unavailable',
    });
    const { journal } = await at.setUp({ signer: dead.signer });
    await at.mining(journal.submit(at.intent(recipient()), at.options()));
    expect(await at.mintsTo(lost)).toBe(1);
  });

  it('stores what belongs to the signed row with it, or neither', async () => {
    const { journal, signer } = await at.setUp();
    const refused = {
      ...at.intent(recipient()),
      inTransaction: () => Promise.reject(new KeystoneError('settlement_closed', 'ended')),
    };
    await expect(journal.submit(refused, at.options())).rejects.toMatchObject({ code: 'settlement_closed' });
    expect(await at.rowsOf(signer)).toEqual([]);
    await at.mining(journal.submit(at.intent(recipient()), at.options()));
    expect((await at.rowsOf(signer)).map((row) => row.nonce)).toEqual([0]);
  });
}

function describeSigner(): void {
  it('that cannot pay is told before anything is signed', async () => {
    const { journal, signer } = await at.setUp();
    await at.local.rpc('anvil_setBalance', [signer.address, toQuantity(1_000n)]);
    await expect(journal.submit(at.intent(recipient()), at.options())).rejects.toMatchObject({
      code: 'signer_without_funds',
    });
    expect(await at.rowsOf(signer)).toEqual([]);
  });

  it('that ran out of funds after signing goes on with the same bytes once it has some', async () => {
    const dead = await at.setUp({ chain: at.mutedChain() });
    const address = recipient();
    const intent = at.intent(address);
    await expect(dead.journal.submit(intent, at.options())).rejects.toMatchObject({ code: 'chain_unavailable' });
    await at.local.rpc('anvil_setBalance', [dead.signer.address, toQuantity(1_000n)]);
    const { journal, events } = await at.setUp({ signer: dead.signer });
    await expect(journal.submit(intent, at.options())).rejects.toMatchObject({ code: 'signer_without_funds' });
    expect(events.map((event) => event.kind)).toContain('without_funds');
    await at.local.rpc('anvil_setBalance', [dead.signer.address, toQuantity(10n ** 20n)]);
    await at.mining(journal.submit(intent, at.options()));
    expect(await at.mintsTo(address)).toBe(1);
    expect(await at.rowsOf(dead.signer)).toHaveLength(1);
  });

  it('whose nonce somebody else used tries the effect again at the next one', async () => {
    const dead = await at.setUp({ chain: at.mutedChain() });
    const address = recipient();
    const intent = at.intent(address);
    await expect(dead.journal.submit(intent, at.options())).rejects.toMatchObject({ code: 'chain_unavailable' });
    await dead.signer.sendTransaction({ to: dead.signer.address, nonce: 0 });
    await at.local.mine(4);
    const { journal, events } = await at.setUp({ signer: dead.signer });
    await at.mining(journal.submit(intent, at.options()));
    expect(events.map((event) => event.kind)).toContain('nonce_lost');
    expect(await at.mintsTo(address)).toBe(1);
    expect((await at.rowsOf(dead.signer)).map((row) => [row.nonce, row.status])).toEqual([
      [0, 'replaced'],
      [1, 'included'],
    ]);
  });
}

function describeFinality(): void {
  it('is not said before the block is final', async () => {
    const { journal, signer } = await at.setUp({ limits: { finalityWaitMs: 300 } });
    const pending = journal.submit(at.intent(recipient()), at.options());
    await at.pooledVersions(signer, 1);
    await at.local.mine();
    const { transactionHash, blockNumber } = await pending;
    await expect(journal.waitFinal(transactionHash, at.options())).rejects.toMatchObject({ code: 'chain_not_final' });
    expect((await at.rowsOf(signer))[0]?.status).toBe('included');
    await at.local.mine(3);
    expect(await journal.waitFinal(transactionHash, at.options())).toMatchObject({ transactionHash, blockNumber });
    expect((await at.rowsOf(signer))[0]?.status).toBe('final');
  });

  it('comes to a transaction that a reorganisation had dropped, by the same bytes', async () => {
    const { journal, signer, events } = await at.setUp();
    const address = recipient();
    const pending = journal.submit(at.intent(address), at.options());
    await at.pooledVersions(signer, 1);
    await at.local.mine();
    const { transactionHash, blockHash } = await pending;
    await at.local.rpc('anvil_reorg', [1, []]);
    await at.local.rpc('anvil_dropTransaction', [transactionHash]);
    expect(await at.local.chain.receipt(transactionHash)).toBeUndefined();
    expect(await journal.sweep()).toMatchObject({ reorganised: 1, broadcast: 1 });
    expect((await at.rowsOf(signer))[0]?.status).toBe('signed');
    const final = await at.mining(journal.waitFinal(transactionHash, at.options()));
    expect(final.transactionHash).toBe(transactionHash);
    expect(final.blockHash).not.toBe(blockHash);
    expect(events.map((event) => event.kind)).toContain('reorganised');
    expect(await at.mintsTo(address)).toBe(1);
  });

  it('is recorded by a sweep, which is safe beside another one', async () => {
    const { journal, signer } = await at.setUp();
    await at.mining(journal.submit(at.intent(recipient()), at.options()));
    await at.local.mine(4);
    await Promise.all([journal.sweep(), journal.sweep()]);
    expect((await at.rowsOf(signer)).map((row) => row.status)).toEqual(['final']);
    expect((await journal.sweep()).broadcast).toBe(0);
  });
}
