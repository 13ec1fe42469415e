import { describe, expect, it } from '@jest/globals';
import { eventTopic } from './abi.ts';
import type { ChainLog, ChainReader, Check, VerificationReport } from './pack.ts';
import { verifyPack } from './pack.ts';
import type { JsonObject } from './json.ts';
import * as cross from './testing/cross-chain.ts';
import { evidence, legEverywhere, set } from './testing/cross-forgery.ts';
import { at, mutable, rebind } from './testing/forgery.ts';
import * as fixture from './testing/packs.ts';
import { type SimulatedChain, simulatedChain, simulatedChains } from './testing/simulated-chain.ts';

const text = JSON.stringify(cross.crossChainPack());
const trusted_keys = cross.trusted();
const { HOME_CHAIN } = fixture;
const { REMOTE_CHAIN } = cross;

type Chains = Record<'home' | 'remote', SimulatedChain>;

function verify(chains: Chains, pack = text): Promise<VerificationReport> {
  const readers = { [HOME_CHAIN]: chains.home.reader, [REMOTE_CHAIN]: chains.remote.reader };
  return verifyPack(pack, { trusted_keys, readers });
}

const refuted = (checks: readonly Check[]): string[] =>
  checks.filter((check) => check.status === 'refuted').map((check) => check.name);

function flip(hex: string): string {
  return `${hex.slice(0, -1)}${hex.endsWith('1') ? '2' : '1'}`;
}

describe('with a reader of each chain', () => {
  it('an honest settlement across two chains is valid, and nothing stays open', async () => {
    const report = await verify(simulatedChains());
    expect(report.checks.filter((check) => check.status !== 'proved')).toEqual([]);
    expect([report.verdict, report.exit_code]).toEqual(['valid', 0]);
  });

  it.each([
    [HOME_CHAIN, 'remote', REMOTE_CHAIN],
    [REMOTE_CHAIN, 'home', HOME_CHAIN],
  ] as const)(
    'of %s alone, the other chain is listed as not checked and the verdict is incomplete',
    async (chain, other, missing) => {
      const chains = simulatedChains();
      const given = other === 'remote' ? chains.home : chains.remote;
      const report = await verifyPack(text, { trusted_keys, readers: { [chain]: given.reader } });
      expect([report.verdict, report.exit_code]).toEqual(['incomplete', 3]);
      expect(report.not_checked).toEqual([`on chain: ${missing} read again`]);
      expect(report.summary).toContain(`an RPC address for ${missing}`);
      expect(report.checks.some((check) => check.name === `on chain: blocks of ${chain} are final`)).toBe(true);
    },
  );

  it('another chain behind an address is refuted by name, and its answers are not used', async () => {
    const chains = simulatedChains();
    const report = await verify({ home: chains.home, remote: chains.home });
    expect(refuted(report.checks)).toEqual([`on chain: ${REMOTE_CHAIN} is the chain asked`]);
  });

  it('a remote chain that does not answer leaves the verdict incomplete, whatever the home chain says', async () => {
    const chains = simulatedChains();
    const reader: ChainReader = {
      ...chains.remote.reader,
      getTransactionReceipt: () => Promise.reject(new Error('no answer')),
    };
    const report = await verify({ home: chains.home, remote: { ...chains.remote, reader } });
    expect([report.verdict, report.exit_code]).toEqual(['incomplete', 3]);
  });

  it('blocks of the remote chain that are not final are refuted', async () => {
    const chains = simulatedChains();
    chains.remote.finalised = 5012;
    expect(refuted((await verify(chains)).checks)).toEqual([`on chain: blocks of ${REMOTE_CHAIN} are final`]);
  });

  it('a block of the remote chain with another hash is refuted', async () => {
    const chains = simulatedChains();
    const block = chains.remote.blocks.get(5012);
    chains.remote.blocks.set(5012, {
      number: 5012,
      hash: flip(block?.hash ?? ''),
      timestamp_s: block?.timestamp_s ?? 0,
    });
    expect(refuted((await verify(chains)).checks)).toEqual([`on chain: blocks of ${REMOTE_CHAIN} are as recorded`]);
  });

  it('a remote clock that is behind by minutes refutes nothing: times of two chains cannot be compared exactly', async () => {
    const pack = mutable(cross.crossChainPack());
    const chains = simulatedChains();
    shiftClock(pack, chains.remote, -600);
    expect(refuted((await verify(chains, JSON.stringify(rebind(pack)))).checks)).toEqual([]);
  });

  it('a remote clock that is behind by a day contradicts the messages, offline and on chain', async () => {
    const pack = mutable(cross.crossChainPack());
    const chains = simulatedChains();
    shiftClock(pack, chains.remote, -86_400);
    expect(refuted((await verify(chains, JSON.stringify(rebind(pack)))).checks)).toEqual([
      'decisions precede every deposit',
      `[${REMOTE_CHAIN}] block times do not contradict the messages`,
      `on chain: decisions precede the blocks of ${REMOTE_CHAIN}`,
    ]);
  });
});

