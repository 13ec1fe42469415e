import { describe, expect, it } from '@jest/globals';
import { at, mutable } from './testing/forgery.ts';
import { simulatedChain } from './testing/simulated-chain.ts';
import * as fixture from './testing/packs.ts';
import { composeDecisions, decisionSetDigest, verifyPack } from './pack.ts';
import type { Check, ChainReader } from './pack.ts';
import { sha256 } from 'ethers';
import { canonicalize } from 'json-canonicalize';

const refuted = (checks: readonly Check[]): string[] =>
  checks.filter((check) => check.status === 'refuted').map((check) => check.name);

const settlementText = JSON.stringify(fixture.settlementPack());

function verify(reader: ChainReader): ReturnType<typeof verifyPack> {
  return verifyPack(settlementText, { ...strict, readers: { [fixture.HOME_CHAIN]: reader } });
}

/** Another last digit. */
function flip(hex: string): string {
  return `${hex.slice(0, -1)}${hex.endsWith('1') ? '2' : '1'}`;
}

const strict = { trusted_keys: fixture.trusted() };

describe('an honest pack', () => {
  it('of a payment over four protocols passes 46 of 46 published checks', async () => {
    const report = await verifyPack(JSON.stringify(fixture.paymentPack()), { mode: 'compatible' });
    expect(report.verdict).toBe('valid');
    expect(report.checks).toHaveLength(46);
    expect(report.checks.every((check) => check.status === 'proved')).toBe(true);
  });

  it('of a settlement passes 6 + 10 per chain', async () => {
    const report = await verifyPack(JSON.stringify(fixture.settlementPack()), { mode: 'compatible' });
    expect([report.verdict, report.checks.length]).toEqual(['valid', 26]);
  });

  it.each([
    ['payment', fixture.paymentPack],
    ['settlement', fixture.settlementPack],
  ])('of a %s is valid in strict mode, and says what was not checked', async (_kind, compose) => {
    const report = await verifyPack(JSON.stringify(compose()), strict);
    expect(refuted(report.checks)).toEqual([]);
    expect([report.verdict, report.exit_code]).toEqual(['valid', 0]);
    expect(report.not_checked.some((name) => name.startsWith('on chain'))).toBe(true);
  });

  it('stays valid after a round trip through any JSON serialiser', async () => {
    const pretty = JSON.stringify(JSON.parse(canonicalize(fixture.settlementPack())), null, 4);
    expect((await verifyPack(pretty, strict)).verdict).toBe('valid');
  });

  it('is the same bytes for the same input and salts', () => {
    expect(JSON.stringify(fixture.settlementPack())).toBe(JSON.stringify(fixture.settlementPack()));
  });
});

/** One change to a pack and the published check that must see it; nothing is recomputed after the change. */
const PUBLISHED: readonly (readonly [string, readonly string[], string])[] = [
  ['settlement_ref == sha256:JCS(settlement_attestation)', ['settlement', 'attestation'], 'settlement_result'],
  ['passport_ref recomputes', ['passport_object'], 'agent_id'],
  ['[x402] mandate_ref recomputes', ['protocols', 'x402', 'mandate_object'], 'type'],
  ['[mpp] policy_bound_ref recomputes', ['protocols', 'mpp', 'policy_object'], 'type'],
  ['[ap2] decision_ref recomputes', ['protocols', 'ap2', 'decision_object'], 'salt'],
  ['[a2a] execution_ref recomputes', ['protocols', 'a2a', 'execution_object'], 'outcome'],
  ['[x402] mandate embeds passport_ref', ['protocols', 'x402', 'mandate_object'], 'passport_ref'],
  ['[x402] policy embeds mandate_ref', ['protocols', 'x402', 'policy_object'], 'mandate_ref'],
  ['[x402] decision embeds policy_bound_ref', ['protocols', 'x402', 'decision_object'], 'policy_bound_ref'],
  ['[x402] execution embeds decision_ref', ['protocols', 'x402', 'execution_object'], 'decision_ref'],
  [
    '[x402] execution binds shared settlement_ref + this tx',
    ['protocols', 'x402', 'execution_object', 'settlement'],
    'tx_id',
  ],
  ['[x402] decision signature valid + covers decision object', ['protocols', 'x402', 'decision_signature'], 'jws'],
  ['[x402] decision signature valid + covers decision object', ['protocols', 'x402', 'decision_object'], 'asset'],
  ['all four protocols converge on ONE settlement_ref', ['protocols', 'a2a'], 'settlement_ref'],
];

