import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { AbiCoder, Contract, JsonRpcProvider, Network, solidityPacked, toQuantity, Wallet, zeroPadValue } from 'ethers';

import { uuidToBytes32 } from '../../domain/ids.ts';
import { type RunningAnvil, startAnvil } from '../anvil.ts';
import { deployEndpoint, type EndpointDeployment, loadLayerZeroArtifact } from '../deploy-endpoint.ts';
import { anyFreePort } from '../ports.ts';
import type { FaultInput } from './faults.ts';
import { createRelay, type PacketView, type Relay } from './relay.ts';
import type { RelayChain } from './relay-chain.ts';
import { startRelayServer } from './server.ts';

const LIMIT_MS = 60_000;
const HOME = { chainId: 11_155_111, endpointId: 40_161 } as const;
const REMOTE = { chainId: 43_113, endpointId: 40_106 } as const;
const RICH = toQuantity(10n ** 21n);

/**
 * A receiver by hand: storage slot 0 counts lzReceive (selector 13137d65); every other call, so also allowInitializePath, answers 1.
 */
const COUNTER_RUNTIME = '60003560e01c6313137d6514601957600160005260206000f35b6001600054016000550000';
const COUNTER = `0x60${(COUNTER_RUNTIME.length / 2).toString(16)}600c60003960${(COUNTER_RUNTIME.length / 2).toString(16)}6000f3${COUNTER_RUNTIME}`;

interface Side {
  readonly anvil: RunningAnvil;
  readonly provider: JsonRpcProvider;
  readonly wallet: Wallet;
  readonly endpoint: EndpointDeployment;
  readonly chain: RelayChain;
}

jest.setTimeout(LIMIT_MS);

