import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonValue } from './json.ts';
import { verifyPack } from './pack.ts';
import * as cross from './testing/cross-chain.ts';
import { type Forgery, evidence, legEverywhere, refutedBy, set } from './testing/cross-forgery.ts';
import { at } from './testing/forgery.ts';
import * as fixture from './testing/packs.ts';
import { attesterSetId } from './verify-parties.ts';

const honest = cross.crossChainPack();
const trusted_keys = cross.trusted();

function without(list: JsonValue | undefined, index: number): JsonValue {
  return (list as JsonValue[]).filter((_entry, position) => position !== index);
}

describe('an honest settlement across two chains', () => {
  it('is valid offline with nothing open but the chains themselves', async () => {
    const report = await verifyPack(JSON.stringify(honest), { trusted_keys });
    expect([report.verdict, report.not_checked]).toEqual([
      'valid',
      [`on chain: ${fixture.HOME_CHAIN} read again`, `on chain: ${cross.REMOTE_CHAIN} read again`],
    ]);
  });

  it('passes the published 6 + 10 per chain', async () => {
    const report = await verifyPack(JSON.stringify(honest), { mode: 'compatible' });
    expect([report.verdict, report.checks.length]).toEqual(['valid', 26]);
  });
});

describe('a pack that was made before packs of several chains', () => {
  it('stays valid, and what it does not state is listed as not checked', async () => {
    const text = readFileSync(join(import.meta.dirname, 'testing', 'pack-of-one-chain.json'), 'utf8');
    const report = await verifyPack(text, { trusted_keys: fixture.trusted() });
    expect([report.verdict, report.not_checked]).toEqual([
      'valid',
      [
        'openings name their party and chain',
        'attester set recomputes',
        'fees paid are the fees of the terms',
        'leg amounts balance',
        'fees follow the policy',
        'contracts are the pinned ones',
        `on chain: ${fixture.HOME_CHAIN} read again`,
      ],
    ]);
  });
});

const AMOUNTS: readonly Forgery[] = [
  [
    'a deposit of one base unit more',
    ['leg amounts balance'],
    (pack) => set(evidence(pack, 'deposits', 1), { amount_minor: '125469141027' }),
  ],
  [
    'a payout of one base unit less',
    ['leg amounts balance'],
    (pack) => set(evidence(pack, 'payouts', 1), { amount_minor: '125155859774' }),
  ],
  [
    'no stated deposit',
    ['leg amounts balance'],
    (pack) => Reflect.deleteProperty(evidence(pack, 'deposits', 0), 'amount_minor'),
  ],
  [
    'no stated payout',
    ['leg amounts balance'],
    (pack) => Reflect.deleteProperty(evidence(pack, 'payouts', 3), 'amount_minor'),
  ],
  [
    'a fee to another recipient',
    ['fees paid are the fees of the terms'],
    (pack) => set(evidence(pack, 'fees_paid', 0), { recipient: fixture.BUYER_WALLET }),
  ],
  [
    'a fee of another amount, the payout adjusted',
    ['fees paid are the fees of the terms'],
    (pack) => {
      set(evidence(pack, 'fees_paid', 0), { amount_minor: '313281250' });
      set(evidence(pack, 'payouts', 1), { amount_minor: '125155859776' });
    },
  ],
  [
    'a fee on another chain',
    [
      'fees paid are the fees of the terms',
      'fees were paid with their leg',
      'stages happened in order',
      'blocks do not contradict each other',
    ],
    (pack) => set(evidence(pack, 'fees_paid', 0), { chain_id: fixture.HOME_CHAIN, tx: `0x${'0'.repeat(62)}a7` }),
  ],
  [
    'a fee that nobody paid',
    ['fees paid are the fees of the terms', 'leg amounts balance'],
    (pack) => Reflect.deleteProperty(evidence(pack), 'fees_paid'),
  ],
  [
    'a fee paid by another transaction',
    ['fees were paid with their leg'],
    (pack) => set(evidence(pack, 'fees_paid', 0), { tx: `0x${'77'.repeat(32)}` }),
  ],
  [
    'a fee above the policy’s rate, agreed in the terms and paid',
    ['fees follow the policy'],
    (pack) => {
      const fee = '313281252';
      legEverywhere(pack, 1, (each) => set(each, { fees: [{ recipient: fixture.FEE_WALLET, amount_minor: fee }] }));
      set(evidence(pack, 'fees_paid', 0), { amount_minor: fee });
      set(evidence(pack, 'payouts', 1), { amount_minor: '125155859774' });
    },
  ],
  [
    'a fee to somebody whom the policy does not name',
    ['fees follow the policy'],
    (pack) => {
      const fee = { recipient: fixture.address('6'), amount_minor: cross.FEE };
      legEverywhere(pack, 1, (each) => set(each, { fees: [fee] }));
      set(evidence(pack, 'fees_paid', 0), fee);
    },
  ],
  [
    'a fee mode that would have made the fee another',
    ['fees follow the policy'],
    (pack) => {
      for (const name of ['dvp:seller', 'dvp:buyer']) {
        set(at(pack, 'protocols', name, 'policy_object', 'fees'), { mode: 'seller_pays' });
      }
    },
  ],
  [
    'policies that charge differently',
    ['all policies charge the same fees'],
    (pack) => set(at(pack, 'protocols', 'dvp:buyer', 'policy_object', 'fees'), { basis_points: 30 }),
  ],
];