describe('compatible mode', () => {
  it.each(PUBLISHED)('%s: sees a change of %j %s', async (name, path, member) => {
    const pack = mutable(fixture.paymentPack());
    const holder = at(pack, ...path);
    holder[member] = flip(JSON.stringify(holder[member]).slice(1, -1));
    const report = await verifyPack(JSON.stringify(pack), { mode: 'compatible' });
    expect(refuted(report.checks)).toContain(name);
  });

  it('sees equal mandates, equal trust queries and a composition after the block', async () => {
    const pack = mutable(fixture.paymentPack());
    pack['compose_ts_ms'] = Number(at(pack, 'settlement_block')['timestamp_s']) * 1000;
    Object.assign(at(pack, 'protocols', 'mpp'), at(pack, 'protocols', 'x402'));
    const report = await verifyPack(JSON.stringify(pack), { mode: 'compatible' });
    expect(refuted(report.checks)).toEqual([
      'compose timestamp precedes settlement block',
      'four protocol-distinct mandate_refs',
      'four protocol-distinct trust_query_refs',
    ]);
  });
});

describe('the verdict', () => {
  it('is incomplete, not valid, without pinned keys', async () => {
    const report = await verifyPack(JSON.stringify(fixture.settlementPack()));
    expect([report.verdict, report.exit_code]).toEqual(['incomplete', 3]);
  });

  it('is incomplete when a chain was to be read and no reader was given for it', async () => {
    const report = await verifyPack(JSON.stringify(fixture.settlementPack()), { ...strict, readers: {} });
    expect([report.verdict, report.exit_code]).toEqual(['incomplete', 3]);
    expect(report.summary).toContain(fixture.HOME_CHAIN);
  });

  it.each(['', 'null', '[]', '{}', '{"protocols":[]}', 'not json', '{"a":1'])(
    'is "not a pack" for %j',
    async (text) => {
      for (const mode of ['strict', 'compatible'] as const) {
        const report = await verifyPack(text, { mode });
        expect([report.verdict, report.exit_code]).toEqual(['not_a_pack', 2]);
      }
    },
  );

  it.each([
    ['an unsafe integer', '"compose_ts_ms":9007199254740993', 'UNSAFE_INTEGER'],
    ['half a character', '"compose_ts_ms":1,"note":"\\ud800"', 'LONE_SURROGATE'],
    ['nesting without end', `"compose_ts_ms":1,"deep":${'['.repeat(40)}${']'.repeat(40)}`, 'LIMIT_DEPTH'],
  ])('refutes a pack with %s by name, in both modes', async (_what, replacement, code) => {
    const text = settlementText.replace(/"compose_ts_ms":\d+/, replacement);
    for (const mode of ['strict', 'compatible'] as const) {
      const report = await verifyPack(text, { ...strict, mode });
      expect([report.exit_code, refuted(report.checks)]).toEqual([1, ['pack is strict JSON']]);
      expect(report.checks[0]?.found).toContain(code);
    }
  });

  it('never repeats a control character of the pack: it is printed on terminals', async () => {
    const pack = { ...fixture.settlementPack(), protocols: { '\u001b[2Jx402': {} }, tx: '\u001b[31m\u202e' };
    for (const mode of ['strict', 'compatible'] as const) {
      const report = await verifyPack(JSON.stringify(pack), { mode });
      const printed = [
        report.summary,
        report.tx,
        ...report.chains,
        ...report.checks.flatMap((check) => Object.values(check)),
      ];
      expect(printed.join(' ')).not.toMatch(/\p{C}/u);
    }
  });

  it('prefers a refutation over an incomplete verification', async () => {
    const pack = fixture.settlementPack();
    const text = JSON.stringify({ ...pack, compose_ts_ms: 1 });
    expect((await verifyPack(text)).exit_code).toBe(1);
  });
});

