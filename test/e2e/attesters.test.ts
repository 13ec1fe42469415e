import { afterAll, describe, expect, it } from '@jest/globals';
import { Contract, id as keccakId, JsonRpcProvider, toQuantity, Wallet } from 'ethers';

import { complianceRegistryAbi, settlementCoordinatorAbi } from '../../contracts/generated/abi.ts';
import { uuidToBytes32 } from '../../domain/ids.ts';
import { confirm, depositBoth, eventsOf, propose, reach, until } from './scenario.ts';
import { type EndToEndStack, startEndToEndStack } from './stack.ts';

/** Attester sets other than ours: platform-a attests with a key of its own, which no process of the stack has. */
const starting = startEndToEndStack();
afterAll(async () => (await starting).close(), 60_000);

const SLOW = 240_000;
const PASS = 1;
const FAIL = 3;
const HOUR_SECONDS = 3_600;

const ATTESTATION_TYPE = {
  Attestation: [
    { name: 'settlementId', type: 'bytes32' },
    { name: 'partyHash', type: 'bytes32' },
    { name: 'status', type: 'uint8' },
    { name: 'referenceHash', type: 'bytes32' },
    { name: 'issuedAt', type: 'uint40' },
    { name: 'deadline', type: 'uint256' },
  ],
};

/** What the platform does by itself, with the chain alone. */
interface PlatformOracle {
  readonly address: string;
  /** Party hashes in the order of the terms: seller's entity and wallet, then the buyer's. Read from the creation's calldata. */
  partyHashes(settlementId: string): Promise<readonly string[]>;
  attest(settlementId: string, partyHash: string, status: number): Promise<void>;
  /** Signs; somebody else sends it and pays for it. */
  attestThrough(stranger: Wallet, settlementId: string, partyHash: string, status: number): Promise<void>;
  /** Everybody who has attested about the settlement. */
  attesters(settlementId: string): Promise<ReadonlySet<string>>;
  stranger(): Promise<Wallet>;
  close(): void;
}

let queue: Promise<unknown> = Promise.resolve();

/** Tests that run at once share the platform's key, and two transactions at once would take the same nonce. */
function inTurn(job: () => Promise<unknown>): Promise<unknown> {
  const turn = queue.then(job, job);
  // The caller gets the failure through `turn`.
  queue = turn.catch(() => undefined);
  return turn;
}

function platformOracle(stack: EndToEndStack): PlatformOracle {
  const { chain } = stack.context;
  const provider = new JsonRpcProvider(chain.rpc_url, chain.chain_id, { staticNetwork: true, cacheTimeout: -1 });
  const wallet = new Wallet(stack.file.platform_oracle.private_key, provider);
  const registryAddress = chain.contracts.registry ?? '';
  const registry = new Contract(registryAddress, complianceRegistryAbi, wallet);
  const coordinator = new Contract(chain.contracts.coordinator ?? '', settlementCoordinatorAbi, provider);
  const domain = {
    name: 'KeystoneComplianceRegistry',
    version: '1',
    chainId: chain.chain_id,
    verifyingContract: registryAddress,
  };

  async function creationOf(settlementId: string): Promise<string | undefined> {
    const filter = coordinator.filters['SettlementCreated']?.(uuidToBytes32(settlementId)) ?? 'SettlementCreated';
    return (await coordinator.queryFilter(filter))[0]?.transactionHash;
  }

  return {
    address: wallet.address,
    async partyHashes(settlementId) {
      const hash = await until(
        () => creationOf(settlementId),
        (found) => found !== undefined,
        'the settlement to be created',
      );
      const transaction = await provider.getTransaction(hash ?? '');
      const [terms] = coordinator.interface.decodeFunctionData('createSettlement', transaction?.data ?? '0x');
      return [...(terms as { partyHashes: readonly string[] }).partyHashes];
    },
    async attest(settlementId, partyHash, status) {
      const reference = keccakId(`case-${partyHash}`);
      const values = [uuidToBytes32(settlementId), partyHash, status, reference];
      await inTurn(async () => (await registry.getFunction('attest').send(...values)).wait());
    },
    async attestThrough(stranger, settlementId, partyHash, status) {
      const block = await provider.getBlock('latest');
      const issuedAt = block?.timestamp ?? 0;
      const deadline = issuedAt + HOUR_SECONDS;
      const reference = keccakId(`case-${partyHash}`);
      const attestation = { settlementId: uuidToBytes32(settlementId), partyHash, status, referenceHash: reference };
      const signature = await wallet.signTypedData(domain, ATTESTATION_TYPE, { ...attestation, issuedAt, deadline });
      const relayed = registry.connect(stranger) as Contract;
      const values = [attestation, issuedAt, deadline, wallet.address, signature];
      await (await relayed.getFunction('attestBySignature').send(...values)).wait();
    },
    async attesters(settlementId) {
      const filter = registry.filters['Attested']?.(uuidToBytes32(settlementId)) ?? 'Attested';
      const logs = await registry.queryFilter(filter);
      return new Set(logs.map((log) => (log as unknown as { args: { attester: string } }).args.attester));
    },
    async stranger() {
      const stranger = new Wallet(Wallet.createRandom().privateKey, provider);
      await provider.send('anvil_setBalance', [stranger.address, toQuantity(10n ** 18n)]);
      return stranger;
    },
    close: () => provider.destroy(),
  };
}

