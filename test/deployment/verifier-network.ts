import {
  AbiCoder,
  concat,
  getBytes,
  id,
  Interface,
  type JsonRpcProvider,
  keccak256,
  toBeHex,
  type Wallet,
} from 'ethers';

import { loadLayerZeroArtifact } from '../../dev/deploy-endpoint.ts';
import { type CallTarget, createDeployer, type DeployableArtifact } from '../../dev/deployer.ts';
import { decodePacket, type Packet } from '../../dev/relay/packet.ts';

/**
 * LayerZero as it is on a real network, on a local chain: the published endpoint, SendUln302, ReceiveUln302, DVN contracts with their fee library
 * and price feed, and the executor. *Simulated* is only who stands behind the DVNs: their signatures are made here.
 */

const ARTIFACTS = {
  EndpointV2: ['lz-evm-protocol-v2', 'EndpointV2'],
  SendUln302: ['lz-evm-messagelib-v2', 'uln/uln302/SendUln302'],
  ReceiveUln302: ['lz-evm-messagelib-v2', 'uln/uln302/ReceiveUln302'],
  PriceFeed: ['lz-evm-messagelib-v2', 'PriceFeed'],
  DVN: ['lz-evm-messagelib-v2', 'uln/dvn/DVN'],
  DVNFeeLib: ['lz-evm-messagelib-v2', 'uln/dvn/DVNFeeLib'],
  Executor: ['lz-evm-messagelib-v2', 'Executor'],
  ExecutorFeeLib: ['lz-evm-messagelib-v2', 'ExecutorFeeLib'],
} as const;
type ArtifactName = keyof typeof ARTIFACTS;

/** Any; it is part of what a DVN's signers sign. */
const VERIFIER_ID = 77;
const ETHER = 10n ** 18n;
const TREASURY = { gas: 100_000n, cap: ETHER };
const FAR_FUTURE_SECONDS = 4_000_000_000n;
/** LayerZero's own default, which the deployment has to replace: one block, one required verifier and an optional one. */
const WEAK_DEFAULT_CONFIRMATIONS = 1n;

export interface VerifierNetwork {
  readonly chainId: number;
  readonly endpointId: number;
  readonly endpoint: CallTarget;
  readonly sendLibrary: CallTarget;
  readonly receiveLibrary: CallTarget;
  readonly executor: CallTarget;
  readonly verifiers: readonly CallTarget[];
  /** Owner of everything here, admin of verifiers and executor. Not the deployer of our contracts. */
  readonly owner: Wallet;
  readonly provider: JsonRpcProvider;
}

export interface VerifierNetworkOptions {
  readonly owner: Wallet;
  readonly provider: JsonRpcProvider;
  readonly endpointId: number;
  /** Endpoint id of the other chain. */
  readonly remoteId: number;
  /** One key per DVN. */
  readonly signers: readonly Wallet[];
}

export async function deployVerifierNetwork(options: VerifierNetworkOptions): Promise<VerifierNetwork> {
  const { owner, provider, endpointId, remoteId } = options;
  const artifacts = await loadArtifacts();
  const deployer = await createDeployer(owner);
  const make = async (name: ArtifactName, values: readonly unknown[]): Promise<CallTarget> => ({
    address: await deployer.create(name, artifacts[name], values),
    abi: artifacts[name].abi,
  });
  const call = (target: CallTarget, name: string, ...values: unknown[]): Promise<void> =>
    deployer.call(name, target, name, values);

  const endpoint = await make('EndpointV2', [endpointId, owner.address]);
  const sendLibrary = await make('SendUln302', [endpoint.address, TREASURY.gas, TREASURY.cap]);
  const receiveLibrary = await make('ReceiveUln302', [endpoint.address]);
  const priceFeed = await make('PriceFeed', []);
  await call(priceFeed, 'initialize', owner.address);
  await call(priceFeed, 'setPrice', [[remoteId, [10n ** 20n, 1_000_000_000n, 16n]]]);
  await call(priceFeed, 'setNativeTokenPriceUSD', 10n ** 20n);
  const verifierFees = await make('DVNFeeLib', [endpointId, ETHER]);
  const verifiers: CallTarget[] = [];
  for (const signer of options.signers) {
    const libraries = [sendLibrary.address, receiveLibrary.address];
    const values = [endpointId, VERIFIER_ID, libraries, priceFeed.address, [signer.address], 1, [owner.address]];
    const verifier = await make('DVN', values);
    await call(verifier, 'setWorkerFeeLib', verifierFees.address);
    await call(verifier, 'setDstConfig', [[remoteId, 50_000n, 12_000, 0]]);
    verifiers.push(verifier);
  }
  const executor = await make('Executor', []);
  const noLegacyLibrary = `0x${'00'.repeat(20)}`;
  const admins = [owner.address, [owner.address]];
  await call(
    executor,
    'initialize',
    endpoint.address,
    noLegacyLibrary,
    [sendLibrary.address],
    priceFeed.address,
    ...admins,
  );
  const executorFees = await make('ExecutorFeeLib', [endpointId, ETHER]);
  await call(executor, 'setWorkerFeeLib', executorFees.address);
  await call(executor, 'setDstConfig', [[remoteId, 40_000n, 40_000n, 12_000, 0, ETHER]]);

  const [first, second] = verifiers.map(({ address }) => address);
  // With an optional verifier, so that a deployment which leaves that to the default shows it.
  const weak = [WEAK_DEFAULT_CONFIRMATIONS, 1, 1, 1, [first], [second]];
  for (const library of [sendLibrary, receiveLibrary]) {
    await call(library, 'setDefaultUlnConfigs', [[remoteId, weak]]);
    await call(endpoint, 'registerLibrary', library.address);
  }
  await call(sendLibrary, 'setDefaultExecutorConfigs', [[remoteId, [10_000, executor.address]]]);
  await call(endpoint, 'setDefaultSendLibrary', remoteId, sendLibrary.address);
  await call(endpoint, 'setDefaultReceiveLibrary', remoteId, receiveLibrary.address, 0);
  await deployer.settled();
  const { chainId } = deployer;
  return { chainId, endpointId, endpoint, sendLibrary, receiveLibrary, executor, verifiers, owner, provider };
}

