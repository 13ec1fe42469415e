import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Contract, type Wallet } from 'ethers';

import { kbondAbi } from '../../contracts/generated/abi.ts';
import { createCoordinatorClient } from '../../chain/coordinator.ts';
import { createGatewayClient } from '../../chain/gateway.ts';
import { createCrossTrade, type CrossTrade } from '../../chain/testing/cross-trade.ts';
import { START_LIMIT_MS } from '../../chain/testing/local-node.ts';
import {
  type ChainSide,
  HOME_CHAIN_ID,
  REMOTE_CHAIN_ID,
  startTwoChains,
  type TwoChains,
} from '../../chain/testing/two-chains.ts';

/**
 * Nothing of Keystone's runs here: no API, no worker, no database, no Temporal. There are two chains with the contracts, the command, and a key
 * that has gas and no role.
 */
jest.setTimeout(90_000);

const COMMAND = join(import.meta.dirname, '..', 'keystone.mjs');
const HOUR = 3_600;
const MONTH = 30 * 24 * HOUR;

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

let two: TwoChains;
let folder = '';
/** Knows nobody and has no role. */
let stranger: Wallet;

beforeAll(async () => {
  two = await startTwoChains();
  folder = await mkdtemp(join(tmpdir(), 'keystone-recover-'));
  stranger = await two.wallet();
  await keyFile('stranger', stranger);
}, START_LIMIT_MS);
afterAll(async () => {
  await two?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function keyFile(name: string, wallet: Wallet): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, `${wallet.privateKey}\n`, { mode: 0o600 });
  return file;
}

function keystone(...args: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const env = { PATH: process.env['PATH'], HOME: folder, KEYSTONE_HOME: folder, NO_COLOR: '1' };
    execFile(process.execPath, [COMMAND, ...args], { timeout: 60_000, env, cwd: folder }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}

/** With both chains and the coordinator named. */
function recover(trade: CrossTrade, ...args: string[]): Promise<Outcome> {
  return keystone(
    'recover',
    trade.settlementId,
    ...rpcOf(two.home),
    ...rpcOf(two.remote),
    '--coordinator',
    `${HOME_CHAIN_ID}=${two.home.chain.coordinator}`,
    ...args,
  );
}

function rpcOf(side: ChainSide): string[] {
  return ['--rpc', `${side.chainId}=${side.url}`];
}

/** Does it with the stranger's key while blocks come, and expects it to be done. */
async function act(trade: CrossTrade, action: string, ...args: string[]): Promise<Outcome> {
  const outcome = await mining(() => recover(trade, '--do', action, '--key-file', join(folder, 'stranger'), ...args));
  expect([outcome.code, outcome.stderr]).toEqual([0, expect.stringContaining('sent 0x')]);
  return outcome;
}

/** One block for each transaction that waits, so that the clocks hardly move. */
async function mining<Result>(work: () => Promise<Result>): Promise<Result> {
  for (const side of [two.home, two.remote]) await side.rpc('evm_setAutomine', [true]);
  try {
    return await work();
  } finally {
    for (const side of [two.home, two.remote]) await side.rpc('evm_setAutomine', [false]);
  }
}

interface Shown {
  readonly home: { readonly state: string } | null;
  readonly remotes: readonly { readonly chain_id: number; readonly phase: string | null }[];
  readonly legs: readonly { readonly status: string; readonly payer: string | null; readonly payee: string | null }[];
  readonly offers: readonly { action: string; chain_id: number; to_chain_id?: number; can_be_done_now: boolean }[];
  readonly notes: readonly string[];
}

async function show(trade: CrossTrade, ...args: string[]): Promise<Shown> {
  const { code, stdout, stderr } = await recover(trade, '--json', ...args);
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout) as Shown;
}

const due = (shown: Shown): string[] =>
  shown.offers.filter((offer) => offer.can_be_done_now).map((offer) => `${offer.action}@${offer.chain_id}`);