async function begin(template: string): Promise<{ stack: EndToEndStack; id: string; oracle: PlatformOracle }> {
  const stack = await starting;
  const { id } = await propose(stack, { template });
  await confirm(stack, id);
  return { stack, id, oracle: platformOracle(stack) };
}

const statesOf = async (stack: EndToEndStack, id: string): Promise<string[]> =>
  (await eventsOf(stack, id)).map((event) => event.to_state);

describe('a platform that attests with its own key', () => {
  it.concurrent(
    'clears a settlement by calls and by signatures that others send; the engine’s oracle is not an attester at all',
    async () => {
      const { stack, id, oracle } = await begin('dvp-platform-oracle');
      const [sellerEntity = '', sellerWallet = '', buyerEntity = '', buyerWallet = ''] = await oracle.partyHashes(id);
      await oracle.attest(id, sellerEntity, PASS);
      await oracle.attest(id, sellerWallet, PASS);
      const stranger = await oracle.stranger();
      await oracle.attestThrough(stranger, id, buyerEntity, PASS);
      // One party is not attested yet: nothing moves, whatever the engine would like.
      await new Promise((resolve) => setTimeout(resolve, 6_000));
      expect(await statesOf(stack, id)).not.toContain('COMPLIANCE_CLEARED');
      await oracle.attestThrough(stranger, id, buyerWallet, PASS);

      await reach(stack, id, 'AWAITING_DEPOSITS', 120_000);
      await depositBoth(stack, id);
      await reach(stack, id, 'FINALIZED', 120_000);
      expect(await oracle.attesters(id)).toEqual(new Set([oracle.address]));
      oracle.close();
    },
    SLOW,
  );

  it.concurrent(
    'ends a settlement by a Fail',
    async () => {
      const { stack, id, oracle } = await begin('dvp-platform-oracle');
      const [sellerEntity = ''] = await oracle.partyHashes(id);
      await oracle.attest(id, sellerEntity, FAIL);
      await reach(stack, id, 'ROLLED_BACK', 120_000);
      oracle.close();
    },
    SLOW,
  );
});

describe('two attesters who must both pass', () => {
  it.concurrent(
    'wait for each other: ours alone opens nothing, the platform’s opens it',
    async () => {
      const { stack, id, oracle } = await begin('dvp-two-attesters');
      const hashes = await oracle.partyHashes(id);
      await until(
        () => oracle.attesters(id),
        (found) => found.size === 1 && !found.has(oracle.address),
        'our oracle to attest',
      );
      await new Promise((resolve) => setTimeout(resolve, 4_000));
      expect(await statesOf(stack, id)).not.toContain('COMPLIANCE_CLEARED');
      for (const hash of hashes) await oracle.attest(id, hash, PASS);
      await reach(stack, id, 'AWAITING_DEPOSITS', 120_000);
      await depositBoth(stack, id);
      await reach(stack, id, 'FINALIZED', 120_000);
      oracle.close();
    },
    SLOW,
  );
});