/** Every block of the remote chain at another time, in the pack and on the chain. */
function shiftClock(value: unknown, chain: SimulatedChain, seconds: number): void {
  const shift = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) {
      return;
    }
    const point = node as Record<string, unknown>;
    if (point['chain_id'] === REMOTE_CHAIN && typeof point['block_timestamp_s'] === 'number') {
      point['block_timestamp_s'] += seconds;
    }
    Object.values(node).forEach(shift);
  };
  shift(value);
  for (const [number, block] of chain.blocks) {
    chain.blocks.set(number, { ...block, timestamp_s: block.timestamp_s + seconds });
  }
}

/** `[chain, transaction, log index, the check that is named after the log]`: every log that the settlement left. */
const LOGS: readonly (readonly [keyof Chains, string, number, string])[] = [
  ['home', 'a1', 0, 'on chain: settlement created under these terms'],
  ['home', 'a20', 8, 'on chain: attestation 8 recorded'],
  ['home', 'a21', 9, 'on chain: attestation 9 recorded'],
  ['home', 'a3', 0, 'on chain: decision set digest anchored'],
  ['home', 'a4', 0, 'on chain: leg 0 token came in'],
  ['home', 'a4', 1, 'on chain: leg 0 wallets opened'],
  ['home', 'a5', 0, 'on chain: leg 2 token came in'],
  ['home', 'a5', 2, 'on chain: leg 2 deposited'],
  ['home', 'a6', 0, `on chain: PREPARED of ${REMOTE_CHAIN} counted`],
  ['home', 'a6', 1, 'on chain: execution recorded'],
  ['home', 'a7', 2, 'on chain: leg 2 moved its token'],
  ['home', 'a7', 3, 'on chain: leg 2 paid out'],
  ['home', 'a8', 0, `on chain: EXECUTED of ${REMOTE_CHAIN} counted`],
  ['home', 'a8', 1, 'on chain: settlement finalised'],
  ['remote', 'b1', 0, `on chain: ${REMOTE_CHAIN} opened under these terms`],
  ['remote', 'b2', 1, 'on chain: leg 3 wallets opened'],
  ['remote', 'b2', 2, 'on chain: leg 3 deposited'],
  ['remote', 'b3', 0, 'on chain: leg 1 token came in'],
  ['remote', 'b3', 1, 'on chain: leg 1 wallets opened'],
  ['remote', 'b3', 3, 'on chain: leg 1 deposited'],
  ['remote', 'b4', 0, `on chain: ${REMOTE_CHAIN} received EXECUTE`],
  ['remote', 'b5', 0, 'on chain: leg 1 fee 0 moved its token'],
  ['remote', 'b5', 1, 'on chain: leg 1 fee 0 paid'],
  ['remote', 'b5', 2, 'on chain: leg 1 moved its token'],
  ['remote', 'b5', 3, 'on chain: leg 1 paid out'],
  ['remote', 'b5', 5, 'on chain: leg 3 paid out'],
];
/** These have no data of one's own to change in the last byte. */
const BARE: readonly (readonly [keyof Chains, string, number, string])[] = [
  ['remote', 'b3', 2, `on chain: ${REMOTE_CHAIN} prepared`],
  ['remote', 'b5', 6, `on chain: ${REMOTE_CHAIN} executed`],
  ['remote', 'b2', 0, 'on chain: leg 3 token came in'],
  ['remote', 'b5', 4, 'on chain: leg 3 moved its token'],
];

function logAt(chain: SimulatedChain, tx: string, logIndex: number): ChainLog {
  const log = chain.receipts.get(fixture.bytes32(tx))?.logs.find((candidate) => candidate.logIndex === logIndex);
  if (log === undefined) {
    throw new Error('the fixture has no such log');
  }
  return log;
}