const bondOf = (wallet: string) => balance(two.home, two.home.tokens.KBOND, wallet);
const cashOf = (wallet: string) => balance(two.remote, two.remote.tokens.TUSDC, wallet);

async function balance(side: ChainSide, token: string, wallet: string): Promise<bigint> {
  return (await new Contract(token, kbondAbi, side.provider).getFunction('balanceOf')(wallet)) as bigint;
}

const BOND = 500n * 10n ** 18n;
const CASH = 125_000n * 10n ** 6n;

describe('with nothing of ours running, a stranger', () => {
  it('opens the other chain, carries the vote, pays both legs out, and reports it: the swap is whole', async () => {
    const trade = await createCrossTrade(two);
    await trade.create();
    await trade.attestAll();
    await trade.advance();
    expect(due(await show(trade))).toEqual([`open@${HOME_CHAIN_ID}`]);
    const opened = await act(trade, 'open');
    expect(opened.stderr).toMatch(/Message fee 0\.\d+ \(\d+ wei\)/);
    await two.deliver();
    await trade.deposit(0);
    await trade.deposit(1);
    const prepared = await show(trade);
    expect(prepared.legs.map((leg) => leg.status)).toEqual(['paid_in', 'paid_in']);
    expect(prepared.legs[1]).toMatchObject({ payer: trade.buyer.remote.wallet, payee: trade.seller.remote.wallet });
    expect(due(prepared)).toEqual([`vote@${REMOTE_CHAIN_ID}`]);
    await act(trade, 'vote');
    await two.deliver();
    expect(due(await show(trade))).toEqual([`execute@${HOME_CHAIN_ID}`, `decision@${HOME_CHAIN_ID}`]);
    await act(trade, 'execute');
    await act(trade, 'decision');
    await two.deliver();
    expect(due(await show(trade))).toEqual([`execute@${REMOTE_CHAIN_ID}`]);
    await act(trade, 'execute');
    await act(trade, 'vote');
    await two.deliver();
    const settled = await show(trade);
    expect(settled).toMatchObject({ home: { state: 'FINALIZED' }, offers: [] });
    expect(settled.legs.map((leg) => leg.status)).toEqual(['paid_out', 'paid_out']);
    expect([await bondOf(trade.buyer.home.wallet), await cashOf(trade.seller.remote.wallet)]).toEqual([BOND, CASH]);
  });

  it('ends a settlement whose other leg never came, and hands back what was paid in', async () => {
    const trade = await createCrossTrade(two);
    await trade.open();
    await trade.deposit(1);
    const early = await recover(trade, '--do', 'timeout');
    expect([early.code, early.stderr]).toEqual([1, expect.stringContaining(new Date(trade.deadlineMs).toISOString())]);
    await two.pass(HOUR + 60);
    // The chain that holds the cash has all its legs: it follows the coordinator alone.
    expect(due(await show(trade))).toEqual([`timeout@${HOME_CHAIN_ID}`, `vote@${REMOTE_CHAIN_ID}`]);
    await act(trade, 'timeout');
    expect(due(await show(trade))).toEqual([`decision@${HOME_CHAIN_ID}`]);
    await act(trade, 'decision');
    await two.deliver();
    await act(trade, 'refund');
    const ended = await show(trade);
    expect(ended).toMatchObject({ home: { state: 'TIMED_OUT' }, remotes: [{ phase: 'ROLLED_BACK' }], offers: [] });
    expect(ended.legs.map((leg) => leg.status)).toEqual(['not_paid_in', 'handed_back']);
    expect(await cashOf(trade.buyer.remote.wallet)).toBe(CASH);
  });

  it('hands a leg back at home, the timeout recorded on the way', async () => {
    const trade = await createCrossTrade(two);
    await trade.open();
    await trade.deposit(0);
    await two.pass(HOUR + HOUR + 60);
    await act(trade, 'refund');
    expect(await bondOf(trade.seller.home.wallet)).toBe(BOND);
    expect((await show(trade)).home).toMatchObject({ state: 'TIMED_OUT' });
  });
});

