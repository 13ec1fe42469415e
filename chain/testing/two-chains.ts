import { AbiCoder, Interface, type Wallet } from 'ethers';

import { buildContracts } from '../../contracts/build.ts';
import { layerZeroEndpointV2Abi } from '../../contracts/generated/abi.ts';
import {
  connectChains,
  deployEndpoint,
  deployKeystone,
  deployRemote,
  deployTestTokens,
  type EndpointDeployment,
  type TestTokens,
} from '../../dev/deploy-contracts.ts';
import { decodePacket, type Packet } from '../../dev/relay/packet.ts';
import type { CoordinatorChainConfiguration, RemoteChainConfiguration } from '../../domain/configuration.ts';
import { type CoordinatorChain, createChain, type IndexedChain, type RemoteChain } from '../provider.ts';
import { type LocalNode, startLocalNode, whileMining } from './local-node.ts';

/** Two chains of their own for one test file, with our contracts and real LayerZero endpoints, connected and frozen. */

export const HOME_CHAIN_ID = 11_155_111;
export const REMOTE_CHAIN_ID = 43_113;
/** Seconds after the deadline for which votes count. */
export const MESSAGE_GRACE_SECONDS = 3_600;

const endpointInterface = Interface.from(layerZeroEndpointV2Abi);
const library = new Interface(['function validatePacket(bytes packet)']);
const PACKET_SENT = endpointInterface.getEvent('PacketSent')?.topicHash ?? '';

export interface ChainSide<Indexed extends IndexedChain = IndexedChain> extends LocalNode {
  readonly chain: Indexed;
  readonly tokens: TestTokens;
  readonly endpoint: EndpointDeployment;
}

export interface TwoChains {
  readonly home: ChainSide<CoordinatorChain>;
  readonly remote: ChainSide<RemoteChain>;
  readonly attesterSet: string;
  /** Has every role on both chains, attests, and pays for messages. */
  readonly owner: Wallet;
  /** A new wallet with ether on both chains. */
  wallet(): Promise<Wallet>;
  /** Seconds on both clocks. */
  pass(seconds: number): Promise<void>;
  /** Carries over what was sent and not delivered yet, oldest first: verifies and delivers. Answers how many. A message whose delivery reverts is thrown. */
  deliver(): Promise<number>;
  stop(): Promise<void>;
}

export async function startTwoChains(): Promise<TwoChains> {
  // Before blocks come: compiling takes a while, and each block moves the clock.
  await buildContracts();
  const nodes = await Promise.all([HOME_CHAIN_ID, REMOTE_CHAIN_ID].map((chainId) => startLocalNode({ chainId })));
  const [homeNode, remoteNode] = nodes as [LocalNode, LocalNode];
  const mineBoth = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.mine()));
  };
  const owner = await homeNode.wallet();
  const remoteOwner = await remoteNode.wallet(owner.privateKey);
  const deployed = await whileMining(mineBoth, () => deployBoth(owner, remoteOwner)).catch(async (error: unknown) => {
    // Nobody else knows of these processes yet, and a test run does not end while they live.
    await Promise.all(nodes.map((node) => node.stop()));
    throw error;
  });
  const home: ChainSide<CoordinatorChain> = {
    ...homeNode,
    chain: createChain(deployed.homeConfiguration(homeNode.url)),
    tokens: deployed.homeTokens,
    endpoint: deployed.homeEndpoint,
  };
  const remote: ChainSide<RemoteChain> = {
    ...remoteNode,
    chain: createChain(deployed.remoteConfiguration(remoteNode.url)),
    tokens: deployed.remoteTokens,
    endpoint: deployed.remoteEndpoint,
  };
  const delivered = new Set<string>();
  return {
    home,
    remote,
    attesterSet: deployed.attesterSet,
    owner,
    async wallet() {
      const created = await home.wallet();
      await remote.wallet(created.privateKey);
      return created;
    },
    async pass(seconds) {
      await Promise.all([home.pass(seconds), remote.pass(seconds)]);
    },
    deliver: async () => (await carry(home, remote, owner, delivered)) + (await carry(remote, home, owner, delivered)),
    async stop() {
      home.chain.close();
      remote.chain.close();
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}

async function deployBoth(owner: Wallet, remoteOwner: Wallet) {
  const [homeEndpoint, remoteEndpoint] = await Promise.all([
    deployEndpoint({ signer: owner }),
    deployEndpoint({ signer: remoteOwner }),
  ]);
  const deployment = await deployKeystone({
    signer: owner,
    creator: owner.address,
    engine: owner.address,
    attesters: [owner.address],
    messageGraceSeconds: MESSAGE_GRACE_SECONDS,
    endpoint: homeEndpoint,
  });
  const remote = await deployRemote({ signer: remoteOwner, endpoint: remoteEndpoint, home: deployment });
  await connectChains({ signer: owner, deployment }, [{ signer: remoteOwner, deployment: remote }]);
  const [homeTokens, remoteTokens] = await Promise.all([deployTestTokens(owner), deployTestTokens(remoteOwner)]);
  return {
    homeEndpoint,
    remoteEndpoint,
    homeTokens,
    remoteTokens,
    attesterSet: deployment.attesterSet,
    homeConfiguration: (url: string): CoordinatorChainConfiguration => ({
      kind: 'coordinator',
      chain_id: HOME_CHAIN_ID,
      rpc_urls: [url],
      finality: 'finalized',
      coordinator: deployment.coordinator,
      escrow: deployment.escrow,
      registry: deployment.registry,
      attester_sets: deployment.attesterSets,
      deployment_block: deployment.deploymentBlock,
    }),
    remoteConfiguration: (url: string): RemoteChainConfiguration => ({
      kind: 'remote',
      chain_id: REMOTE_CHAIN_ID,
      rpc_urls: [url],
      finality: 'finalized',
      gateway: remote.gateway,
      escrow: remote.escrow,
      deployment_block: remote.deploymentBlock,
    }),
  };
}

/** What the development relay does, without waiting for finality: `validatePacket` stands for the verifiers, `lzReceive` for the executor. */
async function carry(from: ChainSide, to: ChainSide, owner: Wallet, delivered: Set<string>): Promise<number> {
  const logs = await from.provider.getLogs({
    address: from.endpoint.endpoint,
    topics: [PACKET_SENT],
    fromBlock: 0,
    toBlock: 'latest',
  });
  let count = 0;
  for (const log of logs) {
    const [encoded, options]: unknown[] = AbiCoder.defaultAbiCoder()
      .decode(['bytes', 'bytes', 'address'], log.data)
      .toArray();
    const packet = decodePacket(String(encoded), String(options));
    if (delivered.has(packet.guid)) continue;
    await deliverPacket(to, owner, String(encoded), packet);
    delivered.add(packet.guid);
    count += 1;
  }
  return count;
}

async function deliverPacket(to: ChainSide, owner: Wallet, encoded: string, packet: Packet): Promise<void> {
  await to.send(owner, {
    to: to.endpoint.messageLibrary,
    data: library.encodeFunctionData('validatePacket', [encoded]),
  });
  const origin = { srcEid: packet.sourceEndpointId, sender: packet.sender, nonce: packet.nonce };
  await to.send(owner, {
    to: to.endpoint.endpoint,
    data: endpointInterface.encodeFunctionData('lzReceive', [
      origin,
      packet.receiver,
      packet.guid,
      packet.message,
      '0x',
    ]),
  });
}