async function loadArtifacts(): Promise<Record<ArtifactName, DeployableArtifact>> {
  const loaded = await Promise.all(
    Object.entries(ARTIFACTS).map(
      async ([name, [from, path]]) => [name, await loadLayerZeroArtifact(from, path)] as const,
    ),
  );
  return Object.fromEntries(loaded) as Record<ArtifactName, DeployableArtifact>;
}

/** Packets that left the network, oldest first. */
export async function packetsOf(network: VerifierNetwork): Promise<Packet[]> {
  const topic = id('PacketSent(bytes,bytes,address)');
  const logs = await network.provider.getLogs({ address: network.endpoint.address, topics: [topic], fromBlock: 0 });
  return logs.map((log) => {
    const [encoded, options] = AbiCoder.defaultAbiCoder().decode(['bytes', 'bytes', 'address'], log.data);
    return decodePacket(String(encoded), String(options));
  });
}

/** One DVN confirms a packet on the network where it arrives, with a signature of its signer. */
export async function verifyAs(
  network: VerifierNetwork,
  packet: Packet,
  verifier: { readonly index: number; readonly signer: Wallet; readonly confirmations: bigint },
): Promise<void> {
  const dvn = network.verifiers[verifier.index];
  if (dvn === undefined) throw new Error(`there is no verifier ${verifier.index}`);
  const { owner, receiveLibrary } = network;
  const deployer = await createDeployer(owner);
  const header = packet.encoded.slice(0, 2 + 81 * 2);
  const values = [header, packet.payloadHash, verifier.confirmations];
  const data = Interface.from(receiveLibrary.abi).encodeFunctionData('verify', values);
  const hash = keccak256(
    concat([toBeHex(VERIFIER_ID, 4), receiveLibrary.address, toBeHex(FAR_FUTURE_SECONDS, 32), data]),
  );
  const signature = await verifier.signer.signMessage(getBytes(hash));
  await deployer.call('execute', dvn, 'execute', [
    [[VERIFIER_ID, receiveLibrary.address, data, FAR_FUTURE_SECONDS, signature]],
  ]);
  await deployer.settled();
}

/** Hands the verified packet to the endpoint; anybody may. @throws Error when not every required verifier has confirmed it. */
export async function commit(network: VerifierNetwork, packet: Packet): Promise<void> {
  const deployer = await createDeployer(network.owner);
  const header = packet.encoded.slice(0, 2 + 81 * 2);
  await deployer.call('commitVerification', network.receiveLibrary, 'commitVerification', [header, packet.payloadHash]);
  await deployer.settled();
}

/** The executor delivers, with the gas that the sender bought. */
export async function execute(network: VerifierNetwork, packet: Packet): Promise<void> {
  const deployer = await createDeployer(network.owner);
  const origin = [packet.sourceEndpointId, packet.sender, packet.nonce];
  const parameters = [packet.receiver, origin, packet.guid, packet.message, '0x', packet.receiveGas];
  await deployer.call('execute302', network.executor, 'execute302', [parameters]);
  await deployer.settled();
}