/** The published endpoint on two chains; an account sends from one of them to a counter on the other. */
describe('the relay', () => {
  const relayKey = Wallet.createRandom().privateKey;
  let directory: string;
  let home: Side;
  let remote: Side;
  let counter: string;
  let open: Relay[] = [];

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'keystone-relay-'));
    [home, remote] = await Promise.all([start(HOME), start(REMOTE)]);
    const created = await (await remote.wallet.sendTransaction({ data: COUNTER })).wait();
    counter = created?.contractAddress ?? '';
  }, LIMIT_MS);

  afterAll(async () => {
    await Promise.all(open.map((relay) => relay.stop()));
    for (const side of [home, remote]) {
      side.provider.destroy();
      await side.anvil.stop();
    }
    rmSync(directory, { recursive: true, force: true });
  }, LIMIT_MS);

  async function start({ chainId, endpointId }: typeof HOME | typeof REMOTE): Promise<Side> {
    const anvil = await startAnvil({
      port: await anyFreePort(),
      chainId,
      blockTimeSeconds: 0.1,
      logFile: join(directory, `anvil-${chainId}.log`),
      log: () => undefined,
    });
    const network = Network.from(chainId);
    const provider = new JsonRpcProvider(anvil.url, network, { staticNetwork: network, cacheTimeout: -1 });
    provider.pollingInterval = 50;
    const wallet = new Wallet(Wallet.createRandom().privateKey, provider);
    const accounts = [wallet.address, new Wallet(relayKey).address];
    for (const account of accounts) await provider.send('anvil_setBalance', [account, RICH]);
    const endpoint = await deployEndpoint({ signer: wallet, endpointId, relayer: new Wallet(relayKey).address });
    const { messageLibrary } = endpoint;
    const chain = { chainId, rpcUrl: anvil.url, endpointId, endpoint: endpoint.endpoint, messageLibrary };
    return { anvil, provider, wallet, endpoint, chain };
  }

  /** A fresh channel (sender) for each test, so that what one test leaves behind holds up no other. */
  async function createSender(): Promise<(settlement: string, gas?: bigint, kind?: number) => Promise<void>> {
    const sender = new Wallet(Wallet.createRandom().privateKey, home.provider);
    await home.provider.send('anvil_setBalance', [sender.address, RICH]);
    const { abi } = await loadLayerZeroArtifact('lz-evm-protocol-v2', 'EndpointV2');
    const contract = new Contract(home.endpoint.endpoint, abi, sender);
    return async (settlement, gas = 100_000n, kind = 1) => {
      const message = AbiCoder.defaultAbiCoder().encode(
        ['uint8', 'uint8', 'bytes32'],
        [1, kind, uuidToBytes32(settlement)],
      );
      const options = solidityPacked(['uint16', 'uint8', 'uint16', 'uint8', 'uint128'], [3, 1, 17, 1, gas]);
      const parameters = [REMOTE.endpointId, zeroPadValue(counter, 32), message, options, false];
      const sent = await contract.getFunction('send').send(parameters, sender.address, { value: 1_000 });
      await sent.wait();
    };
  }

  function relayWith(faults: FaultInput[] = [], seed = 7): Relay {
    const relay = createRelay({ chains: [home.chain, remote.chain], privateKey: relayKey, faults, seed });
    open.push(relay);
    return relay;
  }

  const count = async (): Promise<number> => Number(await remote.provider.getStorage(counter, 0));
  const settlementOf = (index: number): string => `00000000-0000-4000-8000-${index.toString().padStart(12, '0')}`;
  const about = (relay: Relay, settlement: string): PacketView[] =>
    relay.packets().filter(({ settlement_id }) => settlement_id === settlement);

  /** Rounds until the condition holds. Packets become final two blocks after they were sent. */
  async function roundsUntil(relay: Relay, condition: () => boolean | Promise<boolean>): Promise<void> {
    for (let round = 0; round < 200; round += 1) {
      await relay.round();
      if (await condition()) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`in vain; packets: ${JSON.stringify(relay.packets().slice(-5))}`);
  }

  const stateOf = (relay: Relay, settlement: string): string | undefined => about(relay, settlement)[0]?.state;

  it('delivers what was sent, once, and a second relay that starts from nothing delivers it no second time', async () => {
    const send = await createSender();
    const before = await count();
    await send(settlementOf(1));
    const relay = relayWith();
    await roundsUntil(relay, () => stateOf(relay, settlementOf(1)) === 'delivered');
    expect(about(relay, settlementOf(1))).toMatchObject([
      { message: 'OPEN', from_chain: HOME.chainId, to_chain: REMOTE.chainId, refused: 0, held_by: null },
    ]);
    const second = relayWith();
    await roundsUntil(second, () => stateOf(second, settlementOf(1)) === 'delivered');
    expect(await count()).toBe(before + 1);
  });

  it('holds a dropped packet back, lets later ones pass, and delivers it once the rule is lifted', async () => {
    const send = await createSender();
    const [dropped, other] = [settlementOf(3), settlementOf(4)];
    const relay = relayWith([{ id: 'lost', kind: 'drop', settlement_id: dropped }]);
    await send(dropped);
    await send(other);
    await roundsUntil(relay, () => stateOf(relay, other) === 'delivered');
    expect(about(relay, dropped)).toMatchObject([{ state: 'verified', held_by: 'lost' }]);
    relay.setFaults([]);
    await roundsUntil(relay, () => stateOf(relay, dropped) === 'delivered');
  });

  it('holds up the whole channel behind a packet that nobody verifies', async () => {
    const send = await createSender();
    const [unverified, behind] = [settlementOf(5), settlementOf(6)];
    const relay = relayWith([{ id: 'verifiers', kind: 'drop', stage: 'verify', settlement_id: unverified }]);
    await send(unverified);
    await send(behind);
    await roundsUntil(relay, () => stateOf(relay, behind) === 'verified');
    await relay.round();
    expect([stateOf(relay, unverified), stateOf(relay, behind)]).toEqual(['sent', 'verified']);
    expect(about(relay, behind)[0]?.refused).toBe(0);
    relay.setFaults([]);
    await roundsUntil(relay, () => [unverified, behind].every((id) => stateOf(relay, id) === 'delivered'));
  });

  it('repeats a packet, and the endpoint refuses every repetition', async () => {
    const send = await createSender();
    const before = await count();
    const relay = relayWith([{ id: 'twice', kind: 'duplicate', times: 2 }]);
    await send(settlementOf(7));
    await roundsUntil(relay, () => stateOf(relay, settlementOf(7)) === 'delivered');
    expect(about(relay, settlementOf(7))).toMatchObject([{ repeated: 4 }]);
    expect(await count()).toBe(before + 1);
  });

  it('starves a delivery of gas, which leaves the packet where anybody can retry it', async () => {
    const send = await createSender();
    const before = await count();
    const relay = relayWith([{ id: 'hungry', kind: 'starve', times: 2, gas: 5_000 }]);
    await send(settlementOf(8));
    await roundsUntil(relay, () => (about(relay, settlementOf(8))[0]?.refused ?? 0) === 2);
    expect([stateOf(relay, settlementOf(8)), await count()]).toEqual(['verified', before]);
    await roundsUntil(relay, () => stateOf(relay, settlementOf(8)) === 'delivered');
    expect(await count()).toBe(before + 1);
  });

  it('says which packets a delivery was refused for, and tries again', async () => {
    const send = await createSender();
    await send(settlementOf(9), 10_000n);
    const relay = relayWith();
    await roundsUntil(relay, () => (about(relay, settlementOf(9))[0]?.refused ?? 0) > 0);
    expect(about(relay, settlementOf(9))[0]?.last_refusal).toEqual(expect.any(String));
  });

  it('reorders and delays by the seed, and loses nothing', async () => {
    const send = await createSender();
    const ids = Array.from({ length: 8 }, (_, index) => settlementOf(100 + index));
    const relay = relayWith([{ id: 'held', kind: 'stop' }], 42);
    for (const id of ids) await send(id);
    await roundsUntil(relay, () => ids.every((id) => stateOf(relay, id) === 'sent'));
    relay.setFaults([{ id: 'mixed', kind: 'reorder', within_ms: 0 }]);
    await roundsUntil(relay, () => ids.every((id) => stateOf(relay, id) === 'delivered'));
    const filter = { address: remote.endpoint.endpoint, fromBlock: 0 };
    const { abi } = await loadLayerZeroArtifact('lz-evm-protocol-v2', 'EndpointV2');
    const endpoint = new Contract(filter.address, abi, remote.provider);
    const nonces = (await endpoint.queryFilter('PacketDelivered'))
      .slice(-ids.length)
      .map((log) => Number((log as unknown as { args: [[bigint, string, bigint]] }).args[0][2]));
    expect(nonces.toSorted((a, b) => a - b)).toEqual(ids.map((_, index) => index + 1));
    expect(nonces).not.toEqual(nonces.toSorted((a, b) => a - b));
  });

  it('keeps serving the other chains while one does not answer', async () => {
    const dead = {
      chainId: 5,
      rpcUrl: 'http://127.0.0.1:9',
      endpointId: 5,
      endpoint: counter,
      messageLibrary: counter,
    };
    const lines: string[] = [];
    const relay = createRelay({
      chains: [home.chain, remote.chain, dead],
      privateKey: relayKey,
      log: (line) => lines.push(line),
    });
    open.push(relay);
    const send = await createSender();
    await send(settlementOf(10));
    await roundsUntil(relay, () => stateOf(relay, settlementOf(10)) === 'delivered');
    expect(lines.filter((line) => line.startsWith('packets of chain 5'))).toHaveLength(1);
  });

  it('shows packets and takes faults only from who has the token', async () => {
    const relay = relayWith();
    const server = await startRelayServer({ port: 0, token: 'secret-token', relay });
    try {
      const ask = (path: string, token: string, body?: unknown) =>
        fetch(`${server.url}${path}`, {
          method: body === undefined ? 'GET' : 'POST',
          headers: { authorization: `Bearer ${token}` },
          ...(body !== undefined && { body: JSON.stringify(body) }),
        });
      for (const path of ['/packets', '/faults']) {
        expect((await ask(path, 'secret-tokem')).status).toBe(401);
        expect((await ask(path, 'secret-token')).status).toBe(200);
      }
      const faults = [{ id: 'all', kind: 'stop' }];
      expect((await ask('/faults', 'wrong', { faults })).status).toBe(401);
      expect(relay.faults()).toEqual([]);
      expect(await (await ask('/faults', 'secret-token', { faults })).json()).toMatchObject({ faults });
      expect((await ask('/faults', 'secret-token', { faults: [{ id: 'x', kind: 'explode' }] })).status).toBe(400);
      expect(relay.faults()).toHaveLength(1);
      expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    } finally {
      await server.close();
    }
  });

  // The last one: the chain's clock stands still from here on.
  it('carries no packet before its block is final', async () => {
    const send = await createSender();
    await home.provider.send('evm_setIntervalMining', [0]);
    const relay = relayWith();
    const sending = send(settlementOf(2));
    await new Promise((resolve) => setTimeout(resolve, 200));
    await home.provider.send('anvil_mine', ['0x1']);
    await sending;
    await relay.round();
    expect(about(relay, settlementOf(2))).toEqual([]);
    await home.provider.send('anvil_mine', ['0x2']);
    await roundsUntil(relay, () => stateOf(relay, settlementOf(2)) === 'delivered');
  });
});
