import { randomUUID } from 'node:crypto';

import { Contract, id, type InterfaceAbi, toQuantity, type Wallet, ZeroAddress, ZeroHash } from 'ethers';

import {
  complianceRegistryAbi,
  gatewayAbi,
  keystoneEscrowAbi,
  kbondAbi,
  settlementCoordinatorAbi,
} from '../../contracts/generated/abi.ts';
import { buildTerms } from '../../chain/terms.ts';
import { deployTestTokens } from '../../dev/deploy-contracts.ts';
import { uuidToBytes32 } from '../../domain/ids.ts';
import type { DeploymentResult } from '../../deploy/contracts/deploy.ts';
import type { TwoNetworks } from './two-networks.ts';
import type { VerifierNetwork } from './verifier-network.ts';

/** One trade on freshly deployed contracts, a step at a time: bond on the coordinator's chain, cash on the other. */

const BOND = 5n * 10n ** 18n;
const CASH = 1_250n * 10n ** 6n;
const HOUR_SECONDS = 3_600;
const PASS = 1;
const RICH = toQuantity(10n ** 21n);

export interface CrossSettlement {
  /** Created, attested and advanced: deposits are open at home, and nobody elsewhere knows of it. */
  open(): Promise<void>;
  sendOpen(): Promise<void>;
  deposit(): Promise<void>;
  sendVote(): Promise<void>;
  executeHome(): Promise<void>;
  sendDecision(): Promise<void>;
  executeRemote(): Promise<void>;
  /** On-chain index of the state, and the phase of the gateway. */
  state(): Promise<readonly [home: number, remote: number]>;
  /** What the seller has of the cash, and the buyer of the bond. */
  balances(): Promise<readonly [cash: bigint, bond: bigint]>;
}

export const BALANCES_AFTER = [CASH, BOND] as const;

interface Party {
  readonly home: Wallet;
  readonly remote: Wallet;
  readonly homeId: string;
  readonly remoteId: string;
}