describe('the decision set digest', () => {
  it('is the SHA-256 of the documented preimage', () => {
    const { chains } = fixture.settlementDecisions();
    const entry = (name: string): unknown => ({
      decision_ref: chains[name]?.decision_ref,
      jws_sha256: sha256(new TextEncoder().encode(chains[name]?.decision_signature.jws)).replace('0x', 'sha256:'),
    });
    const preimage = {
      canon_version: 'jcs-rfc8785-v1',
      type: 'keystone_decision_set',
      chain: fixture.HOME_CHAIN,
      settlement_id: fixture.SETTLEMENT_ID,
      terms_hash: `0x${'12'.repeat(32)}`,
      decisions: { 'dvp:buyer': entry('dvp:buyer'), 'dvp:seller': entry('dvp:seller') },
    };
    const digest = decisionSetDigest({
      chain: fixture.HOME_CHAIN,
      settlement_id: fixture.SETTLEMENT_ID,
      terms_hash: `0x${'12'.repeat(32)}`,
      decisions: chains,
    });
    expect(digest).toBe(sha256(new TextEncoder().encode(canonicalize(preimage))));
  });

  it('differs for every salt, so that nobody can guess a decision from it', () => {
    const key = fixture.testKey();
    const compose = (): string =>
      decisionSetDigest({
        chain: 'eip155:1',
        payment_id: fixture.PAYMENT_ID,
        decisions: composeDecisions({
          payment_id: fixture.PAYMENT_ID,
          chain: 'eip155:1',
          passport: { agent_id: 'a', issuer: 'i', scope: 's', validity_window: '2026-01-01/2027-01-01' },
          signing_key: key,
          decided_at_ms: fixture.DECIDED_AT_MS,
          valid_until_ms: fixture.DECIDED_AT_MS,
          policy: { template: 't', template_version: '1' },
          legs: [{ ...(fixture.legs[1] as (typeof fixture.legs)[number]), leg_index: 0, from_role: 'payer' }],
          chains: [{ name: 'x402', confirmed_at_ms: 0 }],
        }).chains,
      });
    expect(new Set([compose(), compose(), compose()]).size).toBe(3);
  });
});

