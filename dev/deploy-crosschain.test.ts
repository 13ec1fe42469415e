import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Contract, id, JsonRpcProvider, Network, toQuantity, Wallet } from 'ethers';

import { gatewayAbi, layerZeroEndpointV2Abi, settlementCoordinatorAbi } from '../contracts/generated/abi.ts';
import { type RunningAnvil, startAnvil } from './anvil.ts';
import {
  connectChains,
  deployEndpoint,
  deployKeystone,
  deployRemote,
  deployTestTokens,
  type KeystoneDeployment,
  type RemoteDeployment,
} from './deploy-contracts.ts';
import { anyFreePort } from './ports.ts';

const LIMIT_MS = 90_000;
const NOBODY = `0x${'00'.repeat(20)}`;
jest.setTimeout(LIMIT_MS);

interface Side {
  readonly anvil: RunningAnvil;
  readonly provider: JsonRpcProvider;
  readonly deployer: Wallet;
}

describe('the contracts on two chains', () => {
  let directory: string;
  let home: Side;
  let remote: Side;
  let coordinator: KeystoneDeployment;
  let gateway: RemoteDeployment;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'keystone-deploy-'));
    [home, remote] = await Promise.all([start(11_155_111), start(43_113)]);
    const [homeEndpoint, remoteEndpoint] = await Promise.all([
      deployEndpoint({ signer: home.deployer }),
      deployEndpoint({ signer: remote.deployer }),
    ]);
    const [engine, oracle, platform] = [0, 1, 2].map(() => Wallet.createRandom().address) as [string, string, string];
    coordinator = await deployKeystone({
      signer: home.deployer,
      creator: engine,
      engine,
      attesters: [oracle],
      furtherSets: { platform: { attesters: [platform] }, 'two-of-two': { attesters: [oracle, platform] } },
      endpoint: homeEndpoint,
    });
    gateway = await deployRemote({ signer: remote.deployer, endpoint: remoteEndpoint, home: coordinator });
    await connectChains({ signer: home.deployer, deployment: coordinator }, [
      { signer: remote.deployer, deployment: gateway },
    ]);
  });

  afterAll(async () => {
    for (const side of [home, remote]) {
      side.provider.destroy();
      await side.anvil.stop();
    }
    rmSync(directory, { recursive: true, force: true });
  });

  async function start(chainId: number): Promise<Side> {
    const anvil = await startAnvil({
      port: await anyFreePort(),
      chainId,
      blockTimeSeconds: 0.2,
      logFile: join(directory, `anvil-${chainId}.log`),
      log: () => undefined,
    });
    const network = Network.from(chainId);
    const provider = new JsonRpcProvider(anvil.url, network, { staticNetwork: network, cacheTimeout: -1 });
    provider.pollingInterval = 50;
    const deployer = new Wallet(Wallet.createRandom().privateKey, provider);
    await provider.send('anvil_setBalance', [deployer.address, toQuantity(10n ** 21n)]);
    return { anvil, provider, deployer };
  }

  const sides = () =>
    [
      [new Contract(coordinator.coordinator, settlementCoordinatorAbi, home.deployer), coordinator, gateway],
      [new Contract(gateway.gateway, gatewayAbi, remote.deployer), gateway, coordinator],
    ] as const;

  const endpointOf = (side: Side, address: string): Contract =>
    new Contract(address, layerZeroEndpointV2Abi, side.deployer);

  it('trust each other and nobody else, under the ids of the test networks', async () => {
    const [[atHome], [atRemote]] = sides();
    const padded = (address: string): string => `0x${'00'.repeat(12)}${address.slice(2).toLowerCase()}`;
    expect(await atHome.getFunction('peers')(40_106)).toBe(padded(gateway.gateway));
    expect(await atRemote.getFunction('peers')(40_161)).toBe(padded(coordinator.coordinator));
    expect(await atRemote.getFunction('peers')(40_106)).toBe(`0x${'00'.repeat(32)}`);
    const known = await atHome.getFunction('remoteChain')(43_113);
    expect([known[0], known[1], known[2], known[3]]).toEqual([40_106n, gateway.gateway, gateway.escrow, 0n]);
  });

  it('go through libraries that were chosen for them, and nobody can choose others', async () => {
    for (const [side, address, application, remoteId, library] of [
      [home, coordinator.endpoint?.endpoint, coordinator.coordinator, 40_106, coordinator.endpoint?.messageLibrary],
      [remote, gateway.endpoint.endpoint, gateway.gateway, 40_161, gateway.endpoint.messageLibrary],
    ] as const) {
      const endpoint = endpointOf(side, address ?? '');
      expect(await endpoint.getFunction('getSendLibrary')(application, remoteId)).toBe(library);
      const [receiveLibrary, isDefault] = await endpoint.getFunction('getReceiveLibrary')(application, remoteId);
      expect([receiveLibrary, isDefault]).toEqual([library, false]);
      expect(await endpoint.getFunction('isDefaultSendLibrary')(application, remoteId)).toBe(false);
      // The former delegate is nobody now.
      await expect(
        endpoint.getFunction('setSendLibrary').staticCall(application, remoteId, library),
      ).rejects.toMatchObject({ data: id('LZ_Unauthorized()').slice(0, 10) });
    }
    for (const [application] of sides()) {
      expect(await application.getFunction('configurator')()).toBe(NOBODY);
      await expect(application.getFunction('freeze').staticCall()).rejects.toThrow(/CallerNotConfigurator/);
    }
    const [[atHome]] = sides();
    const again = atHome.getFunction('connect').staticCall(97, 40_102, gateway.gateway, gateway.escrow);
    await expect(again).rejects.toThrow(/CallerNotConfigurator/);
  });

  it('offer three attester sets, each with an id of its own', async () => {
    expect(Object.keys(coordinator.attesterSets)).toEqual(['default', 'platform', 'two-of-two']);
    expect(new Set(Object.values(coordinator.attesterSets)).size).toBe(3);
    expect(coordinator.attesterSet).toBe(coordinator.attesterSets['default']);
  });

  it('come with test tokens of three standards on either chain', async () => {
    const [first, second] = await Promise.all([deployTestTokens(home.deployer), deployTestTokens(remote.deployer)]);
    for (const [side, tokens] of [
      [home, first],
      [remote, second],
    ] as const) {
      for (const address of Object.values(tokens)) expect(await side.provider.getCode(address)).not.toBe('0x');
    }
  });
});
