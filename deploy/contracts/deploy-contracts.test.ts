import { execFile } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { id } from 'ethers';

import { buildContracts } from '../../contracts/build.ts';
import { REPOSITORY } from '../../dev/home.ts';
import { chainSchema } from '../../domain/configuration.ts';
import { deployContracts, type DeploymentResult } from './deploy.ts';
import type { Network } from './network.ts';
import { BALANCES_AFTER, createCrossSettlement } from '../../test/deployment/settlement.ts';
import {
  configurationFor,
  plainConfiguration,
  startTwoNetworks,
  type TwoNetworks,
} from '../../test/deployment/two-networks.ts';
import { commit, execute, packetsOf, verifyAs, type VerifierNetwork } from '../../test/deployment/verifier-network.ts';

jest.setTimeout(240_000);
const run = promisify(execFile);
const UNAUTHORIZED = id('LZ_Unauthorized()').slice(0, 10);
const [AWAITING_DEPOSITS, EXECUTING_SWAP, FINALIZED] = [3, 4, 5] as const;
const PHASE = { none: 0, open: 1, prepared: 2, executeDecided: 3, executed: 4 } as const;

/** The published SendUln302, ReceiveUln302, DVNs and executor on two chains, with a weak default that the deployment has to replace. */
describe('a deployment to networks with LayerZero on them', () => {
  let two: TwoNetworks;
  let deployed: DeploymentResult;

  beforeAll(async () => {
    await buildContracts();
    two = await startTwoNetworks();
  });
  afterAll(() => two.close());

  const stateFile = (): string => join(two.directory, 'deployment.state');

  function deploy(networks: ReadonlyMap<number, Network> = two.networks, dryRun = false) {
    const lines: string[] = [];
    const say = (line: string): void => {
      lines.push(line);
    };
    const work = deployContracts({
      configuration: configurationFor(two),
      networks,
      stateFile: stateFile(),
      dryRun,
      say,
    });
    return { lines, work };
  }

  /** As `two.networks`, dying at the n-th transaction: before it is sent, or right after it. */
  function dyingNetworks(at: number, moment: 'before' | 'after'): ReadonlyMap<number, Network> {
    let transactions = 0;
    const dying = (work: () => Promise<void>): Promise<void> => {
      transactions += 1;
      if (transactions !== at) return work();
      const death = new Error('killed');
      return moment === 'before' ? Promise.reject(death) : work().then(() => Promise.reject(death));
    };
    return new Map(
      [...two.networks].map(([chainId, network]) => [
        chainId,
        {
          ...network,
          create: (...values: Parameters<Network['create']>) => dying(() => network.create(...values)),
          call: (...values: Parameters<Network['call']>) => dying(() => network.call(...values)),
        },
      ]),
    );
  }

  it('says in a dry run what it would do, and sends nothing', async () => {
    const nonces = () => Promise.all([...two.networks.values()].map((network) => network.settledNonce()));
    const before = await nonces();
    const { lines, work } = deploy(two.networks, true);
    await work;
    expect(lines.every((line) => line.startsWith('to do'))).toBe(true);
    expect(lines.filter((line) => line.includes('create'))).toHaveLength(5);
    expect(await nonces()).toEqual(before);
  });

  it('goes on where it was killed, whether a transaction had been sent or not, and repeats nothing', async () => {
    for (const [at, moment] of [
      [2, 'after'],
      [3, 'before'],
      [5, 'after'],
    ] as const) {
      await expect(deploy(dyingNetworks(at, moment)).work).rejects.toThrow('killed');
    }
    const { lines, work } = deploy();
    deployed = await work;
    expect(lines.some((line) => line.startsWith('there'))).toBe(true);
    const again = deploy();
    expect((await again.work).chains).toEqual(deployed.chains);
    expect(again.lines.filter((line) => line.startsWith('done'))).toEqual([]);
  });

  it('reads back every value that it was told to set, and that its own account can change none of them', async () => {
    expect(deployed.readings.length).toBeGreaterThan(40);
    expect(deployed.readings.filter(({ agrees }) => !agrees)).toEqual([]);
    const read = deployed.readings.map(({ what }) => what);
    for (const what of ['delegate at the endpoint', 'configurator']) {
      expect(read.filter((one) => one === what)).toHaveLength(2);
    }
    for (const [side, remoteId] of [
      [two.home, two.remote.endpointId],
      [two.remote, two.home.endpointId],
    ] as const) {
      const network = two.networks.get(side.chainId);
      const entry = deployed.chains.find(({ chain_id }) => chain_id === side.chainId);
      const application = entry?.kind === 'coordinator' ? entry.coordinator : (entry?.gateway ?? '');
      for (const [name, values] of [
        ['setSendLibrary', [application, remoteId, side.sendLibrary.address]],
        ['setReceiveLibrary', [application, remoteId, side.receiveLibrary.address, 0]],
        ['setConfig', [application, side.sendLibrary.address, []]],
        ['setConfig', [application, side.receiveLibrary.address, []]],
        ['skip', [remoteId, `0x${'00'.repeat(32)}`, 1].toSpliced(0, 0, application)],
      ] as const) {
        await expect(network?.call(name, side.endpoint, name, values)).rejects.toMatchObject({ data: UNAUTHORIZED });
      }
    }
  });

  it('gives entries that the processes take, once a node is added', () => {
    const entries = deployed.chains.map((chain) => ({ ...chain, rpc_urls: ['http://127.0.0.1:1'] }));
    expect(entries.map((entry) => chainSchema.safeParse(entry).success)).toEqual([true, true]);
  });

  it('settles a trade whose messages pass both verifiers and the executor', async () => {
    const settlement = await createCrossSettlement(two, deployed);
    await settlement.open();
    await settlement.sendOpen();
    expect(await settlement.state()).toEqual([AWAITING_DEPOSITS, PHASE.none]);
    await refuseHalfVerified();
    await carry(two.home, two.remote);
    expect(await settlement.state()).toEqual([AWAITING_DEPOSITS, PHASE.open]);
    await settlement.deposit();
    await settlement.sendVote();
    await carry(two.remote, two.home);
    expect(await settlement.state()).toEqual([EXECUTING_SWAP, PHASE.prepared]);
    await settlement.executeHome();
    await settlement.sendDecision();
    await carry(two.home, two.remote);
    await settlement.executeRemote();
    await settlement.sendVote();
    await carry(two.remote, two.home);
    expect(await settlement.state()).toEqual([FINALIZED, PHASE.executed]);
    expect(await settlement.balances()).toEqual(BALANCES_AFTER);
  });

  /** Fifteen blocks leave the coordinator's chain, three the other one. */
  const confirmationsOf = (source: VerifierNetwork): bigint => (source === two.home ? 15n : 3n);

  /** LayerZero's default would be content with the first verifier and one block. */
  async function refuseHalfVerified(): Promise<void> {
    const packet = (await packetsOf(two.home)).at(-1);
    const [first, second] = two.signers;
    if (packet === undefined || first === undefined || second === undefined) throw new Error('nothing to verify');
    await verifyAs(two.remote, packet, { index: 0, signer: first, confirmations: 15n });
    await expect(commit(two.remote, packet)).rejects.toThrow();
    await verifyAs(two.remote, packet, { index: 1, signer: second, confirmations: 14n });
    await expect(commit(two.remote, packet)).rejects.toThrow();
    // A signature of somebody else counts for nothing.
    await verifyAs(two.remote, packet, { index: 1, signer: first, confirmations: 15n });
    await expect(commit(two.remote, packet)).rejects.toThrow();
  }

  async function carry(from: VerifierNetwork, to: VerifierNetwork): Promise<void> {
    const packet = (await packetsOf(from)).at(-1);
    if (packet === undefined) throw new Error('nothing was sent');
    for (const [index, signer] of two.signers.entries()) {
      await verifyAs(to, packet, { index, signer, confirmations: confirmationsOf(from) });
    }
    await commit(to, packet);
    await execute(to, packet);
  }

  it('refuses networks that are not what the configuration says, before it sends anything', async () => {
    const wrong = configurationFor(two, (plain) => ({
      ...plain,
      chains: plain.chains.map((chain) => ({ ...chain, endpoint_id: chain.endpoint_id + 1 })),
    }));
    const attempt = deployContracts({
      configuration: wrong,
      networks: two.networks,
      stateFile: join(two.directory, 'wrong.state'),
      dryRun: false,
      say: () => undefined,
    });
    await expect(attempt).rejects.toThrow(/endpoint's id is 40161, not 40162/);
  });

  it('does not go on with the state of another configuration', async () => {
    const configuration = configurationFor(two, (plain) => ({ ...plain, message_grace_seconds: 7_200 }));
    const other = {
      configuration,
      networks: two.networks,
      stateFile: stateFile(),
      dryRun: false,
      say: () => undefined,
    };
    await expect(deployContracts(other)).rejects.toThrow(/belongs to another configuration/);
  });

  it('is a command, which finds everything there, says so and hands out KEYSTONE_CHAINS', async () => {
    const files = { config: join(two.directory, 'deploy.json'), key: join(two.directory, 'key') };
    writeFileSync(files.config, JSON.stringify(plainConfiguration(two)));
    writeFileSync(files.key, two.deployer.privateKey, { mode: 0o600 });
    const environment = Object.fromEntries([...two.urls].map(([chainId, url]) => [`RPC_URL_${chainId}`, url]));
    const out = join(two.directory, 'chains.json');
    const words = ['deploy/contracts/main.ts', '--config', files.config, '--state', stateFile(), '--out', out];
    const { stdout } = await run(process.execPath, words, {
      cwd: REPOSITORY,
      env: { PATH: process.env['PATH'], DEPLOYER_PRIVATE_KEY_FILE: files.key, ...environment },
      timeout: 200_000,
    });
    expect(stdout).toContain('frozen: nobody can change');
    for (const secret of [two.deployer.privateKey, ...two.urls.values()]) expect(stdout).not.toContain(secret);
    expect(statSync(out).mode & 0o777).toBe(0o600);
    const entries = JSON.parse(readFileSync(out, 'utf8')) as unknown[];
    expect(entries.map((entry) => chainSchema.safeParse(entry).success)).toEqual([true, true]);
  });
});
