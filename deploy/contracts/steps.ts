import { getAddress, ZeroAddress } from 'ethers';

import type { ContractName } from '../../contracts/build.ts';
import { type Addresses, type ChainAddresses, CREATIONS } from './addresses.ts';
import type { CoordinatorTarget, DeploymentConfiguration } from './configuration.ts';
import type { ContractBook } from './contracts.ts';
import { CONFIG_TYPE, encodeExecutor, encodeUln, ulnSettings } from './verification-settings.ts';

/** Everything that has to happen, in order. Each step looks at the chain before it acts, so that a killed deployment goes on where it was. */
export interface Step {
  readonly chainId: number;
  readonly label: string;
  /** @throws Error when something else is there than this step would put there. */
  isDone(): Promise<boolean>;
  run(): Promise<void>;
}

export interface StepContext {
  readonly configuration: DeploymentConfiguration;
  readonly addresses: Addresses;
  readonly book: ContractBook;
}

export function creationSteps(context: StepContext): Step[] {
  const { home, remotes } = context.addresses;
  return [home, ...remotes].flatMap((chain) =>
    CREATIONS[chain.target.kind].map((name, index) => creation(context, chain, name, index)),
  );
}

function creation(context: StepContext, chain: ChainAddresses, name: ContractName, index: number): Step {
  const { network, firstNonce } = chain;
  const nonce = firstNonce + index;
  const address = network.addressAt(nonce);
  return {
    chainId: network.chainId,
    label: `create ${name} at ${address}`,
    async isDone() {
      if (await network.hasCode(address)) return true;
      const next = await network.settledNonce();
      if (next > nonce) {
        throw new Error(
          `nonce ${nonce} of ${network.deployer} on chain ${network.chainId} was used for something else: begin anew with another state file`,
        );
      }
      return false;
    },
    run: () => {
      const { abi, bytecode } = context.book.artifacts[name];
      return network.create(name, { abi, bytecode, values: constructorValues(context, chain, name) }, nonce);
    },
  };
}

function constructorValues(context: StepContext, chain: ChainAddresses, name: ContractName): readonly unknown[] {
  const { configuration, addresses } = context;
  const { home } = addresses;
  const { target } = chain;
  const homeId = home.target.chain_id;
  if (name === 'KeystoneEscrow') return [chain.application, home.application, homeId];
  if (name === 'Gateway') {
    const { admin, pauser } = target.roles;
    const coordinator = [home.application, homeId, home.target.endpoint_id];
    return [chain.escrow, target.endpoint, coordinator, admin, pauser];
  }
  const { admin, engine, pauser, creator = engine } = (target as CoordinatorTarget).roles;
  if (name === 'SettlementCoordinator') {
    const roles = [admin, creator, engine, pauser];
    return [chain.registry, chain.escrow, roles, configuration.message_grace_seconds, target.endpoint];
  }
  const initialSets = Object.values(configuration.attester_sets).map(({ attesters, threshold }) => ({
    // Ascending order, as the registry demands.
    attesters: attesters.map((one) => getAddress(one)).toSorted((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1)),
    threshold,
  }));
  return [{ coordinator: chain.application, admin, setDelay: configuration.set_delay_seconds, initialSets }];
}

/** Peers, libraries, verifiers and executor of every pathway, on both of its sides. */
export function configurationSteps(context: StepContext): Step[] {
  const { home, remotes } = context.addresses;
  return remotes.flatMap((remote) => [
    connection(context, remote),
    ...pathway(context, home, remote),
    ...pathway(context, remote, home),
  ]);
}

function connection({ addresses, book }: StepContext, remote: ChainAddresses): Step {
  const { network, application } = addresses.home;
  const coordinator = book.ours('SettlementCoordinator', application);
  const { chain_id: chainId, endpoint_id: endpointId } = remote.target;
  const wanted = [endpointId, remote.application, remote.escrow];
  return {
    chainId: network.chainId,
    label: `connect the coordinator with chain ${chainId}`,
    async isDone() {
      const known = (await network.tryRead(coordinator, 'remoteChain', [chainId])) as unknown[] | undefined;
      if (known === undefined) return false;
      if (String(known.slice(0, 3)) !== String(wanted))
        throw new Error(`chain ${chainId} is connected with other contracts`);
      return true;
    },
    run: () => network.call('connect', coordinator, 'connect', [chainId, ...wanted]),
  };
}

/** What `local` has to set about its messages to and from `remote`. */
function pathway(context: StepContext, local: ChainAddresses, remote: ChainAddresses): Step[] {
  const { book, configuration } = context;
  const { network, application, target } = local;
  const endpoint = book.layerZero('endpoint', target.endpoint);
  const eid = remote.target.endpoint_id;
  const sendUln = ulnSettings(target, target);
  const receiveUln = ulnSettings(target, remote.target);
  const executor = [configuration.max_message_size, getAddress(target.executor)];
  const on = `for chain ${remote.target.chain_id}`;
  const step = (label: string, isDone: () => Promise<boolean>, name: string, values: readonly unknown[]): Step => ({
    chainId: network.chainId,
    label: `${label} ${on}`,
    isDone,
    run: () => network.call(`${label} ${on}`, endpoint, name, values),
  });
  const same = (left: unknown, right: unknown): boolean => String(left).toLowerCase() === String(right).toLowerCase();
  return [
    step(
      'choose the send library',
      async () =>
        same(await network.read(endpoint, 'getSendLibrary', [application, eid]), target.send_library) &&
        !(await network.read(endpoint, 'isDefaultSendLibrary', [application, eid])),
      'setSendLibrary',
      [application, eid, target.send_library],
    ),
    step(
      'choose the receive library',
      async () => {
        const chosen = await network.read(endpoint, 'getReceiveLibrary', [application, eid]);
        return same(chosen, [target.receive_library, false]);
      },
      'setReceiveLibrary',
      // No grace: the library that was the default before must not deliver for another block.
      [application, eid, target.receive_library, 0],
    ),
    step(
      'set executor and verifiers of sending',
      async () => {
        const library = book.layerZero('sendLibrary', target.send_library);
        const uln = await network.read(library, 'getAppUlnConfig', [application, eid]);
        return same(uln, sendUln) && same(await network.read(library, 'executorConfigs', [application, eid]), executor);
      },
      'setConfig',
      [
        application,
        target.send_library,
        [
          [eid, CONFIG_TYPE.executor, encodeExecutor(configuration.max_message_size, target.executor)],
          [eid, CONFIG_TYPE.uln, encodeUln(sendUln)],
        ],
      ],
    ),
    step(
      'set verifiers of receiving',
      async () => {
        const library = book.layerZero('receiveLibrary', target.receive_library);
        return same(await network.read(library, 'getAppUlnConfig', [application, eid]), receiveUln);
      },
      'setConfig',
      [application, target.receive_library, [[eid, CONFIG_TYPE.uln, encodeUln(receiveUln)]]],
    ),
  ];
}

/** The end of configuration, for ever: nobody can change what the steps before have set, the deployer included. */
export function freezeSteps({ addresses, book }: StepContext): Step[] {
  const { home, remotes } = addresses;
  return [home, ...remotes].map(({ network, application, target }) => {
    const contract = book.ours(target.kind === 'coordinator' ? 'SettlementCoordinator' : 'Gateway', application);
    return {
      chainId: network.chainId,
      label: 'freeze peers, libraries and verifiers for ever',
      isDone: async () => (await network.read(contract, 'configurator', [])) === ZeroAddress,
      run: () => network.call('freeze', contract, 'freeze', []),
    };
  });
}
