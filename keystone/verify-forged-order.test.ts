import { describe, expect, it } from '@jest/globals';
import type { JsonObject, JsonValue } from './json.ts';
import * as cross from './testing/cross-chain.ts';
import { type Forgery, evidence, leg, legEverywhere, refutedBy, remote, set } from './testing/cross-forgery.ts';
import { at } from './testing/forgery.ts';
import * as fixture from './testing/packs.ts';

const REMOTE = `[${cross.REMOTE_CHAIN}]`;
const DECISION = `${REMOTE} prepared before it was decided`;
const PAYOUTS = `${REMOTE} decided before it paid out`;
const DEPOSITS = `${REMOTE} deposits came between opening and preparation`;
const PREPARED = `${REMOTE} PREPARED was counted before EXECUTE was decided`;
const EXECUTED = `${REMOTE} EXECUTED was counted before FINALIZED`;
const TIMES = `${REMOTE} block times do not contradict the messages`;

const place = (block: number, log_index: number, tx: string): JsonObject => ({
  ...cross.remotePoint(block, log_index, tx),
});
const homePlace = (block: number, log_index: number, tx: string): JsonObject => ({
  ...fixture.point(block, log_index, tx),
});

const ORDER: readonly Forgery[] = [
  ['a deposit before the gateway opened', [DEPOSITS], (pack) => set(remote(pack, 'opened'), place(5003, 9, 'c1'))],
  [
    'a deposit after the gateway had prepared',
    [DEPOSITS],
    (pack) => set(remote(pack, 'prepared'), place(5003, 9, 'c1')),
  ],
  ['a decision before PREPARED', [DECISION], (pack) => set(remote(pack, 'decided'), place(5003, 9, 'c1'))],
  ['a payout before the decision', [PAYOUTS], (pack) => set(remote(pack, 'decided'), place(5013, 4, 'b5'))],
  ['an execution before its payouts', [PAYOUTS], (pack) => set(remote(pack, 'executed'), place(5012, 1, 'c1'))],
  [
    'a PREPARED that was counted after the decision',
    [PREPARED],
    (pack) => set(remote(pack, 'votes', 'prepared'), homePlace(112, 0, 'c1')),
  ],
  [
    'a PREPARED that was counted before deposits opened',
    [PREPARED],
    (pack) => set(remote(pack, 'votes', 'prepared'), homePlace(100, 0, 'c1')),
  ],
  [
    'an EXECUTED that was counted after FINALIZED',
    [EXECUTED],
    (pack) => set(remote(pack, 'votes', 'executed'), homePlace(121, 0, 'c1')),
  ],
  [
    'an EXECUTED that was counted before EXECUTE',
    [EXECUTED],
    (pack) => set(remote(pack, 'votes', 'executed'), homePlace(109, 0, 'c1')),
  ],
  [
    'the same vote twice',
    ['every log is named once', EXECUTED],
    (pack) => {
      set(remote(pack, 'votes', 'executed'), homePlace(110, 0, 'a6'));
    },
  ],
  [
    'FINALIZED before a payout at home',
    ['stages happened in order', EXECUTED],
    (pack) => set(evidence(pack, 'finalised'), homePlace(111, 2, 'a7')),
  ],
  [
    'OPEN that arrived a day before it could be sent',
    [TIMES],
    (pack) => set(remote(pack, 'opened'), { block_timestamp_s: 1_789_900_000 }),
  ],
  [
    'a decision that arrived hours before it was made',
    [TIMES],
    (pack) => {
      // All later blocks of the home chain are moved, so that only the comparison of two clocks is left.
      for (const point of [evidence(pack, 'execution'), remote(pack, 'votes', 'prepared')]) {
        set(point, { block_timestamp_s: 1_790_003_900 });
      }
      for (const index of [0, 2]) {
        set(evidence(pack, 'payouts', index), { block_timestamp_s: 1_790_003_901 });
      }
      for (const point of [evidence(pack, 'finalised'), remote(pack, 'votes', 'executed')]) {
        set(point, { block_timestamp_s: 1_790_003_910 });
      }
      set(at(pack, 'settlement_block'), { timestamp_s: 1_790_003_900 });
      set(at(pack, 'settlement', 'attestation'), { settlement_timestamp_ms: 1_790_003_900_000 });
      for (const name of ['dvp:seller', 'dvp:buyer']) {
        set(at(pack, 'protocols', name, 'execution_object'), { executed_at_ms: 1_790_003_900_000 });
      }
    },
  ],
  [
    'a deposit in the second of the deadline',
    ['deposits precede the deadline'],
    (pack) => {
      const late = cross.terms.deadline_s;
      for (const point of [evidence(pack, 'deposits', 1), remote(pack, 'prepared')]) {
        set(point, { block_timestamp_s: late });
      }
      for (const point of [
        remote(pack, 'decided'),
        remote(pack, 'executed'),
        evidence(pack, 'payouts', 1),
        evidence(pack, 'payouts', 3),
        evidence(pack, 'fees_paid', 0),
      ]) {
        set(point, { block_timestamp_s: late });
      }
    },
  ],
  [
    'one block with two hashes',
    ['blocks do not contradict each other'],
    (pack) => set(remote(pack, 'executed'), { block_hash: `0x${'77'.repeat(32)}` }),
  ],
  [
    'one transaction in two blocks',
    ['blocks do not contradict each other', PAYOUTS],
    (pack) => set(evidence(pack, 'payouts', 3), place(5014, 5, 'b5')),
  ],
];

