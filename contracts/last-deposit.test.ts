import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  AbiCoder,
  Contract,
  type ContractTransactionReceipt,
  type ContractTransactionResponse,
  id,
  type JsonRpcProvider,
  keccak256,
  type Wallet,
  ZeroAddress,
  ZeroHash,
} from 'ethers';

import { deployKeystone, deployTestTokens, type KeystoneDeployment, type TestTokens } from '../dev/deploy-contracts.ts';
import { createFundedWallet, createTestProvider } from '../test/support/wallet.ts';
import { type ContractName, loadArtifact } from './build.ts';

const SETTLEMENT_MS = 90_000;
const FINALIZED = 5n;
const BOND_AMOUNT = 500n * 10n ** 18n;
const CASH_AMOUNT = 125_000n * 10n ** 6n;

interface Opening {
  readonly participantId: string;
  readonly wallet: string;
}

/** The preimage of a party hash; the participant's id looks like a UUID: 16 bytes, then 16 zero bytes. */
function openingOf(name: string, wallet: string): Opening {
  return { participantId: `${id(name).slice(0, 34)}${'00'.repeat(16)}`, wallet };
}

function partyHash(opening: Opening): string {
  return keccak256(AbiCoder.defaultAbiCoder().encode(['bytes32', 'address'], [opening.participantId, opening.wallet]));
}

/** What forge cannot show: how the contracts meet a node's gas estimation, which searches for the least gas that does not revert. */
describe('a trade sent through a node', () => {
  let provider: JsonRpcProvider;
  let engine: Wallet;
  let seller: Wallet;
  let buyer: Wallet;
  let deployment: KeystoneDeployment;
  let tokens: TestTokens;

  beforeAll(async () => {
    provider = createTestProvider();
    const wallets = [0, 1, 2, 3].map(() => createFundedWallet(provider));
    const [deployer, first, second, third] = (await Promise.all(wallets)) as [Wallet, Wallet, Wallet, Wallet];
    [engine, seller, buyer] = [first, second, third];
    deployment = await deployKeystone({
      signer: deployer,
      creator: engine.address,
      engine: engine.address,
      attesters: [engine.address],
    });
    tokens = await deployTestTokens(deployer);
  }, SETTLEMENT_MS);

  afterAll(() => {
    provider.destroy();
  });

  async function contractAt(address: string, name: ContractName, runner: Wallet): Promise<Contract> {
    return new Contract(address, (await loadArtifact(name)).abi, runner);
  }

  async function send(
    contract: Contract,
    method: string,
    ...values: unknown[]
  ): Promise<ContractTransactionReceipt | null> {
    const response: ContractTransactionResponse = await contract.getFunction(method).send(...values);
    return response.wait(1, SETTLEMENT_MS);
  }

  async function fund(name: 'KBOND' | 'TUSDC', owner: Wallet, amount: bigint): Promise<void> {
    const token = await contractAt(tokens[name], name, owner);
    await send(token, 'mint', owner.address, amount);
    await send(token, 'approve', deployment.escrow, amount);
  }

  async function termsOf(parties: readonly [Opening, Opening]): Promise<Record<string, unknown>> {
    const { chainId } = await provider.getNetwork();
    const block = await provider.getBlock('latest');
    const common = { chainId, escrow: deployment.escrow, tokenStandard: 0, tokenId: 0, partition: ZeroHash, fees: [] };
    return {
      settlementId: `0x${'cd'.repeat(16)}${'00'.repeat(16)}`,
      attesterSet: deployment.attesterSet,
      deadline: (block?.timestamp ?? 0) + 3600,
      partyHashes: parties.flatMap((party) => [partyHash({ ...party, wallet: ZeroAddress }), partyHash(party)]),
      legs: [
        { ...common, token: tokens.KBOND, amount: BOND_AMOUNT, payer: 1, payee: 3 },
        { ...common, token: tokens.TUSDC, amount: CASH_AMOUNT, payer: 3, payee: 1 },
      ],
    };
  }

  it(
    'swaps in the last deposit with exactly the gas that the node estimates',
    async () => {
      const parties = [openingOf('seller', seller.address), openingOf('buyer', buyer.address)] as const;
      const terms = await termsOf(parties);
      const settlementId = terms['settlementId'];
      const coordinator = await contractAt(deployment.coordinator, 'SettlementCoordinator', engine);
      const registry = await contractAt(deployment.registry, 'ComplianceRegistry', engine);
      await Promise.all([fund('KBOND', seller, BOND_AMOUNT), fund('TUSDC', buyer, CASH_AMOUNT)]);
      await send(coordinator, 'createSettlement', terms);
      const attestations = (terms['partyHashes'] as string[]).map((party) => [settlementId, party, 1, id('reference')]);
      await send(registry, 'attestBatch', attestations);
      await send(coordinator, 'advance', settlementId, id('decisions'));

      const termsHash: unknown = await coordinator.getFunction('hashTerms')(terms);
      const sellerEscrow = await contractAt(deployment.escrow, 'KeystoneEscrow', seller);
      await send(sellerEscrow, 'depositLeg', terms, 0, parties[0], parties[1], termsHash);
      const buyerEscrow = await contractAt(deployment.escrow, 'KeystoneEscrow', buyer);
      const deposit = [terms, 1, parties[1], parties[0], termsHash];
      const gasLimit = await buyerEscrow.getFunction('depositLeg').estimateGas(...deposit);
      const receipt = await send(buyerEscrow, 'depositLeg', ...deposit, { gasLimit });

      expect(await coordinator.getFunction('stateOf')(settlementId)).toBe(FINALIZED);
      expect(receipt?.gasUsed).toBeLessThan(gasLimit / 2n);
      const bond = await contractAt(tokens.KBOND, 'KBOND', buyer);
      const cash = await contractAt(tokens.TUSDC, 'TUSDC', seller);
      expect(await bond.getFunction('balanceOf')(buyer.address)).toBe(BOND_AMOUNT);
      expect(await cash.getFunction('balanceOf')(seller.address)).toBe(CASH_AMOUNT);
    },
    SETTLEMENT_MS,
  );
});
