import { ZeroHash } from 'ethers';

import type { Packet } from '../../dev/relay/packet.ts';

import { interfaces, type TestChain } from './chain.ts';
import { step } from './model.ts';
import { type Action, beginModel, type Model, type ModelTerms, type Side } from './model-types.ts';
import { menuOf } from './menu.ts';
import { createSteps, readHome, readRemote, releaseCall, type Step } from './steps.ts';
import type { Wire } from './wire.ts';
import { GRACE, RELEASE_DELAY, type Terms, type World } from './world.ts';

/** The same actions to the contracts on two chains and to the model of them, compared after each. */

/** PUSH1 0 PUSH1 0 REVERT: a token that refuses every call. */
const REFUSES_EVERYTHING = '0x60006000fd';
const SIDES: readonly Side[] = ['home', 'remote'];
const TOKENS = ['KBOND', 'TUSDC'] as const;

interface Token {
  readonly name: string;
  readonly side: Side;
  readonly address: string;
  readonly code: string;
}

export type Stepper = typeof step;

/** Whether an action is sent, or the contracts are only asked what they would say. */
type How = 'send' | 'ask';
const METHOD = { send: 'refusal', ask: 'wouldRefuse' } as const;

/** Everything about a run that can be seen from outside, in one shape for both. */
type Picture = Record<'clock' | 'settlements' | 'waiting' | 'balances' | 'credits', unknown>;

export interface Differential {
  /** A new run: settlements that the contracts have created. */
  begin(settlements: readonly Terms[]): Promise<Run>;
}

export interface Run {
  model(): Model;
  /** Names of the tokens of its legs and addresses of wallets, for choosing actions. */
  readonly tokens: readonly string[];
  readonly walletsOf: (token: string) => readonly string[];
  /** @throws Error that says where contracts and model differ. Resolves to the error that both gave. */
  take(action: Action): Promise<string | undefined>;
  /** Asks contracts and model about everything that could be done now, and does nothing. @throws Error as `take`. Resolves to how much that was. */
  probe(): Promise<number>;
  end(): Promise<void>;
}

/** @param rules The model's own, or broken ones that have to be noticed. */
export function createDifferential(world: World, wire: Wire, rules: Stepper = step): Differential {
  const steps = { send: createSteps(world), ask: createSteps(world, 'wouldRefuse') };
  const { stranger } = world.people;
  const escrowOf = (side: Side): string => (side === 'home' ? world.coordinator : world.gateway).escrow;

  async function ask(chain: TestChain, to: string, data: string, code?: string): Promise<string> {
    // A token that refuses everything for now still knows its balances.
    const overrides = code === undefined ? [] : [{ [to]: { code } }];
    return String(await chain.reader.send('eth_call', [{ to, data }, 'latest', ...overrides]));
  }

  async function readTokens(): Promise<Token[]> {
    const all = SIDES.flatMap((side) => TOKENS.map((name) => ({ side, name })));
    return Promise.all(
      all.map(async ({ side, name }) => {
        const address = world.tokensOf(world[side])[name];
        return { name: `${side} ${name}`, side, address, code: await world[side].provider.getCode(address) };
      }),
    );
  }

  return {
    async begin(settlements) {
      const tokens = await readTokens();
      const first = (await wire.collect()).length;
      const clock = { home: await world.home.now(), remote: await world.remote.now() };
      let model = beginModel(
        clock,
        settlements.map((terms) => toModel(world, terms, tokens)),
      );
      const walletsOf = (token: string): string[] => {
        const legs = model.settlements.flatMap(({ terms }) => terms.legs).filter((leg) => leg.token === token);
        return [...new Set(legs.flatMap(({ payer, payee }) => [payer, payee]))].toSorted();
      };
      const tokenOf = (name: string): Token => {
        const token = tokens.find((each) => each.name === name);
        if (token === undefined) throw new Error(`there is no token ${name}`);
        return token;
      };

      async function balances(): Promise<Record<string, bigint>> {
        const found = tokens.flatMap((token) =>
          ['escrow', ...walletsOf(token.name)].map(async (holder) => {
            const data = interfaces.token.encodeFunctionData('balanceOf', [
              holder === 'escrow' ? escrowOf(token.side) : holder,
            ]);
            const answer = await ask(world[token.side], token.address, data, token.code);
            return [`${token.name} ${holder}`, BigInt(answer)] as const;
          }),
        );
        return Object.fromEntries(await Promise.all(found));
      }

      async function credits(): Promise<Record<string, bigint>> {
        const found = tokens.flatMap((token) =>
          walletsOf(token.name).map(async (wallet) => {
            const data = interfaces.escrow.encodeFunctionData('creditOf', [token.address, 0, ZeroHash, wallet]);
            return [
              `${token.name} ${wallet}`,
              BigInt(await ask(world[token.side], escrowOf(token.side), data)),
            ] as const;
          }),
        );
        return Object.fromEntries(await Promise.all(found));
      }

      const [before, owed] = [await balances(), await credits()];
      // Earlier runs have left some.
      model = { ...model, credits: owed };

      async function observe(): Promise<Picture> {
        const [now, owned, credited, records, packets] = await Promise.all([
          Promise.all(SIDES.map((side) => world[side].now())),
          balances(),
          credits(),
          Promise.all(
            settlements.map(async ({ settlementId }) => {
              const home = await readHome(world, settlementId);
              if (home === undefined) throw new Error('the coordinator has forgotten a settlement');
              const { homeExecuted: paid, ...rest } = home;
              return { home: { ...rest, paid }, remote: await readRemote(world, settlementId) };
            }),
          ),
          wire.collect(),
        ]);
        return {
          clock: { home: now[0], remote: now[1] },
          settlements: records,
          waiting: await Promise.all(packets.slice(first).map((packet) => wire.isWaiting(packet))),
          balances: since(before, owned),
          credits: credited,
        };
      }

      async function packetOf(message: number): Promise<Packet> {
        const packet = (await wire.collect())[first + message];
        const kind = model.messages[message]?.kind;
        if (packet === undefined || packet.content?.name !== kind) throw new Error(`message ${message} is no ${kind}`);
        return packet;
      }

      async function withdraw(name: string, wallet: string, how: How): Promise<string | undefined> {
        const { side, address } = tokenOf(name);
        const data = interfaces.escrow.encodeFunctionData('withdraw', [address, 0, ZeroHash, wallet]);
        return world[side][METHOD[how]]({ from: stranger, to: escrowOf(side), data });
      }

      async function perform(action: Action, how: How): Promise<string | undefined> {
        if (action.do === 'clock') {
          await world[action.side].setClock(action.to);
          return undefined;
        }
        if (action.do === 'withdraw') return withdraw(action.token, action.wallet, how);
        if ('token' in action) {
          const { side, address, code } = tokenOf(action.token);
          const wanted = action.do === 'freeze' ? REFUSES_EVERYTHING : code;
          await world[side].provider.send('anvil_setCode', [address, wanted]);
          return undefined;
        }
        if (!('on' in action)) {
          const packet = await packetOf(action.message);
          return wire.deliver(packet, { starved: action.do === 'starve', dry: how === 'ask' });
        }
        const terms = settlements[action.on];
        if (terms === undefined) throw new Error(`there is no settlement ${action.on}`);
        if (action.do === 'releasePay' || action.do === 'releaseRefund') {
          const chain = world[action.side];
          const outcome = action.do === 'releasePay' ? 'pay' : 'refund';
          return chain[METHOD[how]]({ from: stranger, ...(await releaseCall(world, terms, chain, outcome)) });
        }
        return steps[how](terms, stepOf(action));
      }

      return {
        model: () => model,
        tokens: tokens.map(({ name }) => name).filter((name) => walletsOf(name).length > 0),
        walletsOf,
        async take(action) {
          const expected = rules(model, action);
          const refused = await perform(action, 'send');
          if (refused !== expected.refused) {
            throw new Error(`the contracts say ${refused ?? 'yes'}, the model says ${expected.refused ?? 'yes'}`);
          }
          model = expected.after;
          differ(await observe(), pictureOf(model, before, owed));
          return refused;
        },
        async probe() {
          const actions = menuOf(model, walletsOf);
          const answers = await Promise.all(actions.map((action) => perform(action, 'ask')));
          for (const [index, action] of actions.entries()) {
            const [actual, expected] = [answers[index], rules(model, action).refused];
            if (actual === expected) continue;
            const what = JSON.stringify(action);
            throw new Error(`${what}: the contracts would say ${actual ?? 'yes'}, the model says ${expected ?? 'yes'}`);
          }
          return actions.length;
        },
        async end() {
          for (const token of model.frozen) await perform({ do: 'thaw', token }, 'send');
        },
      };
    },
  };
}