function replaceLog(chain: SimulatedChain, tx: string, logIndex: number, lie: (log: ChainLog) => ChainLog): void {
  const hash = fixture.bytes32(tx);
  const receipt = chain.receipts.get(hash);
  if (receipt === undefined) {
    throw new Error('the fixture has no such transaction');
  }
  logAt(chain, tx, logIndex);
  const logs = receipt.logs.map((log) => (log.logIndex === logIndex ? lie(log) : log));
  chain.receipts.set(hash, { ...receipt, logs });
}

describe('every log of both chains', () => {
  it.each([...LOGS, ...BARE])(
    '%s %s log %i: emitter, topics and data are compared (%s)',
    async (side, tx, index, name) => {
      const lies: ((log: ChainLog) => ChainLog)[] = [
        (log) => ({ ...log, address: flip(log.address) }),
        (log) => ({ ...log, topics: log.topics.map(flip) }),
      ];
      if (LOGS.some(([a, b, c]) => a === side && b === tx && c === index)) {
        lies.push((log) => ({ ...log, data: flip(log.data) }));
      }
      for (const lie of lies) {
        const chains = simulatedChains();
        replaceLog(chains[side], tx, index, lie);
        expect(refuted((await verify(chains)).checks)).toEqual([name]);
      }
    },
  );

  it('the amount of an ERC-1400 transfer is compared, whoever operated it', async () => {
    const chains = simulatedChains();
    const amount = (value: number): string => value.toString(16).padStart(64, '0');
    replaceLog(chains.remote, 'b5', 4, (log) => ({ ...log, data: log.data.replace(amount(40), amount(39)) }));
    expect(refuted((await verify(chains)).checks)).toEqual(['on chain: leg 3 moved its token']);
  });

  it('one Transfer is not the money of two equal fees', async () => {
    const pack = mutable(cross.crossChainPack());
    const fee = { recipient: fixture.FEE_WALLET, amount_minor: cross.FEE };
    legEverywhere(pack, 1, (leg) => set(leg, { fees: [fee, fee] }));
    const [paid] = cross.evidence().fees_paid ?? [];
    const second = { ...paid, fee_index: 1, log_index: 9 } as unknown as JsonObject;
    set(evidence(pack), { fees_paid: [{ ...second, fee_index: 0, log_index: 1 }, second] });
    const names = refuted((await verify(simulatedChains(), JSON.stringify(rebind(pack)))).checks);
    expect(names.filter((name) => name.endsWith('moved its token'))).toEqual([
      'on chain: leg 1 moved its token',
      'on chain: leg 1 fee 1 moved its token',
    ]);
  });
});

describe('a fee that its token refused', () => {
  const creditedPack = (): string => {
    const pack = mutable(cross.crossChainPack());
    set(evidence(pack, 'fees_paid', 0), { kind: 'credited' });
    return JSON.stringify(rebind(pack));
  };

  it('is a credit of the recipient: the log says so, and that no token moved stays open', async () => {
    const chains = simulatedChains();
    replaceLog(chains.remote, 'b5', 1, (log) => ({
      ...log,
      topics: [eventTopic('PayoutCredited(bytes32,uint256,address,address,uint256,uint256)'), ...log.topics.slice(1)],
      // token, token id, amount in place of token, amount
      data: `${log.data.slice(0, 66)}${'0'.repeat(64)}${log.data.slice(66)}`,
    }));
    const report = await verify(chains, creditedPack());
    expect([report.verdict, report.not_checked]).toEqual(['valid', ['on chain: leg 1 fee 0 moved its token']]);
  });

  it('is not one that was paid', async () => {
    expect(refuted((await verify(simulatedChains(), creditedPack())).checks)).toEqual(['on chain: leg 1 fee 0 paid']);
  });
});