const SIDE_CHECKS = ['wallets open their party hashes', 'wallets and their entities were screened'];

const PARTIES: readonly Forgery[] = [
  [
    'another deposit wallet than the screened one',
    [...SIDE_CHECKS, 'openings are of the legs’ wallets and of nothing else', 'openings name their party and chain'],
    (pack) => {
      legEverywhere(pack, 1, (each) => {
        if (typeof each['payer'] === 'string') {
          set(each, { payer: fixture.address('6') });
        }
      });
      set(evidence(pack, 'openings', 4), { wallet: fixture.address('6') });
    },
  ],
  [
    'the receive wallet in place of the deposit wallet',
    ['wallets open their party hashes', 'openings are of the legs’ wallets and of nothing else'],
    (pack) => {
      set(evidence(pack, 'terms', 'legs', 1), { payer: 7 });
      // Index 7 is paid by leg 3, so its opening stays; that of index 8 serves nobody.
    },
  ],
  [
    'a deposit wallet that nobody screened',
    ['every party was cleared before the decision was anchored', 'wallets and their entities were screened'],
    (pack) => {
      // The ninth party hash is the buyer's deposit wallet on the remote chain; one of the two attesters keeps silent.
      set(evidence(pack), { attestations: without(evidence(pack)['attestations'], 8) });
    },
  ],
  [
    'an entity of the remote chain that nobody screened',
    ['every party was cleared before the decision was anchored', 'wallets and their entities were screened'],
    (pack) => set(evidence(pack), { attestations: without(evidence(pack)['attestations'], 2) }),
  ],
  [
    'an opening of another role',
    ['openings name their party and chain', 'a participant id is of one party on one chain'],
    (pack) => set(evidence(pack, 'openings', 4), { role: 'seller' }),
  ],
  [
    'an opening of another chain',
    ['openings name their party and chain'],
    (pack) => set(evidence(pack, 'openings', 0), { chain_id: cross.REMOTE_CHAIN }),
  ],
  [
    'an opening twice',
    ['openings are of the legs’ wallets and of nothing else'],
    (pack) => {
      const openings = evidence(pack)['openings'] as JsonValue[];
      set(evidence(pack), { openings: [...openings, openings[0] ?? null] });
    },
  ],
  [
    'no openings at all',
    [...SIDE_CHECKS, 'openings name their party and chain'],
    (pack) => set(evidence(pack), { openings: [] }),
  ],
  [
    'a threshold of one where the set of the terms says two',
    ['attester set recomputes'],
    (pack) => set(evidence(pack, 'attester_set'), { threshold: 1 }),
  ],
  [
    'no attester set',
    ['attester set recomputes', 'attestations are by members of the attester set'],
    (pack) => Reflect.deleteProperty(evidence(pack), 'attester_set'),
  ],
  [
    'the word of somebody outside of the set',
    [
      'attestations are by members of the attester set',
      'every party was cleared before the decision was anchored',
      'wallets and their entities were screened',
    ],
    (pack) => set(evidence(pack, 'attestations', 1), { attester: fixture.address('6') }),
  ],
  [
    'one Pass where two are needed, and a Flagged of the other',
    ['every party was cleared before the decision was anchored', 'wallets and their entities were screened'],
    (pack) => set(evidence(pack, 'attestations', 1), { status: 2 }),
  ],
  [
    'a policy of another attester set',
    ['[dvp:seller] policy attester set is the terms’'],
    (pack) =>
      set(at(pack, 'protocols', 'dvp:seller', 'policy_object'), {
        attester_set: attesterSetId({ attesters: [fixture.ATTESTER], threshold: 1 }),
      }),
  ],
  [
    'a policy that names no attester set',
    ['[dvp:buyer] policy attester set is the terms’'],
    (pack) => Reflect.deleteProperty(at(pack, 'protocols', 'dvp:buyer', 'policy_object'), 'attester_set'),
  ],
];

describe('a settlement across two chains, forged with the signing key at hand:', () => {
  it.each([...AMOUNTS, ...PARTIES])('%s is refuted by %j, and by nothing else', async (_what, names, change) => {
    expect((await refutedBy(change)).toSorted()).toEqual(names.toSorted());
  });
});
