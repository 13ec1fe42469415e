import { AbiCoder, id as hashOfText, toBeHex, type TypedDataField, zeroPadValue, ZeroHash } from 'ethers';

import { interfaces, type TestChain } from './chain.ts';
import type { ContractName } from './permissions.ts';
import type { Stage } from './stage.ts';
import { hashTerms, MESSAGE_VALUE, releaseCall } from './steps.ts';
import { GRACE, keyOfAddress, LIFETIME, RELEASE_DELAY, REMOTE_CHAIN, type Terms, type World } from './world.ts';

/** Settlements at every point of the way, so that each function has a call which succeeds when the right one makes it. */
export interface Scene {
  /** Not created. */
  readonly unborn: Terms;
  /** Created, attested, not open. */
  readonly cleared: Terms;
  /** Created, not attested. */
  readonly unattested: Terms;
  /** Open on both chains, nothing in. */
  readonly open: Terms;
  /** EXECUTE decided, and known on the other chain; nothing paid out. */
  readonly decided: Terms;
  /** Everything in on the other chain, undecided, thirty days after its deadline. */
  readonly prepared: Terms;
  /** Timed out; both legs wait to be handed back, here and there. */
  readonly failed: Terms;
  /** Past its deadline, one leg in, and nobody has said so. */
  readonly due: Terms;
  /** Paid out while the tokens refused: the wallets have credits. */
  readonly credited: Terms;
}

const REFUSES_EVERYTHING = '0x60006000fd';
const [PAUSER_ROLE, FLAGGED] = [hashOfText('PAUSER_ROLE'), 2];
const NEVER = 2n ** 40n;

export async function setTheScene(stage: Stage): Promise<Scene> {
  const { carrier, world } = stage;
  const prepared = await stage.opened('remote');
  await carrier.must(prepared, 'deposit0', 'deposit1');
  const failed = await stage.opened('cross');
  await carrier.must(failed, 'deposit0', 'deposit1');
  const due = await stage.opened('wide');
  await carrier.must(due, 'deposit0', 'deposit1');
  await world.setClocks(failed.deadline + GRACE);
  await carrier.must(failed, 'timeout', 'sendDecision');
  await carrier.deliver();
  await world.setClocks(prepared.deadline + RELEASE_DELAY);
  const [credited, decided] = [await stage.opened('cross'), await stage.opened('cross')];
  for (const terms of [credited, decided]) await carrier.must(terms, 'deposit0', 'deposit1', 'sendVote');
  await carrier.deliver();
  for (const terms of [credited, decided]) await carrier.must(terms, 'sendDecision');
  await carrier.deliver();
  await whileRefusing(world, () => carrier.must(credited, 'executeHere', 'executeThere'));
  const open = await stage.opened('cross');
  const deadline = (await world.home.now()) + LIFETIME;
  const [unborn, cleared, unattested] = ['unborn', 'cleared', 'unattested'].map((name) =>
    world.terms('cross', deadline, name),
  ) as [Terms, Terms, Terms];
  await carrier.must(cleared, 'create', 'attest');
  await carrier.must(unattested, 'create');
  // Signed words are dated; the oracle's next one has to be later than its last.
  await world.setClocks((await world.home.now()) + 1);
  return { unborn, cleared, unattested, open, decided, prepared, failed, due, credited };
}

/** Every token refuses every call meanwhile. */
async function whileRefusing(world: World, work: () => Promise<void>): Promise<void> {
  const tokens = [world.home, world.remote].flatMap((chain) => {
    const { KBOND, TUSDC } = world.tokensOf(chain);
    return [KBOND, TUSDC].map((address) => ({ chain, address }));
  });
  const codes = await Promise.all(tokens.map(({ chain, address }) => chain.provider.getCode(address)));
  const set = async (codeOf: (index: number) => string): Promise<void> => {
    for (const [index, { chain, address }] of tokens.entries()) {
      await chain.provider.send('anvil_setCode', [address, codeOf(index)]);
    }
  };
  await set(() => REFUSES_EVERYTHING);
  try {
    await work();
  } finally {
    await set((index) => codes[index] ?? '0x');
  }
}

