import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { type FunctionFragment, id as hashOfText, ZeroHash } from 'ethers';

import { interfaces, legFacts } from './chain.ts';
import { type ContractName, type Key, KEYS, type Permission, PERMISSIONS } from './permissions.ts';
import { addressOf, callOf, contractOf, type Scene, setTheScene } from './scene.ts';
import { createStage, type Stage } from './stage.ts';
import type { TakeStep } from './steps.ts';
import { LIFETIME } from './world.ts';

jest.setTimeout(180_000);

const CONTRACTS = Object.keys(PERMISSIONS) as ContractName[];
const RULES = CONTRACTS.flatMap((contract) =>
  Object.entries(PERMISSIONS[contract]).map(([name, permission]) => ({ contract, name, ...permission })),
);
type Rule = { contract: ContractName; name: string } & Permission;

let stage: Stage;
let scene: Scene;
beforeAll(async () => {
  stage = await createStage();
  scene = await setTheScene(stage);
});
afterAll(() => stage.close());

/** The error by which a call would be refused now; undefined when it would not be. */
async function refusalOf({ contract, name }: Rule, from: string): Promise<string | undefined> {
  const { chain, address: to } = contractOf(stage.world, contract);
  return chain.wouldRefuse({ from, to, ...(await callOf(stage.world, scene, contract, name, from)) });
}

/** Sends it for real. */
async function send({ contract, name }: Rule, from: string): Promise<string | undefined> {
  const { chain, address: to } = contractOf(stage.world, contract);
  return chain.refusal({ from, to, ...(await callOf(stage.world, scene, contract, name, from)) });
}

async function sendTo(
  contract: ContractName,
  from: string,
  name: string,
  values: unknown[],
): Promise<string | undefined> {
  const { chain, address: to, abi } = contractOf(stage.world, contract);
  return chain.refusal({ from, to, data: abi.encodeFunctionData(name, values) });
}

/** Both chains are afterwards as they were. */
async function pretend(work: () => Promise<void>): Promise<void> {
  await stage.world.home.pretend(() => stage.world.remote.pretend(work));
}

/** Resolves to the functions that a key may call and a stranger may not. */
async function privilegesOf(key: Key): Promise<string[]> {
  const found: string[] = [];
  for (const rule of RULES) {
    await pretendPaused(rule, async () => {
      const mayStranger = (await refusalOf(rule, stage.world.people.stranger)) === undefined;
      if (!mayStranger && (await refusalOf(rule, stage.world.people[key])) === undefined)
        found.push(`${rule.contract}.${rule.name}`);
    });
  }
  return found.toSorted();
}

/** There is nothing to unpause unless it is paused. */
async function pretendPaused(rule: Rule, work: () => Promise<void>): Promise<void> {
  if (rule.name !== 'unpause') return work();
  await pretend(async () => {
    expect(await sendTo(rule.contract, stage.world.people.pauser, 'pause', [])).toBeUndefined();
    await work();
  });
}

describe('every function that changes anything', () => {
  it.each(CONTRACTS)('of %s is in the table, and the table has no other', (contract) => {
    const { abi } = contractOf(stage.world, contract);
    const functions = abi.fragments
      .filter((fragment): fragment is FunctionFragment => fragment.type === 'function')
      .filter(({ stateMutability }) => stateMutability !== 'view' && stateMutability !== 'pure')
      .map(({ name }) => name)
      // A view of the coordinator, a change of the gateway: one interface.
      .filter((name) => contract !== 'coordinator' || name !== 'claimRelease');
    expect(Object.keys(PERMISSIONS[contract]).toSorted()).toEqual(functions.toSorted());
  });

  it.each(RULES)('$contract $name: $allowed', async (rule) => {
    await pretendPaused(rule, async () => {
      const answers: Partial<Record<Key, string>> = {};
      for (const key of KEYS) {
        const refused = await refusalOf(rule, stage.world.people[key]);
        if (refused !== undefined) answers[key] = refused;
      }
      const refused = KEYS.filter(
        (key) => rule.allowed !== 'anybody' && (rule.allowed === 'nobody' || !rule.allowed.includes(key)),
      );
      expect(answers).toEqual(Object.fromEntries(refused.map((key) => [key, rule.refusal])));
    });
  });

  it.each(RULES.filter(({ instead }) => instead !== undefined))(
    '$contract $name: refused to every key though the same call succeeds from the $instead',
    async (rule) => {
      const who = rule.instead ?? 'escrow';
      expect(await refusalOf(rule, addressOf(stage.world, scene, rule.contract, who))).toBeUndefined();
    },
  );
});