export async function createCrossSettlement(two: TwoNetworks, deployed: DeploymentResult): Promise<CrossSettlement> {
  const [homeEntry, remoteEntry] = deployed.chains;
  if (homeEntry?.kind !== 'coordinator' || remoteEntry?.kind !== 'remote') throw new Error('two chains are needed');
  const { home, remote, roles } = two;
  const stranger = { home: await two.funded(home), remote: await two.funded(remote) };
  const engine = roles.engine.connect(home.provider);
  const attester = roles.attester.connect(home.provider);
  for (const { address } of [engine, attester]) await home.provider.send('anvil_setBalance', [address, RICH]);
  const [homeTokens, remoteTokens] = await Promise.all([
    deployTestTokens(stranger.home),
    deployTestTokens(stranger.remote),
  ]);
  const party = async (): Promise<Party> => {
    const wallet = await two.funded(home);
    await remote.provider.send('anvil_setBalance', [wallet.address, RICH]);
    return { home: wallet, remote: wallet.connect(remote.provider), homeId: randomUUID(), remoteId: randomUUID() };
  };
  const [seller, buyer] = [await party(), await party()];
  const block = await home.provider.getBlock('latest');
  const settlementId = randomUUID();
  const terms = buildTerms({
    settlementId,
    deadlineMs: ((block?.timestamp ?? 0) + HOUR_SECONDS) * 1_000,
    attesterSet: homeEntry.attester_sets['default'] ?? '',
    parties: [seller, buyer].map((one) => {
      const wallet = one.home.address.toLowerCase();
      const at = (chainId: number, participantId: string) => ({
        chainId,
        participantId,
        receive: wallet,
        deposit: wallet,
      });
      return { chains: [at(remote.chainId, one.remoteId), at(home.chainId, one.homeId)] };
    }),
    legs: [
      legOf(home, homeEntry.escrow, homeTokens.KBOND, BOND, [0, 1]),
      legOf(remote, remoteEntry.escrow, remoteTokens.TUSDC, CASH, [1, 0]),
    ],
  }).params;
  const key = uuidToBytes32(settlementId);
  const opening = (one: Party, side: VerifierNetwork) => ({
    participantId: uuidToBytes32(side === home ? one.homeId : one.remoteId),
    wallet: one.home.address,
  });
  const nobody = { participantId: ZeroHash, wallet: ZeroAddress };
  const coordinator = new Contract(homeEntry.coordinator, settlementCoordinatorAbi, stranger.home);
  const gateway = new Contract(remoteEntry.gateway, gatewayAbi, stranger.remote);

  async function payIn(side: VerifierNetwork, payer: Party, payee: Party, legIndex: number): Promise<void> {
    const [escrow, token, amount] =
      side === home ? [homeEntry?.escrow, homeTokens.KBOND, BOND] : [remoteEntry?.escrow, remoteTokens.TUSDC, CASH];
    const signer = side === home ? payer.home : payer.remote;
    await send(token, kbondAbi, signer, 'mint', signer.address, amount);
    await send(token, kbondAbi, signer, 'approve', escrow, amount);
    const hash: unknown = await coordinator.getFunction('hashTerms')(terms);
    const openings = [opening(payer, side), opening(payee, side)];
    await send(escrow ?? '', keystoneEscrowAbi, signer, 'depositLeg', terms, legIndex, ...openings, hash);
  }

  const balanceOf = (token: string, wallet: Wallet): Promise<bigint> =>
    new Contract(token, kbondAbi, wallet).getFunction('balanceOf')(wallet.address) as Promise<bigint>;

  return {
    async open() {
      await send(homeEntry.coordinator, settlementCoordinatorAbi, engine, 'createSettlement', terms);
      const attestations = terms.partyHashes.map((hash) => [key, hash, PASS, id('reference')]);
      await send(homeEntry.registry, complianceRegistryAbi, attester, 'attestBatch', attestations);
      await send(homeEntry.coordinator, settlementCoordinatorAbi, engine, 'advance', key, id('decisions'));
    },
    async sendOpen() {
      const value: unknown = await coordinator.getFunction('quoteOpen')(terms, remote.chainId);
      await sendTo(coordinator, 'sendOpen', terms, remote.chainId, { value });
    },
    async deposit() {
      await Promise.all([payIn(home, seller, buyer, 0), payIn(remote, buyer, seller, 1)]);
    },
    async sendVote() {
      await sendTo(gateway, 'sendVote', key, { value: await gateway.getFunction('quoteVote')(key) });
    },
    executeHome: () => sendTo(coordinator, 'execute', terms, [opening(buyer, home), nobody]),
    async sendDecision() {
      const value: unknown = await coordinator.getFunction('quoteDecision')(key, remote.chainId);
      await sendTo(coordinator, 'sendDecision', key, remote.chainId, { value });
    },
    executeRemote: () =>
      sendTo(new Contract(remoteEntry.escrow, keystoneEscrowAbi, stranger.remote), 'execute', terms, [
        nobody,
        opening(seller, remote),
      ]),
    async state() {
      const status = (await gateway.getFunction('statusOf')(key)) as { phase: bigint };
      return [Number(await coordinator.getFunction('stateOf')(key)), Number(status.phase)];
    },
    balances: () =>
      Promise.all([balanceOf(remoteTokens.TUSDC, seller.remote), balanceOf(homeTokens.KBOND, buyer.home)]),
  };
}

function legOf(side: VerifierNetwork, escrow: string, token: string, amount: bigint, [payer, payee]: [number, number]) {
  return {
    chainId: side.chainId,
    escrow,
    token,
    tokenStandard: 'ERC-20' as const,
    amount,
    payerPosition: payer,
    payeePosition: payee,
  };
}

async function send(
  address: string,
  abi: InterfaceAbi,
  signer: Wallet,
  name: string,
  ...values: unknown[]
): Promise<void> {
  await sendTo(new Contract(address, abi, signer), name, ...values);
}

async function sendTo(contract: Contract, name: string, ...values: unknown[]): Promise<void> {
  const response = (await contract.getFunction(name).send(...values)) as { wait(): Promise<unknown> };
  await response.wait();
}
