import { AbiCoder, id as hashOfText, keccak256, ZeroHash } from 'ethers';

import { interfaces, type TestChain } from './chain.ts';
import { HOME_CHAIN, keyOfAddress, REMOTE_CHAIN, type Terms, type World } from './world.ts';

/** Each step of a settlement as a call, and what the contracts say of it. */

/** Wei that SimpleMessageLib asks for at most; what is too much comes back. */
export const MESSAGE_VALUE = 10n ** 15n;

/** One step of a settlement, sent by whoever would send it. */
export type Step =
  | 'create'
  | 'attest'
  | 'advance'
  | 'rollBack'
  | 'timeout'
  | 'sendOpen'
  | 'sendDecision'
  | 'sendVote'
  | 'executeHere'
  | 'executeThere'
  | 'refundHere'
  | 'refundThere'
  | `deposit${number}`;

/** Resolves to the name of the error that refused the step; undefined when it was accepted. */
export type TakeStep = (terms: Terms, step: Step) => Promise<string | undefined>;

/** @param mode Whether steps are sent, or only asked about. */
export function createSteps(world: World, mode: 'refusal' | 'wouldRefuse' = 'refusal'): TakeStep {
  const { home, remote, coordinator, gateway, people } = world;
  const { engine, oracle, relayer, stranger } = people;
  type Refusal = Promise<string | undefined>;
  const toCoordinator = (from: string, name: string, values: readonly unknown[], value = 0n): Refusal => {
    const data = interfaces.coordinator.encodeFunctionData(name, values);
    return home[mode]({ from, to: coordinator.coordinator, data, value });
  };
  const toEscrow = (chain: TestChain, escrow: string, name: string, values: readonly unknown[]): Refusal =>
    chain[mode]({ from: stranger, to: escrow, data: interfaces.escrow.encodeFunctionData(name, values) });

  async function deposit(terms: Terms, index: number): Promise<string | undefined> {
    const leg = terms.legs[index];
    const [payer, payee] = [world.openings(terms, 'payer')[index], world.openings(terms, 'payee')[index]];
    if (leg === undefined || payer === undefined) throw new Error(`there is no leg ${index}`);
    const termsHash = hashTerms(world, terms);
    const data = interfaces.escrow.encodeFunctionData('depositLeg', [terms, index, payer, payee, termsHash]);
    return world.chainOf(leg)[mode]({ from: payer.wallet, to: leg.escrow, data });
  }

  async function attestAll(terms: Terms): Promise<string | undefined> {
    const batch = terms.partyHashes.map((party) => [terms.settlementId, party, 1, hashOfText('reference')]);
    const data = interfaces.registry.encodeFunctionData('attestBatch', [batch]);
    return home[mode]({ from: oracle, to: coordinator.registry, data });
  }

  return async (terms, step) => {
    const id = terms.settlementId;
    const [payers, payees] = [world.openings(terms, 'payer'), world.openings(terms, 'payee')];
    switch (step) {
      case 'create':
        return toCoordinator(engine, 'createSettlement', [terms]);
      case 'attest':
        return attestAll(terms);
      case 'advance':
        return toCoordinator(engine, 'advance', [id, hashOfText('decision set')]);
      case 'rollBack':
        return toCoordinator(engine, 'transition', [id, 6, ZeroHash]);
      case 'timeout':
        return toCoordinator(stranger, 'timeout', [id]);
      case 'sendOpen':
        return toCoordinator(relayer, 'sendOpen', [terms, REMOTE_CHAIN], MESSAGE_VALUE);
      case 'sendDecision':
        return toCoordinator(relayer, 'sendDecision', [id, REMOTE_CHAIN], MESSAGE_VALUE);
      case 'sendVote':
        return remote[mode]({
          from: relayer,
          to: gateway.gateway,
          data: interfaces.gateway.encodeFunctionData('sendVote', [id]),
          value: MESSAGE_VALUE,
        });
      case 'executeHere':
        return toCoordinator(stranger, 'execute', [terms, payees]);
      case 'executeThere':
        return toEscrow(remote, gateway.escrow, 'execute', [terms, payees]);
      case 'refundHere':
        return toEscrow(home, coordinator.escrow, 'refund', [terms, payers]);
      case 'refundThere':
        return toEscrow(remote, gateway.escrow, 'refund', [terms, payers]);
      default:
        return deposit(terms, Number(step.slice('deposit'.length)));
    }
  };
}