describe('whoever steals a key', () => {
  it.each(KEYS)(
    '%s: may call everything there is, and a failed settlement is handed back, a decided one paid out',
    async (key) => {
      await pretend(async () => {
        const from = stage.world.people[key];
        for (const rule of RULES) await send(rule, from);
        for (const contract of ['coordinator', 'gateway'] as const) await sendTo(contract, from, 'pause', []);
        // Whoever could do it already has done it, for nobody's gain but the parties'.
        await stage.carrier.deliver();
        for (const step of ['executeHere', 'executeThere'] as const)
          expect([undefined, 'NothingToExecute']).toContain(await stage.carrier.step(scene.decided, step));
        for (const step of ['refundHere', 'refundThere'] as const)
          expect([undefined, 'NothingToRefund']).toContain(await stage.carrier.step(scene.failed, step));
        await stage.finish(scene.due);
        expect(await movementsOf(scene.decided)).toEqual(expectedOf(scene.decided, 'LegReleased'));
        expect(await movementsOf(scene.failed)).toEqual(expectedOf(scene.failed, 'LegRefunded'));
        expect(await movementsOf(scene.due)).toEqual(expectedOf(scene.due, 'LegRefunded', [0, 1]));
      });
    },
  );
});

/** What left the escrows: event, leg and wallet. */
async function movementsOf(terms: Scene['open']): Promise<string[]> {
  const { world } = stage;
  const facts = [
    ...(await legFacts(world.home, world.coordinator.escrow)),
    ...(await legFacts(world.remote, world.gateway.escrow)),
  ];
  return facts
    .filter(({ settlementId, event }) => settlementId === terms.settlementId && event !== 'LegDeposited')
    .map(({ event, legIndex, wallet, amount }) => `${event} ${legIndex} ${amount} to ${wallet}`)
    .toSorted();
}

function expectedOf(terms: Scene['open'], event: 'LegReleased' | 'LegRefunded', legs?: readonly number[]): string[] {
  const to = stage.world.openings(terms, event === 'LegReleased' ? 'payee' : 'payer');
  return terms.legs
    .map(({ amount }, leg) => `${event} ${leg} ${amount} to ${to[leg]?.wallet}`)
    .filter((_, leg) => legs === undefined || legs.includes(leg))
    .toSorted();
}

describe("with the engine's key stolen", () => {
  const engine = (): string => stage.world.people.engine;
  const step: TakeStep = (terms, each) => stage.carrier.step(terms, each);

  it('it may create settlements and carry them forward, and nothing else', async () => {
    expect(await privilegesOf('engine')).toEqual([
      'coordinator.advance',
      'coordinator.createSettlement',
      'coordinator.transition',
    ]);
  });

  it('nobody can redirect: other wallets, other terms and an id used twice are refused', async () => {
    const { world } = stage;
    const thieves = (party: 'payer' | 'payee', terms: Scene['open']): unknown[] =>
      world.openings(terms, party).map((opening) => ({ ...opening, wallet: engine() }));
    for (const escrow of ['homeEscrow', 'remoteEscrow'] as const) {
      const execute = [scene.decided, thieves('payee', scene.decided)];
      expect(await sendTo(escrow, engine(), 'execute', execute)).toBe('OpeningMismatch');
      const refund = [scene.failed, thieves('payer', scene.failed)];
      expect(await sendTo(escrow, engine(), 'refund', refund)).toBe('OpeningMismatch');
      const swapped = { ...scene.decided, legs: scene.decided.legs.map((leg) => ({ ...leg, payee: leg.payer })) };
      const other = [swapped, world.openings(scene.decided, 'payer')];
      expect(await sendTo(escrow, engine(), 'execute', other)).toBe('TermsMismatch');
    }
    for (const terms of [scene.open, scene.decided, scene.failed]) {
      expect(await sendTo('coordinator', engine(), 'createSettlement', [terms])).toBe('SettlementAlreadyExists');
    }
  });

  it('nobody can release early: no state but those of the gates can be proposed, and the gates are closed', async () => {
    await pretend(async () => {
      const { open, unattested } = scene;
      expect(await step(open, 'deposit1')).toBeUndefined();
      for (const target of [0, 1, 4, 5, 7, 8]) {
        const propose = [open.settlementId, target, hashOfText('evidence')];
        expect(await sendTo('coordinator', engine(), 'transition', propose)).toBe('StateNotProposable');
      }
      for (const target of [2, 3]) {
        const propose = [open.settlementId, target, hashOfText('evidence')];
        expect(await sendTo('coordinator', engine(), 'transition', propose)).toBe('InvalidTransition');
      }
      expect(await step(open, 'executeHere')).toBe('LegsMissing');
      expect(await step(open, 'executeThere')).toBe('NothingToExecute');
      expect(await step(open, 'sendDecision')).toBe('NothingToSend');
      expect(await step(unattested, 'advance')).toBe('GateClosed');
      const clear = [unattested.settlementId, 2, ZeroHash];
      expect(await sendTo('coordinator', engine(), 'transition', clear)).toBe('GateClosed');
      const attest = [unattested.settlementId, unattested.partyHashes[0], 1, hashOfText('reference')];
      expect(await sendTo('registry', engine(), 'attest', attest)).toBe('NotAnAttester');
    });
  });

  it('nobody can block a refund, or undo a decision', async () => {
    await pretend(async () => {
      for (const terms of [scene.decided, scene.failed]) {
        for (const target of [2, 3, 6]) {
          const propose = [terms.settlementId, target, hashOfText('evidence')];
          expect(await sendTo('coordinator', engine(), 'transition', propose)).toBe('InvalidTransition');
        }
      }
      // What it can do at worst is to roll back what is not decided: then everything comes back.
      expect(await step(scene.open, 'deposit0')).toBeUndefined();
      expect(await step(scene.open, 'rollBack')).toBeUndefined();
      for (const terms of [scene.open, scene.failed, scene.due])
        expect(await step(terms, 'refundHere')).toBeUndefined();
      expect(await movementsOf(scene.open)).toEqual(expectedOf(scene.open, 'LegRefunded', [0]));
    });
  });
});