describe('with a reader of the chain', () => {
  it('an honest settlement is valid and nothing stays open but the pinned contracts', async () => {
    const report = await verify(simulatedChain().reader);
    expect(refuted(report.checks)).toEqual([]);
    expect([report.verdict, report.not_checked]).toEqual([
      'valid',
      ['fees follow the policy', 'contracts are the pinned ones'],
    ]);
  });

  it('another chain behind the address is refuted', async () => {
    const { reader } = simulatedChain();
    const report = await verify({ ...reader, chainId: () => Promise.resolve(1n) });
    expect(refuted(report.checks)).toEqual([`on chain: ${fixture.HOME_CHAIN} is the chain asked`]);
  });

  it('a node that does not answer leaves the verdict incomplete, not valid', async () => {
    const { reader } = simulatedChain();
    const report = await verify({ ...reader, getTransactionReceipt: () => Promise.reject(new Error('no answer')) });
    expect([report.verdict, report.exit_code]).toEqual(['incomplete', 3]);
  });

  it('blocks that are not final are refuted', async () => {
    const chain = simulatedChain();
    chain.finalised = 102;
    expect(refuted((await verify(chain.reader)).checks)).toEqual([
      `on chain: blocks of ${fixture.HOME_CHAIN} are final`,
    ]);
  });

  it('a block of another time is refuted', async () => {
    const chain = simulatedChain();
    const block = chain.blocks.get(101);
    chain.blocks.set(101, { number: 101, hash: block?.hash ?? '', timestamp_s: (block?.timestamp_s ?? 0) - 5 });
    expect(refuted((await verify(chain.reader)).checks)).toEqual([
      `on chain: blocks of ${fixture.HOME_CHAIN} are as recorded`,
      `on chain: decisions precede the blocks of ${fixture.HOME_CHAIN}`,
    ]);
  });

  it('a transaction that reverted or does not exist is refuted', async () => {
    const chain = simulatedChain();
    for (const [hash, receipt] of chain.receipts) {
      chain.receipts.set(hash, { ...receipt, succeeded: false });
    }
    expect(refuted((await verify(chain.reader)).checks)).toContain('on chain: decision set digest anchored');
    chain.receipts.clear();
    expect(refuted((await verify(chain.reader)).checks)).toContain('on chain: execution recorded');
  });

  it('a receipt of another block is refuted', async () => {
    const chain = simulatedChain();
    for (const [hash, receipt] of chain.receipts) {
      chain.receipts.set(hash, { ...receipt, blockHash: flip(receipt.blockHash) });
    }
    expect(refuted((await verify(chain.reader)).checks)).toContain('on chain: settlement created under these terms');
  });

  // For each log that an honest settlement leaves: any change to it is seen by the check that is named after it.
  it.each([
    ['1', 0, 'on chain: settlement created under these terms'],
    ['2', 2, 'on chain: attestation 2 recorded'],
    ['3', 1, 'on chain: decision set digest anchored'],
    ['4', 0, 'on chain: leg 0 token came in'],
    ['4', 1, 'on chain: leg 0 wallets opened'],
    ['4', 2, 'on chain: leg 0 deposited'],
    ['5', 0, 'on chain: leg 1 token came in'],
    ['5', 1, 'on chain: leg 1 wallets opened'],
    ['5', 2, 'on chain: leg 1 deposited'],
    ['5', 3, 'on chain: execution recorded'],
    ['5', 4, 'on chain: leg 0 moved its token'],
    ['5', 5, 'on chain: leg 0 paid out'],
    ['5', 6, 'on chain: leg 1 fee 0 moved its token'],
    ['5', 7, 'on chain: leg 1 fee 0 paid'],
    ['5', 8, 'on chain: leg 1 moved its token'],
    ['5', 9, 'on chain: leg 1 paid out'],
    ['5', 10, 'on chain: settlement finalised'],
  ])('transaction %s log %i: emitter, topic and data are compared (%s)', async (tx, logIndex, name) => {
    const hash = `0x${tx.padStart(64, '0')}`;
    const lies = [
      (log: (typeof logs)[number]) => ({ ...log, address: flip(log.address) }),
      (log: (typeof logs)[number]) => ({ ...log, data: flip(log.data) }),
      (log: (typeof logs)[number]) => ({ ...log, topics: log.topics.map(flip) }),
    ];
    const logs = simulatedChain().receipts.get(hash)?.logs ?? [];
    for (const lie of lies) {
      const chain = simulatedChain();
      const receipt = chain.receipts.get(hash);
      if (receipt === undefined) {
        throw new Error('the fixture has no such transaction');
      }
      chain.receipts.set(hash, {
        ...receipt,
        logs: receipt.logs.map((log) => (log.logIndex === logIndex ? lie(log) : log)),
      });
      expect(refuted((await verify(chain.reader)).checks)).toEqual([name]);
    }
  });

  it.each([
    ['registry', 'on chain: the coordinator asks this registry'],
    ['stateOf', 'on chain: the coordinator says FINALIZED'],
    ['coordinator', 'on chain: leg 0 escrow asks this coordinator'],
  ])('a contract whose %s answers otherwise is refuted', async (view, name) => {
    const chain = simulatedChain();
    chain.views[view] = () => `0x${'6'.padStart(64, '0')}`;
    expect(refuted((await verify(chain.reader)).checks)).toContain(name);
  });

  it('a flag raised after the settlement leaves the gate open to question and refutes nothing', async () => {
    const chain = simulatedChain();
    chain.views['areAllPartiesCleared'] = () => `0x${'0'.repeat(64)}`;
    const report = await verify(chain.reader);
    expect(report.verdict).toBe('valid');
    expect(report.not_checked).toContain('on chain: all parties are cleared today');
  });

  it('contracts that are not the pinned ones are refuted', async () => {
    const contracts = [{ chain_id: fixture.HOME_CHAIN, coordinator: fixture.ESCROW, registry: fixture.REGISTRY }];
    const report = await verifyPack(JSON.stringify(fixture.settlementPack()), {
      trusted_keys: { ...fixture.trusted(), contracts },
    });
    expect(refuted(report.checks)).toEqual(['contracts are the pinned ones']);
  });
});