export interface Contract {
  readonly chain: TestChain;
  readonly address: string;
  readonly abi: (typeof interfaces)[keyof typeof interfaces];
}

export function contractOf(world: World, name: ContractName): Contract {
  const { home, remote, coordinator, gateway } = world;
  const contracts: Record<ContractName, Contract> = {
    coordinator: { chain: home, address: coordinator.coordinator, abi: interfaces.coordinator },
    registry: { chain: home, address: coordinator.registry, abi: interfaces.registry },
    homeEscrow: { chain: home, address: coordinator.escrow, abi: interfaces.escrow },
    gateway: { chain: remote, address: gateway.gateway, abi: interfaces.gateway },
    remoteEscrow: { chain: remote, address: gateway.escrow, abi: interfaces.escrow },
  };
  return contracts[name];
}

export interface Prepared {
  readonly data: string;
  readonly value: bigint;
}

/** A call that the right caller would succeed with. @throws Error for a function that nobody has thought about. */
export async function callOf(
  world: World,
  scene: Scene,
  contract: ContractName,
  name: string,
  caller: string,
): Promise<Prepared> {
  if (name === 'release') {
    const { chain } = contractOf(world, contract);
    return { data: (await releaseCall(world, scene.prepared, chain, 'pay')).data, value: 0n };
  }
  const values =
    (await signedValues(world, scene, name)) ??
    valuesOf(world, scene, contract, caller)[name] ??
    (() => {
      throw new Error(`no call of ${contract}.${name} is prepared`);
    })();
  const data = contractOf(world, contract).abi.encodeFunctionData(name, [...values]);
  return { data, value: name.startsWith('send') ? MESSAGE_VALUE : 0n };
}

function valuesOf(
  world: World,
  scene: Scene,
  contract: ContractName,
  caller: string,
): Record<string, readonly unknown[]> {
  const { people, coordinator, gateway } = world;
  const { open, decided, failed, prepared, cleared, unborn, due, credited } = scene;
  const isHome = contract === 'homeEscrow' || contract === 'coordinator';
  const leg = isHome ? 0 : 1;
  const openings = (terms: Terms, index: number): unknown[] => [
    world.openings(terms, 'payer')[index],
    world.openings(terms, 'payee')[index],
  ];
  const paid = credited.legs[leg];
  return {
    grantRole: [PAUSER_ROLE, people.stranger],
    revokeRole: [PAUSER_ROLE, people.pauser],
    renounceRole: [PAUSER_ROLE, caller],
    recordDeposit: [open.settlementId, hashTerms(world, open), leg],
    beginExecution: [decided.settlementId, hashTerms(world, decided)],
    endExecution: [decided.settlementId],
    claimRefund: [failed.settlementId, hashTerms(world, failed), 255],
    claimRelease: [prepared.settlementId, hashTerms(world, prepared), 1],
    lzReceive: [origin(world, contract), ZeroHash, messageTo(contract, scene), people.stranger, '0x'],
    freeze: [],
    pause: [],
    unpause: [],
    createSettlement: [unborn],
    transition: [open.settlementId, 6, ZeroHash],
    advance: [cleared.settlementId, hashOfText('decision set')],
    connect: [97, 40_102, gateway.gateway, gateway.escrow],
    timeout: [due.settlementId],
    execute: [decided, world.openings(decided, 'payee')],
    sendOpen: [open, REMOTE_CHAIN],
    sendDecision: [decided.settlementId, REMOTE_CHAIN],
    sendVote: [prepared.settlementId],
    attest: attestation(scene),
    attestBatch: [[attestation(scene)]],
    registerAttesterSet: [[[people.stranger], 1]],
    disableAttester: [people.oracle],
    registerParties: [unborn.settlementId, coordinator.attesterSet, unborn.partyHashes],
    depositLeg: [open, leg, ...openings(open, leg), hashTerms(world, open)],
    executeFromDeposit: [decided, leg, ...openings(decided, leg), hashTerms(world, decided)],
    refund: [failed, world.openings(failed, 'payer')],
    withdraw: [paid?.token, 0, ZeroHash, world.openings(credited, 'payee')[leg]?.wallet],
  };
}

