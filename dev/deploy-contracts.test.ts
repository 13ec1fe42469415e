import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  Contract,
  type ContractTransactionReceipt,
  type ContractTransactionResponse,
  id,
  type JsonRpcProvider,
  type Wallet,
} from 'ethers';

import { loadArtifact } from '../contracts/build.ts';
import { createFundedWallet, createTestProvider } from '../test/support/wallet.ts';
import { deployKeystone, deployTestTokens, type KeystoneDeployment } from './deploy-contracts.ts';

const DEPLOYMENT_MS = 60_000;
const COMPLIANCE_CHECKING = 1n;

/** The deployment of three contracts on the shared chain, whose blocks come once a second. */
describe('deploying the settlement contracts', () => {
  let provider: JsonRpcProvider;
  let deployer: Wallet;
  let engine: Wallet;
  let attester: Wallet;
  let deployment: KeystoneDeployment;
  let lines: string[];

  beforeAll(async () => {
    provider = createTestProvider();
    [deployer, engine, attester] = await Promise.all([
      createFundedWallet(provider),
      createFundedWallet(provider),
      createFundedWallet(provider),
    ]);
    lines = [];
    deployment = await deployKeystone({
      signer: deployer,
      creator: engine.address,
      engine: engine.address,
      attesters: [attester.address, deployer.address],
      threshold: 1,
      onProgress: (line) => lines.push(line),
    });
  }, DEPLOYMENT_MS);

  afterAll(() => {
    provider.destroy();
  });

  async function contractAt(
    address: string,
    name: Parameters<typeof loadArtifact>[0],
    runner: Wallet,
  ): Promise<Contract> {
    return new Contract(address, (await loadArtifact(name)).abi, runner);
  }

  async function sent(call: Promise<ContractTransactionResponse>): Promise<ContractTransactionReceipt | null> {
    return (await call).wait(1, DEPLOYMENT_MS);
  }

  it('wires coordinator, escrow and registry to each other and gives each role to its holder alone', async () => {
    const coordinator = await contractAt(deployment.coordinator, 'SettlementCoordinator', deployer);
    expect(await coordinator.getFunction('escrow')()).toBe(deployment.escrow);
    expect(await coordinator.getFunction('registry')()).toBe(deployment.registry);
    const holds = (role: string, account: string): Promise<boolean> =>
      coordinator.getFunction('hasRole')(role, account);
    expect(await holds(id('CREATOR_ROLE'), engine.address)).toBe(true);
    expect(await holds(id('ENGINE_ROLE'), engine.address)).toBe(true);
    expect(await holds(id('PAUSER_ROLE'), deployer.address)).toBe(true);
    expect(await holds(id('ENGINE_ROLE'), deployer.address)).toBe(false);
    expect(await holds(id('CREATOR_ROLE'), attester.address)).toBe(false);
    expect(lines.some((line) => line.includes(deployment.coordinator))).toBe(true);
  });

  it('names the attester set whatever the order of its attesters, and the block before which there are no events', async () => {
    const registry = await contractAt(deployment.registry, 'ComplianceRegistry', deployer);
    const [set, , closed] = await registry.getFunction('attesterSetOf')(deployment.attesterSet);
    expect(new Set(set.attesters)).toEqual(new Set([attester.address, deployer.address]));
    expect(set.threshold).toBe(1n);
    expect(closed).toBe(false);
    expect(await provider.getCode(deployment.registry, deployment.deploymentBlock - 1)).toBe('0x');
  });

  it(
    'makes a registry and a coordinator that accept a settlement over the test tokens',
    async () => {
      const tokens = await deployTestTokens(deployer);
      const bond = await contractAt(tokens.KBOND, 'KBOND', deployer);
      const cash = await contractAt(tokens.TUSDC, 'TUSDC', deployer);
      expect(await bond.getFunction('decimals')()).toBe(18n);
      expect(await cash.getFunction('decimals')()).toBe(6n);

      const { chainId } = await provider.getNetwork();
      const block = await provider.getBlock('latest');
      const leg = {
        chainId,
        escrow: deployment.escrow,
        token: tokens.KBOND,
        tokenStandard: 0,
        tokenId: 0,
        partition: `0x${'00'.repeat(32)}`,
        amount: 5n * 10n ** 18n,
        payer: 0,
        payee: 1,
        fees: [],
      };
      const terms = {
        settlementId: `0x${'ab'.repeat(16)}${'00'.repeat(16)}`,
        attesterSet: deployment.attesterSet,
        deadline: (block?.timestamp ?? 0) + 3600,
        partyHashes: [id('seller'), id('buyer')],
        legs: [leg],
      };
      const coordinator = await contractAt(deployment.coordinator, 'SettlementCoordinator', engine);
      await sent(coordinator.getFunction('createSettlement').send(terms));
      expect(await coordinator.getFunction('stateOf')(terms.settlementId)).toBe(COMPLIANCE_CHECKING);
      const registry = await contractAt(deployment.registry, 'ComplianceRegistry', attester);
      for (const party of terms.partyHashes) {
        await sent(registry.getFunction('attest').send(terms.settlementId, party, 1, id('reference')));
      }
      expect(await registry.getFunction('areAllPartiesCleared')(terms.settlementId)).toBe(true);
    },
    DEPLOYMENT_MS,
  );

  it.each([
    ['no attesters', [], 1],
    ['a threshold that nobody can reach', ['one'], 2],
    ['an attester named twice', ['one', 'one'], 1],
  ])('refuses %s before anything is sent', async (_case, attesters, threshold) => {
    const nonce = await provider.getTransactionCount(deployer.address);
    const options = { signer: deployer, creator: engine.address, engine: engine.address, threshold };
    const addresses = attesters.map(() => attester.address);
    await expect(deployKeystone({ ...options, attesters: addresses })).rejects.toThrow(/attester/);
    expect(await provider.getTransactionCount(deployer.address)).toBe(nonce);
  });
});