/** What both escrows and every wallet have, of every token. */
async function balances(): Promise<string[]> {
  const { world } = stage;
  const wallets = [...world.openings(scene.open, 'payer'), ...world.openings(scene.open, 'payee')];
  const holders = [world.coordinator.escrow, world.gateway.escrow, ...wallets.map(({ wallet }) => wallet)];
  const questions = [world.home, world.remote].flatMap((chain) => {
    const { KBOND, TUSDC } = world.tokensOf(chain);
    return [KBOND, TUSDC].flatMap((to) =>
      holders.map((holder) =>
        chain.reader.call({ to, data: interfaces.token.encodeFunctionData('balanceOf', [holder]) }),
      ),
    );
  });
  return Promise.all(questions);
}

describe("with the oracle's key stolen", () => {
  it('it may speak about parties, and cannot move money', async () => {
    expect(await privilegesOf('oracle')).toEqual(['registry.attest', 'registry.attestBatch']);
    const oracle = stage.world.people.oracle;
    await pretend(async () => {
      const before = await balances();
      for (const terms of [scene.open, scene.decided, scene.failed, scene.due, scene.prepared]) {
        for (const status of [1, 2, 3]) {
          for (const party of terms.partyHashes) {
            const attest = [terms.settlementId, party, status, hashOfText('reference')];
            expect(await sendTo('registry', oracle, 'attest', attest)).toBeUndefined();
          }
        }
      }
      expect(await balances()).toEqual(before);
      // A Fail after the decision changes nothing for the money either.
      for (const each of ['executeHere', 'executeThere'] as const)
        expect(await stage.carrier.step(scene.decided, each)).toBeUndefined();
      for (const each of ['refundHere', 'refundThere'] as const)
        expect(await stage.carrier.step(scene.failed, each)).toBeUndefined();
    });
  });

  it('alone it opens no gate for anybody: opening is up to the engine, and paying in to the parties', async () => {
    const oracle = stage.world.people.oracle;
    const advance = [scene.cleared.settlementId, hashOfText('decision set')];
    expect(await sendTo('coordinator', oracle, 'advance', advance)).toBe('AccessControlUnauthorizedAccount');
  });
});