/** What the parties' mandates and decisions say about their legs. */
const AGREED = [
  '[dvp:seller] mandate amounts, assets and recipients are the settled ones',
  '[dvp:seller] decision legs are the settled ones',
  '[dvp:buyer] mandate amounts, assets and recipients are the settled ones',
];

const CONTRACTS: readonly Forgery[] = [
  [
    'a gateway that is not pinned',
    [`${REMOTE} contracts are the pinned ones`],
    (pack) => set(remote(pack), { gateway: fixture.address('6') }),
  ],
  [
    'a remote escrow that is not pinned',
    [`${REMOTE} contracts are the pinned ones`],
    (pack) => {
      set(remote(pack), { escrow: fixture.address('6') });
      for (const index of [1, 3]) {
        legEverywhere(pack, index, (each) => set(each, { escrow: fixture.address('6') }));
      }
    },
  ],
  [
    'a registry that is not pinned',
    ['contracts are the pinned ones'],
    (pack) => set(evidence(pack), { registry: fixture.address('6') }),
  ],
  [
    'a leg in another escrow than the gateway’s',
    [`${REMOTE} legs are in the gateway’s escrow`],
    (pack) => legEverywhere(pack, 3, (each) => set(each, { escrow: fixture.address('6') })),
  ],
  [
    'no evidence of the remote chain',
    ['remote chains are those of the legs'],
    (pack) => Reflect.deleteProperty(evidence(pack), 'remotes'),
  ],
  [
    'a remote chain twice',
    ['remote chains are those of the legs', 'every log is named once'],
    (pack) => {
      const remotes = evidence(pack)['remotes'] as JsonValue[];
      set(evidence(pack), { remotes: [...remotes, remotes[0] ?? null] });
    },
  ],
  [
    'a preparation on another chain',
    [`${REMOTE} points are of their chains`, DEPOSITS, DECISION],
    (pack) => set(remote(pack, 'prepared'), { ...homePlace(105, 0, 'c1') }),
  ],
  [
    'votes of the remote chain itself',
    [`${REMOTE} points are of their chains`, EXECUTED],
    (pack) => set(remote(pack, 'votes', 'executed'), place(5014, 0, 'c1')),
  ],
  [
    'neither a decision nor a release',
    [`${REMOTE} was decided once`, DECISION, PAYOUTS],
    (pack) => Reflect.deleteProperty(remote(pack), 'decided'),
  ],
  [
    'a decision and a release',
    [`${REMOTE} was decided once`],
    (pack) => set(remote(pack), { released: place(5011, 0, 'c1') }),
  ],
  [
    'settled legs of another settlement',
    ['settled legs are of this settlement'],
    (pack) => set(at(pack, 'settled_legs'), { settlement_id: fixture.SETTLEMENT_ID }),
  ],
  [
    'a leg that moved to another chain than it was agreed on',
    [
      'settled legs are the legs of the terms',
      'settled assets are their tokens',
      'settled legs name the recorded deposits',
      'settled legs name the recorded payouts',
      'openings name their party and chain',
      'contracts are the pinned ones',
      ...AGREED,
    ],
    (pack) => set(leg(pack, 3), { chain_id: fixture.HOME_CHAIN }),
  ],
  [
    'another token id than agreed',
    ['settled legs are the legs of the terms', ...AGREED],
    (pack) => set(leg(pack, 2), { token_id: '8', asset: `${fixture.HOME_CHAIN}/erc721:${cross.DEED}/8` }),
  ],
  [
    'another partition than agreed',
    ['settled legs are the legs of the terms', ...AGREED],
    (pack) => {
      const partition = `0x${'71'.repeat(32)}`;
      set(leg(pack, 3), { partition, asset: `${cross.REMOTE_CHAIN}/erc1400:${cross.FUND}/${partition}` });
    },
  ],
];

describe('a settlement across two chains, forged with the signing key at hand:', () => {
  it.each([...ORDER, ...CONTRACTS])('%s is refuted by %j, and by nothing else', async (_what, names, change) => {
    expect((await refutedBy(change)).toSorted()).toEqual(names.toSorted());
  });
});
