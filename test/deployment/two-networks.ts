import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { JsonRpcProvider, Network as EthersNetwork, toQuantity, Wallet } from 'ethers';

import { startAnvil } from '../../dev/anvil.ts';
import { ENDPOINT_IDS } from '../../dev/deploy-endpoint.ts';
import { anyFreePort } from '../../dev/ports.ts';
import {
  type ChainTarget,
  type DeploymentConfiguration,
  parseDeployment,
} from '../../deploy/contracts/configuration.ts';
import { connectNetwork, type Network } from '../../deploy/contracts/network.ts';
import { deployVerifierNetwork, type VerifierNetwork } from './verifier-network.ts';

/** Two local chains with LayerZero on them as on real networks, and accounts for every role. */
export interface TwoNetworks {
  readonly directory: string;
  readonly home: VerifierNetwork;
  readonly remote: VerifierNetwork;
  /** Connected as the deployer. */
  readonly networks: ReadonlyMap<number, Network>;
  readonly deployer: Wallet;
  readonly roles: Readonly<Record<'admin' | 'engine' | 'pauser' | 'attester', Wallet>>;
  /** Keys behind the two verifiers, the same on both chains. */
  readonly signers: readonly Wallet[];
  readonly urls: ReadonlyMap<number, string>;
  funded(side: VerifierNetwork): Promise<Wallet>;
  close(): Promise<void>;
}

const BLOCK_TIME_SECONDS = 0.2;
const FUNDS = toQuantity(10n ** 21n);
const [HOME_ID, REMOTE_ID] = [11_155_111, 43_113] as const;

export async function startTwoNetworks(): Promise<TwoNetworks> {
  const directory = mkdtempSync(join(tmpdir(), 'keystone-networks-'));
  const account = (): Wallet => new Wallet(Wallet.createRandom().privateKey);
  const signers = [account(), account()];
  const deployer = account();
  const start = async (chainId: typeof HOME_ID | typeof REMOTE_ID, remoteId: number) => {
    const logFile = join(directory, `anvil-${chainId}.log`);
    const options = { port: await anyFreePort(), chainId, blockTimeSeconds: BLOCK_TIME_SECONDS, logFile };
    const anvil = await startAnvil({ ...options, log: () => undefined });
    const ethersNetwork = EthersNetwork.from(chainId);
    const provider = new JsonRpcProvider(anvil.url, ethersNetwork, { staticNetwork: ethersNetwork, cacheTimeout: -1 });
    provider.pollingInterval = 50;
    const owner = account().connect(provider);
    for (const { address } of [owner, deployer]) await provider.send('anvil_setBalance', [address, FUNDS]);
    const side = { owner, provider, endpointId: ENDPOINT_IDS[chainId], remoteId, signers };
    return { anvil, network: await deployVerifierNetwork(side) };
  };
  const [home, remote] = await Promise.all([
    start(HOME_ID, ENDPOINT_IDS[REMOTE_ID]),
    start(REMOTE_ID, ENDPOINT_IDS[HOME_ID]),
  ]);
  const networks = new Map<number, Network>();
  for (const { network } of [home, remote]) {
    networks.set(network.chainId, await connectNetwork({ signer: deployer.connect(network.provider) }));
  }
  return {
    directory,
    home: home.network,
    remote: remote.network,
    networks,
    deployer,
    roles: { admin: account(), engine: account(), pauser: account(), attester: account() },
    signers,
    urls: new Map([home, remote].map(({ anvil, network }) => [network.chainId, anvil.url])),
    async funded({ provider }) {
      const wallet = account().connect(provider);
      await provider.send('anvil_setBalance', [wallet.address, FUNDS]);
      return wallet;
    },
    async close() {
      for (const { anvil, network } of [home, remote]) {
        network.provider.destroy();
        await anvil.stop();
      }
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** What an operator would write for the two networks; `change` spoils it. */
export function configurationFor(
  two: TwoNetworks,
  change: (plain: ReturnType<typeof plainConfiguration>) => unknown = (plain) => plain,
): DeploymentConfiguration {
  return parseDeployment(change(plainConfiguration(two)));
}

export function plainConfiguration(two: TwoNetworks) {
  const { admin, engine, pauser, attester } = two.roles;
  const layerZero = ({
    chainId,
    endpointId,
    endpoint,
    sendLibrary,
    receiveLibrary,
    executor,
    verifiers,
  }: VerifierNetwork) => ({
    chain_id: chainId,
    endpoint_id: endpointId,
    endpoint: endpoint.address,
    send_library: sendLibrary.address,
    receive_library: receiveLibrary.address,
    executor: executor.address,
    verifiers: verifiers.map(({ address }) => address),
  });
  const everywhere = { admin: admin.address, pauser: pauser.address };
  return {
    chains: [
      {
        kind: 'coordinator' as ChainTarget['kind'],
        ...layerZero(two.home),
        finality_blocks: 12,
        confirmations: 15,
        roles: { ...everywhere, engine: engine.address } as Record<string, string>,
      },
      {
        kind: 'remote' as ChainTarget['kind'],
        ...layerZero(two.remote),
        finality_blocks: 1,
        confirmations: 3,
        roles: everywhere as Record<string, string>,
      },
    ],
    attester_sets: { default: { attesters: [attester.address], threshold: 1 } },
    set_delay_seconds: 172_800,
    message_grace_seconds: 3_600,
    max_message_size: 1_000,
  };
}
