import { getAddress, id, ZeroAddress, ZeroHash } from 'ethers';

import type { ChainAddresses } from './addresses.ts';
import type { StepContext } from './steps.ts';
import {
  CONFIG_TYPE,
  describeExecutor,
  describeSettings,
  describeUln,
  encodeExecutor,
  ulnSettings,
} from './verification-settings.ts';

/** What is on the chains, compared with what was asked for: value by value, by other calls than those that the steps decide by. */
export interface Reading {
  readonly chainId: number;
  readonly what: string;
  readonly expected: string;
  readonly found: string;
  readonly agrees: boolean;
}

const DEFAULT_ADMIN_ROLE = ZeroHash;
/** Roles of contracts by the name that the configuration gives them. */
const ROLE_IDS = {
  admin: DEFAULT_ADMIN_ROLE,
  creator: id('CREATOR_ROLE'),
  engine: id('ENGINE_ROLE'),
  pauser: id('PAUSER_ROLE'),
} as const;

export async function readBack(context: StepContext, options: { readonly frozen: boolean }): Promise<Reading[]> {
  const { home, remotes } = context.addresses;
  const readings = await Promise.all([
    readWiring(context),
    ...[home, ...remotes].map((chain) => readRoles(context, chain)),
    ...remotes.flatMap((remote) => [readPathway(context, home, remote), readPathway(context, remote, home)]),
    ...(options.frozen ? [home, ...remotes].map((chain) => readFreeze(context, chain)) : []),
  ]);
  return readings.flat();
}

/** Compares as text without case: addresses come with and without checksum. */
function reading(chainId: number, what: string, expected: unknown, found: unknown): Reading {
  const [wanted, seen] = [String(expected), String(found)];
  return { chainId, what, expected: wanted, found: seen, agrees: wanted.toLowerCase() === seen.toLowerCase() };
}

function applicationOf({ book }: StepContext, { target, application }: ChainAddresses) {
  return book.ours(target.kind === 'coordinator' ? 'SettlementCoordinator' : 'Gateway', application);
}

/** Who knows whom among our own contracts. */
async function readWiring(context: StepContext): Promise<Reading[]> {
  const { addresses, book, configuration } = context;
  const { home, remotes } = addresses;
  const coordinator = book.ours('SettlementCoordinator', home.application);
  const registry = book.ours('ComplianceRegistry', home.registry ?? '');
  const at = home.network.chainId;
  const ask = (name: string): Promise<unknown> => home.network.read(coordinator, name, []);
  const readings = [
    reading(at, 'registry of the coordinator', home.registry, await ask('registry')),
    reading(at, 'escrow of the coordinator', home.escrow, await ask('escrow')),
    reading(at, 'seconds of grace for messages', configuration.message_grace_seconds, await ask('messageGrace')),
    reading(at, 'chains connected', remotes.length, await ask('remoteChainCount')),
    reading(at, 'coordinator of the registry', home.application, await home.network.read(registry, 'coordinator', [])),
  ];
  for (const chain of [home, ...remotes]) {
    const escrow = book.ours('KeystoneEscrow', chain.escrow);
    const { network } = chain;
    readings.push(
      reading(network.chainId, 'gate of the escrow', chain.application, await network.read(escrow, 'gate', [])),
      reading(
        network.chainId,
        'coordinator of the escrow',
        home.application,
        await network.read(escrow, 'coordinator', []),
      ),
    );
  }
  return readings;
}

/** Each role with its holder, and none with the deployer. */
async function readRoles(context: StepContext, chain: ChainAddresses): Promise<Reading[]> {
  const { network, target } = chain;
  const contract = applicationOf(context, chain);
  const readings: Reading[] = [];
  for (const [role, roleId] of Object.entries(ROLE_IDS)) {
    const holder = (target.roles as Record<string, string | undefined>)[role];
    const has = (account: string): Promise<unknown> => network.read(contract, 'hasRole', [roleId, account]);
    if (holder !== undefined) readings.push(reading(network.chainId, `${holder} is ${role}`, true, await has(holder)));
    readings.push(reading(network.chainId, `the deployer is ${role}`, false, await has(network.deployer)));
  }
  if (chain.registry === undefined) return readings;
  const registry = context.book.ours('ComplianceRegistry', chain.registry);
  const registryAdmin = await network.read(registry, 'hasRole', [DEFAULT_ADMIN_ROLE, target.roles.admin]);
  const deployerAdmin = await network.read(registry, 'hasRole', [DEFAULT_ADMIN_ROLE, network.deployer]);
  readings.push(reading(network.chainId, 'the admin is admin of the registry', true, registryAdmin));
  readings.push(reading(network.chainId, 'the deployer is admin of the registry', false, deployerAdmin));
  return readings;
}

/** The effective values, as the endpoint answers them, whatever they come from. */
async function readPathway(context: StepContext, local: ChainAddresses, remote: ChainAddresses): Promise<Reading[]> {
  const { network, application, target } = local;
  const endpoint = context.book.layerZero('endpoint', target.endpoint);
  const eid = remote.target.endpoint_id;
  const ask = (name: string, ...values: unknown[]): Promise<unknown> => network.read(endpoint, name, values);
  const config = async (library: string, type: number): Promise<string> =>
    String(await ask('getConfig', application, library, eid, type));
  const peer = await network.read(applicationOf(context, local), 'peers', [eid]);
  const [library, isDefault] = (await ask('getReceiveLibrary', application, eid)) as [string, boolean];
  const [graceLibrary, graceEnd] = (await ask('receiveLibraryTimeout', application, eid)) as [string, bigint];
  const about = (what: string, expected: unknown, found: unknown): Reading =>
    reading(network.chainId, `${what}, chain ${remote.target.chain_id}`, expected, found);
  const executor = describeExecutor(encodeExecutor(context.configuration.max_message_size, target.executor));
  const sending = describeSettings(ulnSettings(target, target));
  const receiving = describeSettings(ulnSettings(target, remote.target));
  const uln = async (from: string): Promise<string> => describeUln(await config(from, CONFIG_TYPE.uln));
  return [
    about('peer', `0x${'00'.repeat(12)}${remote.application.slice(2)}`, peer),
    about('send library', target.send_library, await ask('getSendLibrary', application, eid)),
    about('send library is the default', false, await ask('isDefaultSendLibrary', application, eid)),
    about('receive library', target.receive_library, library),
    about('receive library is the default', false, isDefault),
    about('earlier receive library with grace', `${ZeroAddress} until 0`, `${graceLibrary} until ${graceEnd}`),
    about('executor of sending', executor, describeExecutor(await config(target.send_library, CONFIG_TYPE.executor))),
    about('verifiers of sending', sending, await uln(target.send_library)),
    about('verifiers of receiving', receiving, await uln(target.receive_library)),
  ];
}

async function readFreeze(context: StepContext, chain: ChainAddresses): Promise<Reading[]> {
  const { network, application, target } = chain;
  const endpoint = context.book.layerZero('endpoint', target.endpoint);
  const configurator = await network.read(applicationOf(context, chain), 'configurator', []);
  const delegate = await network.read(endpoint, 'delegates', [application]);
  return [
    reading(network.chainId, 'configurator', ZeroAddress, configurator),
    reading(network.chainId, 'delegate at the endpoint', ZeroAddress, getAddress(String(delegate))),
  ];
}
