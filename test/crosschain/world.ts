import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  AbiCoder,
  concat,
  getAddress,
  id as hashOfText,
  Interface,
  keccak256,
  Wallet,
  ZeroAddress,
  ZeroHash,
} from 'ethers';

import {
  complianceRegistryAbi,
  gatewayAbi,
  kbondAbi,
  keystoneEscrowAbi,
  settlementCoordinatorAbi,
} from '../../contracts/generated/abi.ts';
import {
  connectChains,
  deployEndpoint,
  deployKeystone,
  deployRemote,
  deployTestTokens,
  type KeystoneDeployment,
  type RemoteDeployment,
} from '../../dev/deploy-contracts.ts';
import { anyFreePort } from '../../dev/ports.ts';
import type { RelayChain } from '../../dev/relay/relay-chain.ts';
import { startChain, type TestChain } from './chain.ts';

/** Keystone on two chains, its people, and each step of a settlement as a call. */

export const HOME_CHAIN = 11_155_111;
export const REMOTE_CHAIN = 43_113;
/** Seconds. */
export const GRACE = 3_600;
export const LIFETIME = 3_600;
/** Wei that SimpleMessageLib asks for at most; what is too much comes back. */
const MESSAGE_VALUE = 10n ** 15n;
const BOND_AMOUNT = 500n * 10n ** 18n;
const CASH_AMOUNT = 125_000n * 10n ** 6n;

export const interfaces = {
  coordinator: new Interface(settlementCoordinatorAbi),
  gateway: new Interface(gatewayAbi),
  escrow: new Interface(keystoneEscrowAbi),
  registry: new Interface(complianceRegistryAbi),
  token: new Interface(kbondAbi),
} as const;

export interface Opening {
  readonly participantId: string;
  readonly wallet: string;
}

export interface Leg {
  readonly chainId: number;
  readonly escrow: string;
  readonly token: string;
  readonly tokenStandard: number;
  readonly tokenId: bigint;
  readonly partition: string;
  readonly amount: bigint;
  readonly payer: number;
  readonly payee: number;
  readonly fees: readonly { readonly recipient: string; readonly amount: bigint }[];
}

export interface Terms {
  readonly settlementId: string;
  readonly attesterSet: string;
  readonly deadline: number;
  readonly partyHashes: readonly string[];
  readonly legs: readonly Leg[];
}

/** Where the legs are: `cross` has the bond at home and the cash elsewhere. */
export type Shape = 'cross' | 'remote' | 'home';

export interface World {
  readonly home: TestChain;
  readonly remote: TestChain;
  readonly coordinator: KeystoneDeployment;
  readonly gateway: RemoteDeployment;
  readonly people: Readonly<Record<'engine' | 'oracle' | 'admin' | 'pauser' | 'stranger', string>>;
  /** Seconds after the deadline for which votes count. */
  readonly grace: number;
  readonly relayKey: string;
  /** What `createRelay` wants to know. */
  readonly relayChains: readonly RelayChain[];
  terms(shape: Shape, deadline: number): Terms;
  /** The preimages of a leg's parties. */
  openings(terms: Terms, party: 'payer' | 'payee'): Opening[];
  chainOf(leg: Leg): TestChain;
  setClocks(seconds: number): Promise<void>;
  close(): Promise<void>;
}

function opening(name: string): Opening {
  return {
    participantId: `${hashOfText(name).slice(0, 34)}${'00'.repeat(16)}`,
    wallet: getAddress(hashOfText(`wallet of ${name}`).slice(0, 42)),
  };
}

function partyHash({ participantId, wallet }: Opening): string {
  return keccak256(AbiCoder.defaultAbiCoder().encode(['bytes32', 'address'], [participantId, wallet]));
}

/** Seller and buyer, each with a participant id and a wallet per chain; indexes 1, 3, 5, 7 of the party hashes. */
const PARTIES = ['seller here', 'seller there', 'buyer here', 'buyer there'].map(opening) as [
  Opening,
  Opening,
  Opening,
  Opening,
];
const [SELLER_HERE, SELLER_THERE, BUYER_HERE, BUYER_THERE] = [1, 3, 5, 7] as const;