/** What a release says beside what was signed. */
export interface Forgery {
  readonly outcome: number;
  readonly forge: (signatures: string[]) => string[];
}

/** Call of the cooperative release on a chain, signed by every payer and payee of the legs there. */
export async function releaseCall(
  world: World,
  terms: Terms,
  chain: TestChain,
  outcome: 'pay' | 'refund',
  forgery?: Forgery,
): Promise<{ to: string; data: string }> {
  const to = (chain === world.home ? world.coordinator : world.gateway).escrow;
  const [payers, payees] = [world.openings(terms, 'payer'), world.openings(terms, 'payee')];
  const wallets = terms.legs.flatMap(({ chainId }, index) =>
    chainId === chain.chainId ? [payers[index]?.wallet ?? '', payees[index]?.wallet ?? ''] : [],
  );
  const domain = { name: 'KeystoneEscrow', version: '1', chainId: chain.chainId, verifyingContract: to };
  const fields = [
    ['settlementId', 'bytes32'],
    ['termsHash', 'bytes32'],
    ['outcome', 'uint8'],
  ].map(([name = '', type = '']) => ({ name, type }));
  const message = {
    settlementId: terms.settlementId,
    termsHash: hashTerms(world, terms),
    outcome: outcome === 'pay' ? 1 : 2,
  };
  const signatures: string[] = [];
  for (const wallet of new Set(wallets)) {
    signatures.push(await keyOfAddress(wallet).signTypedData(domain, { Release: fields }, message));
  }
  const shown = forgery?.forge(signatures) ?? signatures;
  const values = [terms, payers, payees, forgery?.outcome ?? message.outcome, shown];
  return { to, data: interfaces.escrow.encodeFunctionData('release', values) };
}

/** The hash that a payer computes itself: terms of version 1, the coordinator, its chain. */
export function hashTerms(world: World, terms: Terms): string {
  const type = interfaces.coordinator.getFunction('hashTerms')?.inputs[0];
  if (type === undefined) throw new Error('the coordinator hashes no terms');
  const values = [1, world.coordinator.coordinator, HOME_CHAIN, terms];
  return keccak256(AbiCoder.defaultAbiCoder().encode(['uint8', 'address', 'uint64', type], values));
}

/** The coordinator's answer about a settlement; undefined when it knows none. */
export async function readHome(world: World, id: string): Promise<HomeStatus | undefined> {
  const data = interfaces.coordinator.encodeFunctionData('exists', [id]);
  const call = async (encoded: string): Promise<string> =>
    world.home.reader.call({ to: world.coordinator.coordinator, data: encoded });
  if (interfaces.coordinator.decodeFunctionResult('exists', await call(data))[0] !== true) return undefined;
  const answer = await call(interfaces.coordinator.encodeFunctionData('settlementOf', [id]));
  const [found] = interfaces.coordinator.decodeFunctionResult('settlementOf', answer) as unknown as [
    Record<string, bigint | boolean>,
  ];
  const number = (name: string): number => Number(found[name]);
  return {
    state: number('state'),
    deposited: number('depositedBits'),
    refunded: number('refundedBits'),
    prepared: number('preparedBits'),
    executed: number('executedBits'),
    homeExecuted: found['homeExecuted'] === true,
  };
}

export async function readRemote(world: World, id: string): Promise<RemoteStatus> {
  const data = interfaces.gateway.encodeFunctionData('statusOf', [id]);
  const answer = await world.remote.reader.call({ to: world.gateway.gateway, data });
  const [found] = interfaces.gateway.decodeFunctionResult('statusOf', answer) as unknown as [
    Record<string, bigint | string>,
  ];
  return {
    phase: Number(found['phase']),
    knowsTerms: String(found['termsHash']) !== ZeroHash,
    deposited: Number(found['depositedBits']),
    refunded: Number(found['refundedBits']),
  };
}

/** What the coordinator says of a settlement; bits as in the contract. */
export interface HomeStatus {
  readonly state: number;
  readonly deposited: number;
  readonly refunded: number;
  readonly prepared: number;
  readonly executed: number;
  readonly homeExecuted: boolean;
}

/** What the gateway says of it. */
export interface RemoteStatus {
  readonly phase: number;
  /** False before OPEN, and for ever behind a ROLLBACK that overtook it. */
  readonly knowsTerms: boolean;
  readonly deposited: number;
  readonly refunded: number;
}