describe('a payout that the token refused', () => {
  it('waits for its wallet, and is delivered by anybody once the token lets it', async () => {
    const trade = await createCrossTrade(two);
    await trade.open();
    await trade.deposit(0);
    await two.pass(2 * HOUR + 60);
    const token = two.home.tokens.KBOND;
    const code = await two.home.provider.getCode(token);
    await two.home.rpc('anvil_setCode', [token, '0x60006000fd']);
    await act(trade, 'refund');
    await two.home.rpc('anvil_setCode', [token, code]);
    const waiting = await show(trade);
    expect([waiting.legs[0]?.status, due(waiting)]).toEqual([
      'credited',
      [`withdraw@${HOME_CHAIN_ID}`, `decision@${HOME_CHAIN_ID}`],
    ]);
    await act(trade, 'withdraw');
    expect(await bondOf(trade.seller.home.wallet)).toBe(BOND);
    expect(due(await show(trade))).toEqual([`decision@${HOME_CHAIN_ID}`]);
  });
});

describe('a party whose coordinator chain is gone', () => {
  it('finds its money on the other chain by the terms it was given, and takes it back after the signatures of all', async () => {
    const trade = await createCrossTrade(two);
    await trade.open();
    await trade.deposit(1);
    const terms = join(folder, 'deposit-info.json');
    await writeFile(terms, JSON.stringify({ leg_index: 1, terms: trade.terms.json }));
    await two.pass(MONTH + HOUR + 60);
    const alone = (...args: string[]) =>
      keystone('recover', trade.settlementId, ...rpcOf(two.remote), '--terms', terms, ...args);
    const shown = JSON.parse((await alone('--json')).stdout) as Shown;
    expect(shown).toMatchObject({ home: null, remotes: [{ phase: 'PREPARED' }] });
    expect(due(shown)).toEqual([`vote@${REMOTE_CHAIN_ID}`, `release@${REMOTE_CHAIN_ID}`]);
    const signatures: Record<string, string> = {};
    for (const party of [trade.buyer, trade.seller]) {
      const key = await keyFile(party.remote.wallet, party.signer);
      const signed = await alone('--do', 'sign-release', '--outcome', 'refund', '--key-file', key);
      Object.assign(signatures, JSON.parse(signed.stdout));
    }
    const file = join(folder, 'signatures.json');
    const key = join(folder, 'stranger');
    await writeFile(file, JSON.stringify({ [trade.buyer.remote.wallet]: signatures[trade.buyer.remote.wallet] }));
    const incomplete = await alone('--do', 'release', '--outcome', 'refund', '--signatures', file, '--key-file', key);
    expect([incomplete.code, incomplete.stderr]).toEqual([2, expect.stringContaining(trade.seller.remote.wallet)]);
    await writeFile(file, JSON.stringify(signatures));
    const wrong = await alone('--do', 'release', '--outcome', 'pay', '--signatures', file, '--key-file', key);
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('InvalidReleaseSignature')]);
    const done = await mining(() =>
      alone('--do', 'release', '--outcome', 'refund', '--signatures', file, '--key-file', key),
    );
    expect([done.code, done.stderr]).toEqual([0, expect.stringContaining('sent 0x')]);
    expect(await cashOf(trade.buyer.remote.wallet)).toBe(CASH);
    expect((await createGatewayClient(two.remote.chain).statusOf(trade.settlementId)).phase).toBe('ROLLED_BACK');
  });

  it('is told by exit code 3 that the coordinator has to be asked, where it has to', async () => {
    const trade = await createCrossTrade(two);
    await trade.open();
    await trade.deposit(0);
    await two.pass(HOUR + 60);
    const gone = ['--rpc', `${HOME_CHAIN_ID}=http://127.0.0.1:9/key-of-the-node`];
    const outcome = await keystone(
      'recover',
      trade.settlementId,
      ...gone,
      '--coordinator',
      `${HOME_CHAIN_ID}=${two.home.chain.coordinator}`,
    );
    expect([outcome.code, outcome.stderr]).toEqual([
      3,
      expect.stringContaining(`chain ${HOME_CHAIN_ID} does not answer`),
    ]);
    expect(outcome.stderr).not.toContain('key-of-the-node');
  });
});