/** Starts both chains and deploys everything. @param persistent The home chain then survives a restart. */
export async function createWorld(persistent = false): Promise<World> {
  const directory = mkdtempSync(join(tmpdir(), 'keystone-crosschain-'));
  const start = async (chainId: number, stateful: boolean): Promise<TestChain> =>
    startChain({
      chainId,
      port: await anyFreePort(),
      logFile: join(directory, `anvil-${chainId}.log`),
      ...(stateful && { stateFile: join(directory, `state-${chainId}.json`) }),
    });
  const [home, remote] = await Promise.all([start(HOME_CHAIN, persistent), start(REMOTE_CHAIN, false)]);
  const [deployerHere, deployerThere] = [home, remote].map(
    ({ provider }) => new Wallet(Wallet.createRandom().privateKey, provider),
  ) as [Wallet, Wallet];
  const people = Object.fromEntries(
    ['engine', 'oracle', 'pauser', 'stranger'].map((name) => [name, getAddress(hashOfText(name).slice(0, 42))]),
  ) as Record<'engine' | 'oracle' | 'pauser' | 'stranger', string>;
  const relay = Wallet.createRandom();
  for (const chain of [home, remote]) {
    const rich = [
      deployerHere.address,
      deployerThere.address,
      relay.address,
      ...Object.values(people),
      ...PARTIES.map(({ wallet }) => wallet),
    ];
    for (const address of rich) await chain.fund(address);
  }
  const deployments = await deploy(deployerHere, deployerThere, people);
  const { coordinator, gateway, tokensHere, tokensThere } = deployments;
  for (const [chain, escrow, tokens, wallets] of [
    [home, coordinator.escrow, tokensHere, [PARTIES[0], PARTIES[2]]],
    [remote, gateway.escrow, tokensThere, [PARTIES[1], PARTIES[3]]],
  ] as const) {
    for (const token of [tokens.KBOND, tokens.TUSDC]) {
      for (const { wallet } of wallets) {
        await chain.send(wallet, token, interfaces.token.encodeFunctionData('mint', [wallet, 10n ** 40n]));
        await chain.send(wallet, token, interfaces.token.encodeFunctionData('approve', [escrow, 2n ** 256n - 1n]));
      }
    }
  }
  const here = { chainId: HOME_CHAIN, escrow: coordinator.escrow };
  const there = { chainId: REMOTE_CHAIN, escrow: gateway.escrow };
  const leg = (place: typeof here, token: string, amount: bigint, payer: number, payee: number): Leg => ({
    ...place,
    token,
    amount,
    payer,
    payee,
    tokenStandard: 0,
    tokenId: 0n,
    partition: ZeroHash,
    fees: [],
  });
  const shapes: Readonly<Record<Shape, readonly Leg[]>> = {
    cross: [
      leg(here, tokensHere.KBOND, BOND_AMOUNT, SELLER_HERE, BUYER_HERE),
      leg(there, tokensThere.TUSDC, CASH_AMOUNT, BUYER_THERE, SELLER_THERE),
    ],
    remote: [
      leg(there, tokensThere.KBOND, BOND_AMOUNT, SELLER_THERE, BUYER_THERE),
      leg(there, tokensThere.TUSDC, CASH_AMOUNT, BUYER_THERE, SELLER_THERE),
    ],
    home: [
      leg(here, tokensHere.KBOND, BOND_AMOUNT, SELLER_HERE, BUYER_HERE),
      leg(here, tokensHere.TUSDC, CASH_AMOUNT, BUYER_HERE, SELLER_HERE),
    ],
  };
  const partyHashes = PARTIES.flatMap((party) => [partyHash({ ...party, wallet: ZeroAddress }), partyHash(party)]);
  return {
    home,
    remote,
    coordinator,
    gateway,
    people: { ...people, admin: deployerHere.address },
    grace: GRACE,
    relayKey: relay.privateKey,
    relayChains: [home, remote].map((chain, index) => {
      const endpoint = index === 0 ? coordinator.endpoint : gateway.endpoint;
      if (endpoint === undefined) throw new Error('the coordinator has no endpoint');
      return {
        chainId: chain.chainId,
        rpcUrl: chain.url,
        endpointId: endpoint.endpointId,
        endpoint: endpoint.endpoint,
        messageLibrary: endpoint.messageLibrary,
        confirmations: 0,
      };
    }),
    terms: (shape, deadline) => ({
      settlementId: concat([randomBytes(16), new Uint8Array(16)]),
      attesterSet: coordinator.attesterSet,
      deadline,
      partyHashes,
      legs: shapes[shape],
    }),
    openings: (terms, party) => terms.legs.map((each) => PARTIES[(each[party] - 1) / 2] as Opening),
    chainOf: ({ chainId }) => (chainId === HOME_CHAIN ? home : remote),
    async setClocks(seconds) {
      await Promise.all([home.setClock(seconds), remote.setClock(seconds)]);
    },
    async close() {
      await Promise.all([home.close(), remote.close()]);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function deploy(here: Wallet, there: Wallet, people: Readonly<Record<'engine' | 'oracle' | 'pauser', string>>) {
  const [endpointHere, endpointThere] = await Promise.all([
    deployEndpoint({ signer: here }),
    deployEndpoint({ signer: there }),
  ]);
  const coordinator = await deployKeystone({
    signer: here,
    creator: people.engine,
    engine: people.engine,
    attesters: [people.oracle],
    pauser: people.pauser,
    endpoint: endpointHere,
    messageGraceSeconds: GRACE,
  });
  const gateway = await deployRemote({
    signer: there,
    endpoint: endpointThere,
    home: coordinator,
    pauser: people.pauser,
  });
  await connectChains({ signer: here, deployment: coordinator }, [{ signer: there, deployment: gateway }]);
  const [tokensHere, tokensThere] = await Promise.all([deployTestTokens(here), deployTestTokens(there)]);
  return { coordinator, gateway, tokensHere, tokensThere };
}

/** One step of a settlement, sent by whoever would send it. Resolves to whether the contract accepted it. */
export type Step =
  | 'create'
  | 'attest'
  | 'advance'
  | 'rollBack'
  | 'timeout'
  | 'sendOpen'
  | 'sendDecision'
  | 'sendVote'
  | 'executeHere'
  | 'executeThere'
  | 'refundHere'
  | 'refundThere'
  | `deposit${number}`;

export function createSteps(world: World): (terms: Terms, step: Step) => Promise<boolean> {
  const { home, remote, coordinator, gateway, people } = world;
  const { engine, oracle, stranger } = people;
  const toCoordinator = (from: string, name: string, values: readonly unknown[], value?: bigint): Promise<boolean> =>
    home.attempt(from, coordinator.coordinator, interfaces.coordinator.encodeFunctionData(name, values), value);
  const toEscrow = (chain: TestChain, escrow: string, name: string, values: readonly unknown[]): Promise<boolean> =>
    chain.attempt(stranger, escrow, interfaces.escrow.encodeFunctionData(name, values));

  async function deposit(terms: Terms, index: number): Promise<boolean> {
    const leg = terms.legs[index];
    const [payer, payee] = [world.openings(terms, 'payer')[index], world.openings(terms, 'payee')[index]];
    if (leg === undefined || payer === undefined) throw new Error(`there is no leg ${index}`);
    const termsHash = hashTerms(world, terms);
    const data = interfaces.escrow.encodeFunctionData('depositLeg', [terms, index, payer, payee, termsHash]);
    return world.chainOf(leg).attempt(payer.wallet, leg.escrow, data);
  }

  async function attestAll(terms: Terms): Promise<boolean> {
    const batch = terms.partyHashes.map((party) => [terms.settlementId, party, 1, hashOfText('reference')]);
    return home.attempt(oracle, coordinator.registry, interfaces.registry.encodeFunctionData('attestBatch', [batch]));
  }

  return async (terms, step) => {
    const id = terms.settlementId;
    const [payers, payees] = [world.openings(terms, 'payer'), world.openings(terms, 'payee')];
    switch (step) {
      case 'create':
        return toCoordinator(engine, 'createSettlement', [terms]);
      case 'attest':
        return attestAll(terms);
      case 'advance':
        return toCoordinator(engine, 'advance', [id, hashOfText('decision set')]);
      case 'rollBack':
        return toCoordinator(engine, 'transition', [id, 6, ZeroHash]);
      case 'timeout':
        return toCoordinator(stranger, 'timeout', [id]);
      case 'sendOpen':
        return toCoordinator(stranger, 'sendOpen', [terms, REMOTE_CHAIN], MESSAGE_VALUE);
      case 'sendDecision':
        return toCoordinator(stranger, 'sendDecision', [id, REMOTE_CHAIN], MESSAGE_VALUE);
      case 'sendVote':
        return remote.attempt(
          stranger,
          gateway.gateway,
          interfaces.gateway.encodeFunctionData('sendVote', [id]),
          MESSAGE_VALUE,
        );
      case 'executeHere':
        return toCoordinator(stranger, 'execute', [terms, payees]);
      case 'executeThere':
        return toEscrow(remote, gateway.escrow, 'execute', [terms, payees]);
      case 'refundHere':
        return toEscrow(home, coordinator.escrow, 'refund', [terms, payers]);
      case 'refundThere':
        return toEscrow(remote, gateway.escrow, 'refund', [terms, payers]);
      default:
        return deposit(terms, Number(step.slice('deposit'.length)));
    }
  };
}

/** The hash that a payer computes itself: terms of version 1, the coordinator, its chain. */
export function hashTerms(world: World, terms: Terms): string {
  const type = interfaces.coordinator.getFunction('hashTerms')?.inputs[0];
  if (type === undefined) throw new Error('the coordinator hashes no terms');
  const values = [1, world.coordinator.coordinator, HOME_CHAIN, terms];
  return keccak256(AbiCoder.defaultAbiCoder().encode(['uint8', 'address', 'uint64', type], values));
}

/** The coordinator's answer about a settlement; undefined when it knows none. */
export async function readHome(world: World, id: string): Promise<HomeStatus | undefined> {
  const data = interfaces.coordinator.encodeFunctionData('exists', [id]);
  const call = async (encoded: string): Promise<string> =>
    world.home.provider.call({ to: world.coordinator.coordinator, data: encoded });
  if (interfaces.coordinator.decodeFunctionResult('exists', await call(data))[0] !== true) return undefined;
  const answer = await call(interfaces.coordinator.encodeFunctionData('settlementOf', [id]));
  const [found] = interfaces.coordinator.decodeFunctionResult('settlementOf', answer) as unknown as [
    Record<string, bigint | boolean>,
  ];
  const number = (name: string): number => Number(found[name]);
  return {
    state: number('state'),
    deposited: number('depositedBits'),
    refunded: number('refundedBits'),
    prepared: number('preparedBits'),
    executed: number('executedBits'),
    homeExecuted: found['homeExecuted'] === true,
  };
}

export async function readRemote(world: World, id: string): Promise<RemoteStatus> {
  const data = interfaces.gateway.encodeFunctionData('statusOf', [id]);
  const answer = await world.remote.provider.call({ to: world.gateway.gateway, data });
  const [found] = interfaces.gateway.decodeFunctionResult('statusOf', answer) as unknown as [Record<string, bigint>];
  return {
    phase: Number(found['phase']),
    deposited: Number(found['depositedBits']),
    refunded: Number(found['refundedBits']),
  };
}

/** What the coordinator says of a settlement; bits as in the contract. */
export interface HomeStatus {
  readonly state: number;
  readonly deposited: number;
  readonly refunded: number;
  readonly prepared: number;
  readonly executed: number;
  readonly homeExecuted: boolean;
}

/** What the gateway says of it. */
export interface RemoteStatus {
  readonly phase: number;
  readonly deposited: number;
  readonly refunded: number;
}
