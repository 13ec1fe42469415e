import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { AbiCoder, id as hashOfText, keccak256, Wallet, ZeroAddress, ZeroHash } from 'ethers';

import { whileMining } from '../../chain/testing/local-node.ts';
import {
  connectChains,
  deployEndpoint,
  deployKeystone,
  deployRemote,
  deployTestTokens,
  type KeystoneDeployment,
  type RemoteDeployment,
  type TestTokens,
} from '../../dev/deploy-contracts.ts';
import { anyFreePort } from '../../dev/ports.ts';
import type { RelayChain } from '../../dev/relay/relay-chain.ts';
import { interfaces, startChain, type TestChain } from './chain.ts';

/** Keystone on two chains, its people, and each step of a settlement as a call. */

export const HOME_CHAIN = 11_155_111;
export const REMOTE_CHAIN = 43_113;
/** Seconds. */
export const GRACE = 3_600;
export const LIFETIME = 3_600;
/** Seconds after the deadline from which signatures release a prepared chain. */
export const RELEASE_DELAY = 30 * 24 * 3_600;
const BOND_AMOUNT = 500n * 10n ** 18n;
const CASH_AMOUNT = 125_000n * 10n ** 6n;

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

/** Where the legs are: `cross` has the bond at home and the cash elsewhere, `wide` one of each on both chains, in both directions. */
export type Shape = 'cross' | 'wide' | 'remote' | 'home';

export type Person = 'engine' | 'oracle' | 'relayer' | 'admin' | 'pauser' | 'configurator' | 'stranger';

export interface World {
  readonly home: TestChain;
  readonly remote: TestChain;
  readonly coordinator: KeystoneDeployment;
  readonly gateway: RemoteDeployment;
  /** The keys that exist, each with its own address. The configurator deployed everything and has given its roles away. */
  readonly people: Readonly<Record<Person, string>>;
  /** Seconds after the deadline for which votes count. */
  readonly grace: number;
  readonly relayKey: string;
  /** What `createRelay` wants to know. */
  readonly relayChains: readonly RelayChain[];
  /** @param name The settlement's id follows from it, so that a seed repeats a run. */
  terms(shape: Shape, deadline: number, name: string): Terms;
  /** The test tokens of a chain. */
  tokensOf(chain: TestChain): TestTokens;
  /** The preimages of a leg's parties. */
  openings(terms: Terms, party: 'payer' | 'payee'): Opening[];
  chainOf(leg: Leg): TestChain;
  setClocks(seconds: number): Promise<void>;
  close(): Promise<void>;
}

/** A key of these tests alone. The same in every run: addresses, and with them all message ids, follow from it. */
function keyOf(name: string): Wallet {
  return new Wallet(hashOfText(`test key of ${name}`));
}

/** 16 bytes of a UUID (v4) and 16 zero bytes. */
function idOf(name: string): string {
  const digits = hashOfText(name).slice(2, 34);
  return `0x${digits.slice(0, 12)}4${digits.slice(13, 16)}8${digits.slice(17)}${'00'.repeat(16)}`;
}

function opening(name: string): Opening {
  return { participantId: idOf(name), wallet: keyOf(name).address };
}

function partyHash({ participantId, wallet }: Opening): string {
  return keccak256(AbiCoder.defaultAbiCoder().encode(['bytes32', 'address'], [participantId, wallet]));
}

/** Seller and buyer, each with a participant id and a wallet per chain; indexes 1, 3, 5, 7 of the party hashes. */
const PARTY_NAMES = ['seller here', 'seller there', 'buyer here', 'buyer there'] as const;
const PARTIES = PARTY_NAMES.map(opening) as [Opening, Opening, Opening, Opening];
const [SELLER_HERE, SELLER_THERE, BUYER_HERE, BUYER_THERE] = [1, 3, 5, 7] as const;

/** The key behind a party's or a person's address, for signatures. */
export function keyOfAddress(address: string): Wallet {
  const name = [...PARTY_NAMES, ...PEOPLE].find((each) => keyOf(each).address === address);
  if (name === undefined) throw new Error(`nobody here has the address ${address}`);
  return keyOf(name);
}

const PEOPLE = ['engine', 'oracle', 'relayer', 'admin', 'pauser', 'configurator', 'stranger'] as const;

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
  const people = Object.fromEntries(PEOPLE.map((name) => [name, keyOf(name).address])) as Record<Person, string>;
  const relay = keyOf('relay');
  for (const chain of [home, remote]) {
    for (const address of [relay.address, ...Object.values(people), ...PARTIES.map(({ wallet }) => wallet)]) {
      await chain.fund(address);
    }
  }
  const [deployerHere, deployerThere] = [home, remote].map(({ provider }) =>
    keyOf('configurator').connect(provider),
  ) as [Wallet, Wallet];
  const mine = async (): Promise<void> => {
    await Promise.all([home, remote].map(({ provider }) => provider.send('evm_mine', [])));
  };
  // Whoever waits for an inclusion looks again when a block comes; with a block per transaction, the one that it missed was the last.
  const deployments = await whileMining(mine, () => deploy(deployerHere, deployerThere, people)).catch(
    async (error: unknown) => {
      // Nobody else knows of these processes yet.
      await Promise.all([home.close(), remote.close()]);
      throw error;
    },
  );
  const { coordinator, gateway, tokensHere, tokensThere } = deployments;
  await handOver(home, people, [coordinator.coordinator, coordinator.registry]);
  await handOver(remote, people, [gateway.gateway]);
  for (const [chain, escrow, tokens, wallets] of [
    [home, coordinator.escrow, tokensHere, [PARTIES[0], PARTIES[2]]],
    [remote, gateway.escrow, tokensThere, [PARTIES[1], PARTIES[3]]],
  ] as const) {
    for (const token of [tokens.KBOND, tokens.TUSDC]) {
      for (const { wallet } of wallets) {
        const mint = interfaces.token.encodeFunctionData('mint', [wallet, 10n ** 40n]);
        const approve = interfaces.token.encodeFunctionData('approve', [escrow, 2n ** 256n - 1n]);
        for (const data of [mint, approve]) await chain.send({ from: wallet, to: token, data });
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
    wide: [
      leg(here, tokensHere.KBOND, BOND_AMOUNT, SELLER_HERE, BUYER_HERE),
      leg(there, tokensThere.TUSDC, CASH_AMOUNT, BUYER_THERE, SELLER_THERE),
      leg(here, tokensHere.TUSDC, CASH_AMOUNT, BUYER_HERE, SELLER_HERE),
      leg(there, tokensThere.KBOND, BOND_AMOUNT, SELLER_THERE, BUYER_THERE),
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
    people,
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
    tokensOf: ({ chainId }) => (chainId === HOME_CHAIN ? tokensHere : tokensThere),
    terms: (shape, deadline, name) => ({
      settlementId: idOf(name),
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

/** The deployer's roles go to the admin: what a configurator may do is not to be confused with what an admin may. */
async function handOver(chain: TestChain, people: Readonly<Record<Person, string>>, contracts: readonly string[]) {
  const { configurator: from, admin } = people;
  for (const to of contracts) {
    const grant = interfaces.gateway.encodeFunctionData('grantRole', [ZeroHash, admin]);
    const renounce = interfaces.gateway.encodeFunctionData('renounceRole', [ZeroHash, from]);
    for (const data of [grant, renounce]) await chain.send({ from, to, data });
  }
}