describe('without a key', () => {
  it('the transaction is printed, whole enough for any wallet to send', async () => {
    const trade = await createCrossTrade(two);
    await trade.open();
    await trade.deposit(0);
    await two.pass(2 * HOUR + 60);
    const { code, stdout } = await recover(trade, '--do', 'refund');
    expect(code).toBe(0);
    const { chain_id, to, data, value } = JSON.parse(stdout) as Record<'chain_id' | 'to' | 'data' | 'value', string>;
    expect([chain_id, to, value]).toEqual([HOME_CHAIN_ID, two.home.chain.escrow, '0']);
    await two.home.send(stranger, { to, data });
    expect(await bondOf(trade.seller.home.wallet)).toBe(BOND);
  });

  it('a message is priced, and not offered above the limit that was set', async () => {
    const trade = await createCrossTrade(two);
    await trade.create();
    await trade.attestAll();
    await trade.advance();
    const fee = await createCoordinatorClient(two.home.chain).quoteOpen(trade.terms, REMOTE_CHAIN_ID);
    expect(JSON.parse((await recover(trade, '--do', 'open')).stdout)).toMatchObject({ value: String(fee) });
    const dear = await recover(trade, '--do', 'open', '--max-fee', String(fee - 1n));
    expect([dear.code, dear.stderr]).toEqual([1, expect.stringContaining('--max-fee')]);
  });
});

describe('keys and files', () => {
  it('a key file that others may read is refused, and no output ever holds the key', async () => {
    const trade = await createCrossTrade(two);
    await trade.create();
    const file = await keyFile('loose', stranger);
    await chmod(file, 0o640);
    const refused = await recover(trade, '--do', 'timeout', '--key-file', file);
    expect([refused.code, refused.stderr]).toEqual([64, expect.stringContaining('chmod 600')]);
    const given = await recover(trade, '--do', 'timeout', '--key-file', stranger.privateKey);
    expect(given.code).toBe(64);
    expect(refused.stderr + refused.stdout).not.toContain(stranger.privateKey.slice(2));
  });

  it("terms that are not the settlement's are refused, wherever they come from", async () => {
    const [trade, other] = [await createCrossTrade(two), await createCrossTrade(two)];
    await trade.create();
    const file = join(folder, 'forged.json');
    const forged = { ...trade.terms.json, legs: other.terms.json.legs.toReversed() };
    await writeFile(file, JSON.stringify(forged));
    const outcome = await recover(trade, '--terms', file);
    expect([outcome.code, outcome.stderr]).toEqual([2, expect.stringContaining('not those of the settlement')]);
  });

  it('the coordinator is found by pinned contracts, and a settlement that nobody knows is said to be unknown', async () => {
    const trade = await createCrossTrade(two);
    await trade.create();
    const pinned = {
      version: 1,
      keys: [],
      contracts: [{ chain_id: `eip155:${HOME_CHAIN_ID}`, coordinator: two.home.chain.coordinator }],
    };
    const file = join(folder, 'pinned.json');
    await writeFile(file, JSON.stringify(pinned));
    const addressed = ['--addresses', file, ...rpcOf(two.home)];
    expect((await keystone('inspect', trade.settlementId, ...addressed)).stdout).toContain('COMPLIANCE_CHECKING');
    const unknown = await keystone('inspect', '00000000-0000-4000-8000-000000000000', ...addressed);
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('has no settlement')]);
  });
});