function stepOf(action: Extract<Action, { on: number }>): Step {
  if (action.do === 'deposit') return `deposit${action.leg}`;
  if (action.do === 'execute') return action.side === 'home' ? 'executeHere' : 'executeThere';
  if (action.do === 'refund') return action.side === 'home' ? 'refundHere' : 'refundThere';
  if (action.do === 'releasePay' || action.do === 'releaseRefund') throw new Error('a release is no step');
  return action.do;
}

function toModel(world: World, terms: Terms, tokens: readonly Token[]): ModelTerms {
  const [payers, payees] = [world.openings(terms, 'payer'), world.openings(terms, 'payee')];
  const legs = terms.legs.map((leg, index) => {
    const side: Side = leg.chainId === world.home.chainId ? 'home' : 'remote';
    const token = tokens.find((each) => each.side === side && each.address === leg.token)?.name ?? '';
    return { side, token, amount: leg.amount, payer: payers[index]?.wallet ?? '', payee: payees[index]?.wallet ?? '' };
  });
  return { legs, deadline: terms.deadline, grace: GRACE, releaseDelay: RELEASE_DELAY };
}

function since(before: Record<string, bigint>, now: Record<string, bigint>): Record<string, bigint> {
  return Object.fromEntries(Object.entries(now).map(([key, amount]) => [key, amount - (before[key] ?? 0n)]));
}

function pictureOf(model: Model, balances: Record<string, bigint>, credits: Record<string, bigint>): Picture {
  const withZeroes = (keys: Record<string, bigint>, known: Record<string, bigint>): Record<string, bigint> =>
    Object.fromEntries(Object.keys(keys).map((key) => [key, known[key] ?? 0n]));
  return {
    clock: model.clock,
    settlements: model.settlements.map(({ home, remote }) => ({ home, remote })),
    waiting: model.messages.map(({ delivered }) => !delivered),
    balances: withZeroes(balances, model.balances),
    credits: withZeroes(credits, model.credits),
  };
}

/** @throws Error naming every value that differs. */
function differ(contracts: Picture, model: Picture): void {
  const [left, right] = [flat(contracts), flat(model)];
  const names = [...new Set([...left.keys(), ...right.keys()])].filter((name) => left.get(name) !== right.get(name));
  if (names.length === 0) return;
  const lines = names.map((name) => `${name}: ${left.get(name)} on the chains, ${right.get(name)} in the model`);
  throw new Error(lines.join('; '));
}

function flat(value: unknown, path = '', found = new Map<string, string>()): Map<string, string> {
  if (typeof value !== 'object' || value === null) return found.set(path, String(value));
  for (const [key, part] of Object.entries(value)) flat(part, path === '' ? key : `${path}.${key}`, found);
  return found;
}