describe('the contracts of both chains', () => {
  it.each([
    ['home', 'remoteChain', [`on chain: the coordinator follows this gateway of ${REMOTE_CHAIN}`]],
    ['home', 'configurator', [`on chain: the coordinator follows this gateway of ${REMOTE_CHAIN}`]],
    ['remote', 'configurator', [`on chain: the gateway of ${REMOTE_CHAIN} follows this coordinator`]],
    ['remote', 'escrow', [`on chain: the escrow of ${REMOTE_CHAIN} asks this gateway`]],
    ['remote', 'gate', [`on chain: the escrow of ${REMOTE_CHAIN} asks this gateway`]],
    ['remote', 'statusOf', [`on chain: the gateway of ${REMOTE_CHAIN} says EXECUTED`]],
    [
      'remote',
      'coordinator',
      [
        `on chain: the gateway of ${REMOTE_CHAIN} follows this coordinator`,
        `on chain: the escrow of ${REMOTE_CHAIN} asks this gateway`,
      ],
    ],
    [
      'remote',
      'coordinatorChainId',
      [
        `on chain: the gateway of ${REMOTE_CHAIN} follows this coordinator`,
        `on chain: the escrow of ${REMOTE_CHAIN} asks this gateway`,
      ],
    ],
  ] as const)('on the %s chain, another answer to %s is refuted by %j', async (side, view, names) => {
    const chains = simulatedChains();
    chains[side].views[view] = () => `0x${'6'.padStart(64, '0').repeat(4)}`;
    expect(refuted((await verify(chains)).checks)).toEqual(names);
  });

  it.each([
    [3, 0n],
    [1, 5n],
    [2, 1n],
  ])('a gateway whose status differs in word %i is refuted', async (word, value) => {
    const chains = simulatedChains();
    const honest = chains.remote.views['statusOf']?.([]) ?? '';
    const words = honest.slice(2).match(/.{64}/g) ?? [];
    words[word] = value.toString(16).padStart(64, '0');
    chains.remote.views['statusOf'] = () => `0x${words.join('')}`;
    expect(refuted((await verify(chains)).checks)).toEqual([`on chain: the gateway of ${REMOTE_CHAIN} says EXECUTED`]);
  });

  it.each([
    ['home', HOME_CHAIN],
    ['remote', REMOTE_CHAIN],
  ] as const)('addresses without code on the %s chain are refuted', async (side, chain) => {
    const chains = simulatedChains();
    chains[side].code = '0x';
    expect(refuted((await verify(chains)).checks)).toEqual([`on chain: contracts of ${chain} have code`]);
  });
});

describe('packs of other forms', () => {
  it.each([
    ['fees beyond the amount', '1'],
    ['an amount beyond 256 bits', '9'.repeat(78)],
  ])('%s are a verdict, not an exception', async (_what, amount_minor) => {
    const pack = mutable(cross.crossChainPack());
    set(at(pack, 'settled_legs', 'legs', 1), { amount_minor });
    const report = await verify(simulatedChains(), JSON.stringify(pack));
    expect(report.exit_code).toBe(1);
    expect(refuted(report.checks)).toContain('chains can be read again');
  });

  it('wallets are asked of escrows that keep them, where the pack names no log that opened them', async () => {
    const pack = mutable(fixture.settlementPack());
    for (const index of [0, 1]) {
      Reflect.deleteProperty(at(pack, 'onchain_verification', 'deposits', index), 'opened_log_index');
    }
    const honest = simulatedChain();
    const lying = simulatedChain();
    lying.views['openedWallet'] = () => `0x${'6'.padStart(64, '0')}`;
    const run = (chain: SimulatedChain): Promise<VerificationReport> =>
      verifyPack(JSON.stringify(rebind(pack)), {
        trusted_keys: fixture.trusted(),
        readers: { [HOME_CHAIN]: chain.reader },
      });
    expect(refuted((await run(honest)).checks)).toEqual([]);
    expect(refuted((await run(lying)).checks)).toEqual([
      'on chain: leg 0 wallets are the screened ones',
      'on chain: leg 1 wallets are the screened ones',
    ]);
  });

  it('a chain that its parties released themselves is verified by their release', async () => {
    const pack = mutable(cross.crossChainPack());
    const remote = at(pack, 'onchain_verification', 'remotes', 0);
    remote['released'] = remote['decided'] ?? null;
    Reflect.deleteProperty(remote, 'decided');
    expect(refuted((await verify(simulatedChains(), JSON.stringify(rebind(pack)))).checks)).toEqual([
      `on chain: ${REMOTE_CHAIN} released by its parties`,
    ]);
    const offline = await verifyPack(JSON.stringify(pack), { trusted_keys });
    expect(offline.verdict).toBe('valid');
  });
});