const attestation = ({ cleared }: Scene): readonly unknown[] => [
  cleared.settlementId,
  cleared.partyHashes[0],
  FLAGGED,
  hashOfText('reference'),
];

/** Who the contract's peer is: where its messages come from. */
function origin(world: World, contract: ContractName): unknown {
  const { coordinator, gateway } = world;
  const [from, sender] =
    contract === 'coordinator' ? [gateway.endpoint, gateway.gateway] : [coordinator.endpoint, coordinator.coordinator];
  return [from?.endpointId, zeroPadValue(sender, 32), 1_000];
}

/** EXECUTED to the coordinator, ROLLBACK to the gateway: version, kind, settlement. */
function messageTo(contract: ContractName, { decided, open }: Scene): string {
  const [kind, terms] = contract === 'coordinator' ? [5, decided] : [4, open];
  return AbiCoder.defaultAbiCoder().encode(['uint8', 'uint8', 'bytes32'], [1, kind, terms.settlementId]);
}

/** What a function takes that anybody may call who has the oracle's signature. */
async function signedValues(world: World, scene: Scene, name: string): Promise<readonly unknown[] | undefined> {
  if (name !== 'attestBySignature' && name !== 'attestBatchBySignature') return undefined;
  const domain = {
    name: 'KeystoneComplianceRegistry',
    version: '1',
    chainId: world.home.chainId,
    verifyingContract: world.coordinator.registry,
  };
  const issuedAt = BigInt(await world.home.now());
  const item: TypedDataField[] = [
    'bytes32 settlementId',
    'bytes32 partyHash',
    'uint8 status',
    'bytes32 referenceHash',
  ].map(fieldOf);
  const dated = ['uint40 issuedAt', 'uint256 deadline'].map(fieldOf);
  const [settlementId, partyHash, status, referenceHash] = attestation(scene);
  const attested = { settlementId, partyHash, status, referenceHash };
  const oracle = keyOfAddress(world.people.oracle);
  const rest = (signature: string): unknown[] => [issuedAt, NEVER, oracle.address, signature];
  if (name === 'attestBySignature') {
    const types = { Attestation: [...item, ...dated] };
    const signature = await oracle.signTypedData(domain, types, { ...attested, issuedAt, deadline: NEVER });
    return [attestation(scene), ...rest(signature)];
  }
  const types = {
    AttestationBatch: [fieldOf('AttestationItem[] attestations'), ...dated],
    AttestationItem: item,
  };
  const batch = { attestations: [attested], issuedAt, deadline: NEVER };
  return [[attestation(scene)], ...rest(await oracle.signTypedData(domain, types, batch))];
}

function fieldOf(text: string): TypedDataField {
  const [type = '', name = ''] = text.split(' ');
  return { type, name };
}

/** Address of the one who may where nobody's key may. */
export function addressOf(
  world: World,
  scene: Scene,
  contract: ContractName,
  who: 'coordinator' | 'escrow' | 'endpoint' | 'payer',
): string {
  const isHome = contract !== 'gateway' && contract !== 'remoteEscrow';
  const place = isHome ? world.coordinator : world.gateway;
  if (who === 'coordinator') return world.coordinator.coordinator;
  if (who === 'escrow') return place.escrow;
  if (who === 'endpoint') return place.endpoint?.endpoint ?? toBeHex(0, 20);
  return world.openings(scene.open, 'payer')[isHome ? 0 : 1]?.wallet ?? '';
}