describe("with the admin's key stolen", () => {
  const admin = (): string => stage.world.people.admin;
  const PAUSER = hashOfText('PAUSER_ROLE');

  it('it may give and take roles, unpause, register attester sets and take attesters out, and nothing else', async () => {
    expect(await privilegesOf('admin')).toEqual([
      'coordinator.grantRole',
      'coordinator.revokeRole',
      'coordinator.unpause',
      'gateway.grantRole',
      'gateway.revokeRole',
      'gateway.unpause',
      'registry.disableAttester',
      'registry.grantRole',
      'registry.registerAttesterSet',
      'registry.revokeRole',
    ]);
  });

  it('by a role it can pause creation and deposits, and nothing else', async () => {
    await pretend(async () => {
      for (const contract of ['coordinator', 'gateway'] as const) {
        expect(await sendTo(contract, admin(), 'grantRole', [PAUSER, admin()])).toBeUndefined();
        expect(await sendTo(contract, admin(), 'pause', [])).toBeUndefined();
      }
      const { people } = stage.world;
      expect(await sendTo('coordinator', people.engine, 'createSettlement', [scene.unborn])).toBe('EnforcedPause');
      expect(await stage.carrier.step(scene.open, 'deposit0')).toBe('EnforcedPause');
      expect(await stage.carrier.step(scene.open, 'deposit1')).toBe('EnforcedPause');
      // Whatever anybody may do, and the other keys, all of it goes on.
      const stopped = ['createSettlement', 'depositLeg', 'recordDeposit', 'pause'];
      for (const rule of RULES.filter(({ name }) => !stopped.includes(name) && name !== 'unpause')) {
        const key = rule.allowed === 'anybody' ? 'stranger' : rule.allowed === 'nobody' ? undefined : rule.allowed[0];
        const from =
          key !== undefined
            ? people[key]
            : rule.instead === undefined
              ? undefined
              : addressOf(stage.world, scene, rule.contract, rule.instead);
        if (from === undefined) continue;
        expect([rule.contract, rule.name, await refusalOf(rule, from)]).toEqual([rule.contract, rule.name, undefined]);
      }
    });
  });

  it('with every role that there is it can still neither redirect, nor release early, nor block a refund', async () => {
    await pretend(async () => {
      for (const role of ['CREATOR_ROLE', 'ENGINE_ROLE', 'PAUSER_ROLE']) {
        const grant = [hashOfText(role), admin()];
        for (const contract of ['coordinator', 'gateway'] as const) await sendTo(contract, admin(), 'grantRole', grant);
      }
      for (const target of [0, 1, 4, 5, 7]) {
        const propose = [scene.open.settlementId, target, hashOfText('evidence')];
        expect(await sendTo('coordinator', admin(), 'transition', propose)).toBe('StateNotProposable');
      }
      expect(await sendTo('coordinator', admin(), 'connect', [97, 40_102, admin(), admin()])).toBe(
        'CallerNotConfigurator',
      );
      for (const rule of RULES) await send(rule, admin());
      for (const contract of ['coordinator', 'gateway'] as const) await sendTo(contract, admin(), 'pause', []);
      expect(['NothingToRefund', undefined]).toContain(await stage.carrier.step(scene.failed, 'refundHere'));
      expect(['NothingToRefund', undefined]).toContain(await stage.carrier.step(scene.failed, 'refundThere'));
      expect(await movementsOf(scene.failed)).toEqual(expectedOf(scene.failed, 'LegRefunded'));
      expect(await movementsOf(scene.decided)).toEqual(expectedOf(scene.decided, 'LegReleased'));
    });
  });

  it('an attester set that it registers is of no use to anybody before the delay is over', async () => {
    const { home, coordinator, people } = stage.world;
    await pretend(async () => {
      const set = [[people.stranger], 1];
      expect(await sendTo('registry', admin(), 'registerAttesterSet', [set])).toBeUndefined();
      const ask = (name: string, values: unknown[]): Promise<string> =>
        home.reader.call({ to: coordinator.registry, data: interfaces.registry.encodeFunctionData(name, values) });
      const attesterSet = await ask('attesterSetId', [set]);
      const usableAt = (await home.now()) + Number(await ask('setDelay', []));
      expect(usableAt).toBeGreaterThan((await home.now()) + 24 * 3_600);
      const create = (): Promise<string | undefined> => {
        const terms = stage.world.terms('home', usableAt + LIFETIME, 'another set');
        return sendTo('coordinator', people.engine, 'createSettlement', [{ ...terms, attesterSet }]);
      };
      await home.setClock(usableAt - 1);
      expect(await create()).toBe('AttesterSetNotUsable');
      await home.setClock(usableAt);
      expect(await create()).toBeUndefined();
    });
  });
});

describe('with any other key stolen', () => {
  it('the pauser can pause, the relayer, the former configurator and a stranger can do what anybody can', async () => {
    expect(await privilegesOf('pauser')).toEqual(['coordinator.pause', 'gateway.pause']);
    expect(await privilegesOf('relayer')).toEqual([]);
    expect(await privilegesOf('configurator')).toEqual([]);
  });

  it('the former configurator can change neither peers nor libraries of the endpoint', async () => {
    const { world } = stage;
    for (const [contract, place, remote] of [
      ['coordinator', world.coordinator, world.gateway],
      ['gateway', world.gateway, world.coordinator],
    ] as const) {
      const { chain, address, abi } = contractOf(world, contract);
      const configurator = await chain.reader.call({ to: address, data: abi.encodeFunctionData('configurator') });
      expect(configurator).toBe(ZeroHash);
      const { endpoint } = place;
      if (endpoint === undefined || remote.endpoint === undefined) throw new Error('there is no endpoint');
      for (const name of ['setSendLibrary', 'setReceiveLibrary'] as const) {
        const path = [address, remote.endpoint.endpointId, endpoint.messageLibrary];
        const values = name === 'setSendLibrary' ? path : [...path, 0];
        const call = { from: world.people.configurator, to: endpoint.endpoint };
        const data = interfaces.endpoint.encodeFunctionData(name, values);
        expect(await chain.refusal({ ...call, data })).toBe('LZ_Unauthorized');
      }
    }
  });
});
